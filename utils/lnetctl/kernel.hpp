// SPDX-License-Identifier: GPL-2.0
//
// The running kernel as the tools' System.
#pragma once

#include <memory>

#include "lnetctl/system.hpp"

namespace lnetctl
{

[[nodiscard]] std::unique_ptr<System> make_kernel();

} // namespace lnetctl
