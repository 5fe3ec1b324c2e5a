// SPDX-License-Identifier: GPL-2.0
// An OST over RPC: what it grants, objects made for an MDT, data of clients (spec 05).
#include <numeric>

#include "ldlm/rpc_links.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "osd/local.hpp"
#include "ost/ost.hpp"
#include "rpc/data_checksum.hpp"
#include "tests/unit/rpc_test.hpp"

namespace
{

using namespace rpctest;
using wire::OBD_MD_FLFLAGS;
using wire::OBD_MD_FLGROUP;
using wire::OBD_MD_FLID;
using wire::Obdo;

constexpr u64 kClientFlags = 0xa0465af2e3640038; // what a stock client asks for
constexpr u64 kClientFlags2 = 0x400148202;
constexpr u64 kMdtFlags =
	wire::OBD_CONNECT_INDEX | wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_FLAGS2 |
	wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_LRU_RESIZE |
	wire::OBD_CONNECT_MDS | wire::OBD_CONNECT_SKIP_ORPHAN | wire::OBD_CONNECT_FID |
	wire::OBD_CONNECT_LVB_TYPE | wire::OBD_CONNECT_BULK_MBITS;

constexpr u32 kCached = wire::OBD_BRW_ASYNC | wire::OBD_BRW_FROM_GRANT;
constexpr u32 kLockless = wire::OBD_BRW_SRVLOCK | wire::OBD_BRW_NOCACHE | wire::OBD_BRW_SYNC;

wire::OstId object(u64 number)
{
	wire::OstId o{};
	o.oi.oi_id = number;
	return o;
}

std::vector<std::byte> pattern(std::size_t n, unsigned seed)
{
	std::vector<std::byte> v(n);
	for (std::size_t i = 0; i < n; i++)
		v[i] = static_cast<std::byte>(i * 31 + (i >> 8) * 7 + seed);
	return v;
}

/// Memory of the client's half of a bulk, cut at the object's pages.
struct Pages {
	std::vector<cfs_bvec> pieces;
	std::vector<u64> offsets;
	u32 length = 0;

	void add(u64 offset, u32 len)
	{
		while (len > 0) {
			u32 in_page = static_cast<u32>(offset % 4096);
			u32 n = std::min<u32>(len, 4096 - in_page);
			pieces.push_back(
				{cfs_page_alloc(CFS_S_OST, CFS_ALLOC_DEFAULT), n, in_page});
			offsets.push_back(offset);
			offset += n, len -= n, length += n;
		}
	}
	~Pages()
	{
		for (auto &v : pieces)
			cfs_page_free(CFS_S_OST, v.page);
	}
	void fill(const std::vector<std::byte> &from)
	{
		std::size_t at = 0;
		for (auto &v : pieces) {
			auto *p = static_cast<std::byte *>(cfs_page_map(v.page));
			memcpy(p + v.offset, from.data() + at, v.len);
			cfs_page_unmap(p);
			at += v.len;
		}
	}
	std::vector<std::byte> bytes(std::size_t n) const
	{
		std::vector<std::byte> v;
		for (auto &b : pieces) {
			auto *p = static_cast<std::byte *>(cfs_page_map(b.page));
			v.insert(v.end(), p + b.offset, p + b.offset + b.len);
			cfs_page_unmap(p);
		}
		v.resize(std::min(n, v.size()));
		return v;
	}
	u32 checksum(rpc::ChecksumType type, std::size_t limit) const
	{
		rpc::DataChecksum sum(type);
		for (std::size_t i = 0; i < pieces.size() && limit > 0; i++) {
			auto *p = static_cast<std::byte *>(cfs_page_map(pieces[i].page));
			std::size_t n = std::min<std::size_t>(limit, pieces[i].len);
			sum.add(offsets[i], {p + pieces[i].offset, n});
			cfs_page_unmap(p);
			limit -= n;
		}
		return sum.value();
	}
};

struct Niobuf {
	u64 offset;
	u32 len;
	u32 flags = kLockless;
};

struct Written {
	i32 status = 0;
	Obdo oa{};
	std::vector<i32> rcs;
};
struct Got {
	i32 status = 0;
	Obdo oa{};
	std::vector<std::byte> data;
};

class OssTarget : public RpcTest
{
protected:
	osd::mem::Disk disk_{{.svname = "tfs-OST0000", .bytes = std::uint64_t{1} << 28}};
	std::unique_ptr<NodeBox> box_;
	ldlm::Ldlm *ldlm_ = nullptr;
	cfs::UniquePtr<ost::Oss> oss_;
	cfs::UniquePtr<ost::Ost> ost_;
	std::unique_ptr<ClientBox> client_, mdt_;

	void SetUp() override
	{
		RpcTest::SetUp();
		box_ = std::make_unique<NodeBox>();
		ldlm_ = *ldlm::of(*box_->node);
		auto oss = ost::Oss::start(*box_->rpc, nullptr);
		ASSERT_TRUE(oss);
		oss_ = std::move(*oss);
		start();
	}
	void TearDown() override
	{
		client_.reset();
		mdt_.reset();
		stop(target::StopKind::final);
		oss_.reset();
		box_.reset();
		RpcTest::TearDown();
	}
	void start()
	{
		osd::mem::MountOptions o;
		o.commit_interval = cfs::Duration::millis(50);
		auto dev = osd::mem::mount(cfs_node_current(), disk_, "tfs-OST0000", o);
		ASSERT_TRUE(dev);
		ost::OstConfig c;
		c.name = "tfs-OST0000";
		c.recovery_soft = c.recovery_hard = cfs::Duration::seconds(2);
		auto t = ost::Ost::start(*box_->rpc, *ldlm_, std::move(*dev), c);
		ASSERT_TRUE(t);
		ost_ = std::move(*t);
	}
	void stop(target::StopKind kind)
	{
		if (ost_)
			ost_->stop(kind);
		ost_.reset();
	}
	void connect_client()
	{
		client_ = std::make_unique<ClientBox>(
			*box_->rpc, std::vector{Nid::lo()}, "client-1_UUID", [](ImportSpec &s) {
				s.wanted.connect_flags = kClientFlags;
				s.wanted.connect_flags2 = kClientFlags2;
				s.wanted.brw_size = 64 << 20;
				s.wanted.grant = 128 << 20;
				s.wanted.cksum_types = 0xf7;
				s.wanted.grant_blkbits = 12;
			});
		ASSERT_TRUE(client_->connect());
	}
	void connect_mdt()
	{
		mdt_ = std::make_unique<ClientBox>(*box_->rpc, std::vector{Nid::lo()},
						   "tfs-MDT0000-mdtlov_UUID", [](ImportSpec &s) {
							   s.wanted.connect_flags = kMdtFlags;
							   s.wanted.connect_flags2 = 0;
							   s.wanted.index = 0;
						   });
		ASSERT_TRUE(mdt_->connect());
	}
	void SetUpObjects()
	{
		connect_mdt();
		connect_client();
		ASSERT_TRUE(create(32));
		ASSERT_TRUE(create(32, wire::OBD_FL_DELORPHAN)); // no more will come
	}

	// ---- requests ----
	cfs::Result<wire::Fid> create(u64 upto, u32 flags = 0)
	{
		auto r = TRY(Request<op::OstCreate>::make(*mdt_->imp));
		Obdo &oa = r.get<fld::OstBody>().oa;
		oa.valid = OBD_MD_FLGROUP | (flags ? OBD_MD_FLFLAGS : 0);
		oa.flags = flags;
		oa.oi = object(upto);
		(void)TRY(r.send_wait());
		EXPECT_EQ(r->transno(), wire::Transno{});
		auto back = TRY(r.reply());
		EXPECT_EQ(back.get<fld::OstBody>().oa.valid,
			  OBD_MD_FLID | OBD_MD_FLGROUP | wire::OBD_MD_FLSIZE);
		return back.get<fld::OstBody>().oa.oi.oi_fid;
	}
	/// Any operation that is one obdo there and one back.
	template <typename Format>
	cfs::Result<Obdo> call(ClientBox &by, const Obdo &oa)
	{
		auto r = TRY(Request<Format>::make(*by.imp));
		r.template get<fld::OstBody>().oa = oa;
		(void)TRY(r.send_wait());
		auto back = TRY(r.reply());
		return back.template get<fld::OstBody>().oa;
	}
	static Obdo of(u64 number)
	{
		Obdo oa{};
		oa.valid = OBD_MD_FLID | OBD_MD_FLGROUP;
		oa.oi = object(number);
		return oa;
	}
	Written write(u64 number, std::vector<Niobuf> nb, const std::vector<std::byte> &data,
		      std::function<void(Obdo &)> change = {}, bool short_io = false)
	{
		Written w;
		RequestLengths<op::OstWrite> n;
		n.elements<fld::Niobufs>(nb.size());
		if (short_io)
			n.bytes<fld::ShortIo>(data.size());
		ReplyLengths<op::OstWrite> back;
		back.elements<fld::Rcs>(nb.size());
		auto r = Request<op::OstWrite>::make(*client_->imp, n, back);
		EXPECT_TRUE(r);
		Pages pages;
		for (auto &b : nb)
			pages.add(b.offset, b.len);
		pages.fill(data);
		auto type = rpc::ChecksumType::crc32c;
		Obdo &oa = r->get<fld::OstBody>().oa;
		oa = of(number);
		oa.valid = oa.valid | wire::OBD_MD_FLCKSUM | OBD_MD_FLFLAGS;
		oa.flags = static_cast<u32>(type) | (short_io ? wire::OBD_FL_SHORT_IO : 0);
		oa.cksum() = pages.checksum(type, data.size());
		if (change)
			change(oa);
		describe(*r, nb, pages, short_io);
		if (short_io) {
			EXPECT_TRUE(r->put<fld::ShortIo>(cfs::Bytes(data)));
		} else {
			(*r)->options.bulk =
				BulkDesc::pages(Bulk::from_client, wire::Portal::OST_BULK_PORTAL,
						pages.pieces, pages.length);
		}
		(*r)->options.request_portal = wire::Portal::OST_IO_PORTAL;
		(*r)->options.no_replay = true;
		auto s = r->send_wait();
		w.status = s ? *s : cfs::to_rc(s.error());
		auto reply = r->reply();
		if (reply && s) {
			w.oa = reply->get<fld::OstBody>().oa;
			EXPECT_EQ(w.oa.cksum(), pages.checksum(type, data.size()));
			for (auto rc : reply->get<fld::Rcs>())
				w.rcs.push_back(rc);
		}
		return w;
	}
	template <typename R>
	static void describe(R &r, const std::vector<Niobuf> &nb, const Pages &pages, bool short_io)
	{
		std::size_t mds = (pages.pieces.size() + 255) / 256;
		auto &o = r.template get<fld::IoObj>();
		o.max_brw = short_io ? 0xffff0000 : max_brw_of(std::max<std::size_t>(mds, 4));
		o.bufcnt = static_cast<u32>(nb.size());
		for (std::size_t i = 0; i < nb.size(); i++)
			r.template get<fld::Niobufs>()[i] = {nb[i].offset, nb[i].len, nb[i].flags};
	}
	Got read(u64 number, std::vector<Niobuf> nb, bool short_io = false)
	{
		Got g;
		RequestLengths<op::OstRead> n;
		n.elements<fld::Niobufs>(nb.size());
		ReplyLengths<op::OstRead> back;
		if (short_io)
			back.bytes<fld::ShortIo>(nb[0].len);
		auto r = Request<op::OstRead>::make(*client_->imp, n, back);
		EXPECT_TRUE(r);
		Pages pages;
		for (auto &b : nb)
			pages.add(b.offset, b.len);
		auto type = rpc::ChecksumType::adler;
		Obdo &oa = r->get<fld::OstBody>().oa;
		oa = of(number);
		oa.valid = oa.valid | wire::OBD_MD_FLCKSUM | OBD_MD_FLFLAGS;
		oa.flags = static_cast<u32>(type) | (short_io ? wire::OBD_FL_SHORT_IO : 0);
		describe(*r, nb, pages, short_io);
		if (!short_io)
			(*r)->options.bulk =
				BulkDesc::pages(Bulk::to_client, wire::Portal::OST_BULK_PORTAL,
						pages.pieces, pages.length);
		(*r)->options.request_portal = wire::Portal::OST_IO_PORTAL;
		auto s = r->send_wait();
		g.status = s ? *s : cfs::to_rc(s.error());
		auto reply = r->reply();
		if (!reply || !s)
			return g;
		g.oa = reply->get<fld::OstBody>().oa;
		if (short_io) {
			auto b = reply->get<fld::ShortIo>();
			g.data.assign(b.begin(), b.end());
			EXPECT_EQ(b.size(), static_cast<std::size_t>(g.status));
		} else {
			g.data = pages.bytes(static_cast<std::size_t>(g.status));
		}
		if (!short_io) {
			EXPECT_EQ(g.oa.cksum(),
				  pages.checksum(type, static_cast<std::size_t>(g.status)));
		}
		return g;
	}
};

TEST_F(OssTarget, AStockClientIsGrantedWhatStockGrants)
{
	connect_client();
	auto d = client_->imp->granted();
	// Without LFSCK; OSS_CAPA and PINGLESS are never granted.
	EXPECT_EQ(d.connect_flags, 0xa0425af2e3440038 & ~wire::OBD_CONNECT_LFSCK);
	EXPECT_EQ(d.brw_size, 4u << 20);
	EXPECT_EQ(d.grant_blkbits, 12);
	EXPECT_EQ(d.grant_tax_kb, 24);
	EXPECT_EQ(d.grant_max_blks, 16384u);
	EXPECT_EQ(d.grant, 8437760u);
	EXPECT_EQ(d.cksum_types, rpc::checksum_bits());
}

TEST_F(OssTarget, AnMdtThatLooksForAnotherIndexIsRefused)
{
	mdt_ = std::make_unique<ClientBox>(*box_->rpc, std::vector{Nid::lo()},
					   "tfs-MDT0000-mdtlov_UUID", [](ImportSpec &s) {
						   s.wanted.connect_flags = kMdtFlags;
						   s.wanted.index = 3;
					   });
	EXPECT_FALSE(mdt_->connect(2));
}

TEST_F(OssTarget, ObjectsAreMadeUpToTheNumberAskedFor)
{
	connect_mdt();
	EXPECT_EQ(*create(1, wire::OBD_FL_DELORPHAN), wire::make_fid(0x100000000, 1));
	EXPECT_EQ(*create(33), wire::make_fid(0x100000000, 33));
	EXPECT_EQ(*create(33), wire::make_fid(0x100000000, 33));
	// One that is behind is told where to go on.
	EXPECT_EQ(*create(10), wire::make_fid(0x100000000, 34));
	auto oa = call<op::OstGetattr>(*mdt_, of(33));
	ASSERT_TRUE(oa);
	EXPECT_EQ(oa->mode, 0107666u);
	EXPECT_EQ(oa->data_version, 0u);
	EXPECT_EQ(call<op::OstGetattr>(*mdt_, of(34)).error(), cfs::err::NOENT);
}

TEST_F(OssTarget, OnlyMdtsUseUpNumbers)
{
	SetUpObjects();
	Obdo far = of(1u << 30), orphans = of(1);
	orphans.valid = orphans.valid | OBD_MD_FLFLAGS;
	orphans.flags = wire::OBD_FL_DELORPHAN;
	EXPECT_EQ(call<op::OstCreate>(*client_, far).error(), cfs::err::PERM);
	EXPECT_EQ(call<op::OstCreate>(*client_, orphans).error(), cfs::err::PERM);
	auto next = create(40);
	ASSERT_TRUE(next);
	EXPECT_EQ(next->oid, 40u);
	// Nor do they make sequences.
	Obdo other = of(1);
	other.oi.oi_fid = wire::make_fid(0x240000400, 7);
	EXPECT_EQ(call<op::OstDestroy>(*client_, other).error(), cfs::err::NOENT);
	EXPECT_FALSE((*ost_->device().object(osd::last_id_fid(0x240000400)))->exists());
}

TEST_F(OssTarget, OrphansAreDestroyedAndTheirNumbersNotUsedAgain)
{
	connect_mdt();
	EXPECT_TRUE(create(40));
	EXPECT_EQ(*create(5, wire::OBD_FL_DELORPHAN), wire::make_fid(0x100000000, 40));
	EXPECT_TRUE(call<op::OstGetattr>(*mdt_, of(5)));
	EXPECT_EQ(call<op::OstGetattr>(*mdt_, of(6)).error(), cfs::err::NOENT);
	EXPECT_EQ(*create(48), wire::make_fid(0x100000000, 48));
}

TEST_F(OssTarget, WhatWasWrittenIsRead)
{
	SetUpObjects();
	auto data = pattern(3146505, 1);
	auto w = write(2, {{1000, 3146505}}, data, [](Obdo &oa) {
		oa.valid = oa.valid | wire::OBD_MD_FLUID | wire::OBD_MD_FLGID |
			   wire::OBD_MD_FLMTIME | wire::OBD_MD_FLFID | wire::OBD_MD_FLPARENT;
		oa.uid = 500;
		oa.gid = 501;
		oa.mtime = 1234567;
		oa.parent_seq = 0x200000401;
		oa.parent_oid = 7;
		oa.stripe_idx = 1;
	});
	ASSERT_EQ(w.status, 0);
	EXPECT_EQ(w.rcs, std::vector<i32>{0});
	EXPECT_EQ(w.oa.size, 1000u + 3146505);
	EXPECT_EQ(w.oa.mode, 0101666u); // no project yet
	EXPECT_FALSE(w.oa.valid & wire::OBD_MD_FLMTIME);
	auto g = read(2, {{1000, 3146505}});
	ASSERT_EQ(g.status, 3146505);
	EXPECT_EQ(g.data, data);
	auto oa = call<op::OstGetattr>(*client_, of(2));
	ASSERT_TRUE(oa);
	EXPECT_EQ(oa->uid, 500u);
	EXPECT_EQ(oa->gid, 501u);
	EXPECT_EQ(oa->mtime, 1234567);
	EXPECT_NE(oa->data_version, 0u);
}

TEST_F(OssTarget, APageBehindTheEndHasNothingAndOneAcrossItIsWhole)
{
	SetUpObjects();
	ASSERT_EQ(write(3, {{0, 8}}, pattern(8, 2)).status, 0);
	auto g = read(3, {{0, 65536}});
	EXPECT_EQ(g.status, 4096);
	auto expected = pattern(8, 2);
	expected.resize(4096);
	EXPECT_EQ(g.data, expected);
	EXPECT_EQ(read(3, {{8192, 1 << 20}}).status, 0);
	EXPECT_EQ(read(99, {{0, 4096}}).status, -2);
}

TEST_F(OssTarget, SmallDataTravelsInTheMessages)
{
	SetUpObjects();
	auto data = pattern(5000, 3);
	auto w = write(4, {{100, 5000}}, data, {}, true);
	ASSERT_EQ(w.status, 0);
	EXPECT_TRUE(w.oa.flags & wire::OBD_FL_SHORT_IO);
	auto g = read(4, {{100, 5000}}, true);
	EXPECT_EQ(g.status, 5000);
	EXPECT_EQ(g.data, data);
	EXPECT_EQ(read(4, {{8192, 4096}}, true).status, 0);
}

TEST_F(OssTarget, SeveralPiecesInOneRequest)
{
	SetUpObjects();
	auto data = pattern(4096 * 3, 4);
	auto w = write(5, {{4096, 4096}, {1 << 20, 8192}}, data);
	ASSERT_EQ(w.status, 0);
	EXPECT_EQ(w.rcs, (std::vector<i32>{0, 0}));
	auto g = read(5, {{0, 4096}, {4096, 4096}, {1 << 20, 8192}});
	EXPECT_EQ(g.status, 4 * 4096);
	EXPECT_TRUE(std::equal(data.begin(), data.end(), g.data.begin() + 4096));
	EXPECT_TRUE(std::all_of(g.data.begin(), g.data.begin() + 4096,
				[](std::byte b) { return b == std::byte{}; }));
	auto at = of(5);
	at.mode = 3; // SEEK_DATA
	EXPECT_EQ(call<op::OstSeek>(*client_, at)->size, 4096u);
	at.size = 8192;
	EXPECT_EQ(call<op::OstSeek>(*client_, at)->size, 1u << 20);
	at.size = 2 << 20;
	EXPECT_EQ(call<op::OstSeek>(*client_, at)->size, ~u64{5}); // -6
}

TEST_F(OssTarget, RequestsThatMakeNoSenseAreRefused)
{
	SetUpObjects();
	auto data = pattern(8192, 5);
	EXPECT_EQ(write(0, {{0, 8192}}, data).status, -71);
	EXPECT_EQ(write(2, {{0, 4096, kLockless}, {4096, 4096, kCached}}, data).status, -14);
	EXPECT_EQ(write(2, {{4096, 4096}, {0, 4096}}, data).status, -22);
	EXPECT_EQ(write(2, {{u64{1} << 62, 8192}}, data).status, -27);
	auto oa = of(2);
	oa.oi.oi_fid = wire::make_fid(0x200000007, 3);
	EXPECT_EQ(call<op::OstGetattr>(*client_, oa).error(), cfs::err::PROTO);
	EXPECT_EQ(call<op::OstPunch>(*client_, of(2)).error(), cfs::err::PROTO);
	EXPECT_EQ(write(2, {{0, 8192}}, data).status, 0);
}

TEST_F(OssTarget, AWriteFromGrantSettlesItAtCommit)
{
	SetUpObjects();
	auto data = pattern(1 << 20, 6);
	auto w = write(6, {{0, 1 << 20, kCached | wire::OBD_BRW_SRVLOCK}}, data, [](Obdo &oa) {
		oa.valid = oa.valid | wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLGRANT;
		oa.dirty() = 1073152;
		oa.undirty() = 187768832;
		oa.grant = 8437760 - 1073152;
		oa.grant_used() = 1073152;
	});
	ASSERT_EQ(w.status, 0);
	EXPECT_TRUE(w.oa.valid & wire::OBD_MD_FLGRANT);
	EXPECT_EQ(w.oa.grant, 8437760u);
	EXPECT_EQ(w.oa.grant_used(), 1073152u);
	ASSERT_TRUE(call<op::OstSync>(*client_, of(6)));
	// Nothing is pending when everything is committed: the space left counts no grant twice.
	auto st = Request<op::OstStatfs>::make(*client_->imp);
	ASSERT_TRUE(st);
	(*st)->options.request_portal = wire::Portal::OST_CREATE_PORTAL;
	ASSERT_TRUE(st->send_wait());
	auto reply = st->reply();
	EXPECT_NE(reply->get<fld::ObdStatfs>().type, 0u);
	EXPECT_LE(reply->get<fld::ObdStatfs>().bavail, reply->get<fld::ObdStatfs>().bfree);
}

TEST_F(OssTarget, PunchSetsTheSizeAndSetattrTheRest)
{
	SetUpObjects();
	ASSERT_EQ(write(7, {{0, 65536}}, pattern(65536, 7)).status, 0);
	auto oa = of(7);
	oa.valid = oa.valid | wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLUID |
		   OBD_MD_FLFLAGS;
	oa.size = 5000;
	oa.blocks = wire::OBD_OBJECT_EOF;
	oa.uid = 77;
	oa.flags = wire::OBD_FL_SRVLOCK;
	auto p = call<op::OstPunch>(*client_, oa);
	ASSERT_TRUE(p);
	EXPECT_EQ(p->valid, OBD_MD_FLID | wire::OBD_MD_FLBLOCKS);
	auto g = read(7, {{0, 8192}});
	EXPECT_EQ(g.status, 8192);
	EXPECT_EQ(g.data[5000], std::byte{});
	oa = of(7);
	oa.valid = oa.valid | wire::OBD_MD_FLMTIME | wire::OBD_MD_FLGID;
	oa.mtime = 99;
	oa.gid = 78;
	ASSERT_TRUE(call<op::OstSetattr>(*client_, oa));
	auto now = call<op::OstGetattr>(*client_, of(7));
	ASSERT_TRUE(now);
	EXPECT_EQ(now->size, 5000u);
	EXPECT_EQ(now->uid, 77u);
	EXPECT_EQ(now->gid, 78u);
	EXPECT_EQ(now->mtime, 99);
	oa.valid = oa.valid | wire::OBD_MD_FLSIZE;
	EXPECT_EQ(call<op::OstSetattr>(*client_, oa).error(), cfs::err::PERM);
}

TEST_F(OssTarget, DestroyedObjectsAreGoneAndSaidToBe)
{
	SetUpObjects();
	auto oa = of(8);
	oa.valid = oa.valid | wire::OBD_MD_FLOBJCOUNT;
	oa.misc = 2;
	auto r = Request<op::OstDestroy>::make(*mdt_->imp);
	ASSERT_TRUE(r);
	r->get<fld::OstBody>().oa = oa;
	ASSERT_TRUE(r->send_wait());
	EXPECT_NE((*r)->transno(), wire::Transno{});
	EXPECT_EQ(r->reply()->get<fld::OstBody>().oa.oi.oi_fid, wire::make_fid(0x100000000, 10));
	EXPECT_EQ(call<op::OstGetattr>(*mdt_, of(8)).error(), cfs::err::NOENT);
	EXPECT_EQ(call<op::OstGetattr>(*mdt_, of(9)).error(), cfs::err::NOENT);
	auto again = Request<op::OstDestroy>::make(*mdt_->imp);
	again->get<fld::OstBody>().oa = oa;
	EXPECT_EQ(again->send_wait().error(), cfs::err::NOENT);
}

TEST_F(OssTarget, ARestartKeepsWhatWasWritten)
{
	SetUpObjects();
	auto data = pattern(10000, 9);
	ASSERT_EQ(write(9, {{0, 10000}}, data).status, 0);
	client_.reset();
	mdt_.reset();
	stop(target::StopKind::final);
	start();
	connect_mdt();
	connect_client();
	auto g = read(9, {{0, 10000}});
	EXPECT_EQ(g.status, 10000);
	EXPECT_EQ(g.data, data);
	EXPECT_EQ(*create(32), wire::make_fid(0x100000000, 32));
}

/// Holds locks and says what size it thinks an object has.
struct Holder final : ldlm::LockUser {
	ldlm::ClientLocks locks;
	std::atomic<int> cancelled{0}, glimpsed{0};
	std::atomic<u64> size{0};

	void on_cancel(ldlm::ClientLock &, const ldlm::CancelInfo &) noexcept override
	{
		cancelled++;
	}
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }
	cfs::Result<std::size_t> on_glimpse(ldlm::ClientLock &, cfs::Bytes,
					    cfs::MutBytes lvb) noexcept override
	{
		glimpsed++;
		wire::OstLvb l{};
		l.size = size.load();
		memcpy(lvb.data(), &l, sizeof(l));
		return sizeof(l);
	}
	struct Got {
		cfs::Result<ldlm::EnqueueResult> result;
		wire::OstLvb lvb{};
	};
	Got enqueue(u64 number, ldlm::Mode mode, u64 flags = 0)
	{
		ldlm::EnqueueSpec s;
		s.type = ldlm::LDLM_EXTENT;
		s.name = ldlm::ResName::of_object(object(number));
		s.mode = mode;
		s.policy = ldlm::Policy::of_extent(0, ldlm::kEof);
		s.flags = flags;
		s.lvb_type = wire::LvbType::LVB_T_OST;
		s.lvb_max = sizeof(wire::OstLvb);
		std::byte lvb[sizeof(wire::OstLvb)]{};
		Got g{locks.ns().enqueue(s, lvb)};
		memcpy(&g.lvb, lvb, sizeof(g.lvb));
		return g;
	}
};

class OssLocks : public OssTarget
{
protected:
	std::unique_ptr<ClientBox> second_;
	Holder a_, b_;

	std::unique_ptr<ClientBox> join(const char *uuid, Holder &h)
	{
		auto c = std::make_unique<ClientBox>(
			*box_->rpc, std::vector{Nid::lo()}, uuid, [uuid](ImportSpec &s) {
				s.device = uuid;
				s.wanted.connect_flags = kClientFlags;
				s.wanted.connect_flags2 = kClientFlags2;
				s.wanted.brw_size = 64 << 20;
				s.wanted.cksum_types = 0xf7;
			});
		EXPECT_TRUE(h.locks.open(*ldlm_, *c->imp, uuid, h));
		EXPECT_TRUE(c->connect());
		return c;
	}
	void SetUp() override
	{
		OssTarget::SetUp();
		connect_mdt();
		ASSERT_TRUE(create(32));
		ASSERT_TRUE(create(32, wire::OBD_FL_DELORPHAN)); // no more will come
		client_ = join("client-a", a_);
		second_ = join("client-b", b_);
	}
	void TearDown() override
	{
		for (Holder *h : {&a_, &b_})
			EXPECT_TRUE(h->locks.close(true, cfs::WaitMode::idle,
						   cfs::after(cfs::Duration::seconds(20))));
		second_.reset();
		OssTarget::TearDown();
	}
};

TEST_F(OssLocks, ALockComesWithSizeAndTimesOrWithTheReasonThatThereAreNone)
{
	ASSERT_EQ(write(3, {{0, 5000}}, pattern(5000, 1)).status, 0);
	auto got = a_.enqueue(3, ldlm::LCK_PW);
	ASSERT_TRUE(got.result);
	EXPECT_TRUE(got.result->use);
	EXPECT_EQ(got.lvb.size, 5000u);
	EXPECT_EQ(got.lvb.blocks, 16u);
	auto none = a_.enqueue(77, ldlm::LCK_PR);
	ASSERT_TRUE(none.result);
	EXPECT_EQ(none.lvb.blocks, 0xffbadbad7ffffffe);
}

TEST_F(OssLocks, AGlimpseAsksTheHolder)
{
	auto held = a_.enqueue(4, ldlm::LCK_PW);
	ASSERT_TRUE(held.result);
	a_.size = 1 << 20;
	auto seen = b_.enqueue(4, ldlm::LCK_PR, wire::LDLM_FL_HAS_INTENT);
	ASSERT_TRUE(seen.result);
	EXPECT_EQ(seen.result->status, 301);
	EXPECT_FALSE(seen.result->use);
	EXPECT_EQ(seen.lvb.size, 1u << 20);
	EXPECT_EQ(a_.glimpsed, 1);
	EXPECT_EQ(a_.cancelled, 0);
}

TEST_F(OssLocks, LocklessWritesAndDestructionTakeLocksAway)
{
	{
		auto held = b_.enqueue(5, ldlm::LCK_PR);
		ASSERT_TRUE(held.result);
	}
	EXPECT_EQ(write(5, {{0, 4096}}, pattern(4096, 2)).status, 0);
	EXPECT_EQ(b_.cancelled, 1);
	auto again = b_.enqueue(5, ldlm::LCK_PR);
	ASSERT_TRUE(again.result);
	EXPECT_EQ(again.lvb.size, 4096u);
	again.result->use.release();
	auto r = Request<op::OstDestroy>::make(*mdt_->imp);
	r->get<fld::OstBody>().oa = of(5);
	ASSERT_TRUE(r->send_wait());
	EXPECT_EQ(b_.cancelled, 2);
}

} // namespace
