// SPDX-License-Identifier: GPL-2.0
//
// Objects: finding, making and ending them; attributes and links.

#include "object.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "libcfs/time.hpp"
#include "osd/local.hpp"
#include "wire/print.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;
using cfs::to_result;

namespace
{

/// Mode of an OST object that nobody has written to or set attributes of (07 9.5).
constexpr std::uint32_t kPrecreated = 0107666;

/// Blocks that operations change, quota left out.
constexpr unsigned kInodeCredits = 1;
constexpr unsigned kNewInodeCredits = 5; // inode, bitmap, group, super block, list of orphans
constexpr unsigned kFirstBlockCredits = 4;
/// What a quota file's first entry for somebody takes; ldiskfs asks for the most imaginable.
constexpr unsigned kQuotaNewMost = 24;

Time to_time(const ldi_time &t) noexcept
{
	return {t.sec, t.nsec};
}

ldi_time from_time(const Time &t) noexcept
{
	return {t.sec, t.nsec};
}

Time now() noexcept
{
	auto ns = cfs_real_ns();
	return {static_cast<std::int64_t>(ns / 1000000000u),
		static_cast<std::uint32_t>(ns % 1000000000u)};
}

} // namespace

// ---- references ----

void ObjectImpl::get() const noexcept
{
	refs.fetch_add(1, std::memory_order_relaxed);
}

void ObjectImpl::put() const noexcept
{
	auto v = refs.load(std::memory_order_relaxed);
	while (v > 1)
		if (refs.compare_exchange_weak(v, v - 1, std::memory_order_acq_rel))
			return;
	dev_.release(const_cast<ObjectImpl &>(*this));
}

unsigned ObjectImpl::quota_new() const noexcept
{
	const auto &i = dev_.fs_info();
	return std::min(i.quota_init_credits, 3 * kQuotaNewMost) + i.quota_update_credits;
}

// ---- finding ----

void ObjectImpl::adopt(InodeRef inode, const wire::LustreMdtAttrs &lma) noexcept
{
	ldi_attr a;
	ldi_attr_get(inode.get(), &a);
	lma_ = lma;
	inode_ = std::move(inode);
	type_.store(a.mode & kTypeMask, std::memory_order_relaxed);
	loaded_.store(true, std::memory_order_relaxed);
	exists_.store(true, std::memory_order_release);
}

Result<> ObjectImpl::load(bool fresh) noexcept
{
	if (loaded_.load(std::memory_order_acquire))
		return {};
	cfs::MutexGuard g(load_lock_);
	if (loaded_.load(std::memory_order_relaxed))
		return {};
	if (!fresh) {
		wire::LustreMdtAttrs lma;
		auto i = dev_.find_inode(fid_, place_, lma);
		if (!i && i.error() != NOENT)
			return fail(i.error());
		if (i) {
			cfs::WriteGuard c(content_);
			adopt(std::move(*i), lma);
			return {};
		}
	}
	loaded_.store(true, std::memory_order_release);
	return {};
}

Result<InodeRef> ObjectImpl::inode() noexcept
{
	cfs::ReadGuard g(content_);
	if (!inode_)
		return fail(NOENT);
	return inode_.share();
}

// ---- making ----

Result<InodeRef> ObjectImpl::near_inode(const CreateSpec &spec) noexcept
{
	if (spec.parent)
		return static_cast<ObjectImpl *>(spec.parent)->inode();
	if (place_.where == Where::sequence)
		return TRY(dev_.folder(place_, false))->inode.share();
	return dev_.root_object().inode();
}

/// What no object can be.
Result<> ObjectImpl::check_spec(const CreateSpec &spec) const noexcept
{
	const Attr &a = spec.attr;
	std::uint32_t type = a.mode & kTypeMask;
	bool known = type == kTypeFile || type == kTypeDir || type == kTypeLink ||
		     type == kTypeFifo || type == kTypeChar || type == kTypeBlock ||
		     type == kTypeSocket;
	bool index = spec.index.key_bytes || spec.index.record_bytes;
	if ((a.valid & (kAttrMode | kAttrType)) != (kAttrMode | kAttrType) || !known ||
	    (type == kTypeDir && !spec.parent) || (type == kTypeLink) == spec.symlink.empty() ||
	    place_.where == Where::inode || place_.where == Where::root)
		return fail(INVAL);
	if (index &&
	    (type != kTypeFile || !spec.index.key_bytes || !spec.index.record_bytes ||
	     spec.index.key_bytes > kIndexKeyMax || spec.index.record_bytes > kIndexRecordMax))
		return fail(INVAL);
	return spec.symlink.size() > kSymlinkMax ? fail(NAMETOOLONG) : Result<>();
}

Result<> ObjectImpl::declare_create(Transaction &t, const CreateSpec &spec) noexcept
{
	Tx &tx = own(t);
	TRY(check_spec(spec));
	if (!exists())
		index_.set_spec(spec.index); // what is declared for it needs that
	if (place_.where == Where::sequence)
		TRY(dev_.folder(place_, true));
	tx.declare(kNewInodeCredits + kInodeCredits + quota_new());
	tx.declare_peak(static_cast<unsigned>(std::max(
		0, ldi_xattr_credits(dev_.fs(), nullptr, sizeof(wire::LustreOstAttrs), true))));
	if ((spec.attr.mode & kTypeMask) == kTypeDir || !spec.symlink.empty())
		tx.declare(kFirstBlockCredits + quota());
	if (spec.index.key_bytes)
		tx.declare(2 * kFirstBlockCredits + quota());
	if (place_.where == Where::index)
		tx.declare(dev_.oi_insert_credits());
	if (place_.where == Where::sequence || !root_name(fid_).empty())
		tx.declare(kEntryCredits + quota());
	return {};
}

Result<InodeRef> ObjectImpl::new_inode(Tx &tx, const CreateSpec &spec, ldi_inode *near) noexcept
{
	const Attr &a = spec.attr;
	ldi_new what{};
	what.mode = a.mode;
	what.uid = a.valid & kAttrUid ? a.uid : 0;
	what.gid = a.valid & kAttrGid ? a.gid : 0;
	what.rdev = a.valid & kAttrRdev ? a.rdev : 0;
	// Directories choose a group of their own below the root; everything else goes to its
	// folder.
	bool dir = (a.mode & kTypeMask) == kTypeDir;
	what.goal = dir ? 0 : ldi_ino(near);
	what.block_mapped =
		(dir || spec.index.key_bytes) && !(dev_.fs_info().features & LDI_F_64BIT);
	ldi_inode *i = nullptr;
	TRY(dev_.note(to_result(ldi_new_inode(tx.handle(), near, &what, &i))));
	return InodeRef(dev_.fs(), i);
}

Result<> ObjectImpl::fill_content(Tx &tx, ldi_inode *i, const CreateSpec &spec,
				  ldi_inode *parent) noexcept
{
	switch (spec.attr.mode & kTypeMask) {
	case kTypeDir:
		return to_result(ldi_init_dir(tx.handle(), i, ldi_ino(parent)));
	case kTypeLink:
		return to_result(ldi_set_symlink(tx.handle(), i, spec.symlink.data(),
						 static_cast<unsigned>(spec.symlink.size())));
	default:
		break;
	}
	if (!spec.index.key_bytes)
		return {};
	// Journalled data, so that blocks of an index that ends are revoked in the journal.
	TRY(to_result(ldi_set_flags(tx.handle(), i, wire::LUSTRE_JOURNAL_DATA_FL, 0)));
	InodeBlocks blocks(i, dev_.fs_info().block_size);
	return Iam::format(blocks, tx.handle(), spec.index);
}

/// Everything but the entry and the mapping.
Result<> ObjectImpl::fill(Tx &tx, ldi_inode *i, const CreateSpec &spec, ldi_inode *parent) noexcept
{
	const Attr &a = spec.attr;
	wire::LustreMdtAttrs lma{};
	lma.compat = place_.compat;
	lma.self_fid = fid_;
	if (place_.last_id && place_.seq == 0)
		lma.self_fid = wire::make_fid(wire::FID_SEQ_IDIF, 0);
	TRY(dev_.write_lma(tx.handle(), i, lma, true));
	lma_ = lma;
	TRY(fill_content(tx, i, spec, parent));
	ldi_attr set{};
	if (a.valid & kAttrProjid) {
		set.projid = a.projid;
		TRY(to_result(ldi_set_owner(tx.handle(), i, &set, 4)));
	}
	if (a.valid & kAttrFlags) {
		auto flags = a.flags & ldi_settable_flags();
		if (flags)
			TRY(to_result(ldi_set_flags(tx.handle(), i, flags, 0)));
		TRY(set_lma_flags(tx, i, a.flags));
	}
	Time absent = a.mode == kPrecreated ? Time{} : now();
	set.atime = from_time(a.valid & kAttrAtime ? a.atime : absent);
	set.mtime = from_time(a.valid & kAttrMtime ? a.mtime : absent);
	set.ctime = from_time(a.valid & kAttrCtime ? a.ctime : absent);
	set.crtime = from_time(a.valid & kAttrBtime ? a.btime : now());
	set.version = 0;
	ldi_attr_set(i, &set, LDI_ATIME | LDI_MTIME | LDI_CTIME | LDI_CRTIME | LDI_VERSION);
	return to_result(ldi_dirty(tx.handle(), i));
}

/// Makes the FID find it: the mapping, the entry below O/, the well-known name.
Result<> ObjectImpl::enter(Tx &tx, ldi_inode *i) noexcept
{
	if (place_.where == Where::sequence) {
		Folder *f = TRY(dev_.folder(place_, false));
		std::uint32_t there = 0;
		cfs::WriteGuard g(f->lock);
		if (!ldi_find_entry(f->inode.get(), place_.name_text, place_.name_len, &there))
			return fail(EXIST);
		return to_result(ldi_add_entry(tx.handle(), f->inode.get(), place_.name_text,
					       place_.name_len, i));
	}
	TRY(dev_.oi_insert(tx.handle(), fid_, {ldi_ino(i), ldi_generation(i)}));
	auto name = root_name(fid_);
	if (name.empty())
		return {};
	ObjectImpl &root = dev_.root_object();
	std::uint32_t there = 0;
	cfs::WriteGuard g(root.content_, 1);
	ldi_inode *dir = TRY(root.inode_locked());
	auto len = static_cast<unsigned>(name.size());
	if (!ldi_find_entry(dir, name.data(), len, &there))
		return fail(EXIST);
	return to_result(ldi_add_entry(tx.handle(), dir, name.data(), len, i));
}

Result<> ObjectImpl::create(Transaction &t, const CreateSpec &spec) noexcept
{
	Tx &tx = own(t);
	TRY(check_spec(spec));
	InodeRef near = TRY(near_inode(spec));
	cfs::WriteGuard g(content_);
	if (inode_)
		return fail(EXIST);
	InodeRef i = TRY(new_inode(tx, spec, near.get()));
	Result<> r = fill(tx, i.get(), spec, near.get());
	if (r)
		r = enter(tx, i.get());
	if (!r) {
		ldi_discard_new(tx.handle(), i.get());
		return dev_.note(r);
	}
	ldi_unlock_new(i.get());
	unlinked_ = false;
	index_.set_spec(spec.index);
	adopt(std::move(i), lma_);
	return {};
}

// ---- ending ----

Result<> ObjectImpl::declare_destroy(Transaction &t) noexcept
{
	Tx &tx = own(t);
	tx.declare(kNewInodeCredits + kInodeCredits);
	if (place_.where == Where::index)
		tx.declare(Iam::kLevelsMax + 4);
	if (place_.where == Where::sequence || !root_name(fid_).empty())
		tx.declare(2);
	return {};
}

Result<> ObjectImpl::leave(Tx &tx) noexcept
{
	if (place_.where == Where::sequence) {
		Folder *f = TRY(dev_.folder(place_, false));
		cfs::WriteGuard g(f->lock);
		return to_result(ldi_delete_entry(tx.handle(), f->inode.get(), place_.name_text,
						  place_.name_len));
	}
	auto gone = dev_.oi_remove(tx.handle(), fid_);
	if (!gone && gone.error() != NOENT)
		return gone;
	auto name = root_name(fid_);
	if (name.empty())
		return {};
	ObjectImpl &root = dev_.root_object();
	cfs::WriteGuard g(root.content_, 1);
	auto r = to_result(ldi_delete_entry(tx.handle(), TRY(root.inode_locked()), name.data(),
					    static_cast<unsigned>(name.size())));
	return !r && r.error() == NOENT ? Result<>() : r;
}

Result<> ObjectImpl::destroy(Transaction &t) noexcept
{
	Tx &tx = own(t);
	if (place_.where == Where::root)
		return fail(INVAL);
	InodeRef last; // goes behind the lock
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	if (type() == kTypeDir && !ldi_dir_empty(i))
		return fail(NOTEMPTY);
	TRY(dev_.note(leave(tx)));
	TRY(dev_.note(to_result(ldi_orphan(tx.handle(), i))));
	last = std::move(inode_);
	exists_.store(false, std::memory_order_release);
	return {};
}

// ---- links ----

Result<> ObjectImpl::declare_ref_add(Transaction &t) noexcept
{
	own(t).declare(kInodeCredits);
	return {};
}

Result<> ObjectImpl::ref_add(Transaction &t) noexcept
{
	Tx &tx = own(t);
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr a;
	ldi_attr_get(i, &a);
	if (std::exchange(unlinked_, false))
		return {};
	if (type() != kTypeDir && a.nlink >= dev_.fs_info().link_max)
		return fail(MLINK);
	ldi_inc_nlink(i);
	return to_result(ldi_dirty(tx.handle(), i));
}

Result<> ObjectImpl::declare_ref_del(Transaction &t) noexcept
{
	own(t).declare(kInodeCredits);
	return {};
}

Result<> ObjectImpl::ref_del(Transaction &t) noexcept
{
	Tx &tx = own(t);
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr a;
	ldi_attr_get(i, &a);
	if (unlinked_ || !a.nlink)
		return fail(UCLEAN);
	if (type() != kTypeDir && a.nlink == 1) {
		unlinked_ = true;
		return {};
	}
	ldi_dec_nlink(i);
	return to_result(ldi_dirty(tx.handle(), i));
}

// ---- attributes ----

std::uint32_t ObjectImpl::lma_flags() const noexcept
{
	std::uint32_t in = lma_.incompat;
	return (in & wire::LMAI_ORPHAN ? wire::LUSTRE_ORPHAN_FL : 0) |
	       (in & wire::LMAI_ENCRYPT ? wire::LUSTRE_ENCRYPT_FL : 0);
}

Result<> ObjectImpl::set_lma_flags(Tx &tx, ldi_inode *i, std::uint32_t flags) noexcept
{
	auto lma = lma_;
	std::uint32_t in = lma.incompat & ~(wire::LMAI_ORPHAN | wire::LMAI_ENCRYPT);
	in |= (flags & wire::LUSTRE_ORPHAN_FL ? wire::LMAI_ORPHAN : 0) |
	      (flags & wire::LUSTRE_ENCRYPT_FL ? wire::LMAI_ENCRYPT : 0);
	if (in == lma.incompat.get())
		return {};
	lma.incompat = in;
	TRY(dev_.write_lma(tx.handle(), i, lma, false));
	lma_ = lma;
	return {};
}

Result<> ObjectImpl::attr_get(Attr &out) noexcept
{
	cfs::ReadGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr a;
	ldi_attr_get(i, &a);
	out.valid = kAttrSettable | kAttrType | kAttrBtime | kAttrSize | kAttrBlocks | kAttrNlink |
		    kAttrRdev;
	out.mode = a.mode;
	out.uid = a.uid;
	out.gid = a.gid;
	out.projid = a.projid;
	out.flags = (a.flags & ldi_settable_flags() & ~wire::LUSTRE_JOURNAL_DATA_FL) | lma_flags();
	out.nlink = unlinked_ ? 0 : a.nlink;
	out.rdev = a.rdev;
	out.size = a.size;
	out.blocks = a.blocks;
	out.atime = to_time(a.atime);
	out.mtime = to_time(a.mtime);
	out.ctime = to_time(a.ctime);
	out.btime = to_time(a.crtime);
	return {};
}

Result<> ObjectImpl::declare_attr_set(Transaction &t, const Attr &attr) noexcept
{
	Tx &tx = own(t);
	tx.declare(kInodeCredits);
	if (attr.valid & kAttrOwner)
		tx.declare(quota_new() + quota());
	if (attr.valid & kAttrFlags)
		TRY(declare_xattr_set(t, wire::XATTR_NAME_DUMMY, sizeof(wire::LustreOstAttrs)));
	return {};
}

Result<> ObjectImpl::attr_set(Transaction &t, const Attr &attr) noexcept
{
	Tx &tx = own(t);
	if (attr.valid & ~kAttrSettable)
		return fail(INVAL);
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr set{};
	if (attr.valid & kAttrFlags) {
		std::uint32_t can = ldi_settable_flags() & ~wire::LUSTRE_JOURNAL_DATA_FL;
		std::uint32_t known = can | wire::LUSTRE_LMA_FL_MASKS | wire::LUSTRE_EXTENTS_FL |
				      wire::LUSTRE_INDEX_FL;
		if (attr.flags & ~known)
			return fail(OPNOTSUPP);
		TRY(dev_.note(to_result(
			ldi_set_flags(tx.handle(), i, attr.flags & can, can & ~attr.flags))));
		TRY(set_lma_flags(tx, i, attr.flags));
	}
	if (attr.valid & kAttrOwner) {
		set.uid = attr.uid;
		set.gid = attr.gid;
		set.projid = attr.projid;
		unsigned which = (attr.valid & kAttrUid ? 1u : 0) |
				 (attr.valid & kAttrGid ? 2u : 0) |
				 (attr.valid & kAttrProjid ? 4u : 0);
		TRY(dev_.note(to_result(ldi_set_owner(tx.handle(), i, &set, which))));
	}
	set.mode = attr.mode;
	set.atime = from_time(attr.atime);
	set.mtime = from_time(attr.mtime);
	set.ctime = from_time(attr.ctime);
	ldi_attr_set(i, &set,
		     (attr.valid & kAttrMode ? LDI_MODE : 0) |
			     (attr.valid & kAttrAtime ? LDI_ATIME : 0) |
			     (attr.valid & kAttrMtime ? LDI_MTIME : 0) |
			     (attr.valid & kAttrCtime ? LDI_CTIME : 0));
	return dev_.note(to_result(ldi_dirty(tx.handle(), i)));
}

Result<std::uint64_t> ObjectImpl::version() noexcept
{
	cfs::ReadGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr a;
	ldi_attr_get(i, &a);
	return a.version;
}

Result<> ObjectImpl::declare_version_set(Transaction &t) noexcept
{
	own(t).declare(kInodeCredits);
	return {};
}

Result<> ObjectImpl::version_set(Transaction &t, std::uint64_t version) noexcept
{
	Tx &tx = own(t);
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	ldi_attr a{};
	a.version = version;
	ldi_attr_set(i, &a, LDI_VERSION);
	return dev_.note(to_result(ldi_dirty(tx.handle(), i)));
}

// ---- content ----

Result<Directory *> ObjectImpl::directory() noexcept
{
	if (exists() && type() != kTypeDir)
		return fail(NOTDIR);
	return &dir_;
}

Result<Index *> ObjectImpl::index() noexcept
{
	auto t = type();
	if (!t)
		return &index_;
	if (t != kTypeFile)
		return fail(t == kTypeDir ? ISDIR : INVAL);
	TRY(index_.load());
	return &index_;
}

Result<Body *> ObjectImpl::body() noexcept
{
	auto t = type();
	if (!t)
		return &body_;
	if (t != kTypeFile && t != kTypeLink)
		return fail(t == kTypeDir ? ISDIR : INVAL);
	if (index_.spec().key_bytes)
		return fail(INVAL);
	return &body_;
}

} // namespace osd::ldiskfs
