// SPDX-License-Identifier: GPL-2.0
//
// Peers and their NIDs; see peer.hpp for the rules.

#include "lnet/peer.hpp"

#include "lnet/core.hpp"

namespace lnet
{

using cfs::err::NOBUFS;

Peer::Peer(const Nid &primary) noexcept : contact(primary), primary_(primary) {}
Peer::~Peer() = default;

cfs::RefPtr<Peer> PeerNi::peer() noexcept
{
	cfs::SpinGuard g(lock_);
	return peer_;
}

void PeerNi::join(Peer &p, const Nid &primary) noexcept
{
	auto fresh = cfs::RefPtr<Peer>::share(&p);
	{
		cfs::SpinGuard g(lock_);
		std::swap(peer_, fresh);
		primary_ = primary;
	}
}

void Peer::add(PeerNi &ni) noexcept
{
	cfs::SpinGuard g(lock_);
	ni.get();
	nis_.push_back(ni);
	count_.fetch_add(1, std::memory_order_relaxed);
	ni.join(*this, primary_);
}

void Peer::remove(PeerNi &ni) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (!ni.peer_hook.is_linked())
			return;
		nis_.erase(nis_.iterator_to(ni));
		count_.fetch_sub(1, std::memory_order_relaxed);
	}
	ni.put();
}

void Peer::set_primary(const Nid &nid) noexcept
{
	cfs::SpinGuard g(lock_);
	primary_ = nid;
	for (PeerNi &n : nis_)
		n.set_primary(nid);
}

cfs::Result<> PeerTable::init() noexcept
{
	buckets_ = TRY(cfs::Array<Bucket>::make(CFS_S_LNET, kBuckets));
	return {};
}

cfs::RefPtr<PeerNi> PeerTable::find(const Nid &nid) noexcept
{
	Bucket &b = bucket(nid);
	cfs::SpinGuard g(b.lock);
	for (PeerNi &n : b.nis)
		if (n.nid() == nid)
			return cfs::RefPtr<PeerNi>::share(&n);
	return nullptr;
}

cfs::Result<cfs::RefPtr<PeerNi>> PeerTable::get(const Nid &nid, int credits,
						int router_credits) noexcept
{
	if (auto known = find(nid))
		return known;
	if (count() >= kPeerNisMax) {
		refused_.fetch_add(1, std::memory_order_relaxed);
		return cfs::fail(NOBUFS);
	}
	auto fresh = TRY(cfs::try_make_ref<PeerNi>(nid, credits, router_credits));
	auto peer = TRY(cfs::try_make_ref<Peer>(nid));
	Bucket &b = bucket(nid);
	{
		cfs::SpinGuard g(b.lock);
		for (PeerNi &n : b.nis)
			if (n.nid() == nid) // somebody was faster
				return cfs::RefPtr<PeerNi>::share(&n);
		peer->add(*fresh);
		fresh->get();
		b.nis.push_back(*fresh);
	}
	count_.fetch_add(1, std::memory_order_relaxed);
	return fresh;
}

void PeerTable::clear() noexcept
{
	for (Bucket &b : buckets_) {
		for (;;) {
			PeerNi *n = nullptr;
			{
				cfs::SpinGuard g(b.lock);
				if (b.nis.empty())
					break;
				n = &b.nis.front();
				b.nis.pop_front();
			}
			if (auto p = n->peer())
				p->remove(*n);
			n->put();
			count_.fetch_sub(1, std::memory_order_relaxed);
		}
	}
}

} // namespace lnet
