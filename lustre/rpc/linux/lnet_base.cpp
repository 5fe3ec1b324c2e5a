// SPDX-License-Identifier: GPL-2.0
//
// The parts of LNet's core without state that RPC uses too. No C++ name is exported between
// modules, so ptlrpc.ko has its own copy, as it has of the C++ run-time library.

// clang-format off
#include "lnet/nid.cpp"
// clang-format on
