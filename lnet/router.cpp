// SPDX-License-Identifier: GPL-2.0
//
// Forwarding; see router.hpp for the rules.

#include "lnet/router.hpp"

#include <algorithm>

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

RouterBuffer::~RouterBuffer()
{
	for (cfs_bvec &v : pieces)
		if (v.page)
			cfs_page_free(kSubsys, v.page);
}

cfs::Result<> RouterBuffer::fill(std::uint32_t pages) noexcept
{
	pieces = TRY(cfs::Array<cfs_bvec>::make(kSubsys, pages));
	for (cfs_bvec &v : pieces) {
		v.page = cfs_page_alloc(kSubsys, CFS_ALLOC_DEFAULT);
		if (!v.page)
			return cfs::fail(NOMEM);
		v.len = CFS_PAGE_SIZE;
	}
	return {};
}

cfs::Result<> Router::enable(const std::uint32_t (&counts)[kPools]) noexcept
{
	if (enabled())
		return cfs::fail(ALREADY);
	cfs::List<RouterBuffer, &RouterBuffer::hook> fresh;
	auto undo = cfs::ScopeExit([&] {
		fresh.clear_and_dispose(
			[](RouterBuffer *b) { cfs::UniquePtr<RouterBuffer>(b).reset(); });
	});
	for (unsigned p = 0; p < kPools; p++) {
		for (std::uint32_t i = 0; i < counts[p]; i++) {
			auto b = TRY(cfs::try_make<RouterBuffer>());
			TRY(b->fill(kPages[p]));
			b->pool = p;
			fresh.push_back(*b.release());
		}
	}
	cfs::SpinGuard g(lock_);
	for (unsigned p = 0; p < kPools; p++) {
		pools_[p].total = counts[p];
		pools_[p].available = pools_[p].min = static_cast<int>(counts[p]);
	}
	while (!fresh.empty()) {
		RouterBuffer &b = fresh.front();
		fresh.pop_front();
		pools_[b.pool].free.push_back(b);
	}
	enabled_.store(true, std::memory_order_release);
	undo.dismiss();
	return {};
}

void Router::drop_all(Waiting &list, const char *why) noexcept
{
	while (!list.empty()) {
		auto &m = static_cast<Msg &>(list.front());
		list.pop_front();
		auto hop = m.hop;
		core_.drop_msg(m, why);
		auto *w = hop->router_credits.release();
		if (w && !enabled()) // want_buffer() would come back to here
			list.push_back(*w);
		else if (w)
			want_buffer(static_cast<Msg &>(*w));
	}
}

void Router::disable() noexcept
{
	if (!enabled_.exchange(false, std::memory_order_acq_rel))
		return;
	Waiting waiting;
	{
		cfs::SpinGuard g(lock_);
		for (Pool &p : pools_) {
			p.available += static_cast<int>(p.waiting.size());
			waiting.splice(waiting.end(), p.waiting);
		}
	}
	drop_all(waiting, "forwarding has been disabled");
	cfs::List<RouterBuffer, &RouterBuffer::hook> gone;
	{
		cfs::SpinGuard g(lock_);
		(void)idle_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
				 [this]() CFS_NO_TSA { return out_ == 0 && !running_; });
		for (Pool &p : pools_) {
			gone.splice(gone.end(), p.free);
			p.total = 0;
			p.available = p.min = 0;
		}
	}
	gone.clear_and_dispose([](RouterBuffer *b) { cfs::UniquePtr<RouterBuffer>(b).reset(); });
}

unsigned Router::pool_for(std::uint32_t payload) noexcept
{
	return payload == 0 ? tiny : payload <= CFS_PAGE_SIZE ? small : large;
}

void Router::take(Msg &m) noexcept
{
	if (m.hop->router_credits.acquire(m))
		want_buffer(m);
}

void Router::want_buffer(Msg &m) noexcept
{
	bool dropped = false;
	{
		cfs::SpinGuard g(lock_);
		Pool &p = pools_[pool_for(m.tx.header.payload_length)];
		if (!enabled()) {
			dropped = true;
		} else {
			p.available--;
			p.min = std::min(p.min, p.available);
			if (p.free.empty()) {
				p.waiting.push_back(m);
				return;
			}
			m.router_buffer = &p.free.front();
			p.free.pop_front();
			out_++;
			ready_.push_back(m);
		}
	}
	if (!dropped) {
		run_ready();
		return;
	}
	Waiting one;
	one.push_back(m);
	drop_all(one, "forwarding has been disabled");
}

void Router::run_ready() noexcept
{
	for (bool first = true;; first = false) {
		Msg *m = nullptr;
		{
			cfs::SpinGuard g(lock_);
			if (first && running_)
				return;
			running_ = !ready_.empty();
			if (!running_) {
				if (out_ == 0)
					idle_.wake_all();
				return;
			}
			m = &static_cast<Msg &>(ready_.front());
			ready_.pop_front();
		}
		std::uint32_t n = m->tx.header.payload_length;
		m->tx.payload = {m->router_buffer->buffer(n), 0, n};
		auto ni = m->ni; // m may be gone when recv() returns
		ni->driver().recv(m->rx, m, m->tx.payload);
	}
}

void Router::received(Msg &m, cfs::Errno status) noexcept
{
	if (status != cfs::Errno{}) {
		sent(m);
		return;
	}
	m.role = Msg::Role::tx_forward;
	m.came_from = std::move(m.hop);
	m.ni.reset();
	core_.forward(m);
}

void Router::give_back(Msg &m) noexcept
{
	RouterBuffer *b = std::exchange(m.router_buffer, nullptr);
	cfs::SpinGuard g(lock_);
	Pool &p = pools_[b->pool];
	p.available++;
	if (!p.waiting.empty()) {
		auto &next = static_cast<Msg &>(p.waiting.front());
		p.waiting.pop_front();
		next.router_buffer = b;
		ready_.push_back(next);
		return;
	}
	p.free.push_back(*b);
	if (--out_ == 0)
		idle_.wake_all();
}

void Router::sent(Msg &m) noexcept
{
	auto from = m.came_from ? std::move(m.came_from) : std::move(m.hop);
	give_back(m);
	m.destroy();
	if (auto *w = from->router_credits.release())
		want_buffer(static_cast<Msg &>(*w));
	run_ready();
}

void Router::drop_of(Ni &ni) noexcept
{
	Waiting list;
	auto of_ni = [&](CreditWaiter &w) { return static_cast<Msg &>(w).ni.get() == &ni; };
	{
		cfs::SpinGuard g(lock_);
		for (Pool &p : pools_) {
			for (auto it = p.waiting.begin(); it != p.waiting.end();) {
				CreditWaiter &w = *it;
				++it;
				if (!of_ni(w))
					continue;
				p.waiting.erase(p.waiting.iterator_to(w));
				p.available++;
				list.push_back(w);
			}
		}
	}
	drop_all(list, "interface goes down");
	// Those without a credit hold none to give back.
	Waiting poor;
	core_.peers().for_each([&](PeerNi &p) {
		p.router_credits.cancel_if(of_ni, [&](CreditWaiter &w) { poor.push_back(w); });
	});
	while (!poor.empty()) {
		auto &m = static_cast<Msg &>(poor.front());
		poor.pop_front();
		core_.drop_msg(m, "interface goes down");
	}
}

RouterPoolInfo Router::info(unsigned pool) noexcept
{
	cfs::SpinGuard g(lock_);
	const Pool &p = pools_[pool];
	return {kPages[pool], p.total, Credits{static_cast<int>(p.total), p.available, p.min}};
}

} // namespace lnet
