// SPDX-License-Identifier: GPL-2.0
//
// main() of GoogleTest programs with simulations.
#include <gtest/gtest.h>

#include "libcfs/sim/seeds.hpp"

int main(int argc, char **argv)
{
	cfs::sim::parse_seed_flags(argc, argv);
	testing::InitGoogleTest(&argc, argv);
	return RUN_ALL_TESTS();
}
