// SPDX-License-Identifier: GPL-2.0
//
// Names (spec 06 section 3, 04 sections 6, 7, 9). Each call is one request; what the client knows
// of a directory goes with a change of it, because the server would take it back anyway.
#include "client/namei.hpp"

#include "client/mount_impl.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

constexpr u64 kNameBits = MDS_INODELOCK_LOOKUP | MDS_INODELOCK_UPDATE | MDS_INODELOCK_XATTR;

/// The inode of an answer, as a lookup gives it.
Result<Inode *> found(Mount &m, MdReply &r, lustre_found &out) noexcept
{
	Inode *i = TRY(m.inode_of(r));
	out.inode = i->vi();
	out.stamp = (r.bits & MDS_INODELOCK_LOOKUP) ? i->name_stamp() : 0;
	return i;
}

u32 masked(Mount &m, u32 mode, u32 umask) noexcept
{
	constexpr u32 kLink = 0120000;
	if (m.server_umask() || (mode & 0170000) == kLink)
		return mode;
	return mode & ~umask;
}

} // namespace

Result<> lookup(Inode &dir, std::string_view name, u32 flags, lustre_found &out) noexcept
{
	Mount &m = dir.mount();
	out = {};
	// The request that makes it says whether it exists.
	bool making = (flags & LUSTRE_LOOKUP_CREATE) && (flags & LUSTRE_LOOKUP_EXCL) &&
		      !(flags & LUSTRE_LOOKUP_OPEN);
	if (making)
		return {};
	u32 missing = dir.missing_stamp();
	u64 op = flags & LUSTRE_LOOKUP_PARENT ? IT_LOOKUP : IT_GETATTR;
	auto r = TRY(m.mdc().intent_getattr(Caller::here(dir.gid()), {dir.fid(), name}, op, {}));
	auto ended = r.ended();
	if (r.has(DISP_LOOKUP_NEG) && (ended || ended.error() == NOENT)) {
		out.stamp = missing;
		return {};
	}
	TRY(ended);
	(void)TRY(found(m, r, out));
	return {};
}

Result<> lookup_fid(Mount &m, const Fid &fid, lustre_found &out) noexcept
{
	out = {};
	if (!fid.is_sane())
		return cfs::fail(STALE);
	auto r = m.mdc().intent_getattr(Caller::here(), {fid, {}}, IT_GETATTR, fid);
	if (!r)
		return cfs::fail(r.error() == NOENT ? STALE : r.error());
	auto ended = r->ended();
	if (r->has(DISP_LOOKUP_NEG) || (!ended && ended.error() == NOENT))
		return cfs::fail(STALE);
	TRY(ended);
	(void)TRY(found(m, *r, out));
	return {};
}

// ---- making ----

Result<> make_name(Inode &dir, std::string_view name, u32 mode, u64 rdev, std::string_view target,
		   lustre_found &out) noexcept
{
	Mount &m = dir.mount();
	out = {};
	Caller who = Caller::here(dir.gid());
	CreateArgs args;
	args.fid = TRY(m.mdc().new_fid());
	args.mode = masked(m, mode, who.cred.umask);
	args.umask = who.cred.umask;
	args.rdev = rdev;
	args.target = target;
	Early early(m.mdc().locks());
	early.add(dir.fid(), MDS_INODELOCK_UPDATE);
	auto r = TRY(m.mdc().create(who, {dir.fid(), name}, args, early));
	(void)TRY(found(m, r, out));
	return {};
}

Result<> link(Inode &i, Inode &dir, std::string_view name) noexcept
{
	Mdc &mdc = i.mount().mdc();
	Early early(mdc.locks());
	early.add(dir.fid(), MDS_INODELOCK_UPDATE);
	early.add(i.fid(), MDS_INODELOCK_UPDATE | MDS_INODELOCK_XATTR);
	auto r = TRY(mdc.link(Caller::here(i.gid(), dir.gid()), i.fid(), {dir.fid(), name}, early));
	// The answer says nothing; what there is has another link.
	(void)r;
	return {};
}

// ---- removing and moving ----

namespace
{

/// An answer about an object that lost a name.
void take_victim(Inode *victim, MdReply &r) noexcept
{
	if (victim && r.valid(OBD_MD_FLNLINK) && r.body.fid1 == victim->fid())
		victim->take(r);
}

} // namespace

Result<> unlink(Inode &dir, std::string_view name, Inode &victim, bool is_dir) noexcept
{
	Mdc &mdc = dir.mount().mdc();
	Early early(mdc.locks());
	early.add(dir.fid(), MDS_INODELOCK_UPDATE);
	early.add(victim.fid(), kNameBits);
	auto r = TRY(mdc.unlink(Caller::here(dir.gid()), {dir.fid(), name}, victim.fid(), is_dir,
				early));
	take_victim(&victim, r);
	return {};
}

Result<> rename(Inode &from, std::string_view name, Inode &i, Inode &to, std::string_view new_name,
		Inode *target) noexcept
{
	Mdc &mdc = from.mount().mdc();
	lustre_attr a;
	vfs_inode_attr(i.vi(), &a);
	Early early(mdc.locks());
	early.add(from.fid(), MDS_INODELOCK_UPDATE);
	if (&to != &from)
		early.add(to.fid(), MDS_INODELOCK_UPDATE);
	early.add(i.fid(), MDS_INODELOCK_LOOKUP | MDS_INODELOCK_XATTR);
	if (target && target != &i)
		early.add(target->fid(), kNameBits);
	auto r = TRY(mdc.rename(Caller::here(from.gid(), to.gid()), {from.fid(), name},
				{to.fid(), new_name}, a.mode, early));
	take_victim(target, r);
	return {};
}

// ---- opening ----

Result<cfs::UniquePtr<OpenFile>> open_name(Inode &dir, std::string_view name, u32 flags, u32 mode,
					   lustre_found &out, bool &created) noexcept
{
	Mount &m = dir.mount();
	out = {};
	created = false;
	u32 missing = dir.missing_stamp();
	Caller who = Caller::here(dir.gid());
	OpenArgs args;
	args.flags = open_flags(flags, false);
	args.umask = who.cred.umask;
	Early early(m.mdc().locks());
	if (args.flags & MDS_OPEN_CREAT) {
		args.fid = TRY(m.mdc().new_fid());
		args.mode = masked(m, 0100000 | (mode & 07777), who.cred.umask);
		early.add(dir.fid(), MDS_INODELOCK_UPDATE);
	}
	OpenHandleRef handle;
	auto r = TRY(m.mdc().intent_open(who, {dir.fid(), name}, args, early, &handle));
	auto ended = r.ended();
	if (r.has(DISP_LOOKUP_NEG) && !r.has(DISP_OPEN_CREATE) && !(args.flags & MDS_OPEN_CREAT) &&
	    (ended || ended.error() == NOENT)) {
		out.stamp = missing;
		return cfs::UniquePtr<OpenFile>();
	}
	TRY(ended);
	created = r.has(DISP_OPEN_CREATE);
	auto i = found(m, r, out);
	if (!handle)
		return i ? Result<cfs::UniquePtr<OpenFile>>(cfs::UniquePtr<OpenFile>())
			 : cfs::fail(i.error());
	Result<cfs::UniquePtr<OpenFile>> file = cfs::fail(NOMEM);
	if (i)
		file = cfs::try_make<OpenFile>(**i, handle, flags);
	else
		file = cfs::fail(i.error());
	if (!file) {
		(void)m.mdc().close_file(std::move(handle), {.fid = r.body.fid1});
		if (out.inode)
			vfs_iput(out.inode);
		out = {};
	}
	return file;
}

} // namespace client
