// SPDX-License-Identifier: GPL-2.0
#include "mdt/creation.hpp"

#include "wire/xattr.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

bool is_known_type(u32 type) noexcept
{
	switch (type) {
	case osd::kTypeFifo:
	case osd::kTypeChar:
	case osd::kTypeDir:
	case osd::kTypeBlock:
	case osd::kTypeFile:
	case osd::kTypeLink:
	case osd::kTypeSocket:
		return true;
	default:
		return false;
	}
}

} // namespace

/// Whose it is: the caller's, but for the group in a directory that passes its own on.
cfs::Result<> Creation::make_spec() noexcept
{
	constexpr u32 kSetgid = 02000;
	osd::Attr &a = spec_.attr;
	u32 type = new_.mode & osd::kTypeMask;
	a.valid = osd::kAttrMode | osd::kAttrType | osd::kAttrUid | osd::kAttrGid |
		  osd::kAttrAtime | osd::kAttrMtime | osd::kAttrCtime | osd::kAttrBtime;
	a.mode = new_.mode & (osd::kTypeMask | 07777);
	a.uid = new_.caller.uid;
	a.gid = new_.caller.gid;
	a.atime = a.mtime = a.ctime = a.btime = seconds(new_.time);
	if (place_.attr.mode & kSetgid) {
		a.gid = place_.attr.gid;
		if (directory())
			a.mode |= kSetgid;
		else if ((a.mode & 02010) == 02010 && !new_.caller.in_group(a.gid) &&
			 !new_.caller.can(Cap::fsetid))
			a.mode &= ~kSetgid;
	}
	if (type == osd::kTypeChar || type == osd::kTypeBlock) {
		a.valid |= osd::kAttrRdev;
		a.rdev = new_.rdev;
	}
	spec_.parent = place_.object.get();
	spec_.symlink = new_.symlink;
	return {};
}

cfs::Result<> Creation::prepare() noexcept
{
	if (!is_known_type(new_.mode & osd::kTypeMask))
		return cfs::fail(OPNOTSUPP);
	if (!new_.fid.is_normal() || !new_.fid.is_sane())
		return cfs::fail(PROTO);
	if (new_.symlink.size() > osd::kSymlinkMax)
		return cfs::fail(NAMETOOLONG);
	TRY(check_modify(place_.attr, new_.caller));
	object_ = TRY(t_.device().object(new_.fid));
	if (object_->exists())
		return cfs::fail(EXIST);
	if (directory())
		default_layout_ = TRY(read_layout(*place_.object));
	TRY(link_.make());
	link_.add(place_.fid(), place_.name, new_.time);
	return make_spec();
}

cfs::Result<> Creation::declare(osd::Transaction &tx) noexcept
{
	TRY(object_->declare_create(tx, spec_));
	TRY(object_->declare_destroy(tx));
	TRY(object_->declare_version_set(tx));
	TRY(link_.declare(tx, *object_));
	TRY(place_.dir->declare_insert(tx, place_.name));
	if (directory())
		TRY(place_.object->declare_ref_add(tx));
	if (!default_layout_.empty())
		TRY(object_->declare_xattr_set(tx, wire::XATTR_NAME_LOV, default_layout_.size()));
	return declare_touch(tx, *place_.object);
}

cfs::Result<> Creation::enter(Modification &m) noexcept
{
	TRY(link_.store(m.tx(), *object_));
	if (!default_layout_.empty())
		TRY(object_->xattr_set(m.tx(), wire::XATTR_NAME_LOV,
				       {default_layout_.data(), default_layout_.size()}));
	return place_.dir->insert(m.tx(), place_.name, *object_);
}

cfs::Result<> Creation::run(Modification &m) noexcept
{
	TRY(m.check_version(0, *place_.object));
	TRY(m.check_version(1, *object_));
	TRY(object_->create(m.tx(), spec_));
	if (auto entered = enter(m); !entered) {
		(void)object_->destroy(m.tx());
		return entered;
	}
	if (directory())
		TRY(place_.object->ref_add(m.tx()));
	TRY(object_->version_set(m.tx(), m.version()));
	return touch(m, *place_.object, new_.time);
}

} // namespace mdt
