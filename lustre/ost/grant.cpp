// SPDX-License-Identifier: GPL-2.0
#include "ost/grant.hpp"

#include <algorithm>

namespace ost
{

namespace
{

constexpr u64 kGrantFields = wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLGRANT;

} // namespace

u64 Grants::chunk(const ClientGrant &c) const noexcept
{
	u64 brw = c.brw_bytes;
	if (c.params) {
		u64 extent = u64{params_.extent_blocks_max} * params_.block_bytes;
		return 2 * (brw + (brw + extent - 1) / extent * params_.extent_tax);
	}
	// A client that counts in pages of 4 KiB, on a device with larger blocks.
	return 2 * brw * (params_.block_bytes / 4096 ? params_.block_bytes / 4096 : 1);
}

/// Free space that nobody was promised.
u64 Grants::left(u64 free) const noexcept
{
	u64 rest = free > total_granted_ ? free - total_granted_ : 0;
	return rest / params_.block_bytes * params_.block_bytes;
}

void Grants::give(ClientGrant &c, u64 bytes) noexcept
{
	c.granted += bytes;
	total_granted_ += bytes;
}

void Grants::set_dirty(ClientGrant &c, u64 bytes) noexcept
{
	total_dirty_ += bytes - c.dirty;
	c.dirty = bytes;
}

u64 Grants::connect(ClientGrant &c, u64 wanted, u64 free, bool fresh) noexcept
{
	cfs::SpinGuard g(lock_);
	set_dirty(c, 0);
	if (wanted > c.granted) {
		u64 limit = chunk(c);
		u64 room = fresh ? left(free) / 8 : left(free);
		u64 more = round_up(std::min(wanted - c.granted, room));
		if (fresh)
			more = std::min(more, limit);
		more = std::min(more, left(free));
		if (c.granted + more > wanted + limit)
			more = wanted + limit - c.granted;
		give(c, more);
	}
	return c.granted;
}

void Grants::release(ClientGrant &c) noexcept
{
	cfs::SpinGuard g(lock_);
	set_dirty(c, 0);
	// Pending is released by its writes.
	total_granted_ -= c.granted;
	c.granted = 0;
}

bool Grants::incoming(ClientGrant &c, const wire::Obdo &o) noexcept
{
	if ((o.valid.get() & kGrantFields) != kGrantFields)
		return false;
	cfs::SpinGuard g(lock_);
	u64 dropped = o.dropped().get();
	if (dropped <= c.granted) {
		c.granted -= dropped;
		total_granted_ -= dropped;
	}
	set_dirty(c, std::min(o.dirty().get(), c.granted + 4 * chunk(c)));
	return true;
}

/// Whole blocks and the extent they may begin.
u64 Grants::need(const GrantRange &r) const noexcept
{
	u64 block = params_.block_bytes;
	u64 first = r.offset / block * block;
	return round_up(r.offset + r.length - first) + params_.extent_tax;
}

void Grants::write(ClientGrant &c, std::span<GrantRange> ranges, u64 used, u64 free,
		   WriteGrant &w) noexcept
{
	cfs::SpinGuard g(lock_);
	u64 reserved = 0;
	if (c.params && used > 0) {
		// The client's own sum covers all it took from its grant; what it lacks is made up
		// from free space, or it has claimed too much.
		u64 gap = used > c.granted ? used - c.granted : 0;
		if (gap <= left(free)) {
			give(c, gap);
			reserved = used;
			for (GrantRange &r : ranges)
				r.covered = r.from_grant;
		}
	}
	for (GrantRange &r : ranges) {
		if (r.covered)
			continue;
		u64 n = need(r);
		if (r.from_grant && !c.params && n <= c.granted - reserved) {
			reserved += n;
		} else if (n <= left(free)) {
			give(c, n);
			reserved += n;
		} else {
			continue;
		}
		r.covered = true;
	}
	reserved = std::min(reserved, c.granted);
	c.granted -= reserved;
	c.pending += reserved;
	total_pending_ += reserved;
	w.pending = reserved;
	set_dirty(c, c.dirty - std::min(c.dirty, reserved));
}

void Grants::replenish(ClientGrant &c, const wire::Obdo &o, u64 free, WriteGrant &w) noexcept
{
	cfs::SpinGuard g(lock_);
	u64 has = o.grant.get(), wants = o.undirty().get(), limit = chunk(c);
	w.in_reply = true;
	if (has >= wants || c.granted >= has + limit)
		return;
	u64 more = round_up(std::min(wants - has, left(free) / 8));
	more = std::min({more, limit, left(free)});
	if (c.granted + more > wants + limit)
		more = wants + limit > c.granted ? wants + limit - c.granted : 0;
	give(c, more);
	w.returned = more;
}

bool Grants::shrink(ClientGrant &c, u64 bytes, u64 free) noexcept
{
	cfs::SpinGuard g(lock_);
	if (total_granted_ < left(free) / 4)
		return false;
	u64 n = std::min(bytes, c.granted);
	c.granted -= n;
	total_granted_ -= n;
	return true;
}

void Grants::done(ClientGrant &c, WriteGrant &w, bool failed) noexcept
{
	cfs::SpinGuard g(lock_);
	c.pending -= w.pending;
	total_pending_ -= w.pending;
	total_granted_ -= w.pending;
	if (failed) {
		u64 back = std::min(w.returned, c.granted);
		c.granted -= back;
		total_granted_ -= back;
	}
	w = {};
}

Grants::Totals Grants::totals() noexcept
{
	cfs::SpinGuard g(lock_);
	return {total_granted_, total_dirty_, total_pending_};
}

} // namespace ost
