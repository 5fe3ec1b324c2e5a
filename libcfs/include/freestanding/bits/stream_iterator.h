// SPDX-License-Identifier: GPL-2.0
//
// No streams.
#pragma once
