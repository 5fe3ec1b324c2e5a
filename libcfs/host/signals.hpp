// SPDX-License-Identifier: GPL-2.0
//
// Signals in hosted worlds, which have no users to send them: for tests of killable and
// interruptible waits. Both back ends.
#pragma once

#include "libcfs/plat/thread.h"

namespace cfs::host
{

/// Sends a thread a fatal signal, or one that only ends interruptible waits. Stays pending for the
/// rest of its life.
void kill(cfs_thread *t) noexcept;
void interrupt(cfs_thread *t) noexcept;
/// The same for the calling thread, and taking back whatever was sent to it.
void kill_self() noexcept;
void clear_signals() noexcept;

} // namespace cfs::host
