// SPDX-License-Identifier: GPL-2.0
#include "ost/attr.hpp"

#include <cstring>

namespace ost
{

namespace
{

constexpr u32 kNoUidYet = 04000;
constexpr u32 kNoGidYet = 02000;
constexpr u32 kNoProjidYet = 01000;

osd::Time seconds(const wire::sle64 &t) noexcept
{
	return {t.get(), 0};
}

} // namespace

void put_attr(wire::Obdo &to, const osd::Attr &from, u64 which) noexcept
{
	using namespace wire;
	if (which & OBD_MD_FLATIME)
		to.atime = from.atime.sec;
	if (which & OBD_MD_FLMTIME)
		to.mtime = from.mtime.sec;
	if (which & OBD_MD_FLCTIME)
		to.ctime = from.ctime.sec;
	if (which & OBD_MD_FLSIZE)
		to.size = from.size;
	if (which & OBD_MD_FLBLOCKS)
		to.blocks = from.blocks;
	if (which & (OBD_MD_FLMODE | OBD_MD_FLTYPE))
		to.mode = from.mode;
	if (which & OBD_MD_FLUID)
		to.uid = from.uid;
	if (which & OBD_MD_FLGID)
		to.gid = from.gid;
	if (which & OBD_MD_FLPROJID)
		to.projid = from.projid;
	to.valid = to.valid | which;
}

wire::OstLvb lvb_of(const osd::Attr &a) noexcept
{
	wire::OstLvb l{};
	l.size = a.size;
	l.mtime = a.mtime.sec;
	l.atime = a.atime.sec;
	l.ctime = a.ctime.sec;
	l.blocks = a.blocks;
	return l;
}

// ---- AttrChange ----

/// Sets owners, and takes back the marks that there are none.
void AttrChange::owner(osd::Attr &to, const osd::Attr &now) const noexcept
{
	struct Kind {
		u64 asked;
		u32 valid, mark;
		u32 osd::Attr::*field;
		u32 value;
	};
	const Kind kinds[] = {
		{wire::OBD_MD_FLUID, osd::kAttrUid, kNoUidYet, &osd::Attr::uid, asked_.uid},
		{wire::OBD_MD_FLGID, osd::kAttrGid, kNoGidYet, &osd::Attr::gid, asked_.gid},
		{wire::OBD_MD_FLPROJID, osd::kAttrProjid, kNoProjidYet, &osd::Attr::projid,
		 asked_.projid},
	};
	u32 mode = now.mode;
	for (const Kind &k : kinds) {
		if (!(asked_.valid & k.asked))
			continue;
		bool late_project = k.valid == osd::kAttrProjid && now.projid == 0;
		if (!explicitly_ && !(now.mode & k.mark) && !late_project)
			continue;
		if (now.*k.field != k.value) {
			to.*k.field = k.value;
			to.valid |= k.valid;
		}
		mode &= ~k.mark;
	}
	if (mode != now.mode) {
		to.mode = mode;
		to.valid |= osd::kAttrMode;
	}
}

osd::Attr AttrChange::wanted(const osd::Attr &now) const noexcept
{
	osd::Attr a;
	u64 valid = asked_.valid;
	if (times_ && (valid & wire::OBD_MD_FLATIME)) {
		a.atime = seconds(asked_.atime);
		a.valid |= osd::kAttrAtime;
	}
	if (times_ && (valid & wire::OBD_MD_FLMTIME)) {
		a.mtime = seconds(asked_.mtime);
		a.valid |= osd::kAttrMtime;
	}
	if (times_ && (valid & wire::OBD_MD_FLCTIME)) {
		a.ctime = seconds(asked_.ctime);
		a.valid |= osd::kAttrCtime;
	}
	if (explicitly_ && (valid & wire::OBD_MD_FLFLAGS)) {
		a.flags = asked_.flags;
		a.valid |= osd::kAttrFlags;
	}
	owner(a, now);
	return a;
}

bool AttrChange::names_parent() const noexcept
{
	constexpr u64 kParent = wire::OBD_MD_FLFID | wire::OBD_MD_FLPARENT;
	return (asked_.valid & kParent) == kParent && asked_.parent_seq != 0;
}

cfs::Result<> AttrChange::declare(osd::Transaction &tx) noexcept
{
	// An upper bound: what is there already is known only under the object's lock.
	osd::Attr nobody;
	nobody.mode = kNoUidYet | kNoGidYet | kNoProjidYet;
	osd::Attr all = wanted(nobody);
	all.uid = asked_.uid;
	all.gid = asked_.gid;
	all.projid = asked_.projid;
	if (asked_.valid & kObdoOwner)
		all.valid |= osd::kAttrOwner | osd::kAttrMode;
	TRY(object_.declare_attr_set(tx, all));
	if (names_parent() || (asked_.valid & wire::OBD_MD_LAYOUT_VERSION))
		TRY(object_.declare_xattr_set(tx, wire::XATTR_NAME_FID, sizeof(wire::FilterFid)));
	return {};
}

cfs::Result<> AttrChange::set_parent(osd::Transaction &tx) noexcept
{
	bool version = asked_.valid & wire::OBD_MD_LAYOUT_VERSION;
	if (!names_parent() && !version)
		return {};
	wire::FilterFid old{};
	auto had =
		object_.xattr_get(wire::XATTR_NAME_FID, std::as_writable_bytes(std::span(&old, 1)));
	if (!had && had.error() != cfs::err::NODATA)
		return cfs::fail(had.error());
	wire::FilterFid ff = old;
	if (names_parent()) {
		ff.parent = wire::make_fid(asked_.parent_seq, asked_.parent_oid, asked_.stripe_idx);
		if (asked_.valid & wire::OBD_MD_FLOSTLAYOUT)
			ff.layout = asked_.layout;
	}
	if (version)
		ff.layout_version = asked_.layout_version;
	if (had && *had == sizeof(ff) && std::memcmp(&ff, &old, sizeof(ff)) == 0)
		return {};
	return object_.xattr_set(tx, wire::XATTR_NAME_FID, cfs::bytes_of(ff));
}

cfs::Result<> AttrChange::apply(osd::Transaction &tx) noexcept
{
	osd::ObjectGuard g(object_);
	osd::Attr now;
	TRY(object_.attr_get(now));
	osd::Attr a = wanted(now);
	if (a.valid)
		TRY(object_.attr_set(tx, a));
	return set_parent(tx);
}

// ---- TimesMemory ----

void TimesMemory::note(const wire::Fid &fid, u64 xid) noexcept
{
	cfs::UniquePtr<Table> fresh;
	{
		cfs::SpinGuard g(lock_);
		if (!table_) {
			g.unlock();
			auto made = cfs::try_make<Table>();
			if (!made)
				return; // times may go back a little, nothing worse
			fresh = std::move(*made);
		}
	}
	cfs::SpinGuard g(lock_);
	if (!table_)
		table_ = std::move(fresh);
	for (Entry &e : table_->entries)
		if (e.fid == fid) {
			e.xid = std::max(e.xid, xid);
			return;
		}
	table_->entries[table_->next] = {fid, xid};
	table_->next = (table_->next + 1) % kMax;
}

bool TimesMemory::may_set(const wire::Fid &fid, u64 xid) noexcept
{
	cfs::SpinGuard g(lock_);
	if (!table_)
		return true;
	for (const Entry &e : table_->entries)
		if (e.fid == fid)
			return xid >= e.xid;
	return true;
}

} // namespace ost
