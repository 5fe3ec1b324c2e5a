// SPDX-License-Identifier: GPL-2.0
//
// Parameters: declaration to file and back, errors, folders; and the reference of libcfs' own.
#include <thread>

#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/params.hpp"
#include "tests/unit/libcfs_machine.hpp"

using namespace cfs;

namespace
{

enum class Mode : std::uint8_t { off, slow, fast };
constexpr std::string_view kModes[] = {"off", "slow", "fast"};
constexpr MaskRules kMask{kDebugTypeNames, 0, 0};

/// A class with a parameter of every kind.
struct Device {
	std::atomic<std::uint32_t> rpcs{8};
	std::atomic<std::int32_t> offset{-1};
	std::atomic<std::uint64_t> bytes{64 << 20};
	std::atomic<std::int64_t> timeout_ns{100'000'000'000};
	std::atomic<std::uint32_t> percent{17};
	std::atomic<bool> active{true};
	std::atomic<Mode> mode{Mode::slow};
	std::atomic<std::uint32_t> mask{3};
	std::atomic<int> flushes{0};
	std::string note = "hello";
	std::atomic<bool> in_slow{false};
	std::atomic<bool> leave_slow{false};

	Result<> set_even(std::uint32_t v) noexcept
	{
		if (v % 2)
			return fail(err::INVAL);
		rpcs = v;
		return {};
	}
	std::uint64_t count() noexcept { return 42; }
	void show_note(FormatSink &out) noexcept { out.print("{}", note); }
	void set_note(std::string_view s) noexcept { note = s; }
	void flush(std::string_view) noexcept { flushes++; }
	void show_lines(FormatSink &out) noexcept
	{
		for (int i = 0; i < 1000; i++)
			out.print("line {}\n", i);
	}
	Result<> show_broken(FormatSink &) noexcept { return fail(err::NODEV); }
	void show_slow(FormatSink &out) noexcept
	{
		in_slow = true;
		while (!leave_slow)
			cfs_yield();
		out.put("done");
	}

	static const ParamInfo kParams[];
	static const ParamInfo kSlow[];
};

constinit const ParamInfo Device::kParams[] = {
	param_int<&Device::rpcs>({.name = "rpcs",
				  .doc = "Requests at once.",
				  .unit = "RPCs",
				  .by_default = 8,
				  .min = 1,
				  .max = 256}),
	param_int<&Device::rpcs, &Device::set_even>({.name = "even", .doc = "An even number."}),
	param_int<&Device::offset>({.name = "offset", .doc = "May be negative.", .min = -100}),
	param_int<&Device::count>({.name = "count", .doc = "Read only by nature."}),
	param_int<&Device::rpcs>(
		{.name = "rpcs_ro", .doc = "Read only by wish.", .read_only = true}),
	param_size<&Device::bytes>({.name = "max_mb",
				    .doc = "A size.",
				    .by_default = 64,
				    .min = 1,
				    .max = 2048,
				    .scale = kScaleMiB}),
	param_duration<&Device::timeout_ns>({.name = "timeout",
					     .doc = "A time.",
					     .by_default = 100,
					     .min = 1,
					     .max = 600,
					     .scale = kScaleSec}),
	param_percent<&Device::percent>({.name = "prio", .doc = "A share.", .by_default = 17}),
	param_bool<&Device::active>({.name = "active", .doc = "A switch.", .by_default = 1}),
	param_choice<&Device::mode>({.name = "mode", .doc = "A choice.", .words = kModes}),
	param_mask<&Device::mask>({.name = "mask", .doc = "A set.", .mask = &kMask}),
	param_text<&Device::show_note, &Device::set_note>({.name = "note", .doc = "Free text."}),
	param_text<nullptr, &Device::flush>({.name = "flush", .doc = "An action."}),
	param_text<&Device::show_lines>(
		{.name = "lines", .doc = "Many lines.", .tree = CFS_PTREE_DEBUGFS}),
	param_text<&Device::show_broken>({.name = "broken", .doc = "An error."}),
};

constinit const ParamInfo Device::kSlow[] = {
	param_text<&Device::show_slow>({.name = "slow", .doc = "Takes its time."}),
};

class Params : public MachineTest
{
protected:
	Device device_;
	ParamGroup root_;
	ParamGroup group_;

	void SetUp() override
	{
		MachineTest::SetUp();
		ASSERT_TRUE(root_.open_root(nullptr, "lustre"));
		ASSERT_TRUE(group_.open(root_, "dev-OST0000"));
		ASSERT_TRUE(group_.add(Device::kParams, &device_));
	}
	void TearDown() override
	{
		group_.close();
		root_.close();
		MachineTest::TearDown();
	}
	static std::string get(const std::string &name, cfs_ptree tree = CFS_PTREE_SYSFS)
	{
		std::string dir = tree == CFS_PTREE_SYSFS ? "fs/lustre/" : "lustre/";
		auto r = cfs::host::param_get(nullptr, tree, dir + "dev-OST0000/" + name);
		return r ? *r : "error " + std::to_string(to_rc(r));
	}
	static int set(const std::string &name, const std::string &value)
	{
		return to_rc(cfs::host::param_set(nullptr, CFS_PTREE_SYSFS,
						  "fs/lustre/dev-OST0000/" + name, value));
	}
};

TEST_F(Params, EveryKindReadsAsItWasWritten)
{
	struct {
		const char *name;
		const char *before;
		const char *write;
		const char *after;
	} const cases[] = {
		{"rpcs", "8\n", "0x10\n", "16\n"},
		{"offset", "-1\n", "-100", "-100\n"},
		{"max_mb", "64\n", "1.5G", "1536\n"},
		{"timeout", "100\n", "600", "600\n"},
		{"prio", "17%\n", "90%\n", "90%\n"},
		{"active", "1\n", "off\n", "0\n"},
		{"mode", "slow\n", "FAST\n", "fast\n"},
		{"mask", "trace inode\n", "+super", "trace inode super\n"},
		{"note", "hello\n", " a = b \n", "a = b\n"},
	};
	for (auto &c : cases) {
		EXPECT_EQ(get(c.name), c.before);
		EXPECT_EQ(set(c.name, c.write), 0) << c.name;
		EXPECT_EQ(get(c.name), c.after);
	}
	EXPECT_EQ(device_.bytes, 1536ull << 20);
	EXPECT_EQ(device_.timeout_ns, 600'000'000'000);
	EXPECT_EQ(device_.mode, Mode::fast);
}

TEST_F(Params, OutOfRangeIsRefusedWithAMessageThatNamesTheParameter)
{
	for (const char *v : {"0", "257", "99999999999", "99999999999999999999999"})
		EXPECT_EQ(set("rpcs", v), -ERANGE) << v;
	EXPECT_EQ(set("offset", "-101"), -ERANGE);
	EXPECT_EQ(set("offset", "2147483648"), -ERANGE);
	EXPECT_EQ(set("max_mb", "3000"), -ERANGE);
	EXPECT_EQ(set("max_mb", "100K"), -ERANGE);
	EXPECT_EQ(set("timeout", "601"), -ERANGE);
	EXPECT_EQ(set("timeout", "18446744073709551615"), -ERANGE);
	EXPECT_EQ(set("prio", "101%"), -ERANGE);
	EXPECT_EQ(device_.rpcs, 8u);
	EXPECT_EQ(console()[0], "Lustre: dev-OST0000.rpcs: 0 is out of range 1..256 RPCs");
}

TEST_F(Params, NonsenseIsRefusedWithAMessageThatNamesTheParameter)
{
	EXPECT_EQ(set("timeout", "abc\n"), -EINVAL);
	EXPECT_EQ(console()[0], "Lustre: dev-OST0000.timeout: cannot set to 'abc', which should be "
				"a duration: -22 (EINVAL)");
	EXPECT_EQ(set("rpcs", "-1"), -EINVAL);
	EXPECT_EQ(set("rpcs", ""), -EINVAL);
	EXPECT_EQ(set("even", "3"), -EINVAL);
	EXPECT_EQ(set("mode", "medium"), -EINVAL);
	EXPECT_EQ(set("active", "maybe"), -EINVAL);
	EXPECT_EQ(set("prio", "%"), -EINVAL);
	console();
	EXPECT_EQ(set("mask", "trace foo"), -EINVAL);
	auto lines = console();
	ASSERT_FALSE(lines.empty());
	EXPECT_NE(lines[0].find("unknown mask 'foo'."), std::string::npos);
	EXPECT_EQ(device_.mask, 3u);
}

TEST_F(Params, SettersDecide)
{
	EXPECT_EQ(set("even", "4"), 0);
	EXPECT_EQ(device_.rpcs, 4u);
	EXPECT_EQ(set("flush", "1"), 0);
	EXPECT_EQ(device_.flushes, 1);
}

TEST_F(Params, ModesTellTheTruth)
{
	std::map<std::string, unsigned> modes;
	for (auto &f : cfs::host::param_list(nullptr, CFS_PTREE_SYSFS, "fs/lustre/dev-OST0000"))
		modes[f.path.substr(f.path.rfind('/') + 1)] = f.mode;
	EXPECT_EQ(modes["rpcs"], 0644u);
	EXPECT_EQ(modes["count"], 0444u);
	EXPECT_EQ(modes["rpcs_ro"], 0444u);
	EXPECT_EQ(modes["flush"], 0200u);
	EXPECT_EQ(modes.size(), std::size(Device::kParams) - 1); // one is in debugfs
	EXPECT_EQ(set("count", "1"), -EACCES);
	EXPECT_EQ(get("flush"), "error -13");
}

TEST_F(Params, LongTextsAndErrorsOfHandlers)
{
	std::string lines = get("lines", CFS_PTREE_DEBUGFS);
	EXPECT_EQ(lines.size(), 8890u);
	EXPECT_EQ(lines.substr(lines.size() - 9), "line 999\n");
	EXPECT_EQ(get("broken"), "error -19");
}

TEST_F(Params, ConfigurationLogsSetByName)
{
	EXPECT_TRUE(group_.set("rpcs", "32"));
	EXPECT_EQ(device_.rpcs, 32u);
	EXPECT_EQ(to_rc(group_.set("nosuch", "1")), -ENOENT);
	EXPECT_EQ(to_rc(group_.set("count", "1")), -EACCES);
	EXPECT_EQ(to_rc(group_.set("rpcs", "0")), -ERANGE);
}

TEST_F(Params, BadFoldersAreRefused)
{
	ParamGroup g;
	EXPECT_EQ(to_rc(g.open(root_, "")), -EINVAL);
	EXPECT_EQ(to_rc(g.open(root_, "a/b")), -EINVAL);
	EXPECT_EQ(to_rc(g.open(root_, std::string(200, 'x'))), -ENAMETOOLONG);
	EXPECT_EQ(to_rc(g.open_root(nullptr, "proc")), -EINVAL);
	EXPECT_FALSE(g.is_open());
}

TEST_F(Params, FoldersNestAndClose)
{
	ParamGroup type;
	ParamGroup device;
	Device d;
	ASSERT_TRUE(type.open(root_, "osc"));
	ASSERT_TRUE(device.open(type, "fs-OST0001-osc"));
	ASSERT_TRUE(device.add(Device::kParams, &d));
	EXPECT_TRUE(cfs::host::param_get(nullptr, CFS_PTREE_SYSFS,
					 "fs/lustre/osc/fs-OST0001-osc/rpcs"));
	EXPECT_FALSE(device.set("rpcs", "0"));
	EXPECT_EQ(console()[0], "Lustre: osc.fs-OST0001-osc.rpcs: 0 is out of range 1..256 RPCs");
	device.close();
	type.close();
	EXPECT_TRUE(cfs::host::param_list(nullptr, CFS_PTREE_SYSFS, "fs/lustre/osc").empty());
	EXPECT_EQ(get("rpcs"), "8\n");
}

TEST_F(Params, ClosingWaitsForRunningHandlers)
{
	ASSERT_TRUE(group_.add(Device::kSlow, &device_));
	std::thread reader([] {
		EXPECT_EQ(*cfs::host::param_get(nullptr, CFS_PTREE_SYSFS,
						"fs/lustre/dev-OST0000/slow"),
			  "done\n");
	});
	while (!device_.in_slow)
		std::this_thread::yield();
	std::thread closer([&] { group_.close(); });
	device_.leave_slow = true;
	closer.join();
	reader.join();
}

TEST_F(Params, AddingTheSameNameTwiceFailsAndLeavesNothing)
{
	EXPECT_FALSE(group_.add(Device::kParams, &device_));
	EXPECT_EQ(get("rpcs"), "8\n");
	EXPECT_EQ(cfs::host::param_list(nullptr, CFS_PTREE_SYSFS, "fs/lustre/dev-OST0000").size(),
		  std::size(Device::kParams) - 1);
}

TEST_F(Params, AFolderIsMadeOnce)
{
	ParamGroup twin, inner;
	EXPECT_EQ(to_rc(twin.open(root_, "dev-OST0000")), -EEXIST);
	EXPECT_TRUE(inner.open(group_, "dev-OST0000"));
	inner.close();
	group_.close();
	EXPECT_TRUE(twin.open(root_, "dev-OST0000"));
}

TEST_F(Params, EveryAllocationMayFail)
{
	auto report = cfs::host::fail_each_site([this]() -> Result<> {
		ParamGroup g;
		TRY(g.open(root_, "oom"));
		return g.add(Device::kParams, &device_);
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_GT(report.runs.size(), 3u);
}

TEST(ParamsWithoutMachine, StartingMayFailAnywhere)
{
	auto report = cfs::host::fail_each_site([]() -> Result<> {
		int rc = cfs_core_start();
		if (rc == 0)
			cfs_core_stop();
		return to_result(rc);
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_GT(report.runs.size(), 3u);
	ParamGroup g;
	EXPECT_EQ(to_rc(g.open_root(nullptr, "lustre")), -ESHUTDOWN);
}

// The reference of parameters is made of these lines; here each must say something.
TEST_F(Params, EveryParameterIsDocumented)
{
	cfs_machine &m = machine();
	MutexGuard guard(m.groups_lock);
	unsigned count = 0;
	for_each_param(m.groups, [&](const cfs_param_group &g, const ParamInfo &info) {
		char path[200];
		FormatSink where(path);
		g.print_path(where);
		char buf[1000];
		FormatSink out(buf);
		print_param_doc(out, where.text(), info);
		std::string line(out.text());
		EXPECT_GT(std::string_view(info.spec.doc).size(), 5u) << line;
		EXPECT_EQ(info.spec.doc[std::strlen(info.spec.doc) - 1], '.') << line;
		EXPECT_EQ(line.back(), '\n');
		count++;
		if (std::string_view(info.spec.name) == "rpcs") {
			EXPECT_EQ(line, "dev-OST0000.rpcs (number, read and write, RPCs, 1..256, "
					"default 8): Requests at once.\n");
		}
		if (std::string_view(info.spec.name) == "mode") {
			EXPECT_EQ(line, "dev-OST0000.mode (word, read and write, one of off slow "
					"fast): A choice.\n");
		}
	});
	EXPECT_GT(count, std::size(Device::kParams) + 15);
}

class LibcfsParams : public MachineTest
{
};

TEST_F(LibcfsParams, DefaultsAreStocks)
{
	const std::pair<const char *, const char *> expected[] = {
		{"catastrophe", "0\n"},
		{"console_backoff", "2\n"},
		{"console_max_delay_centisecs", "6000\n"},
		{"console_min_delay_centisecs", "5\n"},
		{"console_ratelimit", "1\n"},
		{"daemon_file", "\n"},
		{"debug", "ioctl neterror warning error emerg ha config console lfsck\n"},
		{"debug_path", "/tmp/lustre-log\n"},
		{"fail_err", "0\n"},
		{"fail_loc", "0\n"},
		{"fail_val", "0\n"},
		{"panic_on_lbug", "1\n"},
		{"printk", "warning error emerg console\n"},
		{"subsystem_printk", "0\n"},
	};
	for (auto &[name, value] : expected)
		EXPECT_EQ(get(name), value) << name;
	EXPECT_TRUE(cfs::host::param_get(nullptr, CFS_PTREE_SYSFS, "fs/lustre/memused"));
}

TEST_F(LibcfsParams, DebugTakesWhatTheTestFrameworkWrites)
{
	EXPECT_EQ(set("debug", "vfstrace rpctrace dlmtrace neterror ha config ioctl super lfsck"),
		  0);
	EXPECT_EQ(set("subsystem_debug", "all"), 0);
	EXPECT_EQ(set("debug", "-1"), 0);
	EXPECT_TRUE(console().empty());
	EXPECT_EQ(set("debug", "0x100"), 0);
	auto pid = std::to_string(cfs_thread_pid());
	auto lines = console();
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_EQ(lines[0].substr(0, 6 + pid.size()), "LNet: " + pid);
	EXPECT_NE(lines[0].find("using a numerical debug mask is deprecated"), std::string::npos);
	EXPECT_EQ(get("debug"), "neterror\n");
	EXPECT_EQ(set("debug", "+rpctrace"), 0);
	EXPECT_EQ(get("debug"), "neterror rpctrace\n");
	EXPECT_EQ(set("debug", "foo"), -EINVAL);
}

TEST_F(LibcfsParams, FailLocReadsBackAsStockPrintsIt)
{
	EXPECT_EQ(set("fail_loc", "0x80000123"), 0);
	EXPECT_EQ(get("fail_loc"), "2147483939\n");
	EXPECT_EQ(set("fail_loc", "0"), 0);
	EXPECT_EQ(set("fail_val", "4294967295"), 0);
	EXPECT_EQ(set("fail_err", "-28"), 0);
	EXPECT_EQ(get("fail_err"), "-28\n");
	EXPECT_EQ(cfs_fail_err(), -28);
}

TEST_F(LibcfsParams, ModuleParametersReachTheSameValues)
{
	char buf[64];
	EXPECT_EQ(cfs_core_param_set("panic_on_lbug", "0"), 0);
	EXPECT_EQ(get("panic_on_lbug"), "0\n");
	EXPECT_EQ(cfs_core_param_get("panic_on_lbug", buf, sizeof(buf)), 0);
	EXPECT_STREQ(buf, "0");
	EXPECT_EQ(cfs_core_param_set("nosuch", "0"), -ENOENT);
	EXPECT_EQ(cfs_core_param_get("debug", buf, 6), 0);
	EXPECT_STREQ(buf, "ioctl");
}

} // namespace
