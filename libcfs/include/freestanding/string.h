// SPDX-License-Identifier: GPL-2.0
//
// The functions that the compiler itself may call and that every kernel exports.
#pragma once

#include <stddef.h>

extern "C" {
void *memcpy(void *, const void *, size_t) noexcept;
void *memmove(void *, const void *, size_t) noexcept;
void *memset(void *, int, size_t) noexcept;
int memcmp(const void *, const void *, size_t) noexcept;
void *memchr(const void *, int, size_t) noexcept;
size_t strlen(const char *) noexcept;
}
