// SPDX-License-Identifier: GPL-2.0
//
// The device while it is mounted: objects in memory, the object index, FIDs and inodes. Mounting is
// in mount.cpp.

#include "device.hpp"

#include "libcfs/hash.hpp"
#include "libcfs/log.hpp"
#include "object.hpp"
#include "wire/print.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;
using cfs::to_result;
using wire::LustreMdtAttrs;

namespace
{

/// Part of the device that users do not see (07 2.5).
constexpr std::uint64_t kReservedBytes = std::uint64_t{8} << 20;
constexpr unsigned kReservedShift = 7;

} // namespace

/// Objects with references, by FID. An object is in it from its first reference to its last.
struct DeviceImpl::Table {
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;
	static constexpr unsigned kBuckets = 1024;

	struct Bucket {
		cfs::SpinLock lock{CFS_LOCK_CLASS("osd objects")};
		cfs::List<ObjectImpl, &ObjectImpl::in_bucket> list CFS_GUARDED_BY(lock);
	};
	cfs::Array<Bucket> buckets;

	Bucket &of(const Fid &f) noexcept
	{
		auto h = cfs::hash_add(cfs::hash_u64(f.seq), f.oid);
		return buckets[h % kBuckets];
	}
};

// ---- objects in memory ----

Result<cfs::RefPtr<ObjectImpl>> DeviceImpl::find_or_add(const Fid &fid) noexcept
{
	Table::Bucket &b = table_->of(fid);
	auto find = [&]() CFS_NO_TSA -> ObjectImpl * {
		for (ObjectImpl &o : b.list)
			if (o.fid() == fid)
				return &o;
		return nullptr;
	};
	{
		cfs::SpinGuard g(b.lock);
		if (ObjectImpl *o = find())
			return cfs::RefPtr<ObjectImpl>::share(o);
	}
	auto fresh = TRY(cfs::try_make<ObjectImpl>(*this, fid));
	cfs::SpinGuard g(b.lock);
	if (ObjectImpl *o = find())
		return cfs::RefPtr<ObjectImpl>::share(o);
	b.list.push_back(*fresh);
	return cfs::RefPtr<ObjectImpl>::adopt(fresh.release());
}

void DeviceImpl::release(ObjectImpl &o) noexcept
{
	Table::Bucket &b = table_->of(o.fid());
	{
		cfs::SpinGuard g(b.lock);
		if (o.refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
			return;
		b.list.erase(b.list.iterator_to(o));
	}
	cfs::UniquePtr<ObjectImpl> end(&o);
}

Result<ObjectRef> DeviceImpl::object(const Fid &fid, unsigned flags) noexcept
{
	if (place(fid).where == Where::nowhere) {
		CERROR(kSubsys, "{}: {} is no FID of an object here", info_.name, fid);
		return fail(INVAL);
	}
	auto o = TRY(find_or_add(fid));
	TRY(o->load(flags & kNew));
	return ObjectRef(std::move(o));
}

ObjectRef DeviceImpl::root() noexcept
{
	return ObjectRef::share(root_);
}

// ---- inodes and what they say of themselves ----

Result<bool> DeviceImpl::read_lma(ldi_inode *i, LustreMdtAttrs &out) noexcept
{
	wire::LustreOstAttrs long_form;
	int n = ldi_xattr_get(i, LDI_XATTR_TRUSTED, "lma", &long_form, sizeof(long_form));
	if (n == to_rc(NODATA)) {
		out = {};
		out.self_fid = wire::make_fid(ldi_ino(i), ldi_generation(i));
		return false;
	}
	if (n < 0)
		return fail(cfs::Errno{-n});
	if (static_cast<std::size_t>(n) < sizeof(LustreMdtAttrs)) {
		CERROR(kSubsys, "{}: inode {} has a trusted.lma of {} bytes; run e2fsck",
		       info_.name, ldi_ino(i), n);
		return fail(UCLEAN);
	}
	out = long_form.lma;
	if (out.incompat.get() & ~wire::LMA_INCOMPAT_SUPP) {
		CERROR(kSubsys, "{}: inode {} has the unknown features {:#x}", info_.name,
		       ldi_ino(i), out.incompat.get());
		return fail(OPNOTSUPP);
	}
	return true;
}

Result<> DeviceImpl::write_lma(ldi_tx *tx, ldi_inode *i, const LustreMdtAttrs &lma,
			       bool create) noexcept
{
	wire::LustreOstAttrs value{};
	value.lma = lma;
	// Small inodes have no room for trusted.fid beside it: what that holds goes behind.
	bool long_form = (lma.compat.get() & wire::LMAC_FID_ON_OST) && fs_info_.inode_size <= 256;
	return to_result(ldi_xattr_set(tx, i, LDI_XATTR_TRUSTED, "lma", &value,
				       long_form ? sizeof(value) : sizeof(lma), create ? 1 : 0));
}

Result<Fid> DeviceImpl::fid_of(std::uint32_t ino) noexcept
{
	auto i = TRY(InodeRef::find(fs_, ino, 0));
	LustreMdtAttrs lma;
	TRY(read_lma(i.get(), lma));
	return lma.self_fid;
}

Result<InodeRef> DeviceImpl::check_inode(const Fid &fid, InodeId id, LustreMdtAttrs &lma) noexcept
{
	auto i = TRY(InodeRef::find(fs_, id.ino, id.generation));
	bool named = TRY(read_lma(i.get(), lma));
	if (named && !(lma.self_fid == fid))
		return fail(NOENT);
	if (!named)
		lma.self_fid = fid;
	return i;
}

Result<InodeRef> DeviceImpl::find_by_name(const Fid &fid, const Place &place,
					  LustreMdtAttrs &lma) noexcept
{
	auto f = folder(place, false);
	if (!f)
		return fail(f.error());
	std::uint32_t ino = 0;
	{
		cfs::ReadGuard g((*f)->lock);
		TRY(to_result(
			ldi_find_entry((*f)->inode.get(), place.name_text, place.name_len, &ino)));
	}
	auto i = TRY(InodeRef::find(fs_, ino, 0));
	TRY(read_lma(i.get(), lma));
	lma.self_fid = fid;
	return i;
}

Result<InodeRef> DeviceImpl::find_inode(const Fid &fid, const Place &place,
					LustreMdtAttrs &lma) noexcept
{
	if (place.where == Where::sequence)
		return find_by_name(fid, place, lma);
	// Twice: the mapping may change between reading it and reading the inode.
	for (int attempt = 0; attempt < 2; attempt++) {
		auto id = oi_lookup(fid);
		if (!id && id.error() != NOENT)
			return fail(id.error());
		if (!id)
			break;
		auto i = check_inode(fid, *id, lma);
		if (i || i.error() != NOENT)
			return i;
	}
	if (place.where == Where::inode)
		return check_inode(fid, {static_cast<std::uint32_t>(fid.seq.get()), fid.oid}, lma);
	if (!oi_trusted_ && fid.is_normal())
		return fail(REMCHG);
	return fail(NOENT);
}

// ---- the object index ----

OiFile &DeviceImpl::oi_file(const Fid &fid) noexcept
{
	return oi_[fid.seq.get() & (oi_.size() - 1)];
}

unsigned DeviceImpl::oi_insert_credits() const noexcept
{
	// Leaf, its parents, two new blocks with what allocating them changes.
	return 6 + 2 * 5 + fs_info_.quota_update_credits;
}

Result<InodeId> DeviceImpl::oi_lookup(const Fid &fid) noexcept
{
	OiFile &f = oi_file(fid);
	auto key = wire::to_be(fid);
	wire::OiRecord record;
	cfs::ReadGuard g(f.lock);
	InodeBlocks blocks(f.inode.get(), fs_info_.block_size);
	Iam iam(blocks);
	TRY(iam.open());
	TRY(iam.lookup(cfs::bytes_of(key),
		       cfs::MutBytes(reinterpret_cast<std::byte *>(&record), sizeof(record))));
	return InodeId{record.ino, record.gen};
}

Result<> DeviceImpl::oi_insert(ldi_tx *tx, const Fid &fid, InodeId id) noexcept
{
	OiFile &f = oi_file(fid);
	auto key = wire::to_be(fid);
	wire::OiRecord record;
	record.ino = id.ino;
	record.gen = id.generation;
	cfs::WriteGuard g(f.lock);
	InodeBlocks blocks(f.inode.get(), fs_info_.block_size);
	Iam iam(blocks);
	TRY(iam.open());
	auto r = iam.insert(tx, cfs::bytes_of(key), cfs::bytes_of(record));
	if (r || r.error() != EXIST)
		return r;
	// A mapping of a crash long ago, whose inode is gone, is no obstacle.
	wire::OiRecord old;
	TRY(iam.lookup(cfs::bytes_of(key),
		       cfs::MutBytes(reinterpret_cast<std::byte *>(&old), sizeof(old))));
	ldi_inode *there = nullptr;
	if (ldi_iget(fs_, old.ino, old.gen, &there) == 0) {
		ldi_iput(fs_, there);
		return fail(EXIST);
	}
	return iam.update(tx, cfs::bytes_of(key), cfs::bytes_of(record));
}

Result<> DeviceImpl::oi_remove(ldi_tx *tx, const Fid &fid) noexcept
{
	OiFile &f = oi_file(fid);
	auto key = wire::to_be(fid);
	cfs::WriteGuard g(f.lock);
	InodeBlocks blocks(f.inode.get(), fs_info_.block_size);
	Iam iam(blocks);
	TRY(iam.open());
	return iam.remove(tx, cfs::bytes_of(key));
}

// ---- the device as a whole ----

Result<> DeviceImpl::check_writable() const noexcept
{
	if (fs_info_.read_only || read_only_.load(std::memory_order_relaxed))
		return fail(ROFS);
	return {};
}

Result<> DeviceImpl::note(Result<> r) noexcept
{
	if (!r && (r.error() == IO || r.error() == ROFS) && ldi_aborted(fs_) &&
	    !failed_.exchange(true) && !read_only_.load(std::memory_order_relaxed))
		LCONSOLE_ERROR(
			kSubsys,
			"{}: the journal of {} was aborted; the target no longer works. Look "
			"for errors of the device, unmount, and run e2fsck",
			info_.name, path);
	return r;
}

bool DeviceImpl::healthy() const noexcept
{
	return !failed_.load(std::memory_order_relaxed) && !ldi_aborted(fs_);
}

void DeviceImpl::set_read_only() noexcept
{
	read_only_ = true;
	ldi_abort(fs_);
}

Result<TransactionPtr> DeviceImpl::begin() noexcept
{
	return TransactionPtr(TRY(Tx::make(*this)));
}

Result<> DeviceImpl::statfs(wire::ObdStatfs &out) noexcept
{
	ldi_space s;
	TRY(to_result(ldi_statfs(fs_, &s)));
	std::uint64_t held =
		std::max(kReservedBytes / fs_info_.block_size, s.blocks >> kReservedShift);
	auto less = [held](std::uint64_t n) { return n > held ? n - held : 0; };
	out = {};
	out.type = info_.statfs_type;
	out.blocks = less(s.blocks);
	out.bfree = less(s.bfree);
	out.bavail = less(s.bavail);
	out.files = s.files;
	out.ffree = s.ffree;
	out.bsize = fs_info_.block_size;
	out.namelen = kNameMax;
	out.maxbytes = info_.object_max;
	std::uint32_t state = 0;
	if (!check_writable())
		state |= wire::OS_STATFS_READONLY;
	if (!fs_info_.rotational)
		state |= wire::OS_STATFS_NONROT;
	if (!out.bavail.get())
		state |= wire::OS_STATFS_ENOSPC;
	if (!s.ffree)
		state |= wire::OS_STATFS_ENOINO;
	out.state = state;
	return {};
}

Result<QuotaUsage> DeviceImpl::usage(QuotaType type, std::uint32_t id) noexcept
{
	QuotaUsage u;
	TRY(to_result(ldi_usage(fs_, static_cast<unsigned>(type), id, &u.bytes, &u.inodes)));
	return u;
}

// ---- references and the node ----

void DeviceImpl::put() const noexcept
{
	auto v = refs_.load(std::memory_order_relaxed);
	while (v > 1)
		if (refs_.compare_exchange_weak(v, v - 1, std::memory_order_acq_rel))
			return;
	auto node = cfs::Node::find(node_->plat()); // the part must outlive the call
	node->find_part<OsdNode>()->put(*this);
}

void OsdNode::put(const DeviceImpl &d) noexcept
{
	auto &device = const_cast<DeviceImpl &>(d);
	// Unmounting under the lock: who mounts the device again has to wait for its end.
	cfs::MutexGuard g(lock_);
	if (!device.drop_last())
		return;
	devices_.erase(devices_.iterator_to(device));
	device.close();
}

Result<cfs::UniquePtr<OsdNode>> OsdNode::make(cfs::Node &) noexcept
{
	return cfs::try_make<OsdNode>();
}

void OsdNode::destroy() noexcept
{
	{
		cfs::MutexGuard g(lock_);
		CFS_ASSERT(devices_.empty());
	}
	this->~OsdNode();
	cfs_free(kSubsys, this, sizeof(*this));
}

Result<DeviceRef> OsdNode::mount(cfs::RefPtr<cfs::Node> node, const osd_mount &m) noexcept
{
	cfs::MutexGuard g(lock_);
	for (DeviceImpl &d : devices_) {
		if (std::string_view(d.path) != m.device)
			continue;
		if (std::string_view(d.info().name) == m.svname)
			return DeviceRef(cfs::RefPtr<DeviceImpl>::share(&d));
		LCONSOLE_ERROR(kSubsys, "{}: {} is in use by {}", m.svname, m.device,
			       d.info().name);
		return fail(BUSY);
	}
	auto d = TRY(DeviceImpl::open(std::move(node), m));
	devices_.push_back(*d);
	return DeviceRef(std::move(d));
}

bool DeviceImpl::make_table() noexcept
{
	auto t = cfs::try_make<Table>();
	if (!t)
		return false;
	auto buckets = cfs::Array<Table::Bucket>::make(kSubsys, Table::kBuckets);
	if (!buckets)
		return false;
	(*t)->buckets = std::move(*buckets);
	table_ = t->release();
	return true;
}

void DeviceImpl::close() noexcept
{
	if (root_)
		std::exchange(root_, nullptr)->put();
	// Nobody is inside any more, and an inode's end may sleep.
	[this]() CFS_NO_TSA {
		sequences_.clear_and_dispose(
			[](SequenceDir *s) { cfs::UniquePtr<SequenceDir> end(s); });
	}();
	top_.inode.reset();
	root_folder_.inode.reset();
	oi_.clear();
	if (table_) {
		for (Table::Bucket &b : table_->buckets) {
			cfs::SpinGuard g(b.lock);
			CFS_ASSERT(b.list.empty());
		}
		cfs::UniquePtr<Table> end(std::exchange(table_, nullptr));
	}
	if (fs_)
		ldi_unmount(std::exchange(fs_, nullptr));
	this->~DeviceImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

} // namespace osd::ldiskfs
