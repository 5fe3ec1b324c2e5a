// SPDX-License-Identifier: GPL-2.0
//
// Finding: core code refers to std::__throw_out_of_range_fmt
#include <array>

extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	std::array<int, 4> a{1, 2, 3, n};
	return a.at(static_cast<unsigned>(n));
}
