// SPDX-License-Identifier: GPL-2.0
//
// Objects of osd/mem: life, attributes, extended attributes.
#include <algorithm>
#include <cstring>

#include "libcfs/fail.hpp"
#include "lustre/osd/mem/device.hpp"
#include "osd/local.hpp"
#include "wire/xattr.hpp"

namespace osd::mem
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;

namespace
{

constexpr std::uint32_t kPrecreatedMode = 0107666;
constexpr std::uint32_t kFlagsKept = wire::LUSTRE_FL_USER_MODIFIABLE | wire::LUSTRE_LMA_FL_MASKS;

Time now() noexcept
{
	std::uint64_t ns = cfs_real_ns();
	return {static_cast<std::int64_t>(ns / 1000000000),
		static_cast<std::uint32_t>(ns % 1000000000)};
}

/// Copies a value out as the getters of attributes do.
Result<std::size_t> give(cfs::Bytes value, cfs::MutBytes out) noexcept
{
	if (!out.empty()) {
		if (value.size() > out.size())
			return fail(RANGE);
		std::memcpy(out.data(), value.data(), value.size());
	}
	return value.size();
}

bool is_acl(std::string_view name) noexcept
{
	return name == wire::XATTR_NAME_ACL_ACCESS || name == wire::XATTR_NAME_ACL_DEFAULT;
}

bool known_space(std::string_view name) noexcept
{
	for (std::string_view space :
	     {wire::XATTR_TRUSTED_PREFIX, wire::XATTR_USER_PREFIX, wire::XATTR_SECURITY_PREFIX})
		if (name.starts_with(space) && name.size() > space.size())
			return true;
	return is_acl(name);
}

bool is_ours(std::string_view name) noexcept
{
	return name == wire::XATTR_NAME_LMA || name == wire::XATTR_NAME_VERSION;
}

Result<> check_xattr(std::string_view name, bool to_set) noexcept
{
	if (name.size() > kXattrNameMax)
		return fail(NAMETOOLONG);
	if (!known_space(name) || (to_set && is_ours(name)))
		return fail(OPNOTSUPP);
	return {};
}

/// The LMA as ldiskfs has it (07 9.1).
struct Lma {
	wire::le32 compat;
	wire::le32 incompat;
	Fid self;
};
static_assert(sizeof(Lma) == 24);
constexpr std::uint32_t kLmaOrphan = 0x10;
constexpr std::uint32_t kLmaEncrypt = 0x20;

} // namespace

Device &MemObject::device() noexcept
{
	return device_;
}

bool MemObject::exists() const noexcept
{
	cfs::MutexGuard g(device_.disk_lock);
	return device_.mine() && inode_;
}

std::uint32_t MemObject::type() const noexcept
{
	cfs::MutexGuard g(device_.disk_lock);
	return device_.mine() && inode_ ? inode_->type() : 0;
}

// ---- life ----

Result<> MemObject::check_spec(const CreateSpec &s) noexcept
{
	std::uint32_t type = s.attr.mode & kTypeMask;
	constexpr std::uint32_t kNeeded = kAttrMode | kAttrType;
	if ((s.attr.valid & kNeeded) != kNeeded || (type == kTypeDir && !s.parent))
		return fail(INVAL);
	switch (type) {
	case kTypeDir:
	case kTypeFile:
	case kTypeLink:
	case kTypeFifo:
	case kTypeSocket:
	case kTypeChar:
	case kTypeBlock:
		break;
	default:
		return fail(INVAL);
	}
	if ((type == kTypeLink) == s.symlink.empty())
		return fail(INVAL);
	if (s.symlink.size() > kSymlinkMax)
		return fail(NAMETOOLONG);
	if (s.index == IndexSpec{})
		return {};
	bool fits = type == kTypeFile && s.index.key_bytes > 0 && s.index.record_bytes > 0 &&
		    s.index.key_bytes <= kIndexKeyMax && s.index.record_bytes <= kIndexRecordMax;
	if (!fits)
		return fail(INVAL);
	return {};
}

/// By the disk lock.
Attr MemObject::first_attr(const CreateSpec &spec, const Inode *parent, Time t) noexcept
{
	Attr a;
	a.mode = spec.attr.mode & 0177777;
	if (spec.attr.valid & kAttrUid)
		a.uid = spec.attr.uid;
	if (spec.attr.valid & kAttrGid)
		a.gid = spec.attr.gid;
	if (spec.attr.valid & kAttrFlags)
		a.flags = spec.attr.flags & kFlagsKept;
	if (parent && parent->attr.flags & wire::LUSTRE_PROJINHERIT_FL) {
		a.projid = parent->attr.projid;
		if ((a.mode & kTypeMask) == kTypeDir)
			a.flags |= wire::LUSTRE_PROJINHERIT_FL;
	}
	if (spec.attr.valid & kAttrProjid)
		a.projid = spec.attr.projid;
	Time zero_or_now = a.mode == kPrecreatedMode ? Time{} : t;
	a.atime = spec.attr.valid & kAttrAtime ? spec.attr.atime : zero_or_now;
	a.mtime = spec.attr.valid & kAttrMtime ? spec.attr.mtime : zero_or_now;
	a.ctime = spec.attr.valid & kAttrCtime ? spec.attr.ctime : zero_or_now;
	a.btime = spec.attr.valid & kAttrBtime ? spec.attr.btime : t;
	a.rdev = spec.attr.valid & kAttrRdev ? spec.attr.rdev : 0;
	return a;
}

Result<> MemObject::declare_create(Transaction &tx, const CreateSpec &spec) noexcept
{
	TRY(check_spec(spec));
	return mem_tx(tx).declare(*this, Op::create);
}

Result<> MemObject::create(Transaction &t, const CreateSpec &spec) noexcept
{
	MemTx &tx = mem_tx(t);
	tx.use(*this, Op::create);
	TRY(check_spec(spec));
	TRY(device_.writable());
	if (cfs::fail_check(kFailMetaEnospc))
		return fail(NOSPC);
	Time at = now();
	auto *parent = static_cast<MemObject *>(spec.parent);
	cfs::MutexGuard g(device_.disk_lock);
	TRY(device_.mine());
	if (inode_)
		return fail(EXIST);
	if (parent && (!parent->inode_ || parent->inode_->type() != kTypeDir))
		return fail(parent->inode_ ? NOTDIR : NOENT);
	Inode *in = parent ? parent->inode_ : nullptr;
	Image &image = device_.image();
	auto made = image.create(tx.group(), fid_, spec, first_attr(spec, in, at), in);
	if (!made)
		return fail(made.error());
	inode_ = *made;
	// Well-known local files appear in the root (07 5.3).
	std::string_view name = root_name(fid_);
	Inode *root = image.find(kBackingRootFid);
	if (!name.empty() && root && !image.entry(*root, name))
		image.enter(tx.group(), *root, name, {fid_, inode_->type()});
	return {};
}

Result<> MemObject::declare_destroy(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(*this, Op::destroy);
}

Result<> MemObject::destroy(Transaction &tx) noexcept
{
	return change(tx, Op::destroy, [this](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		if (i.type() == kTypeDir && i.entries.size() > 2)
			return fail(NOTEMPTY);
		std::string_view name = root_name(fid_);
		Inode *root = image.find(kBackingRootFid);
		const DirTarget *e = name.empty() ? nullptr : image.entry(*root, name);
		if (e && e->fid == fid_)
			image.leave(g, *root, name);
		image.destroy(g, i);
		inode_ = nullptr;
		return {};
	});
}

Result<> MemObject::declare_ref_add(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(*this, Op::ref_add);
}

Result<> MemObject::ref_add(Transaction &tx) noexcept
{
	std::uint32_t most = device_.info().link_max;
	return change(tx, Op::ref_add, [=](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		Attr a = i.attr;
		bool dir = i.type() == kTypeDir;
		if (dir && a.nlink == 1)
			return {}; // stopped counting
		if (!dir && a.nlink >= most)
			return fail(MLINK);
		a.nlink = dir && a.nlink >= most ? 1 : a.nlink + 1;
		image.set_attr(g, i, a);
		return {};
	});
}

Result<> MemObject::declare_ref_del(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(*this, Op::ref_del);
}

Result<> MemObject::ref_del(Transaction &tx) noexcept
{
	return change(tx, Op::ref_del, [](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		Attr a = i.attr;
		bool dir = i.type() == kTypeDir;
		if (a.nlink == 0)
			return fail(UCLEAN);
		// A directory keeps two links until it ends, and does not count beyond the limit.
		if (dir && a.nlink <= 2)
			return {};
		a.nlink--;
		image.set_attr(g, i, a);
		return {};
	});
}

// ---- attributes ----

Result<> MemObject::attr_get(Attr &out) noexcept
{
	return with([&out](Inode &i) -> Result<> {
		out = i.attr;
		out.valid = kAttrSettable | kAttrType | kAttrBtime | kAttrSize | kAttrBlocks |
			    kAttrNlink | kAttrRdev;
		return {};
	});
}

Result<> MemObject::declare_attr_set(Transaction &tx, const Attr &attr) noexcept
{
	if (attr.valid & ~kAttrSettable)
		return fail(INVAL);
	return mem_tx(tx).declare(*this, Op::attr_set);
}

Result<> MemObject::attr_set(Transaction &tx, const Attr &n) noexcept
{
	if (n.valid & ~kAttrSettable)
		return fail(INVAL);
	return change(tx, Op::attr_set, [&n](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		Attr a = i.attr;
		if (n.valid & kAttrMode)
			a.mode = (a.mode & kTypeMask) | (n.mode & 07777);
		if (n.valid & kAttrUid)
			a.uid = n.uid;
		if (n.valid & kAttrGid)
			a.gid = n.gid;
		if (n.valid & kAttrProjid)
			a.projid = n.projid;
		if (n.valid & kAttrFlags)
			a.flags = (a.flags & ~kFlagsKept) | (n.flags & kFlagsKept);
		if (n.valid & kAttrAtime)
			a.atime = n.atime;
		if (n.valid & kAttrMtime)
			a.mtime = n.mtime;
		if (n.valid & kAttrCtime)
			a.ctime = n.ctime;
		image.set_attr(g, i, a);
		return {};
	});
}

Result<std::uint64_t> MemObject::version() noexcept
{
	return with([](Inode &i) -> Result<std::uint64_t> { return i.version; });
}

Result<> MemObject::declare_version_set(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(*this, Op::version_set);
}

Result<> MemObject::version_set(Transaction &tx, std::uint64_t v) noexcept
{
	return change(tx, Op::version_set,
		      [v](Image &image, std::uint64_t g, Inode &i) -> Result<> {
			      image.set_version(g, i, v & ~(std::uint64_t{1} << 63));
			      return {};
		      });
}

// ---- extended attributes ----

Result<std::size_t> MemObject::xattr_get(std::string_view name, cfs::MutBytes out) noexcept
{
	TRY(check_xattr(name, false));
	return with([&](Inode &i) -> Result<std::size_t> {
		if (name == wire::XATTR_NAME_LMA) {
			Lma lma{};
			lma.self = i.fid;
			lma.incompat = (i.attr.flags & wire::LUSTRE_ORPHAN_FL ? kLmaOrphan : 0) |
				       (i.attr.flags & wire::LUSTRE_ENCRYPT_FL ? kLmaEncrypt : 0);
			return give({reinterpret_cast<const std::byte *>(&lma), sizeof(lma)}, out);
		}
		if (name == wire::XATTR_NAME_VERSION) {
			wire::le64 v = i.version;
			return give(cfs::bytes_of(v), out);
		}
		auto at = i.xattrs.find(name);
		if (at == i.xattrs.end())
			return fail(NODATA);
		return give(cfs::as_bytes(at->second), out);
	});
}

Result<std::size_t> MemObject::xattr_list(std::span<char> out) noexcept
{
	return with([&](Inode &i) -> Result<std::size_t> {
		std::size_t n = 0;
		for (auto &[name, value] : i.xattrs)
			n += name.size() + 1;
		if (out.empty())
			return n;
		if (n > out.size())
			return fail(RANGE);
		char *to = out.data();
		for (auto &[name, value] : i.xattrs) {
			std::memcpy(to, name.c_str(), name.size() + 1);
			to += name.size() + 1;
		}
		return n;
	});
}

Result<> MemObject::declare_xattr_set(Transaction &tx, std::string_view name,
				      std::size_t bytes) noexcept
{
	TRY(check_xattr(name, true));
	return mem_tx(tx).declare(*this, Op::xattr_set, bytes);
}

Result<> MemObject::xattr_set(Transaction &tx, std::string_view name, cfs::Bytes value,
			      XattrMode mode) noexcept
{
	TRY(check_xattr(name, true));
	if (value.size() > device_.info().xattr_max)
		return fail(TOOBIG);
	if (is_acl(name)) {
		auto head = cfs::view_at<wire::PosixAclHeader>(value, 0);
		if (!head || (*head)->version != 2 ||
		    (value.size() - sizeof(**head)) % sizeof(wire::PosixAclEntry))
			return fail(INVAL);
	}
	if (cfs::fail_check(kFailMetaEnospc))
		return fail(NOSPC);
	return change(
		tx, Op::xattr_set,
		[&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
			bool there = i.xattrs.find(name) != i.xattrs.end();
			if (there && mode == XattrMode::create_only)
				return fail(EXIST);
			if (!there && mode == XattrMode::replace_only)
				return fail(NODATA);
			image.set_xattr(g, i, name, value);
			return {};
		},
		value.size());
}

Result<> MemObject::declare_xattr_del(Transaction &tx, std::string_view name) noexcept
{
	TRY(check_xattr(name, true));
	return mem_tx(tx).declare(*this, Op::xattr_del);
}

Result<> MemObject::xattr_del(Transaction &tx, std::string_view name) noexcept
{
	return change(tx, Op::xattr_del, [&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		if (i.xattrs.find(name) == i.xattrs.end())
			return fail(NODATA);
		image.del_xattr(g, i, name);
		return {};
	});
}

// ---- content ----

Result<Directory *> MemObject::directory() noexcept
{
	std::uint32_t t = type();
	if (t && t != kTypeDir)
		return fail(NOTDIR);
	return &directory_;
}

Result<Index *> MemObject::index() noexcept
{
	cfs::MutexGuard g(device_.disk_lock);
	TRY(device_.mine());
	if (inode_ && inode_->index == IndexSpec{})
		return fail(inode_->type() == kTypeDir ? ISDIR : INVAL);
	return &index_;
}

Result<Body *> MemObject::body() noexcept
{
	cfs::MutexGuard g(device_.disk_lock);
	TRY(device_.mine());
	if (!inode_)
		return &body_;
	std::uint32_t t = inode_->type();
	if (t == kTypeDir)
		return fail(ISDIR);
	if ((t != kTypeFile && t != kTypeLink) || inode_->index != IndexSpec{})
		return fail(INVAL);
	return &body_;
}

} // namespace osd::mem
