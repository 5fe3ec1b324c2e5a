// SPDX-License-Identifier: GPL-2.0
//
// Network interfaces of this node; see ni.hpp for the rules.

#include "lnet/ni.hpp"

#include <algorithm>

#include "lnet/core.hpp"

namespace lnet
{

void Ni::destroy() noexcept
{
	this->~Ni();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<> Ni::start(Lnd &lnd, cfs::Node &node, std::string_view if_name,
			const NiWishes &wishes) noexcept
{
	if (!wishes.cpts.within(cfs_cpt_count()))
		return cfs::fail(cfs::err::RANGE);
	cpts_ = wishes.cpts.empty() ? CptSet::first(cfs_cpt_count()) : wishes.cpts;
	unsigned n = cpts_.count();
	shares_ = TRY(cfs::Array<Share>::make(kSubsys, n));
	driver_ = TRY(lnd.startup(node, net_, if_name, *this));
	driver_->bind(cpts_);
	tunables_ = driver_->tunables();
	auto wish = [](std::uint32_t &v, std::int32_t wanted) {
		if (wanted >= 0)
			v = static_cast<std::uint32_t>(wanted);
	};
	wish(tunables_.credits, wishes.credits);
	wish(tunables_.peer_credits, wishes.peer_credits);
	wish(tunables_.peer_buffer_credits, wishes.peer_buffer_credits);
	wish(tunables_.peer_timeout, wishes.peer_timeout);
	nid_ = driver_->nid();
	int credits = std::max(1, static_cast<int>(tunables_.credits / n));
	for (Share &s : shares_)
		s.credits.set(credits);
	return {};
}

void Ni::stop() noexcept
{
	if (driver_)
		driver_->shutdown();
}

CreditQueue::Level Ni::level() noexcept
{
	CreditQueue::Level sum{0, 0, 0};
	for (Share &s : shares_) {
		auto l = s.credits.level();
		sum.available += l.available;
		sum.min += l.min;
		sum.max += l.max;
	}
	return sum;
}

void Ni::launch(Msg &m) noexcept
{
	Share &s = shares_[m.share];
	if (s.credits.acquire(m)) {
		m.ni_credit = true;
		submit(m);
	}
}

void Ni::submit(Msg &m) noexcept
{
	Share &s = shares_[m.share];
	Submitter me(cfs_thread_self());
	{
		cfs::SpinGuard g(s.lock);
		for (Submitter &other : s.submitters) {
			if (other.thread == me.thread) {
				other.queue.push_back(m);
				return;
			}
		}
		s.submitters.push_back(me);
	}
	// A message may hold the last reference to this NI.
	auto self = cfs::RefPtr<Ni>::share(this);
	driver_->send(m.tx);
	while (!me.queue.empty()) {
		Msg &next = me.queue.front();
		me.queue.pop_front();
		driver_->send(next.tx);
	}
	cfs::SpinGuard g(s.lock);
	s.submitters.erase(s.submitters.iterator_to(me));
}

void Ni::sent(TxMessage &tx, cfs::Errno status, SendStatus how) noexcept
{
	Msg &m = msg_of(tx);
	auto self = cfs::RefPtr<Ni>::share(this);
	auto hop = m.hop;
	Share &s = shares_[m.share];
	bool had_ni = std::exchange(m.ni_credit, false);
	bool had_peer = std::exchange(m.peer_credit, false);
	if (status == cfs::Errno{})
		MessageCounts::add(counts.sent, m.tx.header.type);
	m.how = how;
	core_.send_done(m, status); // m is gone from here on

	if (had_ni) {
		if (auto *w = s.credits.release()) {
			auto &next = static_cast<Msg &>(*w);
			next.ni_credit = true;
			submit(next);
		}
	}
	if (had_peer)
		core_.peer_credit_back(*hop);
}

cfs::Result<> Ni::received(const Header &h, const Nid &from, RxHandle rx) noexcept
{
	return core_.received(*this, h, from, rx);
}

void Ni::recv_done(void *lnet_msg, cfs::Errno status) noexcept
{
	if (lnet_msg)
		core_.recv_done(*static_cast<Msg *>(lnet_msg), status);
}

void Ni::peer_alive(const Nid &hop, bool alive) noexcept
{
	core_.peer_alive(hop, alive);
}

void Ni::ni_fatal(bool down) noexcept
{
	if (fatal.exchange(down, std::memory_order_relaxed) != down)
		core_.local_state_changed();
}

} // namespace lnet
