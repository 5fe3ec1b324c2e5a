// SPDX-License-Identifier: GPL-2.0
//
// The server's half of a bulk: it PUTs or GETs each memory descriptor that the client posted (spec
// 02 section 1.7). The memory is the handler's, so this returns only when LNet is through with it,
// be it by LNet's own time-outs.

#include <algorithm>
#include <array>

#include "lustre/rpc/service_impl.hpp"

namespace rpc
{

using namespace cfs::err;

/// The descriptors of one bulk, until all have had their last event.
struct ServerReq::BulkRun final : lnet::EventHandler {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	cfs::SpinLock lock{CFS_LOCK_CLASS("rpc server bulk")};
	cfs::WaitQueue waitq{CFS_LOCK_CLASS("rpc server bulk wait")};
	std::array<lnet::MdHandle, kMdsMax> md CFS_GUARDED_BY(lock);
	u32 living CFS_GUARDED_BY(lock) = 0;	 ///< descriptors LNet has
	u32 unanswered CFS_GUARDED_BY(lock) = 0; ///< without ACK or REPLY
	cfs::Errno error CFS_GUARDED_BY(lock){};

	void on_event(const lnet::Event &ev) noexcept override
	{
		cfs::SpinGuard g(lock);
		auto i = reinterpret_cast<std::uintptr_t>(ev.user);
		if (ev.status != cfs::Errno{}) {
			error = ev.status;
		} else if (ev.type == lnet::EventType::ack || ev.type == lnet::EventType::reply) {
			if (ev.mlength < expected[i])
				error = IO; // the client offers less than it asked for
			unanswered--;
		}
		if (ev.unlinked) {
			md[i] = {};
			living--;
		}
		waitq.wake_all();
	}

	std::array<u32, kMdsMax> expected{};
	u32 copies = 0; ///< of the request, when it began
};

/// Where the client offers its memory.
struct ServerReq::BulkPlace {
	u64 first;  ///< match bits
	u32 count;  ///< of them
	u32 copies; ///< of the request that have come
};

/// The client has given up on the connection that this came on, and has not sent it again.
bool ServerReq::given_up() noexcept
{
	auto &e = static_cast<ExportImpl &>(*export_);
	cfs::SpinGuard g(lock_);
	return e.gone() || e.is_past(request_cnt_);
}

cfs::Result<> ServerReq::move_bulk(const BulkDesc &bulk, u32 md_limit, bool to_client) noexcept
{
	if (md_limit == 0 || (md_limit & (md_limit - 1)) || !export_)
		return cfs::fail(PROTO);
	auto &e = static_cast<ExportImpl &>(*export_);
	for (;;) {
		u32 copies = copies_.load(std::memory_order_acquire);
		u64 last = static_cast<u64>(xid_);
		if (e.has_flag(wire::OBD_CONNECT_BULK_MBITS)) {
			cfs::SpinGuard g(lock_);
			last = mbits_;
		}
		u64 first = last & ~(u64{md_limit} - 1);
		u64 count = last - first + 1;
		if (count > kMdsMax || bulk.md_count() > count)
			return cfs::fail(PROTO);
		auto r = try_bulk(bulk, {first, static_cast<u32>(count), copies}, to_client);
		if (r)
			return r;
		// Sent again meanwhile, it offers its memory anew. What comes from now on is
		// another request.
		if (!e.leave_unless_copied(*this, copies))
			continue;
		bulk_lost_ = true;
		return r;
	}
}

cfs::Result<> ServerReq::try_bulk(const BulkDesc &bulk, const BulkPlace &at,
				  bool to_client) noexcept
{
	if (given_up())
		return cfs::fail(NOTCONN);
	auto run = TRY(cfs::try_make<BulkRun>());
	run->copies = at.copies;
	return run_bulk(*run, bulk, at.first, at.count, to_client);
}

cfs::Result<> ServerReq::run_bulk(BulkRun &run, const BulkDesc &bulk, u64 first, u32 count,
				  bool to_client) noexcept
{
	lnet::Network &net = core().network();
	cfs::Result<> result{};
	for (u32 i = 0; i < count && result; i++) {
		lnet::MdSpec md;
		if (i < bulk.md_count())
			md.buffer = bulk_slice(bulk.buffer, i);
		md.threshold = 2; // the sending, and the answer
		md.handler = &run;
		md.user = reinterpret_cast<void *>(std::uintptr_t{i});
		{
			cfs::SpinGuard g(run.lock);
			run.expected[i] = md.buffer.length;
			run.living++;
			run.unanswered++;
		}
		auto h = net.bind(md);
		if (!h) {
			cfs::SpinGuard g(run.lock);
			run.living--;
			result = cfs::fail(h.error());
			break;
		}
		{
			cfs::SpinGuard g(run.lock);
			run.md[i] = *h;
		}
		u32 portal = static_cast<u32>(bulk.portal);
		result = to_client ? net.put(self_, *h, true, source_, portal, first + i, 0, 0)
				   : net.get(self_, *h, source_, portal, first + i, 0);
	}
	if (result)
		result = wait_bulk(run);
	// Whatever did not end by itself.
	for (u32 i = 0; i < count; i++) {
		lnet::MdHandle h;
		{
			cfs::SpinGuard g(run.lock);
			h = run.md[i];
		}
		if (h)
			(void)net.unlink(h);
	}
	cfs::SpinGuard g(run.lock);
	auto none = [&run]() CFS_NO_TSA { return run.living == 0; };
	(void)run.waitq.wait(run.lock, cfs::WaitMode::idle, cfs::Instant::never(), none);
	return result;
}

cfs::Result<> ServerReq::wait_bulk(BulkRun &run) noexcept
{
	i64 limit = core().tunables().bulk_timeout.load(std::memory_order_relaxed);
	cfs::Instant until = cfs::after(cfs::Duration::seconds(limit));
	for (;;) {
		cfs::Instant end = std::min(until, deadline()); // early replies move the deadline
		cfs::Instant now = cfs::Instant::now();
		{
			cfs::SpinGuard g(run.lock);
			auto over = [&run]() CFS_NO_TSA {
				return run.unanswered == 0 || run.error != cfs::Errno{};
			};
			cfs::Instant next = std::min(end, now + cfs::Duration::seconds(1));
			(void)run.waitq.wait(run.lock, cfs::WaitMode::idle, next, over);
			if (run.error != cfs::Errno{})
				return cfs::fail(run.error);
			if (run.unanswered == 0)
				return {};
		}
		// What was sent again offers its memory elsewhere, or was to be offered again.
		if (given_up() || copies_.load(std::memory_order_acquire) != run.copies)
			return cfs::fail(NOTCONN);
		if (cfs::Instant::now() < end)
			continue;
		CWARN(CFS_S_RPC,
		      "{}: bulk of x{} with {} (at {}) timed out after {}; the network or the "
		      "client is slow or gone",
		      export_->target().name(), static_cast<u64>(xid_), export_->client_uuid(),
		      source_.nid, cfs::Instant::now() - started_);
		return cfs::fail(TIMEDOUT);
	}
}

cfs::Result<> ServerReq::bulk_put(const BulkDesc &bulk, u32 md_limit) noexcept
{
	return move_bulk(bulk, md_limit, true);
}

cfs::Result<> ServerReq::bulk_get(const BulkDesc &bulk, u32 md_limit) noexcept
{
	return move_bulk(bulk, md_limit, false);
}

} // namespace rpc
