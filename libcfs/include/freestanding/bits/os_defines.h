// SPDX-License-Identifier: GPL-2.0
//
// Replaces libstdc++'s own, which includes the C library's <features.h>.
#pragma once
