// SPDX-License-Identifier: GPL-2.0
//
// Memory descriptors; see md.hpp for the rules.

#include "lnet/md.hpp"

#include <algorithm>

namespace lnet
{

using cfs::err::NOENT;

Md::Md(MdHandle handle, const MdSpec &spec, const MatchSpec *match) noexcept
    : handle_(handle), spec_(spec), match_(match ? *match : MatchSpec{}),
      attached_(match != nullptr), threshold_(spec.threshold)
{
}

bool Md::exhausted() const noexcept
{
	if (threshold_ == 0)
		return true;
	return has(LNET_MD_MAX_SIZE) &&
	       std::uint64_t{local_offset_} + spec_.max_size > spec_.buffer.length;
}

void Md::take_threshold() noexcept
{
	if (threshold_ > 0)
		threshold_--;
	in_flight_++;
}

MatchVerdict Md::try_match(const MatchInfo &info, MatchResult &out) noexcept
{
	if (!has(info.option))
		return MatchVerdict::none;
	if ((match_.match_bits ^ info.match_bits) & ~match_.ignore_bits)
		return MatchVerdict::none;
	if (match_.who.pid != LNET_PID_ANY && match_.who.pid != info.initiator.pid)
		return MatchVerdict::none;
	// The primary NID names the peer; a peer that was attached under another of its NIDs before
	// it was discovered is recognised by the NID it sent from.
	if (!match_.who.nid.is_any() && match_.who.nid != info.initiator.nid &&
	    match_.who.nid != info.source)
		return MatchVerdict::none;

	cfs::SpinGuard g(lock_);
	if (dead_ || exhausted())
		return MatchVerdict::none;
	std::uint32_t offset = has(LNET_MD_MANAGE_REMOTE) ? info.offset : local_offset_;
	if (offset > spec_.buffer.length)
		return MatchVerdict::drop;
	std::uint32_t room = has(LNET_MD_MAX_SIZE) ? spec_.max_size : spec_.buffer.length - offset;
	room = std::min(room, spec_.buffer.length - offset);
	if (info.length > room && !has(LNET_MD_TRUNCATE))
		return MatchVerdict::drop;

	out.offset = offset;
	out.mlength = std::min(info.length, room);
	take_threshold();
	local_offset_ = offset + out.mlength;
	out.exhausted = exhausted();
	if (out.exhausted && match_.auto_unlink)
		dead_ = true;
	out.md = cfs::RefPtr<Md>::share(this);
	return MatchVerdict::matched;
}

cfs::Result<> Md::commit(Answer expected) noexcept
{
	cfs::SpinGuard g(lock_);
	if (dead_ || threshold_ == 0)
		return cfs::fail(NOENT);
	take_threshold();
	if (threshold_ == 0)
		dead_ = true;
	acks_due_ += expected == Answer::ack;
	replies_due_ += expected == Answer::reply;
	return {};
}

cfs::Result<> Md::commit_answer(Answer got) noexcept
{
	cfs::SpinGuard g(lock_);
	std::uint32_t &due = got == Answer::ack ? acks_due_ : replies_due_;
	if (due == 0 || dead_ || threshold_ == 0)
		return cfs::fail(NOENT);
	due--;
	take_threshold();
	if (threshold_ == 0)
		dead_ = true;
	return {};
}

void Md::finish(PendingEvent &p) noexcept
{
	p.ev.md = handle_;
	p.ev.user = spec_.user;
	{
		cfs::SpinGuard g(lock_);
		CFS_ASSERT(in_flight_ > 0);
		in_flight_--;
		events_.push_back(p);
	}
	deliver();
}

cfs::Result<> Md::unlink(cfs::Errno why) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		// Somebody asked before, or its threshold is used up and its last event is on the
		// way.
		if (unlink_event_.ev.type == EventType::unlink || last_sent_)
			return cfs::fail(NOENT);
		dead_ = true;
		unlink_event_.ev.type = EventType::unlink;
		unlink_event_.ev.status = why;
		unlink_event_.ev.md = handle_;
		unlink_event_.ev.user = spec_.user;
		unlink_event_.ev.match_bits = match_.match_bits;
		unlink_event_.ev.portal = match_.portal;
		// Operations under way bring the last event themselves.
		if (in_flight_ > 0 || !events_.empty())
			return {};
		events_.push_back(unlink_event_);
	}
	deliver();
	return {};
}

bool Md::unlinking() noexcept
{
	cfs::SpinGuard g(lock_);
	return unlink_event_.ev.type == EventType::unlink;
}

bool Md::dead() noexcept
{
	cfs::SpinGuard g(lock_);
	return dead_;
}

void Md::deliver() noexcept
{
	auto self = cfs::RefPtr<Md>::share(this); // a delivered() may drop the last other reference
	lock_.lock();
	if (delivering_) {
		lock_.unlock();
		return;
	}
	delivering_ = true;
	while (!events_.empty()) {
		PendingEvent &p = events_.front();
		events_.pop_front();
		p.ev.unlinked = dead_ && in_flight_ == 0 && events_.empty() && !last_sent_;
		if (p.ev.unlinked)
			last_sent_ = true;
		lock_.unlock();
		if (spec_.handler)
			spec_.handler->on_event(p.ev);
		if (p.delivered)
			p.delivered(p);
		lock_.lock();
	}
	delivering_ = false;
	lock_.unlock();
}

cfs::Result<> MdTable::init() noexcept
{
	buckets_ = TRY(cfs::Array<Bucket>::make(CFS_S_LNET, kBuckets));
	return {};
}

void MdTable::insert(Md &md) noexcept
{
	Bucket &b = bucket(md.handle());
	md.get();
	cfs::SpinGuard g(b.lock);
	b.mds.push_back(md);
}

void MdTable::remove(Md &md) noexcept
{
	Bucket &b = bucket(md.handle());
	{
		cfs::SpinGuard g(b.lock);
		if (!md.table_hook.is_linked())
			return;
		b.mds.erase(b.mds.iterator_to(md));
	}
	md.put();
}

cfs::RefPtr<Md> MdTable::find(MdHandle h) noexcept
{
	Bucket &b = bucket(h);
	cfs::SpinGuard g(b.lock);
	for (Md &md : b.mds)
		if (md.handle() == h)
			return cfs::RefPtr<Md>::share(&md);
	return nullptr;
}

void MdTable::expect(Md &md, std::uint64_t due) noexcept
{
	Bucket &b = bucket(md.handle());
	md.response_due.store(due, std::memory_order_release);
	auto next = b.next_due.load(std::memory_order_relaxed);
	while (due < next &&
	       !b.next_due.compare_exchange_weak(next, due, std::memory_order_acq_rel)) {
	}
}

cfs::RefPtr<Md> MdTable::take_overdue(Bucket &b, std::uint64_t now) noexcept
{
	cfs::SpinGuard g(b.lock);
	// What is expected from now on lowers it again.
	b.next_due.store(CFS_NEVER, std::memory_order_release);
	std::uint64_t next = CFS_NEVER;
	cfs::RefPtr<Md> found;
	for (Md &md : b.mds) {
		auto due = md.response_due.load(std::memory_order_acquire);
		if (due == 0)
			continue;
		if (!found && due <= now) {
			md.response_due.store(0, std::memory_order_relaxed);
			found = cfs::RefPtr<Md>::share(&md);
		} else {
			next = std::min(next, due);
		}
	}
	auto seen = b.next_due.load(std::memory_order_relaxed);
	while (next < seen &&
	       !b.next_due.compare_exchange_weak(seen, next, std::memory_order_acq_rel)) {
	}
	return found;
}

} // namespace lnet
