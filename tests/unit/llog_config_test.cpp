// SPDX-License-Identifier: GPL-2.0
//
// Configuration logs: what their reader tells, and what it leaves out.
#include "tests/unit/llog_fixture.hpp"

namespace
{

using namespace llog_test;
using cfs::err::OPNOTSUPP;
using cfs::err::PROTO;
using llog::ConfigReader;
using wire::LcfgCommand;

/// Writes down what it is told.
class Told final : public llog::ConfigHandler
{
public:
	std::vector<std::string> lines;
	bool fail = false;

	using sv = std::string_view;
	template <typename... Args>
	cfs::Result<> note(Args... args)
	{
		std::string line;
		((line += std::string(args), line += ' '), ...);
		line.pop_back();
		lines.push_back(line);
		if (fail)
			return cfs::fail(cfs::err::NOMEM);
		return {};
	}
	static std::string num(std::uint64_t n) { return std::to_string(n); }

	cfs::Result<> attach(sv d, sv t, sv u) noexcept override { return note("attach", d, t, u); }
	cfs::Result<> setup(sv d, std::span<const cfs::Bytes> args) noexcept override
	{
		std::string all;
		for (auto a : args)
			all += (a.size() == sizeof(wire::LovDesc)
					? std::string("desc")
					: std::string(cfs::as_string(a))) +
			       ",";
		return note("setup", d, all);
	}
	cfs::Result<> add_uuid(sv node, std::uint64_t nid, sv text) noexcept override
	{
		return note("add_uuid", node, num(nid), text);
	}
	cfs::Result<> add_conn(sv d, sv n) noexcept override { return note("add_conn", d, n); }
	cfs::Result<> mount_opts(sv p, sv lov, sv lmv) noexcept override
	{
		return note("mount_opts", p, lov, lmv);
	}
	cfs::Result<> add_ost(const Target &t) noexcept override
	{
		return note("add_ost", t.owner, t.uuid, num(t.index), num(t.gen),
			    t.active ? "active" : "inactive");
	}
	cfs::Result<> add_mdt(const Target &t) noexcept override
	{
		return note("add_mdt", t.owner, t.uuid, num(t.index), num(t.gen), t.mdc_uuid);
	}
	cfs::Result<> param(sv d, sv k, sv v) noexcept override { return note("param", d, k, v); }
	cfs::Result<> set_param(sv k, sv v) noexcept override
	{
		return note("set_param", k, v, group().comment);
	}
	cfs::Result<> set_timeout(std::uint32_t s) noexcept override
	{
		return note("timeout", num(s));
	}
	cfs::Result<> pool(Pool what, sv lov, sv fs, sv pool, sv ost) noexcept override
	{
		return note("pool", num(static_cast<unsigned>(what)), lov, fs, pool, ost);
	}
};

class LlogConfig : public LlogTest
{
protected:
	LogRef log_;

	void SetUp() override
	{
		LlogTest::SetUp();
		log_ = open(make(), llog::kConfigLog);
	}
	void TearDown() override
	{
		log_.reset();
		LlogTest::TearDown();
	}
	void put(LcfgCommand command, std::vector<std::string> texts, std::uint32_t num = 0)
	{
		std::vector<cfs::Bytes> b;
		for (auto &t : texts)
			b.push_back(t.empty() ? cfs::Bytes{}
					      : cfs::Bytes(reinterpret_cast<const std::byte *>(
								   t.c_str()),
							   t.size() + 1));
		EXPECT_TRUE(osd::conformance::in_tx(
			*device_,
			[&](osd::Transaction &tx) {
				return llog::declare_append_cfg(*log_, tx, b);
			},
			[&](osd::Transaction &tx) -> cfs::Result<> {
				(void)TRY(llog::append_cfg(*log_, tx, command, num, 0, b));
				return {};
			}));
	}
	void marker(std::uint32_t flags, const std::string &target, const std::string &comment)
	{
		wire::CfgMarker m{};
		m.step = 1;
		m.flags = flags;
		EXPECT_TRUE(m.tgtname.set(target) && m.comment.set(comment));
		cfs::Bytes b[] = {{}, cfs::bytes_of(m)};
		EXPECT_TRUE(osd::conformance::in_tx(
			*device_,
			[&](osd::Transaction &tx) {
				return llog::declare_append_cfg(*log_, tx, b);
			},
			[&](osd::Transaction &tx) -> cfs::Result<> {
				(void)TRY(llog::append_cfg(*log_, tx, LcfgCommand::LCFG_MARKER, 0,
							   0, b));
				return {};
			}));
	}
	void group(const std::string &target, const std::string &comment, LcfgCommand command,
		   std::vector<std::string> texts)
	{
		marker(wire::CM_START, target, comment);
		put(command, std::move(texts));
		marker(wire::CM_END, target, comment);
	}
	std::vector<std::string> told(std::string_view excluded = {})
	{
		Told t;
		ConfigReader reader(t, "test", excluded);
		EXPECT_TRUE(reader.read(*log_));
		return t.lines;
	}
};

TEST_F(LlogConfig, StockClientLogIsTold)
{
	FileSource source(golden("used-MGS/CONFIGS/gold-client"));
	Told t;
	ConfigReader reader(t, "gold-client");
	auto r = reader.read(source);
	ASSERT_TRUE(r);
	EXPECT_EQ(r->corrupt, 0u);
	auto &l = t.lines;
	ASSERT_GE(l.size(), 13u);
	EXPECT_EQ(l[0], "attach gold-clilov lov gold-clilov_UUID");
	EXPECT_EQ(l[1], "setup gold-clilov desc,");
	EXPECT_EQ(l[2], "attach gold-clilmv lmv gold-clilmv_UUID");
	EXPECT_EQ(l[4], "mount_opts gold-client gold-clilov gold-clilmv");
	EXPECT_TRUE(l[5].starts_with("add_uuid "));
	EXPECT_EQ(l[6], "attach gold-MDT0000-mdc mdc gold-clilmv_UUID");
	EXPECT_TRUE(l[7].starts_with("setup gold-MDT0000-mdc gold-MDT0000_UUID,"));
	EXPECT_EQ(l[8], "add_mdt gold-clilmv gold-MDT0000_UUID 0 1 gold-MDT0000-mdc_UUID");
	EXPECT_EQ(l[12], "add_ost gold-clilov gold-OST0000_UUID 0 1 active");
	// Nothing is told twice.
	l.clear();
	ASSERT_TRUE(reader.read(source));
	EXPECT_TRUE(l.empty());
}

TEST_F(LlogConfig, ServiceNodesPoolsAndParametersAreTold)
{
	FileSource source(golden("llog/config-dk-client"));
	Told t;
	ConfigReader reader(t, "dk-client");
	ASSERT_TRUE(reader.read(source));
	auto count = [&](const std::string &word) {
		return std::count_if(t.lines.begin(), t.lines.end(),
				     [&](auto &l) { return l.starts_with(word); });
	};
	EXPECT_EQ(count("add_mdt "), 2);
	EXPECT_EQ(count("add_ost "), 2);
	EXPECT_EQ(count("add_conn "), 2); // OST0000 has two service nodes, both listed
	EXPECT_GE(count("pool "), 2);
	FileSource params(golden("llog/config-params"));
	Told p;
	ConfigReader again(p, "params");
	ASSERT_TRUE(again.read(params));
	ASSERT_FALSE(p.lines.empty());
	for (auto &l : p.lines)
		EXPECT_TRUE(l.starts_with("set_param ")) << l;
}

TEST_F(LlogConfig, OnlyWhatStandsInAGroupCounts)
{
	put(LcfgCommand::LCFG_PARAM, {"dev", "a=1"});
	group("t", "a", LcfgCommand::LCFG_PARAM, {"dev", "a=2", "b=3=4"});
	put(LcfgCommand::LCFG_PARAM, {"dev", "a=5"});
	EXPECT_EQ(told(), (std::vector<std::string>{"param dev a 2", "param dev b 3=4"}));
}

TEST_F(LlogConfig, SkippedGroupsAreNotTold)
{
	group("fs", "sys.timeout", LcfgCommand::LCFG_PARAM, {"fs", "x=1"});
	group("fs", "other", LcfgCommand::LCFG_PARAM, {"fs", "y=1"});
	group("fs", "sys.timeout", LcfgCommand::LCFG_PARAM, {"fs", "x=2"});
	EXPECT_EQ(told().size(), 3u);
	auto n = llog::skip_groups(*log_, "fs", "sys.timeout", 12345);
	ASSERT_TRUE(n);
	EXPECT_EQ(*n, 2u);
	EXPECT_EQ(told(), std::vector<std::string>{"param fs y 1"});
	EXPECT_EQ(*llog::skip_groups(*log_, "fs", "sys.timeout", 12345), 0u);
	// Both markers have it, with the time, and the log is whole.
	unsigned marked = 0;
	for (auto &i : read(*log_).items) {
		auto c = llog::parse_cfg(bytes(i.body));
		ASSERT_TRUE(c);
		if (c->command != LcfgCommand::LCFG_MARKER)
			continue;
		auto m = cfs::view_at<wire::CfgMarker>(c->buffers[1], 0);
		if ((*m)->flags & wire::CM_SKIP) {
			marked++;
			EXPECT_EQ((*m)->canceltime, 12345);
		}
	}
	EXPECT_EQ(marked, 4u);
}

TEST_F(LlogConfig, ExcludedTargetsAreInactive)
{
	for (std::string ost : {"fs-OST0000", "fs-OST0001", "fs-OST0002"})
		group(ost, "add osc", LcfgCommand::LCFG_LOV_ADD_OBD,
		      {"lov", ost + "_UUID", ost.substr(9), "1"});
	EXPECT_EQ(told("fs-OST0001:fs-OST0002"),
		  (std::vector<std::string>{"add_ost lov fs-OST0000_UUID 0 1 active",
					    "add_ost lov fs-OST0001_UUID 1 1 inactive",
					    "add_ost lov fs-OST0002_UUID 2 1 inactive"}));
}

TEST_F(LlogConfig, GrowingLogGoesOnWhereItEnded)
{
	Told t;
	ConfigReader reader(t, "test");
	ASSERT_TRUE(reader.read(*log_)); // empty
	group("a", "a", LcfgCommand::LCFG_PARAM, {"d", "k=1"});
	marker(wire::CM_START, "b", "b"); // a group that is half there
	ASSERT_TRUE(reader.read(*log_));
	EXPECT_EQ(t.lines.size(), 1u);
	put(LcfgCommand::LCFG_PARAM, {"d", "k=2"});
	marker(wire::CM_END, "b", "b");
	ASSERT_TRUE(reader.read(*log_));
	EXPECT_EQ(t.lines, (std::vector<std::string>{"param d k 1", "param d k 2"}));
}

TEST_F(LlogConfig, NonsenseIsPassedOver)
{
	marker(wire::CM_START, "a", "a");
	EXPECT_TRUE(append(*log_, "no command at all", LlogRecType::OBD_CFG_REC));
	EXPECT_TRUE(append(*log_, "x", LlogRecType::LLOG_GEN_REC));
	put(LcfgCommand::LCFG_LOV_ADD_OBD, {"lov", "uuid", "not a number", "1"});
	put(LcfgCommand::LCFG_PARAM, {"d", "no equals sign"});
	put(LcfgCommand::LCFG_PARAM, {"d", "k=1"});
	EXPECT_EQ(told(), std::vector<std::string>{"param d k 1"});
}

TEST_F(LlogConfig, UnknownCommandsCountIfTheyMust)
{
	marker(wire::CM_START, "a", "a");
	put(static_cast<LcfgCommand>(0xce099), {"d"}); // may be ignored
	EXPECT_TRUE(told().empty());
	put(static_cast<LcfgCommand>(0xcf099), {"d"});
	Told t;
	ConfigReader reader(t, "test");
	EXPECT_EQ(reader.read(*log_).error(), OPNOTSUPP);
}

TEST_F(LlogConfig, ErrorOfTheHandlerEndsTheReading)
{
	group("a", "a", LcfgCommand::LCFG_PARAM, {"d", "k=1"});
	group("a", "a", LcfgCommand::LCFG_PARAM, {"d", "k=2"});
	Told t;
	t.fail = true;
	ConfigReader reader(t, "test");
	EXPECT_EQ(reader.read(*log_).error(), cfs::err::NOMEM);
	EXPECT_EQ(t.lines.size(), 1u);
}

TEST_F(LlogConfig, CommandsAreBoundsChecked)
{
	std::string text = "value";
	cfs::Bytes b[] = {bytes(text), {}, bytes(text)};
	std::vector<std::byte> out(llog::cfg_bytes(b));
	llog::write_cfg(out, LcfgCommand::LCFG_PARAM, 1, 2, b);
	auto c = llog::parse_cfg(out);
	ASSERT_TRUE(c);
	EXPECT_EQ(c->count, 3u);
	EXPECT_EQ(c->text(0), "value");
	EXPECT_TRUE(c->buffers[1].empty());
	EXPECT_EQ(c->text(2), "value");
	EXPECT_TRUE(c->text(3).empty());
	for (std::size_t n = 0; n + 3 < out.size(); n++)
		EXPECT_EQ(llog::parse_cfg(cfs::Bytes(out).first(n)).error(), PROTO) << n;
	for (std::size_t at : {0u, 28u, 32u, 36u, 40u})
		for (unsigned v : {0x09u, 0x7fu, 0xffu}) {
			auto bad = out;
			bad[at + 3] = static_cast<std::byte>(v); // huge counts and lengths
			EXPECT_EQ(llog::parse_cfg(bad).error(), PROTO) << at;
		}
}

} // namespace
