// SPDX-License-Identifier: GPL-2.0
//
// Bringing a device up: mounting it, and making or opening what the store itself keeps on it
// (07 4.4, 6, 10.1, 14.1): the LMA of the root, O/, REMOTE_PARENT_DIR, index_backup, OI_scrub, the
// files of the object index; and giving FIDs to what mkfs and e2fsck made.
//
// Every step looks first, so a mount that was cut off is completed by the next one. Each step that
// makes something is a transaction: the object is there whole, with its entry, or not at all.

#include <algorithm>
#include <cstring>

#include "device.hpp"
#include "libcfs/log.hpp"
#include "libcfs/parse.hpp"
#include "object.hpp"
#include "osd/local.hpp"
#include "wire/disk_state.hpp"
#include "wire/target_name.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;
using cfs::to_result;
using wire::LustreMdtAttrs;

namespace
{

constexpr unsigned kCreateCredits = 60;
constexpr std::uint32_t kRootIno = 2;
constexpr IndexSpec kOiSpec{sizeof(wire::FidBe), sizeof(wire::OiRecord)};
/// What the header of an attribute block and its one entry take, generously.
constexpr std::uint32_t kXattrBlockHead = 32 + 16 + 256;
constexpr std::uint32_t kScrubMagic = 0x4c5fe253;
/// Flags of OI_scrub: files of the index were made anew, or it was seen to be wrong.
constexpr std::uint64_t kScrubUntrusted = 0x1 | 0x2;

/// Words that older versions took and that mean nothing to the backing file system, or that are
/// for the store itself.
constexpr std::string_view kOwnWords[] = {"mballoc",	       "iopen",	  "noiopen",
					  "iopen_nopriv",      "extents", "noextents",
					  "bigendian_extents", "resetoi", "acl"};

bool own_word(std::string_view w) noexcept
{
	return std::find(std::begin(kOwnWords), std::end(kOwnWords), w) != std::end(kOwnWords) ||
	       w.starts_with("force_over_");
}

/// The options for ldiskfs: what is not ours, and what the store relies on.
struct Options {
	char text[1024] = {};
	std::size_t n = 0;

	bool add(std::string_view w) noexcept
	{
		if (n + w.size() + 2 > sizeof(text))
			return false;
		if (n)
			text[n++] = ',';
		memcpy(text + n, w.data(), w.size());
		n += w.size();
		return true;
	}
	Result<> make(std::string_view given) noexcept
	{
		while (!given.empty()) {
			auto w = given.substr(0, given.find(','));
			given.remove_prefix(std::min(given.size(), w.size() + 1));
			if (!w.empty() && !own_word(w) && !add(w))
				return fail(INVAL);
		}
		return add("no_mbcache") && add("nodelalloc") ? Result<>() : fail(INVAL);
	}
};

std::uint32_t file_type(std::uint32_t mode) noexcept
{
	return mode & kTypeMask;
}

} // namespace

/// What make_special() makes.
struct DeviceImpl::Special {
	std::uint32_t mode = 0;
	Fid fid{}; ///< zero: an IGIF
	std::uint32_t compat = 0;
	bool index = false; ///< a file of the object index
	cfs::Bytes content{};
};

// ---- making ----

Result<InodeRef> DeviceImpl::create_special(ldi_tx *tx, ldi_inode *dir, std::string_view name,
					    const Special &what) noexcept
{
	ldi_inode *raw = nullptr;
	ldi_new n{};
	n.mode = what.mode;
	bool is_dir = file_type(what.mode) == kTypeDir;
	n.goal = is_dir ? ldi_ino(dir) : 0;
	TRY(to_result(ldi_new_inode(tx, dir, &n, &raw)));
	InodeRef i(fs_, raw);
	auto fill = [&]() -> Result<> {
		LustreMdtAttrs lma{};
		lma.compat = what.compat;
		lma.self_fid = what.fid.is_zero()
				       ? wire::make_fid(ldi_ino(raw), ldi_generation(raw))
				       : what.fid;
		TRY(write_lma(tx, raw, lma, true));
		InodeBlocks blocks(raw, fs_info_.block_size);
		if (is_dir)
			TRY(to_result(ldi_init_dir(tx, raw, ldi_ino(dir))));
		if (what.index)
			TRY(Iam::format(blocks, tx, kOiSpec));
		if (!what.content.empty()) {
			ldi_buf *b = nullptr;
			TRY(to_result(ldi_set_flags(tx, raw, wire::LUSTRE_JOURNAL_DATA_FL, 0)));
			TRY(to_result(ldi_write_block(tx, raw, 0, &b)));
			memcpy(ldi_data(b), what.content.data(), what.content.size());
			auto r = to_result(ldi_dirty_block(tx, raw, b));
			ldi_release(b);
			TRY(r);
			ldi_attr a{};
			a.size = what.content.size();
			ldi_attr_set(raw, &a, LDI_SIZE);
		}
		TRY(to_result(ldi_dirty(tx, raw)));
		TRY(to_result(ldi_add_entry(tx, dir, name.data(),
					    static_cast<unsigned>(name.size()), raw)));
		if (!is_dir)
			return {};
		ldi_inc_nlink(dir);
		return to_result(ldi_dirty(tx, dir));
	};
	auto r = fill();
	if (!r) {
		ldi_discard_new(tx, raw);
		return fail(r.error());
	}
	ldi_unlock_new(raw);
	return i;
}

/// Opens what is under a name in a folder, made if need be.
Result<InodeRef> DeviceImpl::make_special(Folder &in, std::string_view name, const Special &what,
					  bool *made) noexcept
{
	std::uint32_t ino = 0;
	int rc = ldi_find_entry(in.inode.get(), name.data(), static_cast<unsigned>(name.size()),
				&ino);
	if (made)
		*made = rc == to_rc(NOENT);
	if (!rc)
		return InodeRef::find(fs_, ino, 0);
	if (rc != to_rc(NOENT))
		return fail(cfs::Errno{-rc});
	TRY(check_writable());
	ldi_tx *tx = nullptr;
	unsigned credits = kCreateCredits + 3 * fs_info_.quota_update_credits;
	TRY(to_result(ldi_tx_start(fs_, static_cast<int>(std::min(credits, fs_info_.max_credits)),
				   8, &tx)));
	Result<InodeRef> i = fail(NOENT);
	{
		cfs::WriteGuard g(in.lock);
		i = create_special(tx, in.inode.get(), name, what);
	}
	auto stopped = to_result(ldi_tx_stop(fs_, tx, false, nullptr));
	if (i && !stopped)
		return fail(stopped.error());
	return i;
}

// ---- O/ ----

Result<cfs::UniquePtr<SequenceDir>> DeviceImpl::load_sequence(std::uint64_t seq, bool make) noexcept
{
	auto s = TRY(cfs::try_make<SequenceDir>());
	char buf[24];
	Special dir{};
	dir.mode = kTypeDir | 0755;
	dir.compat = wire::LMAC_NOT_IN_OI | wire::LMAC_FID_ON_OST;
	auto name = sequence_name(seq, buf);
	std::uint32_t ino = 0;
	if (!make)
		TRY(to_result(ldi_find_entry(top_.inode.get(), name.data(),
					     static_cast<unsigned>(name.size()), &ino)));
	s->seq = seq;
	s->top.inode = TRY(make_special(top_, name, dir));
	dir.mode = kTypeDir | 0700;
	for (unsigned i = 0; i < kSubdirs; i++) {
		auto sub = cfs::format_to(buf, "d{}", i);
		s->sub[i].inode = TRY(make_special(s->top, sub, dir));
	}
	return s;
}

SequenceDir *DeviceImpl::find_sequence(std::uint64_t seq) noexcept
{
	cfs::SpinGuard g(sequences_lock_);
	for (SequenceDir &d : sequences_)
		if (d.seq == seq)
			return &d;
	return nullptr;
}

/// Under the loading lock, which is outside of transactions: loading may make folders in one.
Result<SequenceDir *> DeviceImpl::add_sequence(std::uint64_t seq, bool make) noexcept
{
	if (ldi_in_tx())
		return fail(NOENT); // declare_create() has made it, if it was to be made
	cfs::MutexGuard g(loading_lock_);
	SequenceDir *s = find_sequence(seq);
	if (s)
		return s;
	auto made = TRY(load_sequence(seq, make));
	s = made.release();
	cfs::SpinGuard list(sequences_lock_);
	sequences_.push_back(*s);
	return s;
}

Result<Folder *> DeviceImpl::folder(const Place &place, bool make) noexcept
{
	SequenceDir *s = find_sequence(place.seq);
	if (!s)
		s = TRY(add_sequence(place.seq, make));
	return place.last_id ? &s->top : &s->sub[place.subdir];
}

// ---- the object index ----

Result<unsigned> DeviceImpl::count_oi_files() noexcept
{
	Folder &root = root_folder_;
	unsigned n = 0;
	char buf[24];
	for (; n < wire::OSD_OI_FID_NR_MAX; n++) {
		auto name = cfs::format_to(buf, "oi.16.{}", n);
		std::uint32_t ino = 0;
		int rc = ldi_find_entry(root.inode.get(), name.data(),
					static_cast<unsigned>(name.size()), &ino);
		if (rc == to_rc(NOENT))
			break;
		TRY(to_result(rc));
	}
	return n;
}

Result<> DeviceImpl::open_oi_file(unsigned n) noexcept
{
	char buf[24];
	Special oi{};
	oi.mode = kTypeFile | 0644;
	oi.compat = wire::LMAC_NOT_IN_OI;
	oi.index = true;
	oi_[n].inode = TRY(make_special(root_folder_, cfs::format_to(buf, "oi.16.{}", n), oi));
	InodeBlocks blocks(oi_[n].inode.get(), fs_info_.block_size);
	Iam iam(blocks);
	TRY(iam.open());
	if (!(iam.spec() == kOiSpec)) {
		LCONSOLE_ERROR(kSubsys,
			       "{}: oi.16.{} has keys of {} and records of {} bytes; this is "
			       "no object index",
			       info_.name, n, iam.spec().key_bytes, iam.spec().record_bytes);
		return fail(UCLEAN);
	}
	return {};
}

Result<> DeviceImpl::set_up_oi() noexcept
{
	unsigned there = TRY(count_oi_files()), want = there;
	if (there < wire::OSD_OI_FID_NR)
		want = wire::OSD_OI_FID_NR; // new, or made in part
	if (want & (want - 1)) {
		LCONSOLE_ERROR(kSubsys,
			       "{}: {} files of the object index, not a power of two; one is "
			       "missing",
			       info_.name, want);
		return fail(UCLEAN);
	}
	oi_ = TRY(cfs::Array<OiFile>::make(kSubsys, want));
	for (unsigned n = 0; n < want; n++)
		TRY(open_oi_file(n));
	return {};
}

/// OI_scrub tells whether the index fits the device (07 10).
Result<> DeviceImpl::set_up_scrub_file() noexcept
{
	wire::ScrubFile fresh{};
	memcpy(fresh.uuid, fs_info_.uuid, sizeof(fresh.uuid));
	fresh.magic = kScrubMagic;
	fresh.oi_count = static_cast<std::uint16_t>(wire::OSD_OI_FID_NR);
	fresh.internal_flags = 1; // nothing on it is older than FIDs
	Special file{};
	file.mode = kTypeFile | 0644;
	file.compat = wire::LMAC_NOT_IN_OI;
	file.content = cfs::bytes_of(fresh);
	bool made = false;
	auto i = TRY(make_special(root_folder_, "OI_scrub", file, &made));
	if (made)
		return {};
	InodeBlocks blocks(i.get(), fs_info_.block_size);
	if (ldi_size(i.get()) < sizeof(wire::ScrubFile))
		return fail(UCLEAN);
	Block b = TRY(blocks.read(0));
	const auto &s = *reinterpret_cast<const wire::ScrubFile *>(b.data());
	bool copied = memcmp(s.uuid, fs_info_.uuid, sizeof(s.uuid)) != 0;
	if (copied || (s.flags.get() & kScrubUntrusted)) {
		oi_trusted_ = false;
		LCONSOLE_WARN(
			kSubsys,
			"{}: the object index does not belong to this device or is incomplete "
			"({}); objects that it does not have will be reported as "
			"unreachable, not as missing",
			info_.name, copied ? "copied" : "to be rebuilt");
	}
	return {};
}

// ---- what mkfs and e2fsck made ----

/// Gives an inode a FID: its LMA, and the mapping.
Result<> DeviceImpl::adopt(std::uint32_t ino, const Fid &fid) noexcept
{
	auto i = TRY(InodeRef::find(fs_, ino, 0));
	LustreMdtAttrs lma;
	bool named = TRY(read_lma(i.get(), lma));
	Fid self = named ? lma.self_fid
			 : (fid.is_zero() ? wire::make_fid(ino, ldi_generation(i.get())) : fid);
	auto mapped = oi_lookup(self);
	if (named && (mapped || (lma.compat.get() & wire::LMAC_NOT_IN_OI)))
		return {};
	TRY(check_writable());
	ldi_tx *tx = nullptr;
	TRY(to_result(ldi_tx_start(
		fs_, static_cast<int>(std::min(kCreateCredits, fs_info_.max_credits)), 8, &tx)));
	Result<> r;
	if (!named) {
		lma.self_fid = self;
		r = write_lma(tx, i.get(), lma, true);
	}
	if (r && !mapped)
		r = oi_insert(tx, self, {ino, ldi_generation(i.get())});
	auto stopped = to_result(ldi_tx_stop(fs_, tx, false, nullptr));
	return r ? stopped : r;
}

/// CONFIGS, which mkfs made without FIDs, and the files in it.
Result<> DeviceImpl::adopt_configs() noexcept
{
	std::uint32_t ino = 0;
	auto name = wire::MOUNT_CONFIGS_DIR;
	if (ldi_find_entry(root_folder_.inode.get(), name.data(),
			   static_cast<unsigned>(name.size()), &ino))
		return {}; // the MGS makes it
	TRY(adopt(ino, kConfigsFid));
	auto dir = TRY(InodeRef::find(fs_, ino, 0));
	name = wire::CONFIGS_FILE;
	if (ldi_find_entry(dir.get(), name.data(), static_cast<unsigned>(name.size()), &ino))
		return {};
	return adopt(ino, Fid{});
}

Result<> DeviceImpl::adopt_local_files() noexcept
{
	if (!check_writable())
		return {};
	TRY(adopt_configs());
	std::uint32_t ino = 0;
	std::string_view name = "lost+found";
	if (ldi_find_entry(root_folder_.inode.get(), name.data(),
			   static_cast<unsigned>(name.size()), &ino))
		return {};
	return adopt(ino, local_fid(wire::LocalOid::OSD_LPF_OID));
}

// ---- mounting ----

Result<> DeviceImpl::set_up_root() noexcept
{
	InodeRef i = TRY(InodeRef::find(fs_, kRootIno, 0));
	LustreMdtAttrs lma;
	if (!TRY(read_lma(i.get(), lma)) && check_writable()) {
		lma.compat = wire::LMAC_NOT_IN_OI;
		lma.self_fid = kBackingRootFid;
		ldi_tx *tx = nullptr;
		TRY(to_result(ldi_tx_start(
			fs_, static_cast<int>(std::min(kCreateCredits, fs_info_.max_credits)), 8,
			&tx)));
		auto r = write_lma(tx, i.get(), lma, true);
		TRY(to_result(ldi_tx_stop(fs_, tx, false, nullptr)));
		TRY(r);
	}
	lma.self_fid = kBackingRootFid;
	root_folder_.inode = i.share();
	auto root = TRY(find_or_add(kBackingRootFid));
	root->adopt(std::move(i), lma);
	root_ = root.release();
	return {};
}

Result<> DeviceImpl::set_up() noexcept
{
	Special dir{};
	dir.mode = kTypeDir | 0755;
	dir.compat = wire::LMAC_NOT_IN_OI | wire::LMAC_FID_ON_OST;
	TRY(set_up_root());
	top_.inode = TRY(make_special(root_folder_, "O", dir));
	dir.compat = wire::LMAC_NOT_IN_OI;
	if (info_.type != TargetType::ost) {
		dir.fid = local_fid(wire::LocalOid::REMOTE_PARENT_DIR_OID);
		TRY(make_special(root_folder_, wire::REMOTE_PARENT_DIR, dir));
	}
	dir.fid = local_fid(wire::LocalOid::INDEX_BACKUP_OID);
	TRY(make_special(root_folder_, wire::INDEX_BACKUP_DIR, dir));
	TRY(set_up_scrub_file());
	TRY(set_up_oi());
	return adopt_local_files();
}

/// From "lfs1-OST0001" or "MGS": what the target is.
Result<> DeviceImpl::set_name(const char *svname) noexcept
{
	std::string_view s(svname);
	if (s.size() >= sizeof(info_.name))
		return fail(INVAL);
	memcpy(info_.name, s.data(), s.size());
	if (s == "MGS") {
		info_.type = TargetType::mgs;
		return {};
	}
	auto name = TRY(wire::parse_target_name(s));
	info_.type = name.kind == wire::TargetKind::mdt ? TargetType::mdt : TargetType::ost;
	info_.index = name.index;
	return {};
}

void DeviceImpl::fill_info() noexcept
{
	ldi_info(fs_, &fs_info_);
	const auto &f = fs_info_;
	memcpy(info_.label, f.label, sizeof(info_.label));
	memcpy(info_.fstype, "ldiskfs", sizeof("ldiskfs"));
	memcpy(info_.uuid, f.uuid, sizeof(info_.uuid));
	info_.block_bytes = f.block_size;
	// Blocks of a file have 32-bit numbers, of which the last one is not used.
	info_.object_max =
		std::min<std::uint64_t>(f.bytes_max, std::uint64_t{0xfffffffe} * f.block_size);
	info_.link_max = f.link_max;
	info_.xattr_max = f.features & LDI_F_EA_INODE ? static_cast<std::uint32_t>(kXattrSizeMax)
						      : f.block_size - kXattrBlockHead;
	info_.inode_bytes = f.inode_size;
	info_.extent_blocks_max = 32768;
	info_.extent_tax_bytes = 6 * f.block_size;
	info_.bulk_bytes = 4 << 20;
	info_.rotational = f.rotational;
	info_.read_only = f.read_only;
	info_.project_quota = f.features & LDI_F_PROJECT;
}

Result<> DeviceImpl::mount(const osd_mount &m) noexcept
{
	Options options;
	if (!set_name(m.svname) || std::string_view(m.device).size() >= sizeof(path)) {
		LCONSOLE_ERROR(kSubsys, "'{:e}' is no name of a target, as in lfs1-OST0000 or MGS",
			       std::string_view(m.svname));
		return fail(INVAL);
	}
	memcpy(path, m.device, std::string_view(m.device).size());
	TRY(options.make(m.options ? m.options : "user_xattr"));
	auto r = to_result(ldi_mount(path, options.text, m.read_only, &fs_));
	if (!r) {
		LCONSOLE_ERROR(kSubsys, "{}: cannot mount {} with the options {:e}: {}", info_.name,
			       path, std::string_view(options.text), r.error());
		return r;
	}
	fill_info();
	if (fs_info_.features & LDI_F_DIRDATA) {
		LCONSOLE_ERROR(kSubsys,
			       "{}: directories of {} carry FIDs (dirdata), which is not "
			       "built yet",
			       info_.name, path);
		return fail(OPNOTSUPP);
	}
	if (!(fs_info_.features & LDI_F_LARGE_DIR) && info_.type != TargetType::mgs &&
	    check_writable())
		TRY(to_result(ldi_enable_large_dir(fs_)));
	return make_table() ? set_up() : fail(NOMEM);
}

Result<cfs::RefPtr<DeviceImpl>> DeviceImpl::open(cfs::RefPtr<cfs::Node> node,
						 const osd_mount &m) noexcept
{
	auto d = TRY(cfs::try_make<DeviceImpl>(std::move(node)));
	auto r = d->mount(m);
	if (!r) {
		d.release()->close();
		return fail(r.error());
	}
	return cfs::RefPtr<DeviceImpl>::adopt(d.release());
}

} // namespace osd::ldiskfs

int osd_ldiskfs_mount(cfs_node *plat, const osd_mount *mount, osd_device **out) noexcept
{
	using namespace osd::ldiskfs;
	auto go = [&]() -> cfs::Result<osd::DeviceRef> {
		auto node = TRY(cfs::Node::get(plat));
		OsdNode *part = TRY(node->part<OsdNode>());
		return part->mount(TRY(cfs::Node::get(plat)), *mount);
	};
	auto d = go();
	if (d)
		*out = d->release();
	return cfs::to_rc(d);
}

void osd_ldiskfs_stop() noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::osd);
}
