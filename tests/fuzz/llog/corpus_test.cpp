// SPDX-License-Identifier: GPL-2.0
//
// The fuzz target's checks over every recorded log, whole and damaged, in every build.
#include <filesystem>

#include "libcfs/selftest/selftest.hpp"
#include "tests/fuzz/llog/walk_one.hpp"
#include "tests/fuzz/rounds.hpp"
#include "tests/unit/libcfs_machine.hpp"

#include <fstream>

namespace
{

class LlogCorpus : public MachineTest
{
protected:
	static std::vector<std::string> logs()
	{
		std::vector<std::string> all;
		for (const char *dir : {"/disk/llog", "/disk/used-MGS/CONFIGS"})
			for (auto &e : std::filesystem::directory_iterator(
				     std::string(CFS_GOLDEN_DATA) + dir)) {
				std::ifstream in(e.path(), std::ios::binary);
				all.emplace_back(std::istreambuf_iterator<char>(in),
						 std::istreambuf_iterator<char>());
			}
		EXPECT_GT(all.size(), 20u);
		return all;
	}
};

TEST_F(LlogCorpus, EveryLogIsWalked)
{
	for (auto &log : logs())
		fuzz_llog::walk_one(cfs::as_bytes(log));
}

TEST_F(LlogCorpus, DamagedLogsAreWalked)
{
	cfs::selftest::Numbers rng(3);
	auto all = logs();
	auto damage = [&rng](const std::string &log) {
		std::string bad = log.substr(0, 1 + rng.below(log.size()));
		for (unsigned k = 0; k < 8; k++) {
			// Headers and lengths more often than the rest.
			std::size_t at = rng.below(bad.size());
			if (k % 2)
				at = at / 4096 * 4096 + rng.below(100);
			if (at < bad.size())
				bad[at] = static_cast<char>(rng.next());
		}
		fuzz_llog::walk_one(cfs::as_bytes(bad));
	};
	for (fuzz::Rounds r; r.next();)
		for (auto &log : all)
			for (unsigned i = 0; i < 40; i++)
				damage(log);
}

} // namespace
