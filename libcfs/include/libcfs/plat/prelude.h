// SPDX-License-Identifier: GPL-2.0
//
// Force-included first into every C++ object of a kernel module, right after the headers that
// kbuild force-includes. It takes their macros away again (cxx_undef.h is generated from the target
// kernel; `auto`, `inline`, `noinline` and some two hundred more would change the meaning of C++),
// and stops a compile whose flags could not work in a kernel. Nobody includes it by hand.
#pragma once

#include "cxx_undef.h"

#ifdef __EXCEPTIONS
#error "kernel C++ is built with -fno-exceptions"
#endif
#ifdef __GXX_RTTI
#error "kernel C++ is built with -fno-rtti"
#endif
#if defined(__SSE__) || defined(__AVX__)
#error "kernel C++ is built without vector registers"
#endif
#if __cplusplus <= 202002L
#error "the core is C++23: use g++ 12 or later"
#endif
