// SPDX-License-Identifier: GPL-2.0
//
// Fuzzes the readers of logs. The seeds are the logs in tests/golden/data/disk.
#include "libcfs/host/host.hpp"
#include "libcfs/plat/core.h"
#include "tests/fuzz/llog/walk_one.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size)
{
	static bool started = [] {
		cfs::host::spare_memory_checks();
		cfs::host::set_console([](cfs_console_level, std::string_view) {});
		return cfs_core_start() == 0;
	}();
	if (started)
		fuzz_llog::walk_one({reinterpret_cast<const std::byte *>(data), size});
	return 0;
}
