// SPDX-License-Identifier: GPL-2.0
//
// Setattr (spec 04 section 9.5): owner, mode, times, flags; a truncate of a file whose data is on
// OSTs is noted here and done by the client there. With a layout it sets a directory's default.
#include "mdt/reint.hpp"
#include "wire/xattr.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

constexpr u32 kSetuid = 04000;
constexpr u32 kSetgid = 02000;
constexpr u32 kGroupExec = 010;
constexpr u64 kTimes = wire::MDS_ATTR_ATIME | wire::MDS_ATTR_MTIME | wire::MDS_ATTR_CTIME;
constexpr u64 kOwner = wire::MDS_ATTR_UID | wire::MDS_ATTR_GID | wire::MDS_ATTR_PROJID;

/// One setattr: what is asked, what is there, what it becomes.
class Setattr
{
	Reint &r_;
	const wire::MdtRecSetattr &rec_;
	u64 valid_;
	osd::ObjectRef object_;
	osd::Attr now_, next_;
	cfs::Array<std::byte> layout_;

	[[nodiscard]] bool has(u64 bits) const noexcept { return (valid_ & bits) != 0; }
	[[nodiscard]] cfs::Result<> check_flags() noexcept;
	[[nodiscard]] cfs::Result<> check() noexcept;
	[[nodiscard]] cfs::Result<> check_owner() noexcept;
	void plan_mode() noexcept;
	void plan_time(u64 which, u64 given, std::int64_t value, u32 attr,
		       osd::Time osd::Attr::*field) noexcept;
	void plan() noexcept;
	[[nodiscard]] cfs::Result<> apply(Modification &m) noexcept;

public:
	Setattr(Reint &r, const wire::MdtRecSetattr &rec) noexcept
	    : r_(r), rec_(rec), valid_(rec.valid)
	{
	}
	[[nodiscard]] cfs::Result<> run() noexcept;
};

cfs::Result<> Setattr::check_flags() noexcept
{
	constexpr u32 kFixed = wire::LUSTRE_APPEND_FL | wire::LUSTRE_IMMUTABLE_FL;
	u32 flags = rec_.attr_flags;
	if (has(wire::MDS_ATTR_ATTR_FLAG)) {
		if (flags & ~wire::LUSTRE_FL_USER_VISIBLE)
			return cfs::fail(OPNOTSUPP);
		if (!r_.caller.owns(now_))
			return cfs::fail(PERM);
		if (((flags ^ now_.flags) & kFixed) && !r_.caller.can(Cap::linux_immutable))
			return cfs::fail(PERM);
	}
	if ((now_.flags & kFixed) && (valid_ & ~wire::MDS_ATTR_ATTR_FLAG))
		return cfs::fail(PERM);
	return {};
}

cfs::Result<> Setattr::check_owner() noexcept
{
	bool root = r_.caller.can(Cap::chown);
	if (has(wire::MDS_ATTR_UID) && !root && (r_.caller.uid != now_.uid || rec_.uid != now_.uid))
		return cfs::fail(PERM);
	if (has(wire::MDS_ATTR_GID) && !root && rec_.gid != now_.gid &&
	    (r_.caller.uid != now_.uid || !r_.caller.in_group(rec_.gid)))
		return cfs::fail(PERM);
	if (has(wire::MDS_ATTR_PROJID) && rec_.projid != now_.projid &&
	    !r_.caller.can(Cap::sys_resource))
		return cfs::fail(PERM);
	return {};
}

cfs::Result<> Setattr::check() noexcept
{
	TRY(check_flags());
	bool opened = has(wire::MDS_ATTR_FROM_OPEN | wire::MDS_ATTR_OVERRIDE);
	bool owner = r_.caller.owns(now_);
	if (has(wire::MDS_ATTR_SIZE)) {
		if (is_dir(now_))
			return cfs::fail(ISDIR);
		if (!opened)
			TRY(check_access(now_, r_.caller, kMayWrite));
		// It takes set-id bits away, and nothing else that is the owner's.
		u32 changed = (rec_.mode ^ now_.mode) & 07777;
		bool only_less = !(changed & ~(now_.mode & (kSetuid | kSetgid)));
		if (has(wire::MDS_ATTR_MODE) && !owner && !only_less)
			return cfs::fail(PERM);
		TRY(r_.t.opens().may_write(rec_.fid));
		return check_owner();
	}
	if (has(wire::MDS_ATTR_MODE) && !owner)
		return cfs::fail(PERM);
	if (has(kTimes) && !has(wire::MDS_ATTR_MODE | kOwner) && !owner)
		TRY(check_access(now_, r_.caller, kMayWrite));
	return check_owner();
}

/// The mode that was asked for, and the bits that a change of the owner takes away.
void Setattr::plan_mode() noexcept
{
	u32 mode = now_.mode;
	if (has(wire::MDS_ATTR_MODE)) {
		mode = (now_.mode & osd::kTypeMask) | (rec_.mode & 07777);
		if (!r_.caller.in_group(now_.gid) && !r_.caller.can(Cap::fsetid))
			mode &= ~kSetgid;
	} else if (has(wire::MDS_ATTR_UID | wire::MDS_ATTR_GID) && !is_dir(now_)) {
		mode &= ~kSetuid;
		if (mode & kGroupExec)
			mode &= ~kSetgid;
	}
	if (mode != now_.mode || has(wire::MDS_ATTR_MODE)) {
		next_.valid |= osd::kAttrMode;
		next_.mode = mode;
	}
}

void Setattr::plan_time(u64 which, u64 given, std::int64_t value, u32 attr,
			osd::Time osd::Attr::*field) noexcept
{
	if (!has(which))
		return;
	next_.valid |= attr;
	next_.*field = seconds(has(given) ? value : cfs::real_seconds());
}

void Setattr::plan() noexcept
{
	// All ones: as it is.
	if (rec_.uid == wire::MDT_INVALID_UID)
		valid_ &= ~wire::MDS_ATTR_UID;
	if (rec_.gid == wire::MDT_INVALID_GID)
		valid_ &= ~wire::MDS_ATTR_GID;
	plan_mode();
	if (has(wire::MDS_ATTR_UID)) {
		next_.valid |= osd::kAttrUid;
		next_.uid = rec_.uid;
	}
	if (has(wire::MDS_ATTR_GID)) {
		next_.valid |= osd::kAttrGid;
		next_.gid = rec_.gid;
	}
	if (has(wire::MDS_ATTR_PROJID)) {
		next_.valid |= osd::kAttrProjid;
		next_.projid = rec_.projid;
	}
	if (has(wire::MDS_ATTR_ATTR_FLAG)) {
		next_.valid |= osd::kAttrFlags;
		next_.flags = (rec_.attr_flags & wire::LUSTRE_FL_USER_MODIFIABLE) |
			      (now_.flags & wire::LUSTRE_LMA_FL_MASKS);
	}
	plan_time(wire::MDS_ATTR_ATIME, wire::MDS_ATTR_ATIME_SET, rec_.atime, osd::kAttrAtime,
		  &osd::Attr::atime);
	plan_time(wire::MDS_ATTR_MTIME, wire::MDS_ATTR_MTIME_SET, rec_.mtime, osd::kAttrMtime,
		  &osd::Attr::mtime);
	plan_time(wire::MDS_ATTR_CTIME, wire::MDS_ATTR_CTIME_SET, rec_.ctime, osd::kAttrCtime,
		  &osd::Attr::ctime);
}

cfs::Result<> Setattr::apply(Modification &m) noexcept
{
	constexpr u64 kVersioned = kOwner | wire::MDS_ATTR_MODE | wire::MDS_ATTR_ATTR_FLAG;
	if (has(kVersioned))
		TRY(m.check_version(0, *object_));
	if (next_.valid)
		TRY(object_->attr_set(m.tx(), next_));
	if (!layout_.empty()) {
		osp::OwnerChange c;
		c.has_uid = has(wire::MDS_ATTR_UID);
		c.has_gid = has(wire::MDS_ATTR_GID);
		c.has_projid = has(wire::MDS_ATTR_PROJID);
		c.uid = rec_.uid;
		c.gid = rec_.gid;
		c.projid = rec_.projid;
		r_.t.osts().set_owner(m.tx(), {layout_.data(), layout_.size()}, c);
	}
	return object_->version_set(m.tx(), m.version());
}

cfs::Result<> Setattr::run() noexcept
{
	constexpr u64 kPerm = wire::MDS_ATTR_MODE | wire::MDS_ATTR_UID | wire::MDS_ATTR_GID;
	u64 bits = wire::MDS_INODELOCK_UPDATE;
	bits |= has(kPerm) ? wire::MDS_INODELOCK_PERM : 0;
	bits |= has(wire::MDS_ATTR_PROJID) ? wire::MDS_INODELOCK_XATTR : 0;
	object_ = TRY(r_.t.object(rec_.fid));
	TRY(r_.locks.object(rec_.fid, ldlm::LCK_PW, bits));
	TRY(object_->attr_get(now_));
	TRY(check());
	plan();
	if (has(kOwner) && is_file(now_))
		layout_ = TRY(read_layout(*object_));
	auto declare = [this](osd::Transaction &tx) -> cfs::Result<> {
		TRY(object_->declare_attr_set(tx, next_));
		return object_->declare_version_set(tx);
	};
	TRY(change(r_.t, &r_.req, declare, [this](Modification &m) { return apply(m); }));
	if (has(wire::MDS_ATTR_ATIME_SET))
		r_.t.opens().note_atime(rec_.fid, rec_.atime);
	osd::Attr after;
	TRY(object_->attr_get(after));
	put_attr_whole(r_.body, rec_.fid, after);
	return {};
}

/// `lfs setstripe` of a directory. All defaults: as if nothing had been set.
cfs::Result<> set_default_layout(Reint &r, const wire::MdtRecSetattr &rec, cfs::Bytes ea) noexcept
{
	osd::Attr a;
	if (rec.valid)
		return cfs::fail(PROTO);
	StripeWish wish = TRY(parse_wish(ea));
	osd::ObjectRef o = TRY(r.t.object(rec.fid));
	if (o->type() != osd::kTypeDir)
		return cfs::fail(NOTDIR);
	TRY(r.locks.object(rec.fid, ldlm::LCK_PW,
			   wire::MDS_INODELOCK_UPDATE | wire::MDS_INODELOCK_XATTR));
	TRY(o->attr_get(a));
	if (!r.caller.owns(a))
		return cfs::fail(PERM);
	bool none = !wish.count && !wish.bytes && wish.first == StripeWish::kAnyOst &&
		    wish.pool.view().empty();
	bool v3 = !wish.pool.view().empty();
	cfs::Bytes value = ea.first(v3 ? sizeof(wire::LovUserMdV3) : sizeof(wire::LovUserMdV1));
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(o->declare_version_set(tx));
		return none ? o->declare_xattr_del(tx, wire::XATTR_NAME_LOV)
			    : o->declare_xattr_set(tx, wire::XATTR_NAME_LOV, value.size());
	};
	TRY(change(r.t, &r.req, declare, [&](Modification &m) -> cfs::Result<> {
		TRY(m.check_version(0, *o));
		auto done = none ? o->xattr_del(m.tx(), wire::XATTR_NAME_LOV)
				 : o->xattr_set(m.tx(), wire::XATTR_NAME_LOV, value);
		if (!done && !(none && done.error() == NODATA))
			return done;
		return o->version_set(m.tx(), m.version());
	}));
	put_attr_whole(r.body, rec.fid, a);
	return {};
}

} // namespace

cfs::Result<> reint_setattr(Reint &r, rpc::RequestView<op::MdsReintSetattr> in) noexcept
{
	const wire::MdtRecSetattr &rec = in.get<fld::RecSetattr>();
	if (!in.get<fld::EaData>().empty())
		return set_default_layout(r, rec, in.get<fld::EaData>());
	return Setattr(r, rec).run();
}

} // namespace mdt
