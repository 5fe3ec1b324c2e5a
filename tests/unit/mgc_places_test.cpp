// SPDX-License-Identifier: GPL-2.0
// Where targets run: the MGS's table, and its answers as clients understand them (spec 02 9.7).
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "libcfs/selftest/selftest.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "mgc/places.hpp"
#include "mgs/nid_table.hpp"
#include "osd/local.hpp"
#include "tests/unit/libcfs_machine.hpp"

namespace
{

using lnet::Nid;
using wire::TargetKind;
using wire::u32;
using wire::u64;

Nid tcp(u32 address)
{
	return Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), address);
}

struct Seen final : mgc::TargetFollower {
	struct Place {
		TargetKind kind;
		u32 index, instance;
		std::vector<Nid> nids;
		bool operator==(const Place &) const = default;
	};
	std::vector<Place> places;
	void target_at(const mgc::TargetPlace &p) noexcept override
	{
		places.push_back({p.kind, p.index, p.instance, {p.nids.begin(), p.nids.end()}});
	}
};

std::string from_hex(std::string_view hex)
{
	std::string out;
	for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
		out.push_back(
			static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
	return out;
}

/// An answer of Lustre 2.17 to a client of 2.17, in whole.
std::string stock_answer()
{
	return from_hex("06000000000000000200000000000000"
			"2c0000000101140100020000c0a83201"
			"000000000000000000000000"
			"07000000000000000200000000000000"
			"2c0000000201140100020000c0a83201"
			"000000000000000000000000"
			"08000000000000000200000001000000"
			"2c0000000201140100020000c0a83201"
			"000000000000000000000000");
}

class Places : public MachineTest
{
protected:
	cfs::Errno tell(std::string_view bytes, u64 first = 1, u64 last = 8)
	{
		seen.places.clear();
		bad = 0;
		auto r = mgc::tell_places(cfs::as_bytes(bytes), {first, last}, seen, &bad);
		return r ? cfs::Errno{} : r.error();
	}
	Seen seen;
	std::size_t bad = 0;
};

TEST_F(Places, AStockAnswerIsUnderstood)
{
	ASSERT_EQ(tell(stock_answer()), cfs::Errno{});
	Nid nid = tcp(0xc0a83201);
	EXPECT_EQ(seen.places, (std::vector<Seen::Place>{{TargetKind::mdt, 0, 2, {nid}},
							 {TargetKind::ost, 0, 2, {nid}},
							 {TargetKind::ost, 1, 2, {nid}}}));
	EXPECT_EQ(tell(""), cfs::Errno{});
	EXPECT_TRUE(seen.places.empty());
}

TEST_F(Places, OldNidsAreUnderstoodAndStrangeOnesLeftOut)
{
	std::string old = from_hex("03000000000000000700000002000000"
				   "2800000002000802"
				   "0132a8c000000200"
				   "0232a8c000000200");
	ASSERT_EQ(tell(old), cfs::Errno{});
	EXPECT_EQ(seen.places,
		  (std::vector<Seen::Place>{
			  {TargetKind::ost, 2, 7, {tcp(0xc0a83201), tcp(0xc0a83202)}}}));
	// As text; and the node's own loopback, which is everybody's.
	std::string text = old;
	text[21] = 2;
	EXPECT_EQ(tell(text), cfs::Errno{});
	EXPECT_TRUE(seen.places.empty());
	std::string loopback = old;
	loopback[24 + 6] = loopback[32 + 6] = 9;
	EXPECT_EQ(tell(loopback), cfs::Errno{});
	EXPECT_TRUE(seen.places.empty());
}

TEST_F(Places, ADamagedAnswerTellsNothing)
{
	struct {
		std::size_t at;
		unsigned char value;
		const char *what;
	} const kDamages[] = {
		{88, 7, "a version twice"},
		{88, 9, "a version that is not there yet"},
		{88 + 7, 1, "a huge version"},
		{104, 43, "too short for its NIDs"},
		{104, 45, "longer than what is there"},
		{104, 0, "no length"},
		{105, 0x11, "longer than any"},
		{108, 0, "neither MDT nor OST"},
		{108, 3, "neither MDT nor OST"},
		{109, 0, "NIDs of another size"},
		{110, 8, "NIDs of another size"},
		{111, 0, "no NID"},
		{111, 2, "NIDs behind the end"},
		{112, 13, "a NID of no size"},
		{102, 1, "no index of a target"},
	};
	for (auto &d : kDamages) {
		auto bytes = stock_answer();
		bytes[d.at] = static_cast<char>(d.value);
		EXPECT_EQ(tell(bytes), cfs::err::PROTO) << d.what;
		EXPECT_TRUE(seen.places.empty()) << d.what;
		EXPECT_EQ(bad, 88u) << d.what;
	}
	for (std::size_t cut = 1; cut < 132; cut++)
		if (cut != 44 && cut != 88) {
			EXPECT_EQ(tell(stock_answer().substr(0, cut)), cfs::err::PROTO) << cut;
		}
	EXPECT_EQ(tell(stock_answer(), 7, 8), cfs::err::PROTO) << "older than asked for";
	auto most = stock_answer();
	std::ranges::fill_n(most.begin(), 8, '\xff');
	EXPECT_EQ(tell(most, 1, ~u64{0}), cfs::err::PROTO) << "nothing can be newer";
}

TEST_F(Places, RandomDamageIsSurvived)
{
	cfs::selftest::Numbers rng(5);
	for (int i = 0; i < 20000; i++) {
		auto bytes = stock_answer() + stock_answer();
		bytes.resize(1 + rng.below(bytes.size()));
		for (int k = 0; k < 3; k++)
			bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
		auto exact = std::make_unique<char[]>(bytes.size());
		std::ranges::copy(bytes, exact.get());
		(void)tell({exact.get(), bytes.size()}, 1, ~u64{0});
		for (auto &p : seen.places)
			EXPECT_TRUE(!p.nids.empty() && p.nids.size() <= 255);
	}
}

// ---- the table ----

struct Owner final : mgs::TableOwner {
	std::atomic<unsigned> told{0};
	cfs::Result<> tell_clients(mgs::NidTable &) noexcept override
	{
		told++;
		return {};
	}
	void show_state(mgs::NidTable &, cfs::FormatSink &out) noexcept override
	{
		out.print("    state: full\n");
	}
};

class Table : public Places
{
protected:
	osd::mem::Disk disk{{.svname = "MGS", .bytes = std::uint64_t{1} << 26}};
	Owner owner;
	osd::DeviceRef device;
	cfs::UniquePtr<mgs::NidTable> table;

	void open()
	{
		device = *osd::mem::mount(cfs_node_current(), disk, "MGS");
		osd::CreateSpec dir;
		dir.attr.valid = osd::kAttrMode | osd::kAttrType;
		dir.attr.mode = osd::kTypeDir | 0755;
		auto made = osd::find_or_create_named(*device->root(), "T", dir);
		ASSERT_TRUE(made);
		table = *cfs::try_make<mgs::NidTable>(owner, "tfs");
		ASSERT_TRUE(table->open(**made, cfs_node_current()));
	}
	void close()
	{
		table.reset();
		device.reset();
	}
	void TearDown() override
	{
		close();
		Places::TearDown();
	}
	/// One answer of at most `units` units.
	mgs::TableAnswer ask(u64 first, bool large = true, std::size_t units = 256)
	{
		mgs::TableQuery q{first, 4096, large};
		answer.assign(std::min(table->room(q), units * q.unit), '\0');
		auto a = table->read(q, std::as_writable_bytes(std::span(answer)));
		EXPECT_LE(a.bytes, answer.size());
		answer.resize(a.bytes);
		EXPECT_EQ(tell(answer, first, a.last), cfs::Errno{}) << bad;
		return a;
	}
	std::string answer;
};

TEST_F(Table, WhatIsPutIsReadAsStockWritesIt)
{
	open();
	Nid nid = tcp(0xc0a83201);
	auto a = ask(1);
	EXPECT_TRUE(a.bytes == 0 && a.last == 2 && a.newest == 2);
	// Versions 3 to 5 are what 2.17 says of three targets of one node.
	ASSERT_TRUE(table->put(TargetKind::mdt, 0, 2, {&nid, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {&nid, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 1, 2, {&nid, 1}));
	a = ask(1);
	EXPECT_TRUE(a.last == 5 && a.newest == 5);
	auto stock = stock_answer();
	stock[0] = 3, stock[44] = 4, stock[88] = 5;
	EXPECT_EQ(answer, stock);
	EXPECT_EQ(ask(1, false).bytes, 96u);
	EXPECT_EQ(seen.places.size(), 3u);
	EXPECT_EQ(ask(5).bytes, 44u);
	EXPECT_EQ(ask(6).bytes, 0u);
	EXPECT_EQ(ask(100).bytes, 0u);
}

TEST_F(Table, OnlyAChangeMakesAVersionAndIsTold)
{
	open();
	Nid nids[] = {tcp(1), tcp(2)};
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {nids, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {nids, 1}));
	EXPECT_EQ(ask(1).newest, 3u);
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 3, {nids, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 3, {nids, 2}));
	EXPECT_EQ(ask(1).newest, 5u);
	ASSERT_EQ(seen.places.size(), 1u);
	EXPECT_EQ(seen.places[0].nids.size(), 2u);
	for (int i = 0; i < 1000 && owner.told == 0; i++)
		std::this_thread::sleep_for(std::chrono::milliseconds(10));
	EXPECT_GE(owner.told, 1u);
	char text[512];
	cfs::FormatSink out(text);
	table->show(out);
	EXPECT_NE(out.text().find("nidtbl_version: 5\n"), std::string_view::npos) << out.text();
	EXPECT_NE(out.text().find("\ntfs-OST0000\n"), std::string_view::npos) << out.text();
}

TEST_F(Table, TheVersionSurvivesAndTheEntriesDoNot)
{
	open();
	Nid nid = tcp(1);
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {&nid, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 1, 2, {&nid, 1}));
	close();
	open();
	auto a = ask(1);
	EXPECT_TRUE(a.bytes == 0 && a.newest == 4);
	ASSERT_TRUE(table->put(TargetKind::ost, 1, 2, {&nid, 1}));
	EXPECT_EQ(ask(5).newest, 5u);
	EXPECT_EQ(seen.places.size(), 1u);
}

TEST_F(Table, AVersionWithoutSenseIsNotGoneOnWith)
{
	open();
	auto dir = *osd::find_path(*device, "T");
	auto file = *osd::find_path(*device, "T/tfs");
	wire::le64 most{~u64{0}};
	auto tx = *device->begin();
	auto *body = *file->body();
	ASSERT_TRUE(body->declare_write(*tx, 0, sizeof(most)));
	ASSERT_TRUE(tx->start());
	ASSERT_TRUE(osd::stop(*tx, body->write(*tx, 0, cfs::bytes_of(most))));
	table = *cfs::try_make<mgs::NidTable>(owner, "tfs");
	EXPECT_EQ(table->open(*dir, cfs_node_current()).error(), cfs::err::UCLEAN);
}

TEST_F(Table, OneLongEntryDoesNotHideTheOthers)
{
	open();
	Nid nid = tcp(1);
	std::vector<Nid> many(300, nid);
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {&nid, 1}));
	ASSERT_TRUE(table->put(TargetKind::ost, 1, 2, many));
	ASSERT_TRUE(table->put(TargetKind::ost, 2, 2, {&nid, 1}));
	EXPECT_EQ(ask(1).last, 5u);
	ASSERT_EQ(seen.places.size(), 3u);
	EXPECT_EQ(seen.places[1].nids.size(), mgs::NidTable::kNidsMax);
}

TEST_F(Table, NobodyIsToldWhileItIsDisabled)
{
	open();
	Nid nid = tcp(1);
	EXPECT_EQ(table->set("state=partial").error(), cfs::err::INVAL);
	ASSERT_TRUE(table->set("state=disabled\n"));
	ASSERT_TRUE(table->put(TargetKind::ost, 0, 2, {&nid, 1}));
	std::this_thread::sleep_for(std::chrono::seconds(1));
	EXPECT_EQ(owner.told, 0u);
	EXPECT_EQ(ask(1).newest, 3u);
	ASSERT_TRUE(table->set("state=full"));
	for (int i = 0; i < 1000 && owner.told == 0; i++)
		std::this_thread::sleep_for(std::chrono::milliseconds(10));
	EXPECT_EQ(owner.told, 1u);
}

TEST_F(Table, ALongTableIsReadInPieces)
{
	open();
	constexpr u32 kTargets = 700;
	for (u32 i = 0; i < kTargets; i++) {
		std::vector<Nid> nids;
		for (u32 k = 0; k <= i % 9; k++)
			nids.push_back(tcp(i * 100 + k));
		ASSERT_TRUE(table->put(TargetKind::ost, static_cast<wire::u16>(i), 1, nids));
	}
	for (bool large : {true, false})
		for (std::size_t units : {1, 3, 256}) {
			u64 first = 1;
			u32 n = 0;
			mgs::TableAnswer a;
			do {
				a = ask(first, large, units);
				for (auto &p : seen.places) {
					EXPECT_EQ(p.index, n);
					EXPECT_EQ(p.nids.size(), n % 9 + 1);
					EXPECT_EQ(p.nids.back(), tcp(n * 100 + n % 9));
					n++;
				}
				ASSERT_TRUE(a.last >= first);
				first = a.last + 1;
			} while (a.last < a.newest);
			EXPECT_EQ(n, kTargets) << units;
		}
}

} // namespace
