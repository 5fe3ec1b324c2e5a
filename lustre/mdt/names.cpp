// SPDX-License-Identifier: GPL-2.0
//
// Finding objects, directories and names, and noting that they have changed: what all operations
// share.
#include <algorithm>

#include "mdt/target.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// Directories above one another that are followed: longer chains do not exist.
constexpr unsigned kDepthMax = 4096;

} // namespace

cfs::Result<osd::ObjectRef> MdtTarget::object(const Fid &fid) noexcept
{
	if (!fid.is_sane())
		return cfs::fail(INVAL);
	// Everything else on the device is the server's own.
	if (!fid.is_normal() && !(fid == wire::kRootFid))
		return cfs::fail(NOENT);
	osd::ObjectRef o = TRY(Target::device().object(fid));
	if (!o->exists())
		return cfs::fail(NOENT);
	return o;
}

cfs::Result<Place> MdtTarget::place(const Fid &dir, std::string_view name) noexcept
{
	Place p;
	if (name.empty() || name.find('/') != std::string_view::npos)
		return cfs::fail(PROTO);
	if (name.size() > osd::kNameMax)
		return cfs::fail(NAMETOOLONG);
	p.object = TRY(object(dir));
	if (p.object->type() != osd::kTypeDir)
		return cfs::fail(NOTDIR);
	p.dir = TRY(p.object->directory());
	p.name = name;
	return p;
}

cfs::Result<> MdtTarget::look(Place &p, const Caller &caller) noexcept
{
	TRY(p.object->attr_get(p.attr));
	if (is_orphan(p.attr))
		return cfs::fail(NOENT);
	TRY(check_access(p.attr, caller, kMayExec));
	auto child = p.dir->lookup(p.name);
	if (!child && child.error() != NOENT)
		return cfs::fail(child.error());
	p.found = child.has_value();
	p.child = p.found ? *child : Fid{};
	return {};
}

cfs::Result<Place> MdtTarget::locate(LockSet &locks, const Fid &dir, std::string_view name,
				     NameUse use, const Caller &caller) noexcept
{
	Place p = TRY(place(dir, name));
	TRY(locks.name(dir, name, use));
	TRY(look(p, caller));
	return p;
}

cfs::Result<bool> MdtTarget::is_ancestor(const Fid &dir, const Fid &of) noexcept
{
	Fid at = of;
	for (unsigned depth = 0; depth < kDepthMax; depth++) {
		if (at == dir)
			return true;
		if (at == wire::kRootFid)
			return false;
		osd::ObjectRef o = TRY(object(at));
		osd::Directory *d = TRY(o->directory());
		at = TRY(d->lookup(".."));
	}
	return cfs::fail(UCLEAN);
}

cfs::Result<> declare_touch(osd::Transaction &tx, osd::Object &o) noexcept
{
	osd::Attr times;
	times.valid = osd::kAttrMtime | osd::kAttrCtime;
	TRY(o.declare_attr_set(tx, times));
	return o.declare_version_set(tx);
}

cfs::Result<> touch(Modification &m, osd::Object &o, std::int64_t time, u32 times) noexcept
{
	osd::Attr now, next;
	TRY(o.attr_get(now));
	auto later = [&](u32 which, osd::Time osd::Attr::*t) {
		if (!(times & which) || (now.*t).sec >= time)
			return;
		next.valid |= which;
		next.*t = seconds(time);
	};
	later(osd::kAttrMtime, &osd::Attr::mtime);
	later(osd::kAttrCtime, &osd::Attr::ctime);
	if (next.valid)
		TRY(o.attr_set(m.tx(), next));
	return o.version_set(m.tx(), m.version());
}

} // namespace mdt
