// SPDX-License-Identifier: GPL-2.0
//
// Inodes: adopting locks, attributes, layouts.
#include "client/inode.hpp"

#include "client/mount_impl.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

constexpr u64 kBits[] = {MDS_INODELOCK_LOOKUP, MDS_INODELOCK_UPDATE, MDS_INODELOCK_OPEN,
			 MDS_INODELOCK_LAYOUT, MDS_INODELOCK_PERM,   MDS_INODELOCK_XATTR,
			 MDS_INODELOCK_DOM};
constexpr unsigned kWireBits = std::size(kBits);

/// The kernel's form of a device number, from the old one that the protocol uses.
u64 kernel_rdev(u32 wire) noexcept
{
	u64 major = wire > 0xffff ? (wire >> 8) & 0xfff : wire >> 8;
	u64 minor = wire > 0xffff ? (wire & 0xff) | ((wire >> 12) & 0xfff00) : wire & 0xff;
	return major << 20 | minor;
}

void copy(lustre_attr &to, const lustre_attr &from, u32 valid) noexcept
{
	u32 v = from.valid & valid;
	if (v & LUSTRE_ATTR_TYPE)
		to.mode = (to.mode & ~0170000u) | (from.mode & 0170000);
	if (v & LUSTRE_ATTR_MODE)
		to.mode = (to.mode & 0170000) | (from.mode & ~0170000u);
	if (v & LUSTRE_ATTR_UID)
		to.uid = from.uid;
	if (v & LUSTRE_ATTR_GID)
		to.gid = from.gid;
	if (v & LUSTRE_ATTR_NLINK)
		to.nlink = from.nlink;
	if (v & LUSTRE_ATTR_RDEV)
		to.rdev = from.rdev;
	if (v & LUSTRE_ATTR_SIZE)
		to.size = from.size;
	if (v & LUSTRE_ATTR_BLOCKS)
		to.blocks = from.blocks;
	if (v & LUSTRE_ATTR_ATIME)
		to.atime = from.atime;
	if (v & LUSTRE_ATTR_MTIME)
		to.mtime = from.mtime;
	if (v & LUSTRE_ATTR_CTIME)
		to.ctime = from.ctime;
	if (v & LUSTRE_ATTR_BTIME)
		to.btime = from.btime;
	if (v & LUSTRE_ATTR_FLAGS)
		to.flags = from.flags;
	if (v & LUSTRE_ATTR_PROJID)
		to.projid = from.projid;
	to.valid |= v;
}

} // namespace

lustre_attr attr_of(const MdtBody &b) noexcept
{
	static constexpr struct {
		u64 md;
		u32 attr;
	} table[] = {
		{OBD_MD_FLTYPE, LUSTRE_ATTR_TYPE},   {OBD_MD_FLMODE, LUSTRE_ATTR_MODE},
		{OBD_MD_FLUID, LUSTRE_ATTR_UID},     {OBD_MD_FLGID, LUSTRE_ATTR_GID},
		{OBD_MD_FLNLINK, LUSTRE_ATTR_NLINK}, {OBD_MD_FLRDEV, LUSTRE_ATTR_RDEV},
		{OBD_MD_FLSIZE, LUSTRE_ATTR_SIZE},   {OBD_MD_FLBLOCKS, LUSTRE_ATTR_BLOCKS},
		{OBD_MD_FLATIME, LUSTRE_ATTR_ATIME}, {OBD_MD_FLMTIME, LUSTRE_ATTR_MTIME},
		{OBD_MD_FLCTIME, LUSTRE_ATTR_CTIME}, {OBD_MD_FLBTIME, LUSTRE_ATTR_BTIME},
		{OBD_MD_FLFLAGS, LUSTRE_ATTR_FLAGS}, {OBD_MD_FLPROJID, LUSTRE_ATTR_PROJID},
	};
	lustre_attr a{};
	for (const auto &t : table)
		if (b.valid.get() & t.md)
			a.valid |= t.attr;
	a.mode = b.mode.get();
	a.uid = b.uid.get();
	a.gid = b.gid.get();
	a.nlink = b.nlink.get();
	a.flags = b.flags.get();
	a.projid = b.projid.get();
	a.rdev = kernel_rdev(b.rdev.get());
	a.size = vfs_size(b.size.get());
	a.blocks = b.blocks.get();
	a.atime = b.atime.get();
	a.mtime = b.mtime.get();
	a.ctime = b.ctime.get();
	a.btime = static_cast<int64_t>(b.btime.get());
	return a;
}

// ---- life ----

Result<> Inode::make_data() noexcept
{
	if (is_regular())
		data_ = TRY(FileData::make(mount_.data(), fid_, vi_, *this));
	return {};
}

void Inode::evict() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		evicted_ = true;
		lookup_stamp_.store(0, std::memory_order_release);
		update_stamp_.store(0, std::memory_order_release);
		perm_known_.store(false, std::memory_order_release);
	}
	// Found until it is gone: locks that are being given up meanwhile write its pages.
	if (data_)
		data_->destroy();
	(void)data_.release();
	dir_.drop();
}

bool Inode::grab() noexcept
{
	cfs::SpinGuard g(lock_);
	return !evicted_ && vfs_igrab(vi_);
}

u32 Inode::gid() const noexcept
{
	lustre_attr a;
	vfs_inode_attr(vi_, &a);
	return a.gid;
}

// ---- locks ----

/// What is checked without locks follows from the counts.
void Inode::show_counts() noexcept
{
	auto stamp = [this](std::atomic<u32> &s, bool valid, u32 odd) CFS_NO_TSA {
		u32 now = s.load(std::memory_order_relaxed);
		if (valid && !now) {
			last_stamp_ += 2;
			if (last_stamp_ == 0)
				last_stamp_ = 2;
			s.store(last_stamp_ | odd, std::memory_order_release);
		} else if (!valid && now) {
			s.store(0, std::memory_order_release);
		}
	};
	stamp(lookup_stamp_, !evicted_ && count(LockBit::lookup) > 0, 1);
	stamp(update_stamp_, !evicted_ && count(LockBit::update) > 0, 0);
	perm_known_.store(!evicted_ && count(LockBit::perm) > 0, std::memory_order_release);
}

void Inode::adopt(ldlm::ClientLock &lock, bool with_attributes) noexcept
{
	u64 bits = lock.desc().policy.ibits.bits;
	cfs::SpinGuard g(lock_);
	void *before = lock.user_data();
	if (before == tag(true) || before == tag(with_attributes))
		return;
	bool fresh = before != tag(false);
	lock.set_user_data(tag(with_attributes));
	for (unsigned b = 0; b < kWireBits && fresh; b++)
		if (bits & kBits[b])
			counts_[b]++;
	if (with_attributes && (bits & MDS_INODELOCK_UPDATE))
		count(LockBit::attributes)++;
	show_counts();
}

void Inode::lose(ldlm::ClientLock &lock, u64 bits, bool all) noexcept
{
	u64 gone = 0;
	{
		cfs::SpinGuard g(lock_);
		void *mark = lock.user_data();
		if (mark != tag(false) && mark != tag(true))
			return;
		if (all)
			lock.set_user_data(nullptr);
		for (unsigned b = 0; b < kWireBits; b++) {
			if (!(bits & kBits[b]) || counts_[b] == 0)
				continue;
			counts_[b]--;
			if (counts_[b] == 0)
				gone |= kBits[b];
		}
		if ((bits & MDS_INODELOCK_UPDATE) && mark == tag(true) &&
		    count(LockBit::attributes) > 0)
			count(LockBit::attributes)--;
		if (gone & MDS_INODELOCK_LAYOUT)
			layout_true_ = false;
		show_counts();
	}
	if (gone & MDS_INODELOCK_UPDATE)
		dir_.drop();
	if (gone & MDS_INODELOCK_PERM) {
		{
			cfs::MutexGuard g(contents_lock_);
			acl_known_ = false;
		}
		vfs_acl_drop(vi_);
	}
	if (gone & MDS_INODELOCK_LOOKUP)
		vfs_names_drop(vi_);
}

bool Inode::attributes_known() noexcept
{
	cfs::SpinGuard g(lock_);
	return count(LockBit::attributes) > 0 && count(LockBit::perm) > 0;
}

void Inode::take_attributes(const MdReply &r) noexcept
{
	lustre_attr a = attr_of(r.body);
	if (a.valid == 0)
		return;
	bool size_too = !is_regular() || !data_->layout();
	if (!size_too)
		a.valid &= ~std::uint32_t{LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS};
	{
		cfs::SpinGuard g(lock_);
		copy(md_, a, ~0u);
	}
	vfs_inode_update(vi_, &a, size_too);
}

void Inode::take_acl(const MdReply &r) noexcept
{
	if (!r.valid(OBD_MD_FLACL))
		return;
	// Without a lock nothing has told the VFS that its copy is out of date.
	if (!permission_known())
		vfs_acl_drop(vi_);
	auto copy = cfs::Array<std::byte>::make(kSubsys, r.acl.size());
	cfs::MutexGuard g(contents_lock_);
	acl_known_ = copy.has_value();
	if (!copy)
		return;
	for (std::size_t i = 0; i < r.acl.size(); i++)
		(*copy)[i] = r.acl[i];
	acl_ = std::move(*copy);
}

/// The layout of an answer. Whoever has the layout locked may wait for the server to take back the
/// very lock that the answer came with, and we use: that must not be waited for. The layout that it
/// brings is the newer one.
void Inode::take_layout(const MdReply &r) noexcept
{
	bool given = r.valid(OBD_MD_FLEASIZE) && !r.md.empty();
	bool locked = (r.bits & MDS_INODELOCK_LAYOUT) != 0;
	bool lasting = !mount_.mdt().has_flag(OBD_CONNECT_LAYOUTLOCK);
	if (!(locked || (given && lasting)) || !layout_lock_.try_lock())
		return;
	bool placed = put_layout_locked(given ? r.md : cfs::Bytes{}).has_value();
	{
		cfs::SpinGuard s(lock_);
		layout_true_ = placed;
	}
	layout_lock_.unlock();
}

void Inode::take(MdReply &r) noexcept
{
	take_acl(r);
	if (is_regular())
		take_layout(r);
	take_attributes(r);
	if (r.lock)
		adopt(*r.lock, true);
}

// ---- attributes ----

Result<> Inode::refresh() noexcept
{
	auto r =
		TRY(mount_.mdc().intent_getattr(Caller::here(gid()), {fid_, {}}, IT_GETATTR, fid_));
	auto ended = r.ended();
	if (!ended && ended.error() != NOENT)
		return ended;
	if (!ended || r.has(DISP_LOOKUP_NEG) || !r.valid(OBD_MD_FLID) || !(r.body.fid1 == fid_))
		return cfs::fail(STALE);
	take(r);
	return {};
}

Result<> Inode::getattr(u32 want, bool cached, lustre_attr &out) noexcept
{
	constexpr u32 kData = LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS | LUSTRE_ATTR_MTIME;
	constexpr u32 kFileBlock = 4u << 20, kOtherBlock = 1u << 20;
	bool known = false;
	{
		cfs::SpinGuard g(lock_);
		known = md_.valid != 0;
	}
	if (!(cached && known) && !attributes_known())
		TRY(refresh());
	{
		cfs::SpinGuard g(lock_);
		out = md_;
	}
	out.blksize = is_regular() ? kFileBlock : kOtherBlock;
	if (!is_regular() || !(want & kData))
		return {};
	DataAttr d = TRY(data_->attributes(cached));
	if (!d.valid)
		return {};
	out.valid |= LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS;
	out.size = d.size;
	out.blocks = d.blocks;
	out.mtime = d.mtime > out.mtime ? d.mtime : out.mtime;
	out.atime = d.atime > out.atime ? d.atime : out.atime;
	out.ctime = d.ctime > out.ctime ? d.ctime : out.ctime;
	vfs_inode_update(vi_, &out, false);
	return {};
}

Result<> Inode::setattr(const lustre_attr &attr) noexcept
{
	constexpr u32 kOwner = LUSTRE_ATTR_MODE | LUSTRE_ATTR_UID | LUSTRE_ATTR_GID;
	constexpr u32 kTimes = LUSTRE_ATTR_ATIME | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME;
	Mdc &mdc = mount_.mdc();
	Early early(mdc.locks());
	early.add(fid_, MDS_INODELOCK_UPDATE | (attr.valid & kOwner ? MDS_INODELOCK_PERM : 0));
	auto r = TRY(mdc.setattr(Caller::here(gid()), fid_, attr, {}, early));
	take(r);
	if (!is_regular())
		return {};
	if (attr.valid & LUSTRE_ATTR_SIZE) {
		TRY(need_layout());
		return data_->truncate(attr.size, r.body.mtime.get(), r.body.ctime.get());
	}
	if (!(attr.valid & (kTimes | kOwner)))
		return {};
	TRY(need_layout());
	if (!data_->layout())
		return {};
	lustre_attr times = attr_of(r.body);
	times.valid &= LUSTRE_ATTR_CTIME | (attr.valid & (LUSTRE_ATTR_ATIME | LUSTRE_ATTR_MTIME));
	return data_->set_times(times);
}

u32 Inode::inode_flags() noexcept
{
	cfs::SpinGuard g(lock_);
	return md_.flags;
}

lustre_attr Inode::for_close() noexcept
{
	lustre_attr a{};
	{
		cfs::SpinGuard g(lock_);
		a = md_;
	}
	a.valid &= ~std::uint32_t{LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS};
	if (!is_regular())
		return a;
	auto d = data_->attributes(true);
	if (!d || !d->valid)
		return a;
	if (mount_.mdt().has_flag2(OBD_CONNECT2_LSOM))
		a.valid |= LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS;
	a.size = d->size;
	a.blocks = d->blocks;
	a.mtime = d->mtime > a.mtime ? d->mtime : a.mtime;
	a.atime = d->atime > a.atime ? d->atime : a.atime;
	a.ctime = d->ctime > a.ctime ? d->ctime : a.ctime;
	return a;
}

// ---- layout ----

Result<> Inode::put_layout(cfs::Bytes ea) noexcept
{
	cfs::MutexGuard g(layout_lock_);
	return put_layout_locked(ea);
}

Result<> Inode::put_layout_locked(cfs::Bytes ea) noexcept
{
	auto now = data_->layout();
	cfs::Bytes old = now ? now->raw() : cfs::Bytes{};
	if (old.size() == ea.size() &&
	    (ea.empty() || __builtin_memcmp(old.data(), ea.data(), ea.size()) == 0))
		return {};
	if (ea.empty())
		return data_->set_layout(nullptr);
	const char *why = "";
	auto layout = Layout::decode(ea, &why);
	if (!layout) {
		CERROR(CFS_S_LLITE, "{}: layout of {}: {}", mount_.fsname(), fid_, why);
		return cfs::fail(layout.error());
	}
	return data_->set_layout(std::move(*layout));
}

Result<> Inode::fetch_layout() noexcept
{
	Mdc &mdc = mount_.mdc();
	if (!mdc.import().has_flag(OBD_CONNECT_LAYOUTLOCK)) {
		auto r = TRY(mdc.getattr(Caller::here(gid()), fid_, OBD_MD_FLEASIZE, 4096));
		TRY(put_layout_locked(r.valid(OBD_MD_FLEASIZE) ? r.md : cfs::Bytes{}));
		cfs::SpinGuard g(lock_);
		layout_true_ = true;
		return {};
	}
	Early early(mdc.locks());
	auto r = TRY(mdc.intent_layout(fid_, LayoutIntentOp::LAYOUT_INTENT_ACCESS, 0, kEof, early));
	TRY(put_layout_locked(r.md));
	{
		cfs::SpinGuard g(lock_);
		layout_true_ = true;
	}
	if (r.lock)
		adopt(*r.lock, false);
	return {};
}

Result<> Inode::need_layout() noexcept CFS_NO_TSA
{
	bool lasting = !mount_.mdt().has_flag(OBD_CONNECT_LAYOUTLOCK);
	auto known = [&]() CFS_NO_TSA {
		cfs::SpinGuard g(lock_);
		return layout_true_ && (lasting || count(LockBit::layout) > 0);
	};
	if (known())
		return {};
	// It may be held as long as a server does not answer.
	TRY(layout_lock_.lock_killable());
	auto r = known() ? Result<>{} : fetch_layout();
	layout_lock_.unlock();
	return r;
}

Result<> Inode::need_objects(Range file, bool truncate) noexcept CFS_NO_TSA
{
	TRY(layout_lock_.lock_killable());
	auto r = fetch_objects(file, truncate);
	layout_lock_.unlock();
	return r;
}

Result<> Inode::fetch_objects(Range file, bool truncate) noexcept
{
	Mdc &mdc = mount_.mdc();
	Early early(mdc.locks());
	early.add(fid_, MDS_INODELOCK_LAYOUT);
	auto what = truncate ? LayoutIntentOp::LAYOUT_INTENT_TRUNC
			     : LayoutIntentOp::LAYOUT_INTENT_WRITE;
	auto r = TRY(mdc.intent_layout(fid_, what, file.start, file.end, early));
	TRY(put_layout_locked(r.md));
	{
		cfs::SpinGuard s(lock_);
		layout_true_ = true;
	}
	if (r.lock)
		adopt(*r.lock, false);
	return {};
}

// ---- other contents ----

Result<cfs::Array<char>> Inode::fetch_link() noexcept
{
	lustre_attr a;
	vfs_inode_attr(vi_, &a);
	u32 room = a.size && a.size < kTextMax ? static_cast<u32>(a.size) + 1 : kTextMax;
	auto r = TRY(mount_.mdc().getattr(Caller::here(a.gid), fid_, OBD_MD_LINKNAME, room));
	if (!r.valid(OBD_MD_LINKNAME) || r.md.empty())
		return cfs::fail(PROTO);
	std::string_view text = cfs::as_string(r.md);
	if (text.empty())
		return cfs::fail(PROTO);
	auto copy = TRY(cfs::Array<char>::make(kSubsys, text.size()));
	for (std::size_t i = 0; i < text.size(); i++)
		copy[i] = text[i];
	return copy;
}

Result<std::size_t> Inode::readlink(std::span<char> to) noexcept
{
	auto known = [this]() {
		cfs::MutexGuard g(contents_lock_);
		return !link_.empty();
	};
	if (!known()) {
		// Nothing is locked that a lock's cancel, or another reader, would wait for.
		auto text = TRY(fetch_link());
		cfs::MutexGuard g(contents_lock_);
		if (link_.empty())
			link_ = std::move(text);
	}
	// A symbolic link never changes.
	cfs::MutexGuard g(contents_lock_);
	if (link_.size() > to.size())
		return cfs::fail(RANGE);
	for (std::size_t i = 0; i < link_.size(); i++)
		to[i] = link_[i];
	return link_.size();
}

Result<std::size_t> Inode::access_acl(cfs::MutBytes to) noexcept
{
	bool known = false;
	{
		cfs::MutexGuard g(contents_lock_);
		known = acl_known_ && permission_known();
	}
	if (!known)
		TRY(refresh());
	cfs::MutexGuard g(contents_lock_);
	if (!acl_known_ || acl_.empty())
		return cfs::fail(NODATA);
	if (to.empty())
		return acl_.size();
	if (to.size() < acl_.size())
		return cfs::fail(RANGE);
	for (std::size_t i = 0; i < acl_.size(); i++)
		to[i] = acl_[i];
	return acl_.size();
}

} // namespace client
