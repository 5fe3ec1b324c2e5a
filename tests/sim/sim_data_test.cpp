// SPDX-License-Identifier: GPL-2.0
//
// File data of two clients over two OSTs: what one wrote the other reads, sizes agree, appends do
// not overlap, and concurrent reads and writes look as if they had come one after the other.
#include <cstring>
#include <set>
#include <string>

#include "libcfs/sim/net.hpp"
#include "lustre/ost/ost.hpp"
#include "rpc/format/ops_ost.hpp"
#include "tests/sim/cluster.hpp"
#include "tests/sim/data_vfs.hpp"
#include "tests/sim/victim.hpp"

namespace
{

using namespace cfs::sim;
using client::DataSpace;
using client::FileData;
using client::Range;
using client::u32;
using client::u64;
using client::u8;
using cluster::check;
using cluster::must;

constexpr u32 kOsts = 2;
constexpr u64 kFiles = 4;
constexpr u32 kStripe = 65536;

std::string ost_name(u32 i)
{
	return "tfs-OST000" + std::to_string(i);
}

// ---- servers ----

void serve(cluster::Stack &s, osd::mem::Disk &disk, u32 index)
{
	auto device = cluster::mount(disk, ost_name(index));
	auto oss = must(ost::Oss::start(*s.rpc, nullptr), "no OSS");
	std::string name = ost_name(index);
	auto t = must(ost::Ost::start(*s.rpc, *s.ldlm, device, {.name = name, .index = index}),
		      "no OST");
	device = {};
	wait_stop();
	t->stop(target::StopKind::failover);
	t.reset();
	oss->stop();
}

/// The part of the MDT: objects 1 to n of group 0.
void create_objects(cluster::Stack &s, const lnet::Nid &nid, u32 index, u64 n)
{
	std::string target = ost_name(index) + "_UUID";
	rpc::ImportSpec spec = rpc::ost_import();
	spec.device = "tfs-creator";
	spec.target = target;
	spec.client_uuid = "creator";
	spec.wanted.connect_flags = wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_FULL20 |
				    wire::OBD_CONNECT_FID | wire::OBD_CONNECT_AT |
				    wire::OBD_CONNECT_MDS;
	spec.wanted.version = wire::LUSTRE_VERSION_CODE;
	auto import = must(s.rpc->new_import(spec), "no import");
	must(import->add_connection({&nid, 1}), "no connection");
	must(import->start(), "no start");
	must(import->wait_full(cfs::WaitMode::idle, cfs::Instant::never()), "not connected");
	auto req = must(rpc::Request<rpc::op::OstCreate>::make(*import), "no request");
	auto &oa = req.get<rpc::fld::OstBody>().oa;
	oa.valid = wire::OBD_MD_FLGROUP;
	oa.oi.oi.oi_id = n;
	must(req.send_wait(cfs::WaitMode::idle), "no objects");
	(void)import->disconnect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(50)));
}

// ---- a client ----

cfs::RefPtr<const client::Layout> layout_of(u64 object, u32 stripes)
{
	std::vector<std::byte> ea(sizeof(wire::LovMdsMdV1) + stripes * sizeof(wire::LovOstData));
	wire::LovMdsMdV1 head{};
	head.magic = wire::LOV_MAGIC_V1;
	head.pattern = wire::LOV_PATTERN_RAID0;
	head.stripe_size = kStripe;
	head.stripe_count = static_cast<std::uint16_t>(stripes);
	std::memcpy(ea.data(), &head, sizeof(head));
	for (u32 i = 0; i < stripes; i++) {
		wire::LovOstData o{};
		o.ost_oi.oi.oi_id = object;
		o.ost_idx = i;
		std::memcpy(ea.data() + sizeof(head) + i * sizeof(o), &o, sizeof(o));
	}
	return must(client::Layout::decode(ea), "bad layout");
}

/// One mounted client, its files open. File i has object i + 1 in each OST.
class Mount final : public client::FileOwner
{
public:
	Mount(cluster::Stack &s, const std::vector<lnet::Nid> &osts, const std::string &name)
	{
		auto node = must(cfs::Node::get(s.node), "no node");
		std::string uuid = name + "-uuid";
		client::DataSpaceSpec spec;
		spec.fsname = "tfs";
		spec.instance = name;
		spec.client_uuid = uuid;
		space = must(DataSpace::make(*node, *s.rpc, *s.ldlm, spec), "no space");
		for (u32 i = 0; i < osts.size(); i++) {
			std::string nid = "node" + std::to_string(i);
			std::string device = ost_name(i) + "-osc";
			std::string target = ost_name(i) + "_UUID";
			must(s.rpc->add_uuid(nid, osts[i]), "no uuid");
			must(space->setup_osc(device, target, nid), "no osc");
			must(space->add_ost(i, target, 1, true), "no ost");
		}
		must(space->wait_connected(cfs::WaitMode::idle, cfs::Instant::never()),
		     "not connected");
	}
	~Mount()
	{
		for (u64 i = 0; i < kFiles; i++)
			close_file(i);
		space->close(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(100)));
	}
	vfs_inode &open_file(u64 i, u32 stripes = kOsts)
	{
		auto vi = std::make_unique<vfs_inode>();
		data[i] = must(FileData::make(*space, wire::make_fid(0x200000400, 1 + u32(i)),
					      vi.get(), *this),
			       "no data");
		vi->data = data[i].get();
		must(data[i]->set_layout(layout_of(i + 1, stripes)), "no layout");
		files[i] = std::move(vi);
		return *files[i];
	}
	void close_file(u64 i)
	{
		if (!files[i])
			return;
		data_vfs::forget(*files[i]);
		data[i].reset();
		files[i].reset();
	}
	cfs::Result<> need_objects(Range, bool) noexcept override
	{
		return cfs::fail(cfs::err::NOSPC);
	}
	cfs::Result<> need_layout() noexcept override { return {}; }

	cfs::UniquePtr<DataSpace> space;
	cfs::UniquePtr<FileData> data[kFiles];
	std::unique_ptr<vfs_inode> files[kFiles];
};

// ---- the world ----

struct Scene {
	std::vector<cluster::DiskPtr> disks;
	std::vector<Node *> osts, clients;
	std::vector<lnet::Nid> nids;
	u32 done = 0;
	bool ready = false;
};

using ClientMain = std::function<void(Scene &, Mount &, u32 which)>;

/// Two OSTs and some clients; each client runs `main` once the objects are there. Ends when all
/// have.
void play(World &w, u32 clients, const ClientMain &main)
{
	auto scene = std::make_shared<Scene>();
	scene->osts = lnet::sim::add_nodes(w, kOsts, "oss");
	scene->clients = lnet::sim::add_nodes(w, clients, "client");
	for (u32 i = 0; i < kOsts; i++) {
		scene->disks.push_back(cluster::make_disk(ost_name(i)));
		scene->nids.push_back(lnet::sim::nid_of(*scene->osts[i]));
		cluster::start(*scene->osts[i],
			       [scene, i](cluster::Stack &s) { serve(s, *scene->disks[i], i); });
	}
	for (u32 c = 0; c < clients; c++)
		cluster::start(*scene->clients[c], [scene, c, main](cluster::Stack &s) {
			if (c == 0) {
				for (u32 i = 0; i < kOsts; i++)
					create_objects(s, scene->nids[i], i, kFiles);
				scene->ready = true;
			}
			while (!scene->ready)
				sleep_for(kMillisecond);
			{
				Mount m(s, scene->nids, "c" + std::to_string(c));
				main(*scene, m, c);
			}
			scene->done++;
		});
	w.spawn("script", [scene, clients] {
		while (scene->done < clients)
			sleep_for(kSecond);
		for (Node *n : scene->osts)
			n->stop();
	});
}

std::vector<u8> pattern(u64 n, u32 salt)
{
	std::vector<u8> v(n);
	for (u64 i = 0; i < n; i++)
		v[i] = static_cast<u8>((i * 31 + i / 251 + salt) & 0xff);
	return v;
}

// ---- tests ----

TEST(SimData, WhatIsWrittenIsReadByAnotherClient)
{
	run_seeds(20, [](World &w) {
		auto step = std::make_shared<u32>(0);
		play(w, 2, [step](Scene &, Mount &m, u32 which) {
			auto wait_for = [&](u32 n) {
				while (*step < n)
					sleep_for(kMillisecond);
			};
			auto &vi = m.open_file(0);
			auto data = pattern(5 * kStripe + 12345, 1);
			std::vector<u8> got(data.size() + 100);
			if (which == 0) {
				check(*data_vfs::write(vi, 0, data) == data.size(), "short");
				*step = 1; // still dirty here
				wait_for(2);
				auto a = must(vi.data->attributes(false), "no attributes");
				check(a.size == 3 * kStripe + 7, "size after truncate");
				must(data_vfs::write(vi, 10 * kStripe + 5, {data.data(), 3}),
				     "no write");
				*step = 3;
				return;
			}
			wait_for(1);
			auto a = must(vi.data->attributes(false), "no attributes");
			check(a.valid && a.size == data.size(), "size of what is dirty elsewhere");
			check(must(data_vfs::read(vi, 0, got), "no read") == data.size(),
			      "end of file");
			check(std::equal(data.begin(), data.end(), got.begin()), "other data");
			must(vi.data->truncate(3 * kStripe + 7, 5, 5), "no truncate");
			check(vi.attr.size == 3 * kStripe + 7, "inode size");
			*step = 2;
			wait_for(3);
			got.assign(11 * kStripe, 0xff);
			u64 n = must(data_vfs::read(vi, 0, got), "no read");
			check(n == 10 * kStripe + 8, "size after a hole");
			u64 kept = 3 * kStripe + 7;
			check(std::equal(data.begin(), data.begin() + kept, got.begin()),
			      "what was kept");
			for (u64 i = kept; i < 10 * kStripe + 5; i++)
				check(got[i] == 0, "a hole is zeroes");
			check(std::equal(data.begin(), data.begin() + 3,
					 got.begin() + 10 * kStripe + 5),
			      "behind the hole");
		});
	});
}

/// A word that was written, for the book of a file.
struct Write {
	u64 value, first, words;
	Nanos start, end;
};
struct Read {
	u64 word, value;
	Nanos start, end;
};

/// Whether the reads can be explained by the writes, word by word: a read gives a write that had
/// begun, and that no later write had wholly replaced before; and reads do not go back in time.
void judge(const std::vector<Write> &writes, const std::vector<Read> &reads)
{
	auto find = [&](u64 value) -> const Write * {
		for (const Write &x : writes)
			if (x.value == value)
				return &x;
		return nullptr;
	};
	auto covers = [](const Write &x, u64 word) {
		return word >= x.first && word < x.first + x.words;
	};
	static const Write nothing{0, 0, ~u64{0}, 0, 0};
	for (const Read &r : reads) {
		const Write *x = r.value ? find(r.value) : &nothing;
		check(x && covers(*x, r.word), "a value that nobody wrote there");
		check(x->start <= r.end, "a value from the future");
		for (const Write &y : writes)
			check(!(covers(y, r.word) && y.start > x->end && y.end < r.start),
			      "word " + std::to_string(r.word) + " read from " +
				      std::to_string(r.start) + " on is that of " +
				      std::to_string(r.value) + ", overwritten at " +
				      std::to_string(y.end) + " by " + std::to_string(y.value));
		for (const Read &q : reads) {
			if (q.word != r.word || q.end >= r.start || q.value == r.value)
				continue;
			const Write *y = q.value ? find(q.value) : &nothing;
			check(!(y && x->end < y->start), "a read that goes back in time");
		}
	}
}

TEST(SimData, ConcurrentReadsAndWritesHaveAnOrder)
{
	constexpr u64 kWords = 3 * kStripe / 8;
	run_seeds(40, [](World &w) {
		auto writes = std::make_shared<std::vector<Write>>();
		auto reads = std::make_shared<std::vector<Read>>();
		auto left = std::make_shared<u32>(2);
		u64 seed = w.rng().u64();
		play(w, 2, [=](Scene &, Mount &m, u32 which) {
			auto &vi = m.open_file(1);
			u64 state = seed + which * 77;
			auto draw = [&](u64 n) {
				state = state * 6364136223846793005u + 1442695040888963407u;
				return (state >> 33) % n;
			};
			for (u64 round = 0; round < 12; round++) {
				// Near each other, and not at the bounds of pages.
				u64 words = 1 + draw(900);
				u64 first = draw(6) * 500 + draw(2) * (kStripe / 8 - 300);
				first = std::min(first, kWords - words);
				if (draw(2)) {
					u64 value = u64{which + 1} << 32 | (round + 1);
					std::vector<u64> v(words, value);
					Write x{value, first, words, this_world().now(), ~u64{0}};
					writes->push_back(x);
					std::size_t at = writes->size() - 1;
					auto n = must(
						data_vfs::write(vi, first * 8,
								{reinterpret_cast<u8 *>(v.data()),
								 words * 8}),
						"no write");
					check(n == words * 8, "short write");
					(*writes)[at].end = this_world().now();
				} else {
					std::vector<u64> v(words);
					Nanos start = this_world().now();
					u64 n = must(
						data_vfs::read(vi, first * 8,
							       {reinterpret_cast<u8 *>(v.data()),
								words * 8}),
						"no read");
					check(n % 8 == 0, "part of a word");
					for (u64 i = 0; i < n / 8; i += 97)
						reads->push_back({first + i, v[i], start,
								  this_world().now()});
				}
				if (draw(4) == 0)
					must(data_vfs::fsync(vi), "no fsync");
				sleep_for(draw(3000) * kMicrosecond);
			}
			--*left;
			while (*left)
				sleep_for(kMillisecond);
			// Both read the same in the end.
			std::vector<u64> v(kWords);
			Nanos start = this_world().now();
			u64 n = must(data_vfs::read(vi, 0,
						    {reinterpret_cast<u8 *>(v.data()), kWords * 8}),
				     "no read");
			for (u64 i = 0; i < n / 8; i += 61)
				reads->push_back({i, v[i], start, this_world().now()});
			if (which == 0)
				judge(*writes, *reads);
		});
	});
}

TEST(SimData, AppendsDoNotOverlap)
{
	constexpr u64 kRecord = 5000;
	constexpr u64 kEach = 8;
	run_seeds(20, [](World &w) {
		auto left = std::make_shared<u32>(2);
		auto places = std::make_shared<std::set<u64>>();
		play(w, 2, [=](Scene &, Mount &m, u32 which) {
			auto &vi = m.open_file(2);
			for (u64 i = 0; i < kEach; i++) {
				std::vector<u8> v(kRecord, u8(1 + which * kEach + i));
				auto a = must(data_vfs::append(vi, v), "no append");
				check(a.bytes == kRecord, "short append");
				check(a.pos % kRecord == 0 && places->insert(a.pos).second,
				      "an append over another");
			}
			--*left;
			while (*left)
				sleep_for(kMillisecond);
			std::vector<u8> got(kRecord * kEach * 2 + 1);
			check(must(data_vfs::read(vi, 0, got), "no read") == kRecord * kEach * 2,
			      "size");
			std::set<u8> seen;
			for (u64 r = 0; r < kEach * 2; r++) {
				u8 first = got[r * kRecord];
				check(seen.insert(first).second && first, "a record twice");
				for (u64 i = 0; i < kRecord; i++)
					check(got[r * kRecord + i] == first, "a torn record");
			}
		});
	});
}

TEST(SimData, WhatWasWrittenSurvivesARestartOfTheServer)
{
	run_seeds(15, [](World &w) {
		auto step = std::make_shared<u32>(0);
		auto osts = std::make_shared<std::vector<Node *>>();
		play(w, 2, [=](Scene &scene, Mount &m, u32 which) {
			auto data = pattern(3 * kStripe + 777, 4);
			auto later = pattern(20000, 5);
			auto &vi = m.open_file(0);
			if (which == 0) {
				*osts = scene.osts;
				must(data_vfs::write(vi, 0, data), "no write");
				// The servers have it, and not on disk.
				check(vfs_pages_flush(&vi, 0, 1000) == 0, "no flush");
				must(data_vfs::write(vi, 100, later), "no write");
				*step = 1;
				while (*step < 2)
					sleep_for(kMillisecond);
				must(data_vfs::fsync(vi), "no fsync");
				*step = 3;
				return;
			}
			while (*step < 3)
				sleep_for(kMillisecond);
			std::copy(later.begin(), later.end(), data.begin() + 100);
			std::vector<u8> got(data.size() + 1);
			check(must(data_vfs::read(vi, 0, got), "no read") == data.size(), "size");
			check(std::equal(data.begin(), data.end(), got.begin()), "lost data");
		});
		w.spawn("crash", [=] {
			while (*step < 1)
				sleep_for(kMillisecond);
			for (Node *n : *osts)
				n->crash();
			sleep_for(kSecond);
			for (Node *n : *osts)
				n->restart();
			*step = 2;
		});
	});
}

TEST(SimData, AnEvictedClientLosesWhatItHadNotWrittenAndSaysSo)
{
	run_seeds(10, [](World &w) {
		auto step = std::make_shared<u32>(0);
		play(w, 2, [=, &w](Scene &scene, Mount &m, u32 which) {
			auto wait_for = [&](u32 n) {
				while (*step < n)
					sleep_for(10 * kMillisecond);
			};
			auto &vi = m.open_file(0);
			auto old = pattern(10000, 1), lost = pattern(10000, 2),
			     now = pattern(10000, 3);
			std::vector<u8> got(10000);
			if (which == 0) {
				must(data_vfs::write(vi, 0, old), "no write");
				must(data_vfs::fsync(vi), "no fsync");
				must(data_vfs::write(vi, 0, lost), "no write");
				for (Node *n : scene.osts)
					w.net().partition(*scene.clients[0], *n);
				*step = 1;
				wait_for(2);
				for (Node *n : scene.osts)
					w.net().heal(*scene.clients[0], *n);
				check(!data_vfs::fsync(vi), "an eviction that nobody was told of");
				// While it is dropping what it had, a write may be lost too.
				u32 tries = 0;
				while (!data_vfs::write(vi, 0, now) || !data_vfs::fsync(vi)) {
					check(++tries < 10, "no end of errors");
					sleep_for(kSecond);
				}
				*step = 3;
				return;
			}
			wait_for(1);
			must(data_vfs::read(vi, 0, got), "no read");
			check(got == old, "not what was written before");
			*step = 2;
			wait_for(3);
			must(data_vfs::read(vi, 0, got), "no read");
			check(got == now, "not what was written after");
		});
	});
}

TEST(SimData, OneStripeDirectIoTimesSpaceAndHoles)
{
	run_seeds(10, [](World &w) {
		play(w, 1, [](Scene &, Mount &m, u32) {
			auto &vi = m.open_file(3, 1);
			auto data = pattern(3, 9);
			must(data_vfs::write(vi, 100000, data), "no write");
			check(must(vi.data->seek(0, false), "no data") == 98304, "data");
			check(must(vi.data->seek(0, true), "no hole") == 0, "hole");
			check(must(vi.data->seek(100000, true), "no hole") == 100003, "end hole");
			auto beyond = vi.data->seek(100003, false);
			check(!beyond && beyond.error() == cfs::err::NXIO, "behind the end");

			lustre_attr times{};
			times.valid = LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME;
			times.mtime = 12345;
			times.ctime = 23456;
			must(vi.data->set_times(times), "no times");
			auto a = must(vi.data->attributes(false), "no attributes");
			check(a.mtime == 12345 && a.size == 100003, "times");

			must(vi.data->fallocate(3, 98304, 4096), "no punch");
			std::vector<u8> got(200000, 1);
			check(must(data_vfs::read(vi, 0, got), "no read") == 100003, "size");
			for (u64 i = 0; i < 100003; i++)
				check(got[i] == 0, "punched");

			cfs_page *page = cfs_page_alloc(CFS_S_LLITE, CFS_ALLOC_ZERO);
			auto *at = static_cast<u8 *>(cfs_page_map(page));
			std::memset(at, 0x5a, CFS_PAGE_SIZE);
			cfs_bvec piece{page, CFS_PAGE_SIZE, 0};
			check(must(vi.data->direct_io(true, 8192, {&piece, 1}, CFS_PAGE_SIZE),
				   "no direct write") == CFS_PAGE_SIZE,
			      "short");
			std::memset(at, 0, CFS_PAGE_SIZE);
			check(must(vi.data->direct_io(false, 8192, {&piece, 1}, CFS_PAGE_SIZE),
				   "no direct read") == CFS_PAGE_SIZE,
			      "short");
			check(at[0] == 0x5a && at[4095] == 0x5a, "direct data");
			cfs_page_unmap(at);
			cfs_page_free(CFS_S_LLITE, page);
			check(must(data_vfs::read(vi, 8000, {got.data(), 4096}), "no read") == 4096,
			      "size");
			check(got[191] == 0 && got[192] == 0x5a, "what was written past the cache");

			struct lustre_statfs fs{};
			must(m.space->statfs(fs), "no statfs");
			check(fs.blocks > 0 && fs.bavail <= fs.blocks, "statfs");
		});
	});
}

TEST(SimData, WritersCanBeKilledWhenTheirServersAreGone)
{
	run_seeds(5, [](World &w) {
		play(w, 1, [&w](Scene &scene, Mount &m, u32) {
			auto &vi = m.open_file(0, 1);
			auto &direct = m.open_file(1, 1);
			auto data = pattern(4 << 20, 7);
			must(m.space->param("tfs-OST0000-osc", "osc.max_dirty_mb", "1"),
			     "no limit");
			must(data_vfs::write(vi, 0, pattern(100, 1)), "no write");
			must(data_vfs::fsync(vi), "no fsync");
			cfs_page *page = cfs_page_alloc(CFS_S_LLITE, CFS_ALLOC_ZERO);
			cfs_bvec piece{page, CFS_PAGE_SIZE, 0};
			for (Node *n : scene.osts)
				w.net().partition(*scene.clients[0], *n);
			cfs_node *node = cfs_node_current();
			{
				victim::Thread cached(node, [&] {
					check(!data_vfs::write(vi, 0, data), "written to nobody");
				});
				victim::Thread past(node, [&] {
					check(!direct.data->direct_io(true, 0, {&piece, 1},
								      CFS_PAGE_SIZE),
					      "written to nobody");
				});
				sleep_for(3 * kSecond);
				// The network may still read their pages until it gives up.
				check(cached.ends_when_killed(15 * kSecond), "a writer");
				check(past.ended() || past.ends_when_killed(15 * kSecond),
				      "a direct writer");
				for (Node *n : scene.osts)
					w.net().heal(*scene.clients[0], *n);
			}
			cfs_page_free(CFS_S_LLITE, page);
			must(data_vfs::fsync(vi), "no fsync");
		});
	});
}

TEST(SimData, AnObjectThatTwoFilesClaimIsRefused)
{
	run_seeds(2, [](World &w) {
		play(w, 1, [](Scene &, Mount &m, u32) {
			auto &vi = m.open_file(0);
			must(data_vfs::write(vi, 0, pattern(100, 1)), "no write");
			vfs_inode other;
			auto thief = must(FileData::make(*m.space, wire::make_fid(0x200000400, 99),
							 &other, m),
					  "no data");
			auto r = thief->set_layout(layout_of(1, kOsts));
			check(!r && r.error() == cfs::err::BUSY, "an object with two files");
			thief.reset();
			std::vector<u8> got(100);
			must(data_vfs::read(vi, 0, got), "no read");
			check(got == pattern(100, 1), "data");
		});
	});
}

} // namespace
