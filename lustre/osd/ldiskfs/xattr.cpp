// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes of objects. POSIX ACLs are kept by ext4 in a form of their own, version 1
// with ids only where the tag has one; they travel as version 2 with an id in each entry.

#include <cstring>

#include "libcfs/bytes.hpp"
#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Bytes;
using cfs::fail;
using cfs::MutBytes;
using cfs::Result;
using cfs::to_result;

namespace
{

/// The kernel keeps ACLs no larger than this anyway.
constexpr std::size_t kAclMax = 4096;
/// Blocks that setting an attribute typically changes: inode, block, bitmap, group, quota.
constexpr unsigned kXattrCredits = 5;

struct DiskAclHeader {
	cfs::le32 version;
};
struct DiskAclShort {
	cfs::le16 tag, perm;
};
constexpr std::uint32_t kDiskAclVersion = 1;
constexpr std::uint16_t kAclUser = 0x02, kAclGroup = 0x08;

bool has_id(std::uint16_t tag) noexcept
{
	return tag == kAclUser || tag == kAclGroup;
}

bool known_tag(std::uint16_t tag) noexcept
{
	return tag == 0x01 || tag == 0x04 || tag == 0x10 || tag == 0x20 || has_id(tag);
}

/// Name space and rest of a name.
struct Key {
	int index = 0;
	char name[kXattrNameMax + 1] = {};
	bool acl = false, ours = false;
};

Result<Key> key_of(std::string_view name) noexcept
{
	static constexpr struct {
		std::string_view prefix;
		int index;
	} spaces[] = {{wire::XATTR_TRUSTED_PREFIX, LDI_XATTR_TRUSTED},
		      {wire::XATTR_USER_PREFIX, LDI_XATTR_USER},
		      {wire::XATTR_SECURITY_PREFIX, LDI_XATTR_SECURITY}};
	Key k;
	if (name.size() > kXattrNameMax)
		return fail(NAMETOOLONG);
	if (name == wire::XATTR_NAME_ACL_ACCESS || name == wire::XATTR_NAME_ACL_DEFAULT) {
		k.acl = true;
		k.index = name == wire::XATTR_NAME_ACL_ACCESS ? LDI_XATTR_ACL_ACCESS
							      : LDI_XATTR_ACL_DEFAULT;
		return k;
	}
	k.ours = name == wire::XATTR_NAME_LMA || name == wire::XATTR_NAME_VERSION;
	for (const auto &s : spaces) {
		if (!name.starts_with(s.prefix) || name.size() == s.prefix.size())
			continue;
		name.remove_prefix(s.prefix.size());
		if (name.find('\0') != std::string_view::npos)
			return fail(INVAL);
		memcpy(k.name, name.data(), name.size());
		k.index = s.index;
		return k;
	}
	return fail(OPNOTSUPP);
}

/// From what the disk has to what travels; its size.
Result<std::size_t> acl_from_disk(Bytes disk, MutBytes out) noexcept
{
	cfs::Reader r(disk);
	cfs::Writer w(out);
	auto head = r.view<DiskAclHeader>();
	if (!head || (*head)->version != kDiskAclVersion)
		return fail(UCLEAN);
	wire::PosixAclHeader h;
	h.version = wire::kPosixAclVersion;
	TRY(w.put(h));
	while (!r.empty()) {
		auto e = r.view<DiskAclShort>();
		if (!e)
			return fail(UCLEAN);
		wire::PosixAclEntry o;
		o.tag = (*e)->tag.get();
		o.perm = (*e)->perm.get();
		o.id = 0xffffffff;
		if (has_id(o.tag)) {
			auto id = r.view<cfs::le32>();
			if (!id)
				return fail(UCLEAN);
			o.id = (*id)->get();
		}
		TRY(w.put(o));
	}
	return w.done();
}

Result<std::size_t> acl_to_disk(Bytes value, MutBytes out) noexcept
{
	cfs::Reader r(value);
	cfs::Writer w(out);
	auto head = r.view<wire::PosixAclHeader>();
	if (!head || (*head)->version != wire::kPosixAclVersion)
		return fail(INVAL);
	DiskAclHeader h;
	h.version = kDiskAclVersion;
	TRY(w.put(h));
	while (!r.empty()) {
		auto e = r.view<wire::PosixAclEntry>();
		if (!e || !known_tag((*e)->tag))
			return fail(INVAL);
		DiskAclShort o;
		o.tag = (*e)->tag.get();
		o.perm = (*e)->perm.get();
		auto put = w.put(o);
		if (put && has_id(o.tag))
			put = w.put((*e)->id);
		if (!put)
			return fail(BIG2);
	}
	return w.done();
}

Result<std::size_t> give(Bytes value, MutBytes out) noexcept
{
	if (out.empty())
		return value.size();
	if (out.size() < value.size())
		return fail(RANGE);
	memcpy(out.data(), value.data(), value.size());
	return value.size();
}

Result<std::size_t> acl_get(ldi_inode *i, const Key &k, MutBytes out) noexcept
{
	auto disk = TRY(cfs::Array<std::byte>::make(CFS_S_OSD, 2 * kAclMax));
	int n = ldi_xattr_get(i, k.index, k.name, disk.data(), kAclMax);
	if (n < 0)
		return fail(cfs::Errno{-n});
	auto value = MutBytes(disk).subspan(kAclMax);
	std::size_t size =
		TRY(acl_from_disk(Bytes(disk).first(static_cast<std::size_t>(n)), value));
	return give(value.first(size), out);
}

} // namespace

Result<std::size_t> ObjectImpl::xattr_get(std::string_view name, MutBytes out) noexcept
{
	Key k = TRY(key_of(name));
	cfs::ReadGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	if (name == wire::XATTR_NAME_VERSION) {
		ldi_attr a;
		ldi_attr_get(i, &a);
		cfs::le64 v(a.version);
		return give(cfs::bytes_of(v), out);
	}
	if (k.acl)
		return acl_get(i, k, out);
	int n = ldi_xattr_get(i, k.index, k.name, out.data(), out.size());
	if (n < 0)
		return fail(cfs::Errno{-n});
	return static_cast<std::size_t>(n);
}

Result<std::size_t> ObjectImpl::xattr_list(std::span<char> out) noexcept
{
	cfs::ReadGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	long all = ldi_xattr_list(i, nullptr, 0);
	if (all < 0)
		return fail(cfs::Errno{static_cast<int>(-all)});
	auto names = TRY(cfs::Array<char>::make(kSubsys, static_cast<std::size_t>(all) + 1));
	long n = all ? ldi_xattr_list(i, names.data(), static_cast<std::size_t>(all)) : 0;
	if (n < 0)
		return fail(cfs::Errno{static_cast<int>(-n)});
	std::size_t used = 0;
	std::string_view rest(names.data(), static_cast<std::size_t>(n));
	while (!rest.empty()) {
		auto name = rest.substr(0, rest.find('\0'));
		rest.remove_prefix(std::min(rest.size(), name.size() + 1));
		if (name == wire::XATTR_NAME_LMA)
			continue;
		if (!out.empty()) {
			if (out.size() - used < name.size() + 1)
				return fail(RANGE);
			memcpy(out.data() + used, name.data(), name.size());
			out[used + name.size()] = '\0';
		}
		used += name.size() + 1;
	}
	return used;
}

Result<> ObjectImpl::declare_xattr_set(Transaction &t, std::string_view, std::size_t bytes) noexcept
{
	Tx &tx = own(t);
	int most = ldi_xattr_credits(dev_.fs(), nullptr, bytes, false);
	if (most < 0)
		return fail(cfs::Errno{-most});
	auto block = dev_.fs_info().block_size;
	auto blocks = static_cast<unsigned>((bytes + block - 1) / block);
	tx.declare(kXattrCredits + quota() + (bytes > block / 2 ? 3 * blocks + 4 : 0));
	tx.declare_peak(static_cast<unsigned>(most));
	return {};
}

Result<> ObjectImpl::xattr_set(Transaction &t, std::string_view name, Bytes value,
			       XattrMode mode) noexcept
{
	Tx &tx = own(t);
	Key k = TRY(key_of(name));
	if (k.ours)
		return fail(OPNOTSUPP);
	if (value.size() > dev_.info().xattr_max)
		return fail(BIG2);
	cfs::Array<std::byte> disk;
	if (k.acl) {
		disk = TRY(cfs::Array<std::byte>::make(kSubsys, kAclMax));
		value = Bytes(disk).first(TRY(acl_to_disk(value, disk)));
	}
	int flags = mode == XattrMode::create_only ? 1 : mode == XattrMode::replace_only ? 2 : 0;
	static constexpr char kEmpty = 0; // a null pointer would remove it
	const void *data = value.empty() ? static_cast<const void *>(&kEmpty) : value.data();
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	return dev_.note(to_result(
		ldi_xattr_set(tx.handle(), i, k.index, k.name, data, value.size(), flags)));
}

Result<> ObjectImpl::declare_xattr_del(Transaction &t, std::string_view name) noexcept
{
	return declare_xattr_set(t, name, 0);
}

Result<> ObjectImpl::xattr_del(Transaction &t, std::string_view name) noexcept
{
	Tx &tx = own(t);
	Key k = TRY(key_of(name));
	if (k.ours)
		return fail(OPNOTSUPP);
	cfs::WriteGuard g(content_);
	ldi_inode *i = TRY(inode_locked());
	int n = ldi_xattr_get(i, k.index, k.name, nullptr, 0);
	if (n < 0)
		return fail(cfs::Errno{-n});
	return dev_.note(to_result(ldi_xattr_set(tx.handle(), i, k.index, k.name, nullptr, 0, 2)));
}

} // namespace osd::ldiskfs
