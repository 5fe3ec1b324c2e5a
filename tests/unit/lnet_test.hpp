// SPDX-License-Identifier: GPL-2.0
//
// What tests of LNet share: a machine that is started for each test, and that nothing is left
// behind.
#pragma once

#include <gtest/gtest.h>

#include "libcfs/host/host.hpp"
#include "libcfs/plat/core.h"

class LnetTest : public ::testing::Test
{
protected:
	void SetUp() override { ASSERT_EQ(cfs_core_start(), 0); }
	void TearDown() override
	{
		cfs_core_stop();
		EXPECT_EQ(cfs::host::memory_held(), "");
	}
};
