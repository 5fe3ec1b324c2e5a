// SPDX-License-Identifier: GPL-2.0
//
// Precompiled for every test program (option CFS_PCH), see pch_core.hpp.
#pragma once

#include "pch_core.hpp"

#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
