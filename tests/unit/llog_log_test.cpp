// SPDX-License-Identifier: GPL-2.0
//
// Plain logs: layout, cancelling, limits, and what stock wrote.
#include "tests/unit/llog_fixture.hpp"

#include <thread>

namespace
{

using namespace llog_test;
using cfs::err::MSGSIZE;
using cfs::err::NOENT;
using cfs::err::NOSPC;
using cfs::err::PROTO;
using osd::conformance::in_tx;

class LlogLog : public LlogTest
{
};

TEST_F(LlogLog, NewOneIsEmptyAndTakesNoSpace)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	EXPECT_EQ(log->info().count, 1u);
	EXPECT_EQ(log->info().last_index, 0u);
	EXPECT_EQ(content(*o).size(), 0u);
	EXPECT_TRUE(read(*log).items.empty());
}

TEST_F(LlogLog, RecordsComeBackInOrder)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	for (unsigned i = 1; i <= 5; i++)
		EXPECT_EQ(*append(*log, std::string(i, 'a')), i);
	log = open(o); // from disk
	Collector c = read(*log);
	ASSERT_EQ(c.items.size(), 5u);
	for (unsigned i = 1; i <= 5; i++) {
		EXPECT_EQ(c.items[i - 1].index, i);
		EXPECT_EQ(c.items[i - 1].body, std::string(i, 'a') + std::string(8 - i, '\0'));
	}
	EXPECT_EQ(log->info().count, 6u);
}

TEST_F(LlogLog, NoRecordCrossesAChunk)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	cfs::selftest::Numbers rng(7);
	std::vector<std::string> bodies;
	for (unsigned i = 0; i < 400; i++) {
		std::size_t n = i % 10 ? rng.below(300) : rng.below(8192 - 24);
		bodies.push_back(std::string(n / 8 * 8, static_cast<char>('a' + i % 26)));
		EXPECT_TRUE(append(*log, bodies.back()));
	}
	std::string file = content(*o);
	std::uint32_t pads = 0;
	std::uint64_t end = 8192;
	std::uint32_t index = 0;
	for (auto &r : raw_records(file, 8192)) {
		std::uint64_t len = r.body.size() + 24;
		EXPECT_EQ(r.offset, end) << "a gap";
		EXPECT_EQ(r.offset / 8192, (r.offset + len - 1) / 8192);
		EXPECT_EQ(r.index, ++index);
		end = r.offset + len;
		pads += r.type == LlogRecType::LLOG_PAD_MAGIC;
	}
	EXPECT_EQ(end, file.size());
	EXPECT_GT(pads, 5u);
	Collector c = read(*log);
	ASSERT_EQ(c.items.size(), bodies.size());
	for (std::size_t i = 0; i < bodies.size(); i++)
		EXPECT_EQ(c.items[i].body, bodies[i]);
	EXPECT_EQ(log->info().last_index, bodies.size() + pads);
	EXPECT_EQ(log->info().count, bodies.size() + 1);
}

TEST_F(LlogLog, ChunkIsFilledToItsEnd)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	// 8192 = 4000 + 4192: no pad; a third record goes to the next chunk.
	EXPECT_TRUE(append(*log, std::string(4000 - 24, 'a')));
	EXPECT_TRUE(append(*log, std::string(4192 - 24, 'b')));
	EXPECT_EQ(*append(*log, std::string(8, 'c')), 3u);
	EXPECT_EQ(content(*o).size(), 8192u * 2 + 32);
	// A rest of 16 bytes would not hold a pad: the record goes behind a bigger one.
	EXPECT_EQ(*append(*log, std::string(8192 - 32 - 16 - 24, 'd')), 5u);
	EXPECT_EQ(read(*log).items.size(), 4u);
}

TEST_F(LlogLog, CancelledRecordsAreNotShown)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	for (unsigned i = 0; i < 6; i++)
		EXPECT_TRUE(append(*log, "x"));
	EXPECT_FALSE(*cancel(*log, 2));
	EXPECT_FALSE(*cancel(*log, 6));
	EXPECT_EQ(cancel(*log, 2).error(), NOENT);
	EXPECT_EQ(cancel(*log, 0).error(), NOENT);
	EXPECT_EQ(cancel(*log, 7).error(), NOENT);
	EXPECT_EQ(cancel(*log, 100000000).error(), NOENT);
	log = open(o);
	EXPECT_EQ(read(*log).indices(), (std::vector<std::uint32_t>{1, 3, 4, 5}));
	EXPECT_EQ(*append(*log, "y"), 7u); // an index is never used again
	for (std::uint32_t i : {1u, 3u, 4u, 5u})
		EXPECT_FALSE(*cancel(*log, i));
	EXPECT_TRUE(*cancel(*log, 7));
	EXPECT_EQ(log->info().count, 1u);
}

TEST_F(LlogLog, WalkMayStopAndGoOn)
{
	LogRef log = open(make());
	for (unsigned i = 0; i < 5; i++)
		EXPECT_TRUE(append(*log, "x"));
	Collector c;
	c.stop_after = 2;
	auto r = llog::process(*log, "test", c);
	EXPECT_TRUE(r->stopped);
	EXPECT_EQ(r->last_index, 2u);
	Collector d;
	EXPECT_TRUE(append(*log, "x"));
	r = llog::process(*log, "test", d, r->last_index + 1);
	EXPECT_EQ(d.indices(), (std::vector<std::uint32_t>{3, 4, 5, 6}));
	EXPECT_EQ(r->last_index, 6u);
	r = llog::process(*log, "test", d, r->last_index + 1);
	EXPECT_EQ(r->records, 0u);
}

TEST_F(LlogLog, RecordsThatDoNotFitAreRefused)
{
	LogRef log = open(make());
	EXPECT_TRUE(append(*log, std::string(8192 - 24, 'x')));
	EXPECT_EQ(append(*log, std::string(8192 - 23, 'x')).error(), MSGSIZE);
	EXPECT_EQ(read(*log).items.size(), 1u);
}

TEST_F(LlogLog, IndicesRunOut)
{
	LogSpec spec;
	LogRef log = open(make(), spec);
	// Many in a transaction: it is the bitmap that is tested.
	cfs::Result<> r;
	std::uint32_t last = 0;
	while (r)
		r = in_tx(
			*device_,
			[&](osd::Transaction &tx) -> cfs::Result<> {
				for (unsigned i = 0; i < 100; i++)
					TRY(log->declare_append(tx, 0));
				return {};
			},
			[&](osd::Transaction &tx) -> cfs::Result<> {
				for (unsigned i = 0; i < 100; i++)
					last = TRY(log->append(tx, LlogRecType::LLOG_GEN_REC, {}));
				return {};
			});
	EXPECT_EQ(r.error(), NOSPC);
	EXPECT_GT(last, 64700u);
	EXPECT_LT(last, 64768u);
	EXPECT_FALSE(log->has_room(0));
	EXPECT_FALSE(*cancel(*log, last)); // still works
}

TEST_F(LlogLog, FullDeviceLeavesTheLogAsItWas)
{
	options_.bytes = 1 << 20;
	unmount();
	disk_.reset();
	mount();
	osd::ObjectRef o = make();
	LogRef log = open(o);
	cfs::Result<std::uint32_t> r{0u};
	std::uint32_t good = 0;
	while ((r = append(*log, std::string(4000, 'x'))))
		good = *r;
	EXPECT_EQ(r.error(), NOSPC);
	EXPECT_EQ(log->info().last_index, good);
	EXPECT_FALSE(*cancel(*log, 1));
	log = open(o);
	Collector c = read(*log);
	EXPECT_EQ(c.items.back().index, good);
}

TEST_F(LlogLog, HeaderThatNeverCameMeansEmpty)
{
	osd::ObjectRef o = import(std::string(9000, '\0'), wire::make_fid(0xa, 50));
	LogRef log = open(o);
	EXPECT_EQ(log->info().count, 1u);
	EXPECT_EQ(*append(*log, "x"), 1u);
	EXPECT_EQ(read(*open(o)).items.size(), 1u);
}

TEST_F(LlogLog, AnythingElseIsRefused)
{
	osd::ObjectRef o = import(std::string(9000, 'j'), wire::make_fid(0xa, 51));
	auto log = Log::open(o, "junk", {});
	ASSERT_FALSE(log);
	EXPECT_EQ(log.error(), PROTO);
	bool said = false;
	for (auto &line : console())
		said = said || line.find("junk") != line.npos;
	EXPECT_TRUE(said);
}

TEST_F(LlogLog, BodiesAreRewrittenInPlace)
{
	osd::ObjectRef o = make();
	LogRef log = open(o);
	EXPECT_TRUE(append(*log, "12345678"));
	EXPECT_TRUE(append(*log, "abcdefgh"));
	Collector c = read(*log);
	Record r;
	r.index = 1;
	r.offset = c.items[0].offset;
	std::string old(32, 'x');
	r.whole = bytes(old);
	r.body = bytes(old).first(8);
	EXPECT_TRUE(in_tx(
		*device_, [&](osd::Transaction &tx) { return log->declare_rewrite(tx, r); },
		[&](osd::Transaction &tx) {
			return log->rewrite(tx, r, cfs::as_bytes("87654321"));
		}));
	EXPECT_EQ(read(*log).items[0].body, "87654321");
	EXPECT_EQ(read(*log).items[1].body, "abcdefgh");
}

TEST_F(LlogLog, ManyThreadsAppend)
{
	LogRef log = open(make());
	std::vector<std::thread> threads;
	for (unsigned t = 0; t < 4; t++)
		threads.emplace_back([&, t] {
			for (unsigned i = 0; i < 100; i++)
				EXPECT_TRUE(append(*log, std::to_string(t * 100 + i)));
		});
	for (auto &t : threads)
		t.join();
	std::set<std::string> seen;
	for (auto &i : read(*log).items)
		seen.insert(i.body.c_str());
	EXPECT_EQ(seen.size(), 400u);
}

TEST_F(LlogLog, NamedLogsAreFoundAndErased)
{
	osd::LastId names;
	ASSERT_TRUE(names.open(*device_, wire::FID_SEQ_LLOG_NAME, 1));
	auto configs = osd::find_path(*device_, "CONFIGS");
	ASSERT_TRUE(configs);
	EXPECT_EQ(llog::find_named(**configs, "lfs1-client", {}).error(), NOENT);
	auto log = llog::open_named(**configs, "lfs1-client", llog::kConfigLog, names);
	ASSERT_TRUE(log);
	EXPECT_EQ((*log)->object().fid().seq, wire::FID_SEQ_LLOG_NAME);
	EXPECT_EQ((*log)->object().fid().oid, 2u);
	EXPECT_TRUE(append(**log, "x"));
	auto again = llog::find_named(**configs, "lfs1-client", {});
	ASSERT_TRUE(again);
	EXPECT_EQ(read(**again).items.size(), 1u);
	// A copy under another name, record by record.
	auto copy = llog::open_named(**configs, "lfs1-clientT", llog::kConfigLog, names);
	ASSERT_TRUE(copy);
	EXPECT_TRUE(llog::copy(**again, **copy));
	EXPECT_EQ(read(**copy).items.size(), 1u);
	EXPECT_TRUE(llog::erase_named(**configs, "lfs1-client"));
	EXPECT_EQ(llog::erase_named(**configs, "lfs1-client").error(), NOENT);
	EXPECT_EQ(llog::validate(**log, "gone").error(), NOENT);
	names.close();
}

// ---- what stock wrote ----

constexpr const char *kConfigLogs[] = {
	"used-MGS/CONFIGS/gold-client",
	"used-MGS/CONFIGS/gold-MDT0000",
	"used-MGS/CONFIGS/gold-OST0000",
	"llog/config-dk-client",
	"llog/config-dk-MDT0001",
	"llog/config-dk-OST0000",
	"llog/config-params",
	"llog/config-gold-client-copy",
};
constexpr const char *kPlainLogs[] = {
	"llog/osp-plain.O-1-12",	 "llog/osp-wrapped-plain.O-1-40",
	"llog/osp-wrapped-plain.O-1-41", "llog/osp-wrapped-plain.O-1-44",
	"llog/osp-wrapped-plain.O-1-45", "llog/osp-wrapped-plain.O-1-46",
	"llog/osp-wrapped-plain.O-1-47", "llog/osp-wrapped-plain.O-1-48",
	"llog/hsm_actions-plain.O-1-18", "llog/changelog_users-plain.O-1-30",
	"llog/update_log-plain",
};
constexpr const char *kOtherLogs[] = {
	"llog/changelog-plain.O-1-28", "llog/changelog_catalog",	 "llog/hsm_actions-catalog",
	"llog/osp-catalog-mid.O-1-7",  "llog/osp-catalog-wrapped.O-1-7", "llog/update_log-catalog",
};

const wire::LlogLogHdr &header(const std::string &file)
{
	return *reinterpret_cast<const wire::LlogLogHdr *>(file.data());
}

class Golden : public LlogTest
{
protected:
	/// A log that is to become like a stock one.
	LogSpec like(const wire::LlogLogHdr &h)
	{
		LogSpec s;
		s.flags = h.flags;
		s.chunk = h.hdr.len;
		s.fixed_size = h.flags & wire::LLOG_F_IS_FIXSIZE ? h.size.get() : 0;
		s.cat_idx = h.cat_idx;
		s.tgtuuid = h.tgtuuid.uuid.view();
		s.timestamp = h.timestamp;
		return s;
	}
	void cancel_as_in(const std::string &file, Log &log)
	{
		std::string copy = file;
		llog::HeaderView h(
			{reinterpret_cast<std::byte *>(copy.data()), header(file).hdr.len.get()});
		for (std::uint32_t i = 1; i <= h.last_index(); i++)
			if (!h.bit(i) && log.live(i)) {
				EXPECT_TRUE(cancel(log, i));
			}
	}
	static void expect_same(const std::string &is, const std::string &should,
				const std::string &name)
	{
		EXPECT_EQ(is.size(), should.size()) << name;
		std::size_t n = 0;
		while (n < is.size() && n < should.size() && is[n] == should[n])
			n++;
		EXPECT_EQ(n, should.size()) << name << " differs from there on";
	}
};

TEST_F(Golden, EveryLogIsReadWhole)
{
	std::vector<std::string> all;
	all.insert(all.end(), std::begin(kConfigLogs), std::end(kConfigLogs));
	all.insert(all.end(), std::begin(kPlainLogs), std::end(kPlainLogs));
	all.insert(all.end(), std::begin(kOtherLogs), std::end(kOtherLogs));
	for (auto &name : all) {
		std::string file = golden(name);
		FileSource source(file);
		Collector c;
		auto r = llog::process(source, name, c);
		ASSERT_TRUE(r) << name;
		EXPECT_EQ(r->corrupt, 0u) << name;
		EXPECT_EQ(r->records, header(file).count - 1) << name;
		// The same through the object store.
		LogRef log = open(import(file, wire::make_fid(0xa, next_oid_++)));
		EXPECT_EQ(read(*log).indices(), c.indices()) << name;
	}
}

TEST_F(Golden, ConfigurationLogsAreWrittenByteForByte)
{
	for (std::string name : kConfigLogs) {
		std::string file = golden(name);
		osd::ObjectRef o = make();
		LogRef log = open(o, like(header(file)));
		for (auto &r : raw_records(file, 8192)) {
			if (r.type == LlogRecType::LLOG_PAD_MAGIC)
				continue; // ours come by themselves
			auto c = llog::parse_cfg(bytes(r.body));
			ASSERT_TRUE(c) << name << " " << r.index;
			auto buffers = std::span(c->buffers).first(c->count);
			EXPECT_TRUE(in_tx(
				*device_,
				[&](osd::Transaction &tx) {
					return llog::declare_append_cfg(*log, tx, buffers);
				},
				[&](osd::Transaction &tx) -> cfs::Result<> {
					auto i = TRY(llog::append_cfg(*log, tx, c->command, c->num,
								      c->nid, buffers));
					EXPECT_EQ(i, r.index);
					return {};
				}));
		}
		cancel_as_in(file, *log);
		expect_same(content(*o), file, name);
	}
}

TEST_F(Golden, PlainLogsAreWrittenByteForByte)
{
	for (std::string name : kPlainLogs) {
		std::string file = golden(name);
		osd::ObjectRef o = make();
		LogRef log = open(o, like(header(file)));
		for (auto &r : raw_records(file, header(file).hdr.len)) {
			if (r.type == LlogRecType::LLOG_PAD_MAGIC)
				continue;
			cfs::Bytes body = bytes(r.body);
			EXPECT_TRUE(in_tx(
				*device_,
				[&](osd::Transaction &tx) {
					return log->declare_append(tx, body.size());
				},
				[&](osd::Transaction &tx) -> cfs::Result<> {
					(void)TRY(log->append(tx, r.type, {&body, 1}, r.id));
					return {};
				}));
		}
		cancel_as_in(file, *log);
		expect_same(content(*o), file, name);
	}
}

TEST_F(Golden, ServesBlocksAsStockClientsAskForThem)
{
	std::string file = golden("used-MGS/CONFIGS/gold-client");
	LogRef log = open(import(file, wire::make_fid(0xa, 60)));
	std::vector<std::byte> out(8192);
	auto b = log->next_block(1, 0, 8192, out);
	ASSERT_TRUE(b);
	EXPECT_EQ(b->end, file.size());
	std::uint32_t last = header(file).tail.index;
	EXPECT_EQ(b->last_index, last);
	EXPECT_EQ(std::memcmp(out.data(), file.data() + 8192, file.size() - 8192), 0);
	EXPECT_EQ(out.back(), std::byte{0});
	// The last record is read once more, from the same place.
	b = log->next_block(last, last, 8192, out);
	ASSERT_TRUE(b);
	EXPECT_EQ(b->end, file.size());
	EXPECT_EQ(log->next_block(last + 1, last, 8192, out).error(), cfs::err::NODATA);
}

// ---- damage ----

class Damage : public LlogTest
{
protected:
	/// Many records over several chunks.
	std::string big_log()
	{
		osd::ObjectRef o = make();
		LogRef log = open(o);
		for (unsigned i = 0; i < 600; i++)
			EXPECT_TRUE(append(*log, "record " + std::to_string(i) +
							 std::string(i % 40, '.')));
		return content(*o);
	}
	llog::ProcessResult walk(const std::string &file, Collector &c)
	{
		FileSource s(file);
		auto r = llog::process(s, "damaged", c);
		EXPECT_TRUE(r);
		return r ? *r : llog::ProcessResult{};
	}
	bool was_said(const std::string &text)
	{
		for (auto &line : console())
			if (line.find(text) != line.npos)
				return true;
		return false;
	}
};

TEST_F(Damage, CorruptRecordCostsItsChunkOnly)
{
	std::string file = big_log();
	Collector good;
	walk(file, good);
	ASSERT_EQ(good.items.size(), 600u);
	// A record in the middle of the second chunk of records.
	std::size_t victim = 0;
	while (good.items[victim].offset < 8192 * 2 + 3000)
		victim++;
	std::size_t next_chunk = victim;
	while (good.items[next_chunk].offset < 8192 * 3)
		next_chunk++;
	for (std::size_t field : {0u, 1u, 4u, 11u}) {
		std::string bad = file;
		bad[good.items[victim].offset + field] ^= 0x5a;
		Collector c;
		auto r = walk(bad, c);
		EXPECT_EQ(r.corrupt, 1u);
		EXPECT_EQ(c.items.size(), 600 - (next_chunk - victim)) << field;
		EXPECT_EQ(c.items[victim].index, good.items[next_chunk].index);
		EXPECT_TRUE(was_said("damaged"));
		// Only the first message of a place is printed at once.
		TearDown();
		SetUp();
	}
}

TEST_F(Damage, CutLogIsReadUpToItsEnd)
{
	std::string file = big_log();
	for (std::size_t n : {std::size_t{8192}, std::size_t{8193}, std::size_t{8192 * 2},
			      std::size_t{8192 * 2 + 100}, file.size() - 8}) {
		Collector c;
		auto r = walk(file.substr(0, n), c);
		EXPECT_GE(r.corrupt, 1u) << n;
		EXPECT_LT(c.items.size(), 600u);
		for (auto &i : c.items)
			EXPECT_LE(i.offset + 24, n);
	}
}

TEST_F(Damage, RandomDamageNeverLoopsNorShowsARecordTwice)
{
	std::string file = big_log();
	cfs::selftest::Numbers rng(11);
	for (unsigned round = 0; round < 500; round++) {
		std::string bad = file;
		for (std::uint64_t n = 1 + rng.below(20); n-- > 0;) {
			std::size_t at = round % 3 ? rng.below(bad.size()) : 8184 + rng.below(200);
			bad[at] = static_cast<char>(rng.next());
		}
		FileSource s(bad);
		Collector c;
		auto r = llog::process(s, "damaged", c);
		EXPECT_TRUE(r || r.error() == PROTO);
		std::uint32_t last = 0;
		for (auto &i : c.items) {
			EXPECT_GT(i.index, last);
			last = i.index;
		}
	}
}

TEST_F(Damage, BadHeadersAreRefused)
{
	std::string file = big_log();
	auto refused = [&](std::size_t at, unsigned char value) {
		std::string bad = file;
		bad[at] = static_cast<char>(value);
		FileSource s(bad);
		Collector c;
		auto r = llog::process(s, "damaged", c);
		return !r && r.error() == PROTO && c.items.empty();
	};
	EXPECT_TRUE(refused(1, 0x10)); // length
	EXPECT_TRUE(refused(9, 0));    // type
	EXPECT_TRUE(refused(28, 80));  // where the bitmap is
	EXPECT_TRUE(refused(8184, 1)); // length in the tail
	EXPECT_TRUE(refused(8190, 1)); // last index
}

TEST_F(Damage, OtherByteOrderIsRefused)
{
	std::string swapped = big_log();
	std::reverse(swapped.begin() + 8, swapped.begin() + 12);
	FileSource s(swapped);
	Collector c;
	EXPECT_EQ(llog::process(s, "damaged", c).error(), PROTO);
	EXPECT_TRUE(was_said("byte order"));
}

TEST_F(Damage, SourceThatGoesBackIsStopped)
{
	class Liar final : public llog::LogSource
	{
		FileSource real_;

	public:
		unsigned asked = 0;
		explicit Liar(std::string f) : real_(std::move(f)) {}
		cfs::Result<std::size_t> read_header(cfs::MutBytes out) noexcept override
		{
			return real_.read_header(out);
		}
		cfs::Result<Block> next_block(std::uint32_t, std::uint32_t, std::uint64_t,
					      cfs::MutBytes out) noexcept override
		{
			asked++;
			return real_.next_block(1, 0, 8192, out); // always the first one
		}
	};
	Liar liar(big_log());
	Collector c;
	auto r = llog::process(liar, "damaged", c);
	EXPECT_EQ(r.error(), PROTO);
	EXPECT_LT(liar.asked, 5u);
}

} // namespace
