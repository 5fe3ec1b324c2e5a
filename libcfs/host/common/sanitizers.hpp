// SPDX-License-Identifier: GPL-2.0
//
// CFS_ASAN and CFS_TSAN: defined when the code is built with that sanitizer, by either compiler.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define CFS_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CFS_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CFS_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CFS_TSAN 1
#endif
#endif
