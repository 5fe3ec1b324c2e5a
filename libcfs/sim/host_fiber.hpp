// SPDX-License-Identifier: GPL-2.0
//
// The stand-in for code that runs in no fiber: before, between and after runs. It can use the
// boundary as long as nothing has to wait.
#pragma once

#include "libcfs/sim/sched.hpp"

namespace cfs::sim
{

Fiber &host_fiber() noexcept;
/// Notes where the host's stack is, before a run leaves it.
void host_fiber_enter() noexcept;

} // namespace cfs::sim
