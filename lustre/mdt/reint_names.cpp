// SPDX-License-Identifier: GPL-2.0
//
// Create, link, unlink (spec 04 sections 9.1 to 9.3).
#include "mdt/creation.hpp"
#include "mdt/reint.hpp"
#include "mdt/removal.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// mkdir, mknod and symlink.
cfs::Result<> create(Reint &r, const wire::MdtRecCreate &rec, std::string_view name,
		     std::string_view symlink) noexcept
{
	NewObject n;
	n.fid = rec.fid2;
	// The umask does not concern symbolic links.
	n.mode = symlink.empty() ? rec.mode & ~(rec.umask & 0777u) : rec.mode | 0777u;
	n.rdev = static_cast<u32>(rec.rdev);
	n.time = rec.time;
	n.symlink = symlink;
	n.caller = r.caller;
	Place p = TRY(r.t.locate(r.locks, rec.fid1, name, NameUse::change, r.caller));
	if (p.found)
		return cfs::fail(EXIST);
	Creation c(r.t, p, n);
	TRY(c.prepare());
	TRY(change(
		r.t, &r.req, [&](osd::Transaction &tx) { return c.declare(tx); },
		[&](Modification &m) { return c.run(m); }));
	osd::Attr a;
	TRY(c.object()->attr_get(a));
	put_attr_whole(r.body, n.fid, a);
	return {};
}

} // namespace

cfs::Result<> reint_create(Reint &r, rpc::RequestView<op::MdsReintCreate> in) noexcept
{
	const wire::MdtRecCreate &rec = in.get<fld::RecCreate>();
	// A layout of a directory over several MDTs, said explicitly; the default one of the parent
	// comes along without being asked for, and is of no use here.
	if (rec.bias & wire::MDS_SETSTRIPE_CREATE)
		return cfs::fail(OPNOTSUPP);
	return create(r, rec, in.get<fld::Name>(), {});
}

cfs::Result<> reint_symlink(Reint &r, rpc::RequestView<op::MdsReintSymlink> in) noexcept
{
	std::string_view text = in.get<fld::SymTgt>();
	if (text.empty())
		return cfs::fail(FAULT);
	return create(r, in.get<fld::RecCreate>(), in.get<fld::Name>(), text);
}

cfs::Result<> reint_link(Reint &r, rpc::RequestView<op::MdsReintLink> in) noexcept
{
	const wire::MdtRecLink &rec = in.get<fld::RecLink>();
	constexpr u32 kFixed = wire::LUSTRE_APPEND_FL | wire::LUSTRE_IMMUTABLE_FL;
	osd::Attr a;
	LinkEa links;
	if (rec.fid1 == rec.fid2)
		return cfs::fail(PERM);
	osd::ObjectRef source = TRY(r.t.object(rec.fid1));
	// It may be above the other one, and is not locked after it.
	if (source->type() == osd::kTypeDir)
		return cfs::fail(PERM);
	Place p =
		TRY(r.t.locate(r.locks, rec.fid2, in.get<fld::Name>(), NameUse::change, r.caller));
	TRY(r.locks.object(rec.fid1, ldlm::LCK_EX,
			   wire::MDS_INODELOCK_UPDATE | wire::MDS_INODELOCK_XATTR));
	if (p.found)
		return cfs::fail(EXIST);
	TRY(source->attr_get(a));
	if (is_orphan(a))
		return cfs::fail(STALE);
	if (a.flags & kFixed)
		return cfs::fail(PERM);
	TRY(check_modify(p.attr, r.caller));
	if (a.nlink >= r.t.device().info().link_max)
		return cfs::fail(MLINK);
	TRY(links.read(*source));
	links.add(rec.fid2, p.name, rec.time);

	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(source->declare_ref_add(tx));
		TRY(links.declare(tx, *source));
		TRY(declare_touch(tx, *source));
		TRY(p.dir->declare_insert(tx, p.name));
		return declare_touch(tx, *p.object);
	};
	return change(r.t, &r.req, declare, [&](Modification &m) -> cfs::Result<> {
		TRY(m.check_version(0, *p.object));
		TRY(m.check_version(1, *source));
		TRY(p.dir->insert(m.tx(), p.name, *source));
		TRY(source->ref_add(m.tx()));
		TRY(links.store(m.tx(), *source));
		TRY(touch(m, *source, rec.time, osd::kAttrCtime));
		return touch(m, *p.object, rec.time);
	});
}

cfs::Result<> reint_unlink(Reint &r, rpc::RequestView<op::MdsReintUnlink> in) noexcept
{
	const wire::MdtRecUnlink &rec = in.get<fld::RecUnlink>();
	if (is_dots(in.get<fld::Name>()))
		return cfs::fail(INVAL);
	Place p =
		TRY(r.t.locate(r.locks, rec.fid1, in.get<fld::Name>(), NameUse::change, r.caller));
	if (!p.found)
		return cfs::fail(NOENT);
	osd::ObjectRef victim = TRY(r.t.object(p.child));
	TRY(r.locks.object(p.child, ldlm::LCK_EX,
			   wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_UPDATE));
	Removal gone(r.t, p);
	TRY(gone.prepare(std::move(victim)));
	bool rmdir = (rec.mode & osd::kTypeMask) == osd::kTypeDir;
	if (is_dir(gone.attr()) != rmdir)
		return cfs::fail(rmdir ? NOTDIR : ISDIR);
	TRY(gone.may_remove(r.caller));

	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(p.dir->declare_remove(tx, p.name));
		TRY(gone.declare(tx));
		return declare_touch(tx, *p.object);
	};
	TRY(change(r.t, &r.req, declare, [&](Modification &m) -> cfs::Result<> {
		TRY(m.check_version(0, *p.object));
		TRY(m.check_version(1, gone.object()));
		TRY(p.dir->remove(m.tx(), p.name));
		TRY(gone.run(m, rec.time));
		return touch(m, *p.object, rec.time);
	}));
	gone.describe(r.body);
	// The client takes the times of the directory from here.
	if (r.body.ctime < rec.time)
		r.body.ctime = rec.time;
	if (r.body.mtime < rec.time)
		r.body.mtime = rec.time;
	return {};
}

} // namespace mdt
