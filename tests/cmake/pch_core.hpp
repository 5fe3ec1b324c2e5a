// SPDX-License-Identifier: GPL-2.0
//
// Precompiled for every library (option CFS_PCH): what most files include anyhow, and parsing is
// most of their compile time. No file may rely on it: kernel builds and the debug preset do
// without.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstring>
#include <expected>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "libcfs/containers.hpp"
#include "libcfs/format.hpp"
#include "libcfs/gate.hpp"
#include "libcfs/hash.hpp"
#include "libcfs/interval_tree.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/log.hpp"
#include "libcfs/machine.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/node.hpp"
#include "libcfs/param_group.hpp"
#include "libcfs/params.hpp"
#include "libcfs/result.hpp"
#include "libcfs/stats.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/time.hpp"
#include "libcfs/wait.hpp"
