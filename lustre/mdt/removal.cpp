// SPDX-License-Identifier: GPL-2.0
#include "mdt/removal.hpp"

namespace mdt
{

using namespace cfs::err;

PendingName::PendingName(const Fid &fid) noexcept
{
	n_ = std::string_view(cfs::format_cstr(text_, "{:#x}:{:#x}:{:#x}", fid.seq.get(),
					       fid.oid.get(), fid.ver.get()))
		     .size();
}

cfs::Result<> Removal::prepare(osd::ObjectRef object) noexcept
{
	object_ = std::move(object);
	TRY(object_->attr_get(attr_));
	if (is_file(attr_) && last())
		layout_ = TRY(read_layout(*object_));
	TRY(link_.read(*object_));
	link_.remove(place_.fid(), place_.name);
	return {};
}

cfs::Result<> Removal::may_remove(const Caller &caller) noexcept
{
	if (is_orphan(attr_))
		return cfs::fail(STALE);
	TRY(check_remove(place_.attr, attr_, caller));
	if (!is_dir(attr_))
		return {};
	if (object_->fid() == wire::kRootFid)
		return cfs::fail(BUSY);
	osd::Directory *d = TRY(object_->directory());
	if (!TRY(d->empty()))
		return cfs::fail(NOTEMPTY);
	return {};
}

cfs::Result<> Removal::declare(osd::Transaction &tx) noexcept
{
	osd::Attr change;
	change.valid = osd::kAttrFlags;
	TRY(object_->declare_attr_set(tx, change));
	TRY(declare_touch(tx, *object_));
	TRY(link_.declare(tx, *object_));
	TRY(object_->declare_ref_del(tx));
	if (!last())
		return {};
	osd::Directory *pending = TRY(t_.pending().directory());
	TRY(pending->declare_insert(tx, PendingName(object_->fid()).view()));
	if (is_dir(attr_)) {
		osd::Directory *d = TRY(object_->directory());
		TRY(place_.object->declare_ref_del(tx));
		TRY(t_.pending().declare_ref_add(tx));
		TRY(d->declare_set_parent(tx));
	}
	return object_->declare_destroy(tx);
}

/// Other names are left.
cfs::Result<> Removal::forget_name(Modification &m, std::int64_t time) noexcept
{
	TRY(object_->ref_del(m.tx()));
	TRY(link_.store(m.tx(), *object_));
	return touch(m, *object_, time, osd::kAttrCtime);
}

/// Somebody has it open. Its last link is the one from PENDING.
cfs::Result<> Removal::keep_pending(Modification &m, std::int64_t time) noexcept
{
	osd::Attr change;
	osd::Directory *pending = TRY(t_.pending().directory());
	change.valid = osd::kAttrFlags;
	change.flags = attr_.flags | wire::LUSTRE_ORPHAN_FL;
	TRY(pending->insert(m.tx(), PendingName(object_->fid()).view(), *object_));
	TRY(object_->attr_set(m.tx(), change));
	if (is_dir(attr_)) {
		osd::Directory *d = TRY(object_->directory());
		TRY(d->set_parent(m.tx(), t_.pending()));
		TRY(t_.pending().ref_add(m.tx()));
	}
	return touch(m, *object_, time, osd::kAttrCtime);
}

cfs::Result<> Removal::end(Modification &m) noexcept
{
	if (!layout_.empty())
		t_.osts().destroy_objects(m.tx(), {layout_.data(), layout_.size()});
	return object_->destroy(m.tx());
}

cfs::Result<> Removal::run(Modification &m, std::int64_t time) noexcept
{
	if (!last())
		return forget_name(m, time);
	if (is_dir(attr_))
		TRY(place_.object->ref_del(m.tx()));
	// Against the last close: it looks for an orphan, or we see that nothing is open.
	osd::ObjectGuard g(*object_);
	return t_.opens().handles(object_->fid()) ? keep_pending(m, time) : end(m);
}

void Removal::describe(wire::MdtBody &body) const noexcept
{
	osd::Attr after = attr_;
	after.nlink = last() ? 0 : attr_.nlink - 1;
	if (last())
		after.flags |= wire::LUSTRE_ORPHAN_FL;
	put_attr_whole(body, object_->fid(), after);
}

} // namespace mdt
