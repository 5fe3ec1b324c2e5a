// SPDX-License-Identifier: GPL-2.0
//
// BOOST_ASSERT ends here: the link checks of Boost.Intrusive are always on, and stop the machine
// like any broken invariant.
#pragma once

#include "libcfs/plat/base.h"

#define assert(e)                                                                                  \
	(__builtin_expect(!(e), 0) ? (cfs_bug(__FILE__, __LINE__, __func__, #e), __builtin_trap()) \
				   : (void)0)
