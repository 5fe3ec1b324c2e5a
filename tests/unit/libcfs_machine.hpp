// SPDX-License-Identifier: GPL-2.0
//
// What tests of libcfs core share: a machine that is started for each test, with its console
// caught.
#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "libcfs/host/host.hpp"
#include "libcfs/host/params.hpp"
#include "libcfs/machine.hpp"

class MachineTest : public testing::Test
{
	std::mutex lock_;
	std::vector<std::string> lines_;

protected:
	void SetUp() override
	{
		cfs::host::set_console([this](cfs_console_level, std::string_view text) {
			std::lock_guard g(lock_);
			lines_.emplace_back(text);
		});
		ASSERT_EQ(cfs_core_start(), 0);
	}
	void TearDown() override
	{
		cfs_core_stop();
		cfs::host::set_console({});
		EXPECT_EQ(cfs::host::memory_held(), "");
	}

	static cfs_machine &machine() { return *cfs_machine_get(); }
	/// The console so far, and forgets it.
	std::vector<std::string> console()
	{
		std::lock_guard g(lock_);
		return std::exchange(lines_, {});
	}
	/// Parameters of debugfs lnet/, as `cat` and `echo` see them.
	static std::string get(const std::string &name)
	{
		auto r = cfs::host::param_get(nullptr, CFS_PTREE_DEBUGFS, "lnet/" + name);
		return r ? *r : "error " + std::to_string(to_rc(r));
	}
	static int set(const std::string &name, const std::string &value)
	{
		return to_rc(
			cfs::host::param_set(nullptr, CFS_PTREE_DEBUGFS, "lnet/" + name, value));
	}
};
