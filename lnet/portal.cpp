// SPDX-License-Identifier: GPL-2.0
//
// Portals; see portal.hpp for the rules.

#include "lnet/portal.hpp"

namespace lnet
{

using cfs::err::PERM;

cfs::Result<> Portal::settle_kind(bool unique) noexcept
{
	Kind want = unique ? Kind::unique : Kind::wildcard;
	Kind k = kind_.load(std::memory_order_acquire);
	if (k == Kind::open) {
		cfs::MutexGuard g(kind_lock_);
		k = kind_.load(std::memory_order_relaxed);
		if (k == Kind::open) {
			buckets_ = TRY(cfs::Array<Bucket>::make(CFS_S_LNET, unique ? kBuckets : 1));
			kind_.store(want, std::memory_order_release);
			k = want;
		}
	}
	if (k != want)
		return cfs::fail(PERM);
	return {};
}

Portal::Bucket *Portal::bucket_for(std::uint64_t match_bits) noexcept
{
	switch (kind_.load(std::memory_order_acquire)) {
	case Kind::open:
		return nullptr;
	case Kind::wildcard:
		return &buckets_[0];
	case Kind::unique:
		break;
	}
	// XIDs of one client step by a power of two: mix before folding.
	return &buckets_[(match_bits * 0x9e3779b97f4a7c15ull) >> 56];
}

cfs::Result<std::uint64_t> Portal::attach(Md &md, HeldList &retry) noexcept
{
	const MatchSpec &m = md.match_spec();
	bool unique = m.ignore_bits == 0 && !m.who.nid.is_any() && m.who.pid != LNET_PID_ANY;
	TRY(settle_kind(unique));

	Bucket *b = bucket_for(m.match_bits);
	md.get();
	{
		cfs::SpinGuard g(b->lock);
		auto &list = m.ignore_bits ? b->ignoring : b->exact;
		if (m.at_head)
			list.push_front(md);
		else
			list.push_back(md);
		md.portal = this;
	}
	if (lazy_.load(std::memory_order_acquire)) {
		cfs::SpinGuard g(hold_lock_);
		retry.splice(retry.end(), held_);
		held_now_ = 0;
		return ++attached_;
	}
	return 0;
}

void Portal::keep(HeldList &rest, std::uint64_t attached) noexcept
{
	cfs::SpinGuard g(hold_lock_);
	if (attached != attached_ || !lazy_.load(std::memory_order_relaxed))
		return;
	HeldList barred;
	for (auto before = held_.begin(); !rest.empty();) {
		HeldMessage &h = rest.front();
		rest.pop_front();
		if (h.barred && h.barred->load(std::memory_order_relaxed)) {
			barred.push_back(h);
			continue;
		}
		held_.insert(before, h);
		held_now_++;
	}
	rest.splice(rest.end(), barred);
}

bool Portal::detach(Md &md) noexcept
{
	Bucket *b = bucket_for(md.match_spec().match_bits);
	{
		cfs::SpinGuard g(b->lock);
		if (!md.portal)
			return false;
		auto &list = md.match_spec().ignore_bits ? b->ignoring : b->exact;
		list.erase(list.iterator_to(md));
		md.portal = nullptr;
	}
	md.put();
	return true;
}

MatchVerdict Portal::search(const MatchInfo &info, MatchResult &out) noexcept
{
	Bucket *b = bucket_for(info.match_bits);
	if (!b)
		return MatchVerdict::none;
	Md *gone = nullptr;
	MatchVerdict v = MatchVerdict::none;
	{
		cfs::SpinGuard g(b->lock);
		for (auto *list : {&b->ignoring, &b->exact}) {
			for (Md &md : *list) {
				v = md.try_match(info, out);
				if (v == MatchVerdict::none)
					continue;
				if (v == MatchVerdict::matched && out.exhausted &&
				    md.match_spec().auto_unlink) {
					list->erase(list->iterator_to(md));
					md.portal = nullptr;
					gone = &md;
				}
				break;
			}
			if (v != MatchVerdict::none)
				break;
		}
	}
	if (gone)
		gone->put(); // not the last: out.md holds one
	return v;
}

MatchVerdict Portal::match(const MatchInfo &info, MatchResult &out, HeldMessage *held,
			   bool *kept) noexcept
{
	*kept = false;
	MatchVerdict v = search(info, out);
	if (v != MatchVerdict::none || !held || !lazy_.load(std::memory_order_acquire))
		return v;
	cfs::SpinGuard g(hold_lock_);
	if (!lazy_.load(std::memory_order_relaxed))
		return v;
	v = search(info, out);
	if (v != MatchVerdict::none)
		return v;
	if (held->barred && held->barred->load(std::memory_order_relaxed))
		return v;
	if (held_now_ >= kHeldMax) {
		held_refused_.fetch_add(1, std::memory_order_relaxed);
		return v;
	}
	held->match = info;
	held_.push_back(*held);
	held_now_++;
	held_total_.fetch_add(1, std::memory_order_relaxed);
	*kept = true;
	return v;
}

void Portal::set_lazy(bool lazy, HeldList &dropped) noexcept
{
	cfs::SpinGuard g(hold_lock_);
	lazy_.store(lazy, std::memory_order_release);
	if (lazy)
		return;
	dropped.splice(dropped.end(), held_);
	held_now_ = 0;
}

} // namespace lnet
