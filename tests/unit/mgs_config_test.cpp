// SPDX-License-Identifier: GPL-2.0
// Configuration logs: what the MGS writes when targets register, against the logs of a stock MGS
// (golden/disk/used-MGS): one MDT and one OST of the file system "gold", on one node.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <vector>

#include "mgs/config_writer.hpp"
#include "wire/llog.hpp"

namespace
{

using mgs::ConfigWriter;
using mgs::ServerNode;
using mgs::TargetInfo;
using mgs::TargetKind;

struct Record {
	std::uint32_t command = 0, num = 0;
	std::uint64_t nid = 0;
	std::vector<std::string> buffers;

	bool operator==(const Record &) const = default;
};

/// What says when and by whom does not count, nor what is behind the texts of a marker.
void normalise(Record &r)
{
	if (r.command != static_cast<std::uint32_t>(wire::LcfgCommand::LCFG_MARKER))
		return;
	wire::CfgMarker m{};
	ASSERT_EQ(r.buffers.at(1).size(), sizeof(m));
	std::memcpy(&m, r.buffers[1].data(), sizeof(m));
	m.createtime = 0;
	std::string target(m.tgtname.view()), comment(m.comment.view());
	ASSERT_TRUE(m.tgtname.set(target) && m.comment.set(comment));
	std::memcpy(r.buffers[1].data(), &m, sizeof(m));
}

class Logs final : public mgs::ConfigSink
{
public:
	std::map<std::string, std::vector<Record>, std::less<>> logs;

	cfs::Result<> append(std::string_view log, const mgs::ConfigRecord &in) noexcept override
	{
		Record r{static_cast<std::uint32_t>(in.command), in.num, in.nid, {}};
		for (cfs::Bytes b : in.buffers)
			r.buffers.emplace_back(reinterpret_cast<const char *>(b.data()), b.size());
		normalise(r);
		logs[std::string(log)].push_back(r);
		return {};
	}
};

template <typename T>
T at(const std::string &file, std::size_t offset)
{
	T t{};
	EXPECT_LE(offset + sizeof(T), file.size());
	std::memcpy(&t, file.data() + offset, sizeof(T));
	return t;
}

Record cfg_at(const std::string &file, std::size_t offset)
{
	auto head = at<wire::LustreCfg>(file, offset);
	Record r{
		static_cast<std::uint32_t>(head.command.raw()), head.num.get(), head.nid.get(), {}};
	std::size_t n = head.bufcount.get();
	std::size_t data = offset + (sizeof(head) + 4 * n + 7) / 8 * 8;
	for (std::size_t k = 0; k < n; k++) {
		auto length = at<wire::le32>(file, offset + sizeof(head) + 4 * k).get();
		r.buffers.push_back(file.substr(data, length));
		data += (length + 7) / 8 * 8;
	}
	normalise(r);
	return r;
}

/// The records of a stock log; none of these crosses a chunk's end.
std::vector<Record> golden(const std::string &name)
{
	std::ifstream in(CFS_GOLDEN_DATA "/disk/used-MGS/CONFIGS/" + name, std::ios::binary);
	std::string file((std::istreambuf_iterator<char>(in)), {});
	EXPECT_GT(file.size(), 8192u) << name;
	std::vector<Record> out;
	for (std::size_t offset = 8192; offset < file.size();) {
		auto head = at<wire::LlogRecHdr>(file, offset);
		out.push_back(cfg_at(file, offset + sizeof(head)));
		offset += head.len.get();
	}
	return out;
}

const lnet::Nid kNid = lnet::Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), 0xc0a83209);
const lnet::Nid kNids[] = {kNid};
const ServerNode kNode[] = {{kNids}};

void expect_begins_with(const std::vector<Record> &golden, const std::vector<Record> &ours)
{
	ASSERT_LE(ours.size(), golden.size());
	for (std::size_t k = 0; k < ours.size(); k++)
		EXPECT_EQ(ours[k], golden[k]) << "record " << k + 1;
}

TEST(MgsConfig, LogsOfTwoRegistrationsAreStocks)
{
	Logs logs;
	std::uint32_t step = 1;
	ConfigWriter w(logs, "gold", step, 12345);
	TargetInfo mdt{TargetKind::mdt, 0, kNode}, ost{TargetKind::ost, 0, kNode};

	ASSERT_TRUE(w.own_setup(mdt));
	ASSERT_TRUE(w.client_setup());
	ASSERT_TRUE(w.add_to_client(mdt));
	ASSERT_TRUE(w.own_setup(ost));
	ASSERT_TRUE(w.add_to_mdt(0, ost));
	ASSERT_TRUE(w.add_to_client(ost));
	EXPECT_EQ(step, 10u);
	for (const char *log : {"gold-MDT0000", "gold-OST0000", "gold-client"}) {
		SCOPED_TRACE(log);
		expect_begins_with(golden(log), logs.logs[log]);
	}
	EXPECT_EQ(logs.logs.size(), 3u);
	EXPECT_EQ(logs.logs["gold-client"].size(), 23u);
}

TEST(MgsConfig, EachOtherNodeIsAGroupThatEndsInItsConnection)
{
	Logs logs;
	std::uint32_t step = 0;
	const lnet::Nid two[] = {kNid, lnet::Nid::ipv4(lnet::make_net(lnet::LndType::o2ib, 1), 7)};
	const lnet::Nid six[] = {
		lnet::Nid::ipv6(lnet::make_net(lnet::LndType::tcp, 0), {0xfd, 0, 1})};
	const ServerNode nodes[] = {{two}, {six}};

	ASSERT_TRUE(ConfigWriter(logs, "f", step, 0).add_to_client({TargetKind::ost, 0x1f, nodes}));
	std::vector<std::uint32_t> commands;
	for (const auto &r : logs.logs["f-client"])
		commands.push_back(r.command & 0xff);
	EXPECT_EQ(commands, (std::vector<std::uint32_t>{0x10, 5, 5, 1, 3, 5, 0xb, 0xd, 0x10}));
	const auto &large = logs.logs["f-client"][5];
	EXPECT_EQ(large.nid, 0u);
	ASSERT_EQ(large.buffers.size(), 3u);
	EXPECT_EQ(large.buffers[1], large.buffers[2]);
	EXPECT_EQ(logs.logs["f-client"][7].buffers[1], std::string("f-OST001f_UUID\0", 15));
}

TEST(MgsConfig, SkippedGroupsAreMarkedAsCancelled)
{
	Logs logs;
	std::uint32_t step = 0;
	ConfigWriter w(logs, "f", step, 99);
	w.set_skip(true);
	ASSERT_TRUE(w.add_to_client({TargetKind::ost, 0, kNode}));
	wire::CfgMarker m{};
	std::memcpy(&m, logs.logs["f-client"][0].buffers[1].data(), sizeof(m));
	EXPECT_EQ(m.flags.get(), wire::CM_START_SKIP);
	EXPECT_EQ(m.canceltime.get(), 99);
}

TEST(MgsConfig, ParametersNameThemselvesInTheirMarkers)
{
	Logs logs;
	std::uint32_t step = 4;
	ASSERT_TRUE(
		ConfigWriter(logs, "f", step, 0)
			.param("f-client", "f-OST0000", "f-OST0000-osc", "osc.max_dirty_mb=64"));
	const auto &log = logs.logs["f-client"];
	ASSERT_EQ(log.size(), 3u);
	wire::CfgMarker m{};
	std::memcpy(&m, log[0].buffers[1].data(), sizeof(m));
	EXPECT_EQ(m.comment.view(), "osc.max_dirty_mb");
	EXPECT_EQ(m.step.get(), 5u);
	EXPECT_EQ(log[1].buffers[1], std::string("osc.max_dirty_mb=64\0", 20));
}

TEST(MgsConfig, TargetNamesParseToWhatTheyAreMadeOf)
{
	auto name = mgs::target_name("a-b", TargetKind::ost, 0x1f0);
	EXPECT_EQ(name.view(), "a-b-OST01f0");
	auto t = wire::parse_target_name(name.view());
	ASSERT_TRUE(t);
	EXPECT_EQ(t->fsname, "a-b");
	EXPECT_EQ(t->kind, TargetKind::ost);
	EXPECT_EQ(t->index, 0x1f0);
	for (const char *bad : {"", "f", "f-", "f-OST", "f-OST000", "f-OST00000", "f-OST00g0",
				"-OST0000", "f-XYZ0000", "f-OST00A0", "f-client"})
		EXPECT_FALSE(wire::parse_target_name(bad)) << bad;
}

} // namespace
