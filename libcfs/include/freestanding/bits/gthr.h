// SPDX-License-Identifier: GPL-2.0
//
// No thread library: locks and threads are the platform's (libcfs/plat/). These names only let
// <memory> be parsed.
#pragma once

typedef int __gthread_mutex_t;
typedef int __gthread_recursive_mutex_t;
#define __GTHREAD_MUTEX_INIT 0
#define __GTHREAD_RECURSIVE_MUTEX_INIT 0

inline int __gthread_active_p()
{
	return 1;
}
