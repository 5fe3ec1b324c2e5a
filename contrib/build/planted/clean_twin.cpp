// SPDX-License-Identifier: GPL-2.0
//
// The second user of clean.hpp.
#include "clean.hpp"

int planted_twin(int n)
{
	return planted_use(n);
}
