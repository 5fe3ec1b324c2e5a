// SPDX-License-Identifier: GPL-2.0
//
// Object stores in the simulator: the conformance suite over osd/mem under many schedules, and
// machines that crash wherever they are.
#include <gtest/gtest.h>

#include <memory>

#include "libcfs/plat/core.h"
#include "libcfs/sim/gtest.hpp"
#include "lustre/osd/conformance/conformance.hpp"
#include "lustre/osd/mem/mem.hpp"

namespace
{

using namespace cfs::sim;
using cfs::Duration;
using cfs::Result;
using osd::Transaction;
using osd::mem::Disk;

constexpr const char *kTarget = "lfs1-OST0000";

osd::mem::MountOptions options()
{
	osd::mem::MountOptions o;
	o.commit_interval = Duration::millis(20);
	o.commit_max = Duration::millis(10);
	o.io_max = Duration::micros(500);
	return o;
}

Result<osd::DeviceRef> mount(Disk &disk)
{
	return osd::mem::mount(cfs_node_current(), disk, kTarget, options());
}

// ---- the suite ----

class SimEnv final : public osd::conformance::Env
{
	Disk &disk_;

public:
	SimEnv(Disk &disk, osd::DeviceRef d)
	    : Env(cfs_node_current(), 2, std::move(d), 10), disk_(disk)
	{
	}

protected:
	Result<osd::DeviceRef> crash_device(osd::DeviceRef d) noexcept override
	{
		d->set_read_only();
		return remount_device(std::move(d));
	}
	Result<osd::DeviceRef> remount_device(osd::DeviceRef d) noexcept override
	{
		d.reset();
		return mount(disk_);
	}
};

class SimConformance : public testing::TestWithParam<std::size_t>
{
};

TEST_P(SimConformance, OfMem)
{
	run_seeds(15, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		w.add_node("oss").start([&w, disk] {
			ASSERT_EQ(cfs_core_start(), 0);
			{
				auto d = mount(*disk);
				w.check(d.has_value(), "mounts");
				SimEnv env(*disk, std::move(*d));
				auto r = osd::conformance::test(GetParam()).run(env);
				char buf[300];
				cfs::FormatSink why(buf);
				env.why(why);
				w.check(r.has_value(),
					std::to_string(to_rc(r)) + " " + std::string(why.text()));
				env.close();
			}
			cfs_core_stop();
		});
	});
}

INSTANTIATE_TEST_SUITE_P(All, SimConformance,
			 testing::Range(std::size_t{0}, osd::conformance::test_count()),
			 [](const testing::TestParamInfo<std::size_t> &info) {
				 const auto &t = osd::conformance::test(info.param);
				 return std::string(t.suite) + "_" + t.name;
			 });

// ---- crashes ----

constexpr unsigned kWorkers = 3;

/// What the test knows of each worker's steps, and survives.
struct Known {
	std::uint64_t started[kWorkers] = {};
	std::uint64_t durable[kWorkers] = {}; ///< said so by a callback or a synchronous stop
};

/// Told by the journal. The journal may tell after the object is gone to a crash, so the memory
/// belongs to the node, and what it tells to the test.
class Told final : public osd::CommitCallback
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	Told(Known &k, unsigned worker, std::uint64_t n) : known_(k), worker_(worker), n_(n) {}
	void committed(cfs::Errno status) noexcept override
	{
		if (status == cfs::Errno{})
			known_.durable[worker_] = n_;
		cfs::detail::destroy_object(this);
	}

private:
	Known &known_;
	unsigned worker_;
	std::uint64_t n_;
};

osd::Fid file_fid(unsigned w)
{
	return wire::make_fid(wire::FID_SEQ_NORMAL, 100 + w);
}

osd::Fid dir_fid(unsigned w)
{
	return wire::make_fid(wire::FID_SEQ_LOCAL_NAME, 200 + w);
}

/// One worker's objects of this boot.
struct Store {
	osd::Device &device;
	unsigned worker;
	osd::ObjectRef file, dir;

	Result<> open()
	{
		osd::CreateSpec spec = osd::conformance::file_spec();
		file = TRY(osd::find_or_create(device, file_fid(worker), spec));
		osd::ObjectRef root = device.root();
		spec = osd::conformance::file_spec(osd::kTypeDir | 0755);
		dir = TRY(osd::find_or_create_named(*root, osd::conformance::Name(worker, "w"),
						    spec, dir_fid(worker)));
		return {};
	}

	/// The step that all of what a step changes agrees on.
	Result<std::uint64_t> reached(World &w)
	{
		std::uint64_t n = TRY(file->version());
		osd::Directory *d = TRY(dir->directory());
		osd::Attr a;
		TRY(file->attr_get(a));
		w.check(a.size == n * 16, "size goes with the version");
		w.check(n == 0 || d->lookup(osd::conformance::Name(n)).has_value(), "name");
		w.check(!d->lookup(osd::conformance::Name(n + 1)), "no name of a later step");
		w.check(n == 0 || !d->lookup(osd::conformance::Name(n - 1)), "old name gone");
		for (std::uint64_t i = 0; i < n; i++) {
			cfs::le64 v[2];
			TRY(osd::read_exactly(*TRY(file->body()), i * 16,
					      {reinterpret_cast<std::byte *>(v), 16}));
			w.check(v[0] == i + 1 && v[1] == i + 1, "content");
		}
		return n;
	}

	Result<> step(Known &known, std::uint64_t n, bool sync, bool callback)
	{
		osd::Directory *d = TRY(dir->directory());
		osd::Body *b = TRY(file->body());
		cfs::le64 v[2] = {n, n};
		cfs::Bytes bytes(reinterpret_cast<const std::byte *>(v), 16);
		cfs::UniquePtr<Told> told;
		if (callback)
			told = TRY(cfs::try_make<Told>(known, worker, n));
		osd::TransactionPtr tx = TRY(device.begin());
		TRY(file->declare_version_set(*tx));
		TRY(d->declare_insert(*tx, osd::conformance::Name(n)));
		TRY(d->declare_remove(*tx, osd::conformance::Name(n - 1)));
		TRY(b->declare_write(*tx, (n - 1) * 16, 16));
		if (sync)
			tx->set_sync();
		known.started[worker] = n;
		TRY(tx->start());
		TRY(d->insert(*tx, osd::conformance::Name(n), *file));
		TRY(file->version_set(*tx, n));
		TRY(b->write(*tx, (n - 1) * 16, bytes));
		if (n > 1)
			TRY(d->remove(*tx, osd::conformance::Name(n - 1)));
		if (told)
			tx->on_commit(*told.release());
		TRY(tx->stop());
		if (sync)
			known.durable[worker] = n;
		return {};
	}
};

/// A worker: checks what the crash left, and goes on until the machine stops.
void work(World &w, osd::Device &device, Known &known, unsigned worker, bool &stop)
{
	Store s{device, worker, {}, {}};
	w.check(s.open().has_value(), "opens its objects");
	auto n = s.reached(w);
	w.check(n.has_value(), "reads its objects");
	w.check(*n >= known.durable[worker], "what was durable is there");
	w.check(*n <= known.started[worker], "what never began is not");
	while (!stop) {
		Result<> r = s.step(known, ++*n, w.rng().below(10) == 0, w.rng().below(3) == 0);
		w.check(r.has_value(), "steps");
		sleep_for(w.rng().below(3 * kMillisecond));
	}
}

/// What is found by its name on one device may be made by several at once: an MGS and an MDT are.
TEST(SimOsd, TwoMakeNamedObjectsAtOnce)
{
	run_seeds(100, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		Node &n = w.add_node("oss");
		n.start([&w, &n, disk] {
			ASSERT_EQ(cfs_core_start(), 0);
			auto d = mount(*disk);
			w.check(d.has_value(), "mounts");
			unsigned running = 3;
			for (unsigned i = 0; i < 3; i++)
				n.spawn("maker", [&, i] {
					osd::conformance::Name name(i, "n");
					auto made = osd::find_or_create_named(
						*(*d)->root(), name, osd::conformance::file_spec());
					w.check(made && (*made)->exists(), "makes its object");
					running--;
				});
			while (running)
				sleep_for(kMillisecond);
			d->reset();
			cfs_core_stop();
		});
		w.spawn("script", [&n] { n.wait_down(); });
	});
}

TEST(SimOsd, CrashTakesWholeTransactions)
{
	run_seeds(150, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		auto known = std::make_shared<Known>();
		auto stop = std::make_shared<bool>(false);
		Node &n = w.add_node("oss");
		n.start([&w, &n, disk, known, stop] {
			ASSERT_EQ(cfs_core_start(), 0);
			{
				auto d = mount(*disk);
				w.check(d.has_value(), "mounts");
				osd::Device &device = **d;
				unsigned running = kWorkers;
				for (unsigned i = 0; i < kWorkers; i++)
					n.spawn("worker", [&, i] {
						work(w, device, *known, i, *stop);
						running--;
					});
				wait_stop();
				while (running)
					sleep_for(kMillisecond);
			}
			cfs_core_stop();
		});
		w.spawn("script", [&w, &n, stop] {
			for (unsigned i = 0; i < 4; i++) {
				sleep_for(w.rng().below(150 * kMillisecond));
				n.crash();
				n.restart();
			}
			sleep_for(50 * kMillisecond);
			*stop = true;
			n.stop();
			n.wait_down();
		});
	});
}

/// Bulk data over existing blocks: after a crash each page holds one of the versions since the last
/// commit, and never anything else.
TEST(SimOsd, CrashLeavesOldOrNewBulkData)
{
	run_seeds(60, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		struct State {
			std::uint64_t durable = 0, started = 0;
		};
		auto state = std::make_shared<State>();
		Node &n = w.add_node("oss");
		n.start([&w, disk, state] {
			ASSERT_EQ(cfs_core_start(), 0);
			{
				auto d = mount(*disk);
				w.check(d.has_value(), "mounts");
				auto file = osd::find_or_create(**d, file_fid(0),
								osd::conformance::file_spec());
				w.check(file.has_value(), "file");
				osd::Body *body = *(*file)->body();
				constexpr osd::BulkRange kAll{0, 32768};
				auto io = body->bulk({&kAll, 1}, osd::Body::Direction::read);
				w.check(io && (*io)->read_prep(), "reads");
				for (auto &v : (*io)->vecs()) {
					auto *p = static_cast<cfs::le64 *>(cfs_page_map(v.page));
					std::uint64_t version = p[0];
					w.check(p[511] == version, "pages are not torn here");
					w.check(version >= state->durable &&
							version <= state->started,
						"a version since the last commit");
					cfs_page_unmap(p);
				}
				(*io).reset();
				for (unsigned i = 0; i < 20; i++) {
					auto wr =
						body->bulk({&kAll, 1}, osd::Body::Direction::write);
					std::uint64_t version = ++state->started;
					for (auto &v : (*wr)->vecs()) {
						auto *p = static_cast<cfs::le64 *>(
							cfs_page_map(v.page));
						for (unsigned k = 0; k < 512; k++)
							p[k] = version;
						cfs_page_unmap(p);
					}
					bool sync = w.rng().below(4) == 0;
					auto r = osd::conformance::in_tx(
						**d,
						[&](Transaction &tx) {
							return (*wr)->declare_write_commit(tx);
						},
						[&](Transaction &tx) {
							return (*wr)->write_commit(tx);
						},
						sync);
					w.check(r.has_value(), "writes");
					if (sync)
						state->durable = version;
				}
			}
			cfs_core_stop();
		});
		w.spawn("script", [&w, &n] {
			for (unsigned i = 0; i < 3; i++) {
				sleep_for(w.rng().below(40 * kMillisecond));
				n.crash();
				n.restart();
			}
			n.wait_down();
		});
	});
}

TEST(SimOsd, LaterMountFencesTheEarlierOne)
{
	run_seeds(20, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		auto taken = std::make_shared<bool>(false);
		w.add_node("a").start([&w, disk, taken] {
			ASSERT_EQ(cfs_core_start(), 0);
			{
				auto d = mount(*disk);
				auto file = osd::find_or_create(**d, file_fid(0),
								osd::conformance::file_spec());
				w.check((*d)->sync().has_value(), "sync");
				*taken = true;
				while (*taken)
					sleep_for(kMillisecond);
				osd::Attr a;
				auto r = (*file)->attr_get(a);
				w.check(!r && r.error() == cfs::err::IO, "fenced off");
			}
			cfs_core_stop();
		});
		w.add_node("b").start([&w, disk, taken] {
			ASSERT_EQ(cfs_core_start(), 0);
			{
				while (!*taken)
					sleep_for(kMillisecond);
				auto d = mount(*disk);
				auto file = (*d)->object(file_fid(0));
				w.check(file && (*file)->exists(), "finds the file");
				*taken = false;
			}
			cfs_core_stop();
		});
	});
}

} // namespace
