// SPDX-License-Identifier: GPL-2.0
//
// Boost.Config includes it on every Unix; nothing of it is used.
#pragma once
