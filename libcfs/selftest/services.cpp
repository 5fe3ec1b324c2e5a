// SPDX-License-Identifier: GPL-2.0
//
// The services of libcfs core: formatting, log, fail points, parameters, statistics, nodes. What
// they change in the machine they put back. The details are tested hosted (tests/unit/libcfs_*);
// this is to see them work in every world.
#include "libcfs/fail.hpp"
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "libcfs/params.hpp"
#include "libcfs/parse.hpp"
#include "libcfs/selftest/selftest.hpp"
#include "libcfs/stats.hpp"

namespace cfs::selftest
{

namespace
{

Result<> formatting(Run &run) noexcept
{
	char buf[64];
	CHECK(format_to(buf, "{} {:#x} {:5}|{:<4}|", -7, 255u, 42, "ab") == "-7 0xff    42|ab  |");
	CHECK(format_to(buf, "{}", err::TIMEDOUT) == "-110 (ETIMEDOUT)");
	CHECK(format_to(buf, "{} {}", ByteSize{1536}, Duration::millis(250)) == "1.5K 250ms");
	CHECK(format_to(std::span(buf).first(3), "{}", 123456) == "123");
	return {};
}

/// How many messages the ring has taken, from the parameter: libcfs is another module.
Result<std::uint64_t> messages_recorded() noexcept
{
	char buf[200];
	TRY(to_result(cfs_core_param_get("debug_log_stats", buf, sizeof(buf))));
	std::string_view rest(buf);
	std::string_view word = next_word(rest, " \n");
	if (word != "recorded:")
		return fail(err::PROTO);
	return parse_u64(next_word(rest, " \n"));
}

Result<> messages_reach_the_ring(Run &run) noexcept
{
	std::uint64_t before = TRY(messages_recorded());
	unsigned n = run.scale(200);
	TRY(in_threads(run, 3, [&](unsigned index) -> Result<> {
		for (unsigned i = 0; i < n; i++)
			CDEBUG(CFS_S_LIBCFS, CFS_D_CONSOLE, "selftest {} {}", index, i);
		return {};
	}));
	CHECK(TRY(messages_recorded()) - before >= 3u * n);
	return {};
}

/// A point that no code of ours has.
constexpr std::uint32_t kPoint = 0xfff1;

/// Arms a fail point, to fail once, for a scope.
class Armed
{
public:
	Armed() noexcept
	{
		char buf[32];
		format_cstr(buf, "{:#x}", kFailOnce | kPoint);
		(void)cfs_core_param_set("fail_loc", buf);
	}
	~Armed() { disarm(); }
	static void disarm() noexcept { (void)cfs_core_param_set("fail_loc", "0"); }
	Armed(const Armed &) = delete;
	Armed &operator=(const Armed &) = delete;
};

Result<> fail_points_fail_once(Run &run) noexcept
{
	CHECK(!fail_check(kPoint));
	Armed armed;
	std::atomic<unsigned> hits{0};
	TRY(in_threads(run, 3, [&](unsigned) -> Result<> {
		for (unsigned i = 0; i < 100; i++)
			hits.fetch_add(fail_check(kPoint) ? 1 : 0);
		return {};
	}));
	CHECK(hits.load() == 1);
	return {};
}

Result<> races_meet(Run &run) noexcept
{
	Armed armed;
	std::atomic<unsigned> through{0};
	auto racer = [&](unsigned) -> Result<> {
		fail_race(kPoint);
		through.fetch_add(1);
		return {};
	};
	Crew<decltype(racer)> crew(racer);
	auto started = crew.start(run, 2);
	if (!started)
		Armed::disarm(); // lets a lone first one go
	auto done = crew.join();
	TRY(started);
	TRY(done);
	CHECK(through.load() == 2);
	return {};
}

struct Tunable {
	std::atomic<std::uint32_t> rpcs{8};
	Stats stats;

	static const ParamInfo kParams[];
};

enum { kOpen, kRead };
constexpr StatInfo kStats[] = {
	{"open", "usecs", StatKind::values},
	{"read", "bytes", StatKind::squares},
};

constinit const ParamInfo Tunable::kParams[] = {
	param_int<&Tunable::rpcs>({.name = "rpcs",
				   .doc = "Requests at once.",
				   .unit = "RPCs",
				   .by_default = 8,
				   .min = 1,
				   .max = 256}),
	param_member<&Tunable::stats>(
		{.name = "stats", .doc = "Statistics.", .tree = CFS_PTREE_DEBUGFS}),
};

Result<> parameters_open_and_close(Run &run) noexcept
{
	Tunable t;
	TRY(t.stats.open(CFS_S_LIBCFS, kStats));
	ParamGroup root;
	ParamGroup group;
	TRY(root.open_root(run.node(), "lustre"));
	TRY(group.open(root, "selftest"));
	TRY(group.add(Tunable::kParams, &t));
	TRY(group.set("rpcs", "16\n"));
	CHECK(t.rpcs.load() == 16);
	auto r = group.set("rpcs", "0");
	CHECK(!r && r.error() == err::RANGE);
	r = group.set("nosuch", "0");
	CHECK(!r && r.error() == err::NOENT);
	char buf[16];
	FormatSink out(buf);
	TRY(group.show("rpcs", out));
	CHECK(out.text() == "16");
	return {};
}

Result<> statistics_add_up(Run &run) noexcept
{
	Stats stats;
	TRY(stats.open(CFS_S_LIBCFS, kStats));
	Histogram histogram;
	unsigned n = run.scale(2000);
	TRY(in_threads(run, 4, [&](unsigned) -> Result<> {
		for (unsigned i = 1; i <= n; i++) {
			stats.add(kRead, i);
			histogram.add_log2(i);
		}
		return {};
	}));
	StatValue v = stats.value(kRead);
	CHECK(v.count == 4u * n && v.min == 1 && v.max == n);
	CHECK(v.sum == 4 * (std::int64_t{n} * (n + 1) / 2));
	CHECK(histogram.total() == 4u * n);
	return {};
}

class TestPart final : public NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	static constexpr NodeSlot kNodeSlot = NodeSlot::test;

	static Result<UniquePtr<TestPart>> make(Node &) noexcept { return try_make<TestPart>(); }
	void destroy() noexcept override
	{
		this->~TestPart();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

Result<> nodes_have_parts(Run &run) noexcept
{
	unsigned n = run.scale(20);
	auto r = in_threads(run, 3, [&](unsigned) -> Result<> {
		for (unsigned i = 0; i < n; i++) {
			RefPtr<Node> node = TRY(Node::get(run.node()));
			CHECK(node->plat() == run.node());
			TestPart *part = TRY(node->part<TestPart>());
			CHECK(node->find_part<TestPart>() == part);
		}
		return {};
	});
	// Others may hold the node: the part must not outlive the test.
	drop_node_parts(NodeSlot::test);
	return r;
}

constexpr Test kTests[] = {
	{"Format", "PrintsWhatItIsGiven", formatting},
	{"Log", "MessagesReachTheRing", messages_reach_the_ring},
	{"Fail", "PointsFailOnce", fail_points_fail_once},
	{"Fail", "RacesMeet", races_meet},
	{"Params", "OpenAndClose", parameters_open_and_close},
	{"Stats", "AddUp", statistics_add_up},
	{"Node", "HaveParts", nodes_have_parts},
};

} // namespace

std::span<const Test> service_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
