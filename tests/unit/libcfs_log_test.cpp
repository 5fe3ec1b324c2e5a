// SPDX-License-Identifier: GPL-2.0
//
// The debug log: what is recorded, how dumps look, what the console gets (spec 08 sections 11, 13).
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "libcfs/log.hpp"
#include "libcfs/log_record.hpp"
#include "tests/unit/libcfs_machine.hpp"

using namespace cfs;

namespace
{

class Log : public MachineTest
{
protected:
	std::string file_ = testing::TempDir() + "cfs_log_" + std::to_string(getpid());

	void TearDown() override
	{
		MachineTest::TearDown();
		unlink(file_.c_str());
	}
	static std::string read(const std::string &path)
	{
		std::ifstream in(path, std::ios::binary);
		return {std::istreambuf_iterator<char>(in), {}};
	}
	/// Dumps the log and returns its records as lines of `lctl dk`.
	std::vector<std::string> dump()
	{
		EXPECT_EQ(set("dump_kernel", file_), 0);
		return lines_of(read(file_));
	}
	static std::vector<std::string> lines_of(const std::string &raw)
	{
		std::vector<std::string> lines;
		LogReader reader(as_bytes(raw));
		while (auto r = reader.next()) {
			char buf[5000];
			lines.emplace_back(format_to(buf, "{}", *r));
		}
		EXPECT_EQ(reader.bad(), 0u);
		return lines;
	}
	/// The part after "(file:line:func()) ".
	static std::string text_of(const std::string &line)
	{
		return line.substr(line.find(")) ") + 3);
	}
};

TEST_F(Log, RecordsWhatTheMasksWant)
{
	set("debug", "rpctrace");
	set("subsystem_debug", "rpc");
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "wanted {}", 1);
	CDEBUG(CFS_S_RPC, CFS_D_NET, "unwanted type");
	CDEBUG(CFS_S_LNET, CFS_D_RPCTRACE, "unwanted subsystem");
	CERROR(CFS_S_LNET, "errors always");
	auto lines = dump();
	ASSERT_EQ(lines.size(), 2u);
	EXPECT_EQ(text_of(lines[0]), "wanted 1");
	EXPECT_EQ(text_of(lines[1]), "errors always");
}

TEST_F(Log, EvaluatesNothingForUnwantedMessages)
{
	set("debug", "0");
	int calls = 0;
	CDEBUG(CFS_S_RPC, CFS_D_TRACE, "{}", ++calls);
	EXPECT_EQ(calls, 0);
	set("debug", "trace");
	CDEBUG(CFS_S_RPC, CFS_D_TRACE, "{}", ++calls);
	EXPECT_EQ(calls, 1);
}

TEST_F(Log, LinesLookLikeStock)
{
	set("debug", "vfstrace");
	int line = __LINE__ + 1;
	CDEBUG(CFS_S_LLITE, CFS_D_VFSTRACE, "VFS Op:inode={}", 7);
	auto lines = dump();
	ASSERT_EQ(lines.size(), 1u);
	unsigned cpu = 0;
	unsigned sec = 0;
	unsigned usec = 0;
	unsigned pid = 0;
	char rest[200];
	ASSERT_EQ(sscanf(lines[0].c_str(), "00000080:00200000:%u.0F:%u.%6u:0:%u:0:%199[^\n]", &cpu,
			 &sec, &usec, &pid, rest),
		  5);
	EXPECT_EQ(pid, cfs_thread_pid());
	EXPECT_LE(std::to_string(cfs_real_ns() / 1000000000), std::to_string(sec + 60));
	EXPECT_EQ(std::string(rest),
		  "(libcfs_log_test.cpp:" + std::to_string(line) + ":TestBody()) VFS Op:inode=7");
}

// A record of a stock system, see golden/admin/extra/11-debug-dk-mark.txt.
TEST(LogRecordTest, ReadsTheRecordOfAStockSystem)
{
	static const unsigned char head[] = {0x73, 0,	 0,    0, 1, 0, 0, 0, 0,    1, 0, 0,
					     0,	   0,	 0x10, 0, 1, 0, 0, 0, 0xbc, 8, 2, 0x6b,
					     0x5d, 0x52, 3,    0, 0, 0, 0, 0, 0,    0, 0, 0,
					     0xab, 0x16, 0,    0, 0, 0, 0, 0, 0x4d, 9, 0, 0};
	std::string raw(reinterpret_cast<const char *>(head), sizeof(head));
	raw += std::string("client.c\0ptlrpc_check_set\0", 26);
	raw += "Completed RPC req@000000002\n";
	raw.resize(0x72, '.');
	raw += "\n";
	LogReader reader(as_bytes(raw));
	auto r = reader.next();
	ASSERT_TRUE(r);
	char buf[200];
	EXPECT_EQ(format_to(buf, "{:.100}", format_to(std::span(buf).last(150), "{}", *r))
			  .substr(0, 89),
		  "00000100:00100000:1.0F:1795295420.217693:0:5803:0:(client.c:2381:ptlrpc_check_"
		  "set()) Comp");
	EXPECT_FALSE(reader.next());
}

TEST(LogRecordTest, SkipsAndCountsBadRecords)
{
	auto record = [](std::uint32_t line, std::string body) {
		LogRecordHeader h{};
		h.len = static_cast<std::uint32_t>(sizeof(h) + body.size());
		h.line = line;
		return std::string(reinterpret_cast<const char *>(&h), sizeof(h)) + body;
	};
	std::string good = record(1, std::string("f\0g\0t\n", 6));
	std::string no_newline = record(1, std::string("f\0g\0t", 5));
	std::string no_func = record(1, std::string("f\0g", 3));
	std::string bad_line = record(kLogLineMax + 1, std::string("f\0g\0t\n", 6));
	std::string dump = good + no_newline + no_func + bad_line + good;
	LogReader reader(as_bytes(dump));
	EXPECT_TRUE(reader.next());
	EXPECT_TRUE(reader.next());
	EXPECT_FALSE(reader.next());
	EXPECT_EQ(reader.bad(), 3u);

	for (std::size_t n = 0; n < good.size(); n++) {
		LogReader cut(as_bytes(std::string_view(good).substr(0, n)));
		EXPECT_FALSE(cut.next()) << n;
		EXPECT_EQ(cut.bad(), n ? 1u : 0u);
	}
}

TEST_F(Log, DumpingEmptiesTheRingAndMarksTheNextRecordAsFirst)
{
	CWARN(CFS_S_RPC, "one");
	CWARN(CFS_S_RPC, "two");
	EXPECT_EQ(dump().size(), 2u);
	EXPECT_EQ(dump().size(), 0u);
	cfs_log_clear();
	CWARN(CFS_S_RPC, "three");
	auto lines = dump();
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_NE(lines[0].find("0F:"), std::string::npos);
}

TEST_F(Log, RefusesToDumpToARelativePath)
{
	EXPECT_EQ(set("dump_kernel", "relative"), -EINVAL);
	EXPECT_EQ(set("dump_kernel", "/nonexistent/dir/file"), -ENOENT);
	EXPECT_EQ(set("dump_kernel", std::string(300, '/')), -ENAMETOOLONG);
}

TEST_F(Log, DumpsIntoNoFileThatOthersCouldHavePutThere)
{
	std::string other = file_ + ".other";
	std::ofstream(other) << "precious";
	ASSERT_EQ(link(other.c_str(), file_.c_str()), 0);
	EXPECT_EQ(set("dump_kernel", file_), -EPERM);
	unlink(file_.c_str());
	ASSERT_EQ(symlink(other.c_str(), file_.c_str()), 0);
	EXPECT_EQ(set("dump_kernel", file_), -ELOOP);
	unlink(file_.c_str());
	ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
	EXPECT_NE(set("dump_kernel", file_), 0);
	unlink(file_.c_str());
	EXPECT_EQ(read(other), "precious");
	EXPECT_EQ(set("dump_kernel", other), 0);
	EXPECT_NE(read(other), "precious");
	unlink(other.c_str());
}

TEST_F(Log, TheRingIsBoundedAndKeepsTheNewest)
{
	machine().log.ring.set_limit(2);
	set("printk", "emerg");
	set("debug", "trace");
	for (int i = 0; i < 1000; i++)
		CDEBUG(CFS_S_RPC, CFS_D_TRACE, "message {}", i);
	auto before = machine().log.ring.counters();
	EXPECT_EQ(before.recorded, 1000u);
	auto lines = dump();
	EXPECT_EQ(lines.size() + before.overwritten, 1000u);
	EXPECT_LT(lines.size(), 2 * machine().log.ring.cpus() * LogPage::kBytes / 60);
	EXPECT_EQ(text_of(lines.back()).substr(0, 8), "message ");
	bool newest = false;
	for (auto &l : lines)
		newest |= text_of(l) == "message 999";
	EXPECT_TRUE(newest);
}

TEST_F(Log, LongMessagesAreCutNotLost)
{
	set("printk", "emerg");
	CWARN(CFS_S_RPC, "{}", std::string(5000, 'x'));
	auto lines = dump();
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_EQ(text_of(lines[0]), std::string(kLogTextMax, 'x'));
}

TEST_F(Log, DebugMbCountsAsStockDoes)
{
	unsigned cpus = cfs_cpu_count();
	EXPECT_EQ(get("debug_mb"), std::to_string(5 * cpus + 1) + "\n");
	if (cpus == 2) {
		EXPECT_EQ(set("debug_mb", "7"), 0); // spec 08 11.3, as seen
		EXPECT_EQ(get("debug_mb"), "6\n");
	}
	console();
	EXPECT_EQ(set("debug_mb", "0"), 0);
	EXPECT_EQ(get("debug_mb"), std::to_string(cpus) + "\n");
	auto lines = console();
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_NE(lines[0].find("debug_mb: 0 is out of range"), std::string::npos);
	EXPECT_EQ(set("debug_mb", "99999999"), 0);
	EXPECT_NE(get("debug_mb"), "99999999\n");
}

TEST_F(Log, ConsoleLinesCarryTheirPrefix)
{
	int line = __LINE__ + 1;
	CERROR(CFS_S_OSC, "failed: {}", err::IO);
	CWARN(CFS_S_LNET, "odd");
	LCONSOLE_WARN(CFS_S_RPC, "to the user");
	LCONSOLE_ERROR(CFS_S_LND, "to the user");
	LCONSOLE_INFO(CFS_S_LLITE, "Mounted lustre-client");
	CDEBUG(CFS_S_RPC, CFS_D_TRACE, "not on the console");
	auto pid = std::to_string(cfs_thread_pid());
	auto at = [&](int n) {
		return pid + ":0:(libcfs_log_test.cpp:" + std::to_string(line + n) +
		       ":TestBody()) ";
	};
	EXPECT_EQ(console(), (std::vector<std::string>{
				     "LustreError: " + at(0) + "failed: -5 (EIO)",
				     "LNet: " + at(1) + "odd",
				     "Lustre: to the user",
				     "LNetError: to the user",
				     "Lustre: Mounted lustre-client",
			     }));
}

TEST_F(Log, SubsystemsCanBePrintedWhole)
{
	set("debug", "trace");
	set("subsystem_printk", std::to_string(1 << CFS_S_RPC));
	CDEBUG(CFS_S_RPC, CFS_D_TRACE, "printed");
	CDEBUG(CFS_S_OSC, CFS_D_TRACE, "not printed");
	CDEBUG(CFS_S_RPC, CFS_D_NET, "not even recorded");
	auto lines = console();
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_NE(lines[0].find("printed"), std::string::npos);
}

TEST_F(Log, RepeatedMessagesAreSuppressedAndCounted)
{
	auto say = [](int i) { LCONSOLE_WARN(CFS_S_RPC, "message {}", i); };
	set("console_min_delay_centisecs", "1");
	for (int i = 0; i < 5; i++)
		say(i);
	EXPECT_EQ(console(), (std::vector<std::string>{"Lustre: message 0"}));
	cfs_sleep_until(cfs_now_ns() + 110'000'000);
	say(5);
	EXPECT_EQ(console(),
		  (std::vector<std::string>{"Lustre: message 5",
					    "Lustre: Skipped 4 previous similar messages"}));
	set("console_ratelimit", "0");
	say(6);
	say(7);
	EXPECT_EQ(console().size(), 2u);
	EXPECT_EQ(machine().log.console.counters().suppressed, 4u);
}

TEST(ConsoleLimiterTest, DelaysGrowAndStartAnewAfterSilence)
{
	auto limiter = std::make_unique<ConsoleLimiter>();
	ConsoleLimiter::Settings set{Duration::millis(500), Duration::seconds(600), 2};
	const cfs_log_site site{"a.cpp", "f", 1, 0, 0, 0};
	Instant t = Instant::from_ns(0) + Duration::seconds(1000);
	std::vector<std::int64_t> gaps;
	Instant last = t;
	unsigned printed = 0;
	unsigned skipped = 0;
	for (; printed < 14; t = t + Duration::millis(100)) {
		auto v = limiter->ask(site, t, set);
		if (!v.print)
			continue;
		printed++;
		skipped += v.skipped;
		gaps.push_back((t - last).ms());
		last = t;
	}
	EXPECT_EQ(gaps, (std::vector<std::int64_t>{0, 500, 1000, 2000, 4000, 8000, 16000, 32000,
						   64000, 128000, 256000, 512000, 600000, 600000}));
	EXPECT_EQ(skipped,
		  static_cast<unsigned>((last - Instant::from_ns(0)).ms() / 100 - 10000 - 13));
	// Quiet for longer than the greatest delay: as if new.
	t = last + Duration::seconds(1201);
	EXPECT_TRUE(limiter->ask(site, t, set).print);
	EXPECT_FALSE(limiter->ask(site, t + Duration::millis(499), set).print);
	EXPECT_TRUE(limiter->ask(site, t + Duration::millis(500), set).print);
}

TEST(ConsoleLimiterTest, ForgetsSitesRatherThanGrow)
{
	auto limiter = std::make_unique<ConsoleLimiter>();
	ConsoleLimiter::Settings set{Duration::millis(500), Duration::seconds(600), 2};
	Instant t = Instant::from_ns(1);
	for (unsigned i = 0; i < 10 * ConsoleLimiter::kSites; i++) {
		const cfs_log_site site{"a.cpp", "f", i, 0, 0, 0};
		EXPECT_TRUE(limiter->ask(site, t, set).print);
	}
}

TEST_F(Log, MarkersAreNeverSuppressed)
{
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(set("debug_marker", "== test " + std::to_string(i) + "\n"), 0);
	EXPECT_EQ(console(), (std::vector<std::string>{"Lustre: DEBUG MARKER: == test 0",
						       "Lustre: DEBUG MARKER: == test 1",
						       "Lustre: DEBUG MARKER: == test 2"}));
	EXPECT_EQ(dump().size(), 3u);
}

TEST_F(Log, TheDaemonMovesRecordsToItsFile)
{
	EXPECT_EQ(get("daemon_file"), "\n");
	EXPECT_EQ(set("daemon_file", "size=20"), 0);
	EXPECT_EQ(set("daemon_file", file_), 0);
	EXPECT_EQ(get("daemon_file"), file_ + "\n");
	CWARN(CFS_S_RPC, "for the daemon");
	EXPECT_EQ(set("daemon_file", file_ + ".2"), 0); // a second start replaces the first
	CWARN(CFS_S_RPC, "for the second");
	EXPECT_EQ(set("daemon_file", "stop"), 0);
	EXPECT_EQ(set("daemon_file", "stop"), 0);
	EXPECT_EQ(get("daemon_file"), "\n");
	std::string all = read(file_) + read(file_ + ".2");
	unlink((file_ + ".2").c_str());
	EXPECT_NE(all.find("for the daemon"), std::string::npos);
	EXPECT_NE(all.find("for the second"), std::string::npos);
	EXPECT_EQ(console()[0], "Lustre: debug daemon will attempt to start writing to " + file_ +
					" (20480kB max)");
	EXPECT_EQ(set("daemon_file", "no path"), -EINVAL);
}

TEST_F(Log, FilesStartOverAtTheirLimit)
{
	LogFile file;
	ASSERT_TRUE(file.create(file_));
	set("printk", "emerg");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 200; i++)
			CWARN(CFS_S_RPC, "round {} message {}", round, i);
		LogPages pages;
		machine().log.ring.take(pages);
		ASSERT_TRUE(file.write(pages, 3 * LogPage::kBytes));
	}
	ASSERT_TRUE(file.close());
	EXPECT_LE(read(file_).size(), 3 * LogPage::kBytes);
}

TEST_F(Log, ManyThreadsLoseNothing)
{
	set("printk", "emerg");
	std::vector<std::thread> threads;
	for (int t = 0; t < 4; t++)
		threads.emplace_back([t] {
			for (int i = 0; i < 500; i++)
				CWARN(CFS_S_RPC, "thread {} message {}", t, i);
		});
	for (auto &t : threads)
		t.join();
	EXPECT_EQ(dump().size(), 2000u);
}

TEST_F(Log, AFailedAssertionIsACatastrophe)
{
	EXPECT_EQ(get("catastrophe"), "0\n");
	EXPECT_TRUE(cfs_log_lbug("/src/lustre/x.cpp", 12, "f", "refs > 0"));
	EXPECT_EQ(get("catastrophe"), "1\n");
	EXPECT_TRUE(cfs_core_catastrophe());
	auto pid = std::to_string(cfs_thread_pid());
	EXPECT_EQ(console(),
		  (std::vector<std::string>{
			  "LustreError: " + pid + ":0:(x.cpp:12:f()) ASSERTION( refs > 0 ) failed",
			  "LustreError: " + pid + ":0:(x.cpp:12:f()) LBUG"}));
	EXPECT_EQ(set("panic_on_lbug", "0"), 0);
	EXPECT_FALSE(cfs_log_lbug("x.cpp", 12, "f", "refs > 0"));
}

TEST_F(Log, TheDefaultDumpGoesToDebugPath)
{
	EXPECT_EQ(get("debug_path"), "/tmp/lustre-log\n");
	EXPECT_EQ(set("debug_path", file_), 0);
	CWARN(CFS_S_RPC, "evidence");
	auto from = cfs_real_ns() / 1000000000;
	cfs_log_dump_default();
	std::string found;
	for (auto sec = from; sec < from + 5; sec++) {
		auto name =
			file_ + "." + std::to_string(sec) + "." + std::to_string(cfs_thread_pid());
		found += read(name);
		unlink(name.c_str());
	}
	EXPECT_NE(found.find("evidence"), std::string::npos);

	EXPECT_EQ(set("debug_path", "NONE"), 0);
	console();
	cfs_log_dump_default();
	EXPECT_TRUE(console().empty());
	EXPECT_EQ(set("debug_path", "relative"), -EINVAL);
}

TEST(LogWithoutMachine, GoesToTheConsole)
{
	std::vector<std::string> lines;
	cfs::host::set_console(
		[&](cfs_console_level, std::string_view t) { lines.emplace_back(t); });
	CDEBUG(CFS_S_RPC, CFS_D_TRACE, "dropped");
	LCONSOLE_ERROR(CFS_S_RPC, "kept");
	cfs::host::set_console({});
	EXPECT_EQ(lines, (std::vector<std::string>{"LustreError: kept"}));
}

} // namespace
