// SPDX-License-Identifier: GPL-2.0
//
// Assertions: always on, for invariants of our own code only. What a peer, a disk or a user can
// cause is never asserted; it is an error path with a message.
#pragma once

#include "libcfs/plat/base.h"

/// Stops the machine (cfs_bug) when `cond` is false. The trap after the call ends the control flow
/// for the compiler and for objtool, which know nothing of our functions that do not return.
#define CFS_ASSERT(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) [[unlikely]] {                                                        \
			::cfs_bug(__FILE__, __LINE__, __func__, #cond);                            \
			__builtin_trap();                                                          \
		}                                                                                  \
	} while (0)

/// Marks a place that control never reaches.
#define CFS_UNREACHABLE(what)                                                                      \
	do {                                                                                       \
		::cfs_bug(__FILE__, __LINE__, __func__, what);                                     \
		__builtin_trap();                                                                  \
	} while (0)
