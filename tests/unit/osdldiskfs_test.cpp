// SPDX-License-Identifier: GPL-2.0
//
// The parts of the object store on ldiskfs that need no kernel: index containers, grown as stock
// grows them and compared with files that stock left, and where FIDs are on disk.

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "iam.hpp"
#include "place.hpp"
#include "wire/xattr.hpp"

using namespace osd;
using namespace osd::ldiskfs;
using cfs::Bytes;
using cfs::MutBytes;

namespace
{

/// Blocks in memory; they do not move.
class MemoryBlocks final : public BlockFile
{
	std::uint32_t bytes_;
	std::vector<std::unique_ptr<std::vector<std::byte>>> blocks_;

public:
	unsigned held = 0, failures_in = ~0u;

	explicit MemoryBlocks(std::uint32_t bytes) : bytes_(bytes) {}
	std::uint32_t block_bytes() const noexcept override { return bytes_; }
	std::uint32_t blocks() const noexcept override
	{
		return static_cast<std::uint32_t>(blocks_.size());
	}
	std::byte *at(std::uint32_t n) { return blocks_[n]->data(); }
	cfs::Result<Block> read(std::uint32_t n) noexcept override
	{
		if (n >= blocks_.size())
			return cfs::fail(cfs::err::UCLEAN);
		if (failures_in != ~0u && failures_in-- == 0)
			return cfs::fail(cfs::err::IO);
		held++;
		return Block(this, nullptr, at(n));
	}
	cfs::Result<Block> append(ldi_tx *, std::uint32_t &n) noexcept override
	{
		n = blocks();
		blocks_.push_back(std::make_unique<std::vector<std::byte>>(bytes_));
		held++;
		return Block(this, nullptr, at(n));
	}
	cfs::Result<> prepare(ldi_tx *, Block &) noexcept override { return {}; }
	cfs::Result<> changed(ldi_tx *, Block &) noexcept override { return {}; }
	void release(void *) noexcept override { held--; }

	/// The content of a file.
	void load(const std::string &name)
	{
		std::ifstream f(std::filesystem::path(CFS_GOLDEN_DATA) / "disk" / name,
				std::ios::binary);
		std::string s(std::istreambuf_iterator<char>(f), {});
		ASSERT_FALSE(s.empty()) << name;
		for (std::size_t i = 0; i + bytes_ <= s.size(); i += bytes_) {
			blocks_.push_back(std::make_unique<std::vector<std::byte>>(bytes_));
			memcpy(blocks_.back()->data(), s.data() + i, bytes_);
		}
	}
};

constexpr IndexSpec kOi{16, 8};

wire::FidBe key(std::uint64_t seq, std::uint32_t oid)
{
	return wire::to_be(wire::make_fid(seq, oid));
}

wire::OiRecord record(std::uint32_t ino)
{
	wire::OiRecord r;
	r.ino = ino;
	r.gen = ~ino;
	return r;
}

/// An index of FIDs in memory.
struct Index {
	MemoryBlocks blocks{4096};
	Iam iam{blocks};

	Index()
	{
		EXPECT_TRUE(Iam::format(blocks, nullptr, kOi));
		EXPECT_TRUE(iam.open());
	}
	~Index() { EXPECT_EQ(blocks.held, 0u); }
	bool insert(const wire::FidBe &k, std::uint32_t ino)
	{
		return bool(iam.insert(nullptr, cfs::bytes_of(k), cfs::bytes_of(record(ino))));
	}
	bool remove(const wire::FidBe &k) { return bool(iam.remove(nullptr, cfs::bytes_of(k))); }
	std::uint32_t find(const wire::FidBe &k)
	{
		wire::OiRecord r;
		auto out = MutBytes(reinterpret_cast<std::byte *>(&r), sizeof(r));
		return iam.lookup(cfs::bytes_of(k), out) ? r.ino.get() : 0;
	}
};

using Pairs = std::vector<std::pair<std::vector<std::byte>, std::vector<std::byte>>>;

Pairs pairs_of(Iam &iam)
{
	Pairs all;
	std::vector<std::byte> k(iam.spec().key_bytes), r(iam.spec().record_bytes), from(k.size());
	for (bool behind = false;; behind = true) {
		auto more = iam.next(from, behind, k, r);
		EXPECT_TRUE(more);
		if (!more || !*more)
			return all;
		all.emplace_back(k, r);
		from = k;
	}
}

/// Compares what two containers mean, block by block: what is behind the used part may differ.
void expect_same_tree(MemoryBlocks &a, MemoryBlocks &b, std::uint32_t block = 0, int level = -1)
{
	auto *x = a.at(block), *y = b.at(block);
	std::size_t base = block ? 0 : 16, slot = 20;
	if (level < 0) {
		ASSERT_EQ(memcmp(x, y, 24), 0) << "root";
		level = static_cast<int>(x[14]) + 1;
	}
	if (!level) {
		auto n = reinterpret_cast<wire::IamLeafHead *>(x)->count.get();
		ASSERT_EQ(n, reinterpret_cast<wire::IamLeafHead *>(y)->count.get()) << block;
		ASSERT_EQ(memcmp(x, y, 4 + n * 24u), 0) << "leaf " << block;
		return;
	}
	auto &h = *reinterpret_cast<wire::IamCountLimit *>(x + base);
	ASSERT_EQ(memcmp(x + base, y + base, 4), 0) << "node " << block;
	ASSERT_EQ(memcmp(x + base + slot, y + base + slot, (h.count.get() - 1u) * slot), 0)
		<< "node " << block;
	for (unsigned i = 1; i < h.count.get(); i++) {
		auto child = reinterpret_cast<cfs::le32 *>(x + base + i * slot + 16)->get();
		expect_same_tree(a, b, child, level - 1);
	}
}

TEST(Iam, NewContainerIsThatOfStock)
{
	Index x;
	const unsigned char head[] = {0xed, 0xb1, 0xab, 0xed, 0x0b, 0, 0, 0, 16, 0, 8, 0,
				      4,    0,	  0,	0,    0xcb, 0, 2, 0, 0,	 0, 0, 0};
	EXPECT_EQ(memcmp(x.blocks.at(0), head, sizeof(head)), 0);
	EXPECT_EQ(static_cast<int>(x.blocks.at(0)[52]), 1);
	EXPECT_EQ(x.blocks.blocks(), 2u);
	EXPECT_TRUE(pairs_of(x.iam).empty());
}

TEST(Iam, FindsWhatStockWrote)
{
	for (auto name : {"oi.16.18-two-level", "oi.16.2-idle-table", "oi.16.50-idle-reused"}) {
		MemoryBlocks file(4096);
		file.load(name);
		Iam iam(file);
		ASSERT_TRUE(iam.open());
		EXPECT_EQ(iam.spec(), kOi);
		auto all = pairs_of(iam);
		EXPECT_GT(all.size(), 900u) << name;
		EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
		std::vector<std::byte> r(8);
		for (const auto &p : all) {
			ASSERT_TRUE(iam.lookup(p.first, r));
			ASSERT_EQ(r, p.second);
		}
		EXPECT_EQ(file.held, 0u);
	}
}

TEST(Iam, GrowsAsStockDoes)
{
	MemoryBlocks golden(4096);
	golden.load("oi.16.18-two-level");
	Iam there(golden);
	ASSERT_TRUE(there.open());
	Index mine;
	for (const auto &p : pairs_of(there))
		ASSERT_TRUE(mine.iam.insert(nullptr, p.first, p.second));
	EXPECT_EQ(golden.blocks(), mine.blocks.blocks());
	expect_same_tree(golden, mine.blocks);
}

TEST(Iam, KeepsEmptiedBlocksAsStockDoes)
{
	MemoryBlocks golden(4096);
	golden.load("oi.16.2-idle-table");
	Iam there(golden);
	ASSERT_TRUE(there.open());
	auto left = pairs_of(there);
	// What was there before: all numbers between the first and the last of its sequence.
	Index mine;
	std::map<std::uint64_t, std::pair<std::uint32_t, std::uint32_t>> ranges;
	std::map<std::vector<std::byte>, std::vector<std::byte>> records(left.begin(), left.end());
	for (const auto &p : left) {
		auto f = reinterpret_cast<const wire::FidBe *>(p.first.data())->fid();
		auto [it, fresh] = ranges.try_emplace(f.seq, f.oid, f.oid);
		it->second.second = f.oid;
	}
	std::vector<wire::FidBe> gone;
	for (const auto &[seq, range] : ranges) {
		for (std::uint32_t oid = range.first; oid <= range.second; oid++) {
			auto k = key(seq, oid);
			auto b = cfs::bytes_of(k);
			auto it = records.find({b.begin(), b.end()});
			if (it != records.end()) {
				ASSERT_TRUE(mine.iam.insert(nullptr, b, it->second));
			} else {
				ASSERT_TRUE(mine.insert(k, 1));
				gone.push_back(k);
			}
		}
	}
	EXPECT_EQ(gone.size(), 2000u);
	for (const auto &k : gone)
		ASSERT_TRUE(mine.remove(k));
	EXPECT_EQ(pairs_of(mine.iam), left);
	// The list of idle blocks: which they are, and how many.
	auto table = reinterpret_cast<cfs::le32 *>(golden.at(0) + 20)->get();
	EXPECT_EQ(reinterpret_cast<cfs::le32 *>(mine.blocks.at(0) + 20)->get(), table);
	EXPECT_EQ(memcmp(golden.at(table), mine.blocks.at(table), 8 + 22 * 4), 0);
}

TEST(Iam, UsesIdleBlocksLastInFirstOut)
{
	Index x;
	for (std::uint32_t i = 1; i <= 1200; i++)
		ASSERT_TRUE(x.insert(key(0x200000400, i), i));
	for (std::uint32_t i = 200; i < 1000; i++)
		ASSERT_TRUE(x.remove(key(0x200000400, i)));
	auto blocks = x.blocks.blocks();
	for (std::uint32_t i = 1201; i <= 1700; i++)
		ASSERT_TRUE(x.insert(key(0x200000400, i), i));
	EXPECT_EQ(x.blocks.blocks(), blocks);
	for (std::uint32_t i = 1; i <= 1700; i++)
		ASSERT_EQ(x.find(key(0x200000400, i)), i < 200 || i >= 1000 ? i : 0);
}

TEST(Iam, RefusesTwiceAndWhatIsNotThere)
{
	Index x;
	EXPECT_TRUE(x.insert(key(1, 2), 3));
	auto again = x.iam.insert(nullptr, cfs::bytes_of(key(1, 2)), cfs::bytes_of(record(4)));
	EXPECT_EQ(again.error(), cfs::err::EXIST);
	EXPECT_EQ(x.find(key(1, 2)), 3u);
	EXPECT_TRUE(x.iam.update(nullptr, cfs::bytes_of(key(1, 2)), cfs::bytes_of(record(9))));
	EXPECT_EQ(x.find(key(1, 2)), 9u);
	EXPECT_TRUE(x.remove(key(1, 2)));
	EXPECT_FALSE(x.remove(key(1, 2)));
	EXPECT_EQ(x.iam.update(nullptr, cfs::bytes_of(key(1, 2)), cfs::bytes_of(record(9))).error(),
		  cfs::err::NOENT);
}

TEST(Iam, KeyOfZerosExistsOnceItWasPutIn)
{
	Index x;
	EXPECT_FALSE(x.remove(key(0, 0)));
	EXPECT_EQ(x.find(key(0, 0)), 0u);
	EXPECT_TRUE(x.insert(key(0, 0), 7));
	EXPECT_EQ(x.find(key(0, 0)), 7u);
	EXPECT_EQ(pairs_of(x.iam).size(), 1u);
	EXPECT_TRUE(x.remove(key(0, 0)));
	EXPECT_TRUE(pairs_of(x.iam).empty());
	EXPECT_EQ(x.blocks.blocks(), 2u);
}

TEST(Iam, RecordOfZerosUnderTheKeyOfZerosIsOne)
{
	Index x;
	std::vector<std::byte> zeros(16), none(8), r(8, std::byte{1});
	EXPECT_FALSE(x.iam.lookup(zeros, r));
	EXPECT_TRUE(x.iam.insert(nullptr, zeros, none));
	EXPECT_EQ(x.iam.insert(nullptr, zeros, none).error(), cfs::err::EXIST);
	EXPECT_TRUE(x.insert(key(0, 1), 5));
	ASSERT_TRUE(x.iam.lookup(zeros, r));
	EXPECT_EQ(r, none);
	EXPECT_EQ(pairs_of(x.iam).size(), 2u);
	std::vector<std::byte> other(8, std::byte{7});
	EXPECT_TRUE(x.iam.update(nullptr, zeros, other));
	ASSERT_TRUE(x.iam.lookup(zeros, r));
	EXPECT_EQ(r, other);
	EXPECT_EQ(pairs_of(x.iam).size(), 2u);
	EXPECT_TRUE(x.iam.update(nullptr, zeros, none));
	EXPECT_EQ(pairs_of(x.iam).size(), 2u);
	EXPECT_TRUE(x.iam.remove(nullptr, zeros));
	EXPECT_FALSE(x.iam.remove(nullptr, zeros));
	EXPECT_EQ(pairs_of(x.iam).size(), 1u);
}

/// Small blocks make deep trees.
TEST(Iam, AgreesWithAMapUnderRandomChanges)
{
	MemoryBlocks blocks(1024);
	constexpr IndexSpec kSpec{64, 200};
	ASSERT_TRUE(Iam::format(blocks, nullptr, kSpec));
	Iam iam(blocks);
	ASSERT_TRUE(iam.open());
	std::mt19937 random(1);
	std::map<std::vector<std::byte>, std::vector<std::byte>> model;
	for (int i = 0; i < 8000; i++) {
		std::vector<std::byte> k(64), r(200);
		auto n = random() % 1500 + 1;
		memcpy(k.data() + 60, &n, 2);
		r[0] = static_cast<std::byte>(random() | 1);
		bool there = model.contains(k);
		switch (random() % (i % 2000 < 1000 ? 3 : 2)) {
		case 0:
			ASSERT_EQ(bool(iam.remove(nullptr, k)), there);
			model.erase(k);
			break;
		default:
			ASSERT_EQ(bool(iam.insert(nullptr, k, r)), !there);
			model.try_emplace(k, r);
		}
	}
	EXPECT_GE(iam.levels(), 2u);
	EXPECT_EQ(pairs_of(iam), Pairs(model.begin(), model.end()));
	EXPECT_EQ(blocks.held, 0u);
}

TEST(Iam, RefusesDamagedFiles)
{
	MemoryBlocks golden(4096);
	golden.load("oi.16.18-two-level");
	std::mt19937 random(2);
	Iam iam(golden);
	for (int i = 0; i < 3000; i++) {
		auto block = random() % 3 ? random() % golden.blocks() : 0;
		auto at = random() % 64;
		auto *p = golden.at(static_cast<std::uint32_t>(block)) + at;
		auto old = std::exchange(*p, static_cast<std::byte>(random()));
		auto k = key(random(), static_cast<std::uint32_t>(random()));
		std::vector<std::byte> from(16), out_key(16), r(8);
		if (iam.open() && iam.spec() == kOi) {
			(void)iam.lookup(cfs::bytes_of(k), r);
			(void)iam.next(cfs::bytes_of(k), true, out_key, r);
		}
		*p = old;
		ASSERT_EQ(golden.held, 0u);
	}
}

TEST(Iam, LetsGoOfBlocksWhenReadingFails)
{
	Index x;
	for (std::uint32_t i = 1; i <= 600; i++)
		ASSERT_TRUE(x.insert(key(7, i), i));
	for (unsigned n = 0; n < 2; n++) { // root, leaf
		x.blocks.failures_in = n;
		EXPECT_FALSE(x.insert(key(7, 1000), 1)) << n;
		x.blocks.failures_in = ~0u;
		EXPECT_EQ(x.blocks.held, 0u);
	}
}

std::string path_of(const Fid &f, TargetType t)
{
	auto p = place_of(f, t);
	char buf[24];
	switch (p.where) {
	case Where::nowhere:
		return "nowhere";
	case Where::root:
		return "/";
	case Where::index:
		return "index";
	case Where::inode:
		return "inode";
	case Where::sequence:
		break;
	}
	return "O/" + std::string(sequence_name(p.seq, buf)) + "/" +
	       (p.last_id ? "" : "d" + std::to_string(p.subdir) + "/") + std::string(p.name());
}

TEST(Place, IsThatOfStock)
{
	using wire::make_fid;
	EXPECT_EQ(path_of(make_fid(0x240000400, 0x2a), TargetType::ost), "O/240000400/d10/2a");
	EXPECT_EQ(path_of(make_fid(0x240000400, 0x2a), TargetType::mdt), "index");
	EXPECT_EQ(path_of(make_fid(0x240000400, 0), TargetType::ost), "O/240000400/LAST_ID");
	EXPECT_EQ(path_of(make_fid(0x100000000, 33), TargetType::ost), "O/0/d1/33");
	EXPECT_EQ(path_of(make_fid(0x100000000, 0), TargetType::ost), "O/0/LAST_ID");
	EXPECT_EQ(path_of(make_fid(0x100010001, 1), TargetType::ost), "O/0/d1/4294967297");
	EXPECT_EQ(path_of(make_fid(1, 40), TargetType::mdt), "O/1/d8/40");
	EXPECT_EQ(path_of(make_fid(0xa, 0), TargetType::mgs), "O/10/LAST_ID");
	EXPECT_EQ(path_of(make_fid(0xa, 3), TargetType::mgs), "index");
	EXPECT_EQ(path_of(make_fid(0x200000003, 0), TargetType::mgs), "O/200000003/LAST_ID");
	EXPECT_EQ(path_of(make_fid(0x200000007, 1), TargetType::mdt), "index");
	EXPECT_EQ(path_of(make_fid(0x200000001, 0xd), TargetType::ost), "/");
	EXPECT_EQ(path_of(make_fid(0x200000001, 0xb), TargetType::ost), "index");
	EXPECT_EQ(path_of(make_fid(14, 0x1234), TargetType::ost), "inode");
}

TEST(Place, RefusesWhatIsNoObject)
{
	using wire::make_fid;
	EXPECT_EQ(path_of(make_fid(0x200000401, 5, 1), TargetType::mdt), "nowhere");
	EXPECT_EQ(path_of(make_fid(0x200000001, 0xf), TargetType::mdt), "nowhere");
	EXPECT_EQ(path_of(make_fid(0x200000001, 0x12), TargetType::mdt), "nowhere");
}

TEST(Place, SaysWhichObjectsAreAnOstsOwn)
{
	using wire::make_fid;
	EXPECT_EQ(place_of(make_fid(0x240000400, 2), TargetType::ost).compat,
		  wire::LMAC_FID_ON_OST);
	EXPECT_EQ(place_of(make_fid(1, 0), TargetType::mdt).compat, wire::LMAC_FID_ON_OST);
	EXPECT_EQ(place_of(make_fid(1, 2), TargetType::mdt).compat, 0u);
	EXPECT_EQ(place_of(make_fid(0xa, 0), TargetType::mdt).compat, 0u);
}

} // namespace
