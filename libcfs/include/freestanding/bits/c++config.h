// SPDX-License-Identifier: GPL-2.0
//
// libstdc++'s configuration with what needs an operating system taken out (threads, futexes, wide
// characters), and its precondition checks (a span's bounds, an empty optional, an expected's wrong
// side) always on: they stop the machine like any broken invariant. The trap after cfs_bug() ends
// the flow for objtool, which knows no noreturn function of ours.
#pragma once

#include_next <bits/c++config.h>

#undef _GLIBCXX_HAS_GTHREADS
#undef _GLIBCXX_HAVE_LINUX_FUTEX
#undef _GLIBCXX_HAVE_WCHAR_H
#undef _GLIBCXX_USE_WCHAR_T

extern "C" void cfs_bug(const char *file, int line, const char *func, const char *what) noexcept;

#undef __glibcxx_assert
#define __glibcxx_assert(cond)                                                                     \
	do {                                                                                       \
		if (__builtin_expect(!bool(cond), false)) {                                        \
			__glibcxx_constexpr_assert(false);                                         \
			cfs_bug(__FILE__, __LINE__, __func__, #cond);                              \
			__builtin_trap();                                                          \
		}                                                                                  \
	} while (false)

#undef _GLIBCXX_THROW_OR_ABORT
#define _GLIBCXX_THROW_OR_ABORT(exception)                                                         \
	(cfs_bug(__FILE__, __LINE__, __func__, #exception), __builtin_trap())
