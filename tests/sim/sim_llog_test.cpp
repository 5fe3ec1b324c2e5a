// SPDX-License-Identifier: GPL-2.0
//
// Catalogs on machines that crash: what was added durably and not cancelled is there once, what was
// cancelled durably never comes back, and the order stays.
#include <gtest/gtest.h>

#include <memory>

#include "libcfs/plat/core.h"
#include "libcfs/sim/gtest.hpp"
#include "llog/catalog.hpp"
#include "lustre/osd/conformance/conformance.hpp"
#include "lustre/osd/mem/mem.hpp"

namespace
{

using namespace cfs::sim;
using cfs::Result;
using osd::Transaction;
using osd::mem::Disk;

constexpr const char *kTarget = "lfs1-MDT0000";
constexpr std::size_t kBody = 600;
constexpr std::uint64_t kRecordsMax = 4096;

osd::mem::MountOptions options()
{
	osd::mem::MountOptions o;
	o.commit_interval = cfs::Duration::millis(20);
	o.commit_max = cfs::Duration::millis(10);
	return o;
}

/// What is known of each record, by its number.
enum class State : std::uint8_t { none, adding, added, cancelling, cancelled };
struct Known {
	std::uint64_t next = 1;
	State states[kRecordsMax] = {};
	/// After a crash.
	[[nodiscard]] bool may_be_there(std::uint64_t n) const
	{
		return states[n] != State::none && states[n] != State::cancelled;
	}
	[[nodiscard]] bool must_be_there(std::uint64_t n) const
	{
		return states[n] == State::added;
	}
};

/// Numbers of the live records, and their cookies.
class Live final : public llog::CatalogVisitor
{
public:
	std::uint64_t numbers[kRecordsMax];
	llog::Cookie cookies[kRecordsMax];
	std::size_t count = 0;

	Result<Next> record(const llog::Cookie &c, const llog::Record &r) noexcept override
	{
		auto n = cfs::view_at<cfs::le64>(r.body, 0);
		if (!n || count == kRecordsMax)
			return cfs::fail(cfs::err::PROTO);
		numbers[count] = **n;
		cookies[count++] = c;
		return Next::go_on;
	}
};

struct Store {
	World &w;
	Known &known;
	osd::Device &device;
	osd::LastId ids{};
	cfs::UniquePtr<llog::Catalog> catalog{};

	Result<> open()
	{
		TRY(ids.open(device, wire::FID_SEQ_LLOG, 1));
		osd::ObjectRef o =
			TRY(osd::find_or_create(device, wire::make_fid(wire::FID_SEQ_LLOG_NAME, 2),
						osd::conformance::file_spec()));
		llog::CatalogSpec spec{.plain_bytes = 8192 + 6 * 1024, .max_index = 9};
		catalog = TRY(llog::Catalog::open(std::move(o), "cat", ids, spec));
		return {};
	}
	void close()
	{
		catalog.reset();
		ids.close();
	}

	/// Compares with what is known, and settles what the crash left open.
	void check(Live &live)
	{
		auto r = catalog->process(live);
		w.check(r.has_value() && r->corrupt == 0, "the catalog is whole");
		std::uint64_t last = 0;
		bool there[kRecordsMax] = {};
		for (std::size_t i = 0; i < live.count; i++) {
			std::uint64_t n = live.numbers[i];
			w.check(n > last, "once, and in order");
			w.check(n < known.next && known.may_be_there(n), "never added, or gone");
			there[n] = true;
			last = n;
		}
		for (std::uint64_t n = 1; n < known.next; n++) {
			w.check(there[n] || !known.must_be_there(n), "a durable record is lost");
			known.states[n] = there[n] ? State::added : State::cancelled;
		}
	}

	Result<> add(bool sync)
	{
		std::uint64_t n = known.next;
		w.check(n < kRecordsMax, "enough numbers");
		cfs::le64 number = n;
		std::byte rest[kBody - 8] = {};
		cfs::Bytes body[] = {cfs::bytes_of(number), rest};
		llog::CatalogAdd a(*catalog);
		TRY(a.prepare(kBody));
		known.next++;
		known.states[n] = State::adding;
		auto r = osd::conformance::in_tx(
			device, [&](Transaction &tx) { return a.declare(tx); },
			[&](Transaction &tx) -> Result<> {
				(void)TRY(a.add(tx, wire::LlogRecType::MDS_UNLINK64_REC, body));
				return {};
			},
			sync);
		if (r && sync)
			known.states[n] = State::added;
		return r;
	}
	Result<> cancel(std::uint64_t n, const llog::Cookie &c, bool sync)
	{
		llog::CatalogCancel x(*catalog);
		TRY(x.prepare(c));
		known.states[n] = State::cancelling;
		TRY(osd::conformance::in_tx(
			device, [&](Transaction &tx) { return x.declare(tx); },
			[&](Transaction &tx) { return x.cancel(tx); }, sync));
		if (sync)
			known.states[n] = State::cancelled;
		return {};
	}
};

/// One boot: check, then add and cancel until the machine is stopped or crashes.
void work(World &w, Known &known, osd::Device &device, bool &stop)
{
	Store s{w, known, device};
	auto live = cfs::Array<Live>::make(CFS_S_LOG, 1);
	w.check(live.has_value() && s.open().has_value(), "opens");
	Live &l = (*live)[0];
	s.check(l);
	std::size_t first = 0; // live records from here on are not cancelled yet
	while (!stop) {
		bool sync = w.rng().below(8) == 0;
		if (l.count - first > 30 || (first < l.count && w.rng().below(2))) {
			auto r = s.cancel(l.numbers[first], l.cookies[first], sync);
			w.check(r.has_value(), "cancels");
			first++;
		} else {
			auto r = s.add(sync);
			w.check(r || r.error() == cfs::err::NOSPC, "adds");
		}
		if (first == l.count) { // look what there is by now
			l.count = first = 0;
			w.check(s.catalog->process(l).has_value(), "reads");
		}
		sleep_for(w.rng().below(2 * kMillisecond));
	}
	s.close();
}

TEST(SimLlog, CatalogSurvivesCrashes)
{
	run_seeds(100, [](World &w) {
		auto disk = std::make_shared<Disk>(osd::mem::DiskOptions{.svname = kTarget});
		auto known = std::make_shared<Known>();
		auto stop = std::make_shared<bool>(false);
		Node &n = w.add_node("mds");
		n.start([&w, disk, known, stop] {
			w.check(cfs_core_start() == 0, "core");
			{
				auto d = osd::mem::mount(cfs_node_current(), *disk, kTarget,
							 options());
				w.check(d.has_value(), "mounts");
				work(w, *known, **d, *stop);
			}
			cfs_core_stop();
		});
		w.spawn("script", [&w, &n, stop] {
			for (unsigned i = 0; i < 5; i++) {
				sleep_for(w.rng().below(120 * kMillisecond));
				n.crash();
				n.restart();
			}
			sleep_for(100 * kMillisecond);
			*stop = true;
			n.wait_down();
		});
	});
}

} // namespace
