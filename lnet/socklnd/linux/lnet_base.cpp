// SPDX-License-Identifier: GPL-2.0
//
// The parts of LNet's core without state that the driver uses too: NIDs, headers, walking buffers.
// No C++ name is exported between modules, so ksocklnd.ko has its own copy, as it has of the C++
// run-time library.

// clang-format off
#include "lnet/buffer.cpp"
#include "lnet/header.cpp"
#include "lnet/nid.cpp"
// clang-format on
