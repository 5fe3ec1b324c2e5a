// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes (spec 06 section 11, 04 section 10). Every value is asked for when it is
// wanted; only the ACL, which comes with attributes, and the absence of security.capability, which
// the kernel asks for before each write, are remembered.
#include "client/xattr.hpp"

#include "client/mount_impl.hpp"
#include "wire/xattr.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

constexpr std::string_view kCapability = "security.capability";
constexpr std::string_view kLustreLov = "lustre.lov";
constexpr std::size_t kValueMax = 65536;
constexpr u32 kCapSysAdmin = 21;

/// What the server knows the attribute as; refuses what the mount does not have.
Result<std::string_view> server_name(Inode &i, std::string_view name) noexcept
{
	rpc::Import &mdt = i.mount().mdt();
	if (name.starts_with("user.")) {
		if (!mdt.has_flag(OBD_CONNECT_XATTR))
			return cfs::fail(OPNOTSUPP);
		if (!i.is_regular() && !i.is_dir())
			return cfs::fail(PERM);
	}
	if (name.starts_with("system.posix_acl_") && !mdt.has_flag(OBD_CONNECT_ACL))
		return cfs::fail(OPNOTSUPP);
	if (name == "security.c")
		return cfs::fail(PERM);
	if (name == kLustreLov)
		return XATTR_NAME_LOV;
	return name;
}

/// The plain layout as user space sees it: its offset means "any".
void to_user_layout(cfs::MutBytes ea) noexcept
{
	constexpr std::size_t kOffset = offsetof(LovUserMdV1, stripe_offset);
	auto md = cfs::view_at<LovUserMdV1>(ea, 0);
	if (!md)
		return;
	u32 magic = (*md)->magic.get();
	if (magic != LOV_USER_MAGIC_V1 && magic != LOV_USER_MAGIC_V3)
		return;
	ea[kOffset] = ea[kOffset + 1] = std::byte{0xff};
}

Result<std::size_t> fetch(Inode &i, std::string_view name, cfs::MutBytes to) noexcept
{
	u32 room = static_cast<u32>(to.size() < kValueMax ? to.size() : kValueMax);
	auto r = TRY(i.mount().mdc().getxattr(Caller::here(i.gid()), i.fid(), OBD_MD_FLXATTR, name,
					      room));
	std::size_t n = r.md.empty() ? r.body.eadatasize.get() : r.md.size();
	if (name == XATTR_NAME_LOV && n == 0)
		return cfs::fail(NODATA);
	if (n > kValueMax)
		return cfs::fail(PROTO);
	if (to.empty())
		return n;
	if (n > to.size() || r.md.size() < n)
		return cfs::fail(RANGE);
	if (n)
		__builtin_memcpy(to.data(), r.md.data(), n);
	if (name == XATTR_NAME_LOV)
		to_user_layout(to.first(n));
	return n;
}

} // namespace

Result<std::size_t> get_xattr(Inode &i, std::string_view name, cfs::MutBytes to) noexcept
{
	std::string_view server = TRY(server_name(i, name));
	if (name == XATTR_NAME_ACL_ACCESS)
		return i.access_acl(to);
	bool capability = name == kCapability;
	if (capability && i.no_capabilities.load(std::memory_order_relaxed))
		return cfs::fail(NODATA);
	auto r = fetch(i, server, to);
	if (capability && !r && r.error() == NODATA)
		i.no_capabilities.store(true, std::memory_order_relaxed);
	return r;
}

namespace
{

/// Bits of the locks that a change takes.
u64 bits_of(std::string_view name) noexcept
{
	u64 bits = MDS_INODELOCK_UPDATE | MDS_INODELOCK_XATTR;
	if (name == XATTR_NAME_ACL_ACCESS)
		bits = MDS_INODELOCK_UPDATE | MDS_INODELOCK_PERM;
	if (name.starts_with("lustre.lov") || name == XATTR_NAME_LOV)
		bits |= MDS_INODELOCK_LAYOUT;
	return bits;
}

Result<> change(Inode &i, std::string_view name, cfs::Bytes value, u32 flags, bool remove) noexcept
{
	std::string_view server = TRY(server_name(i, name));
	if (value.size() > kValueMax)
		return cfs::fail(RANGE);
	Mdc &mdc = i.mount().mdc();
	Early early(mdc.locks());
	early.add(i.fid(), bits_of(server));
	if (name == kCapability)
		i.no_capabilities.store(false, std::memory_order_relaxed);
	auto r = TRY(
		mdc.setxattr(Caller::here(i.gid()), i.fid(), server, value, flags, remove, early));
	(void)r;
	if (server == XATTR_NAME_ACL_ACCESS)
		vfs_acl_drop(i.vi());
	return {};
}

} // namespace

Result<> set_xattr(Inode &i, std::string_view name, cfs::Bytes value, bool create,
		   bool replace) noexcept
{
	return change(i, name, value, (create ? 1u : 0u) | (replace ? 2u : 0u), false);
}

Result<> remove_xattr(Inode &i, std::string_view name) noexcept
{
	return change(i, name, {}, 0, true);
}

namespace
{

/// Copies names that the caller may see; counts only when there is no room asked for.
struct NameList {
	std::span<char> to;
	std::size_t n = 0;
	bool full = false;

	void add(std::string_view name) noexcept
	{
		std::size_t len = name.size() + 1;
		if (!to.empty() && len > to.size() - n) {
			full = true;
			return;
		}
		if (!to.empty()) {
			for (std::size_t k = 0; k < name.size(); k++)
				to[n + k] = name[k];
			to[n + name.size()] = '\0';
		}
		n += len;
	}
};

} // namespace

Result<std::size_t> list_xattr(Inode &i, std::span<char> to) noexcept
{
	Mdc &mdc = i.mount().mdc();
	Caller who = Caller::here(i.gid());
	auto r = TRY(mdc.getxattr(who, i.fid(), OBD_MD_FLXATTRLS, {}, kValueMax));
	bool admin = (who.cred.caps >> kCapSysAdmin & 1) != 0;
	bool user = i.mount().mdt().has_flag(OBD_CONNECT_XATTR);
	NameList list{to};
	bool has_layout = false;
	std::string_view rest(reinterpret_cast<const char *>(r.md.data()), r.md.size());
	while (!rest.empty()) {
		std::size_t n = rest.find('\0');
		if (n == std::string_view::npos)
			return cfs::fail(PROTO);
		std::string_view name = rest;
		name.remove_suffix(rest.size() - n);
		rest.remove_prefix(n + 1);
		has_layout = has_layout || name == XATTR_NAME_LOV;
		bool hidden = name.empty() || (name.starts_with("trusted.") && !admin) ||
			      (name.starts_with("user.") && !user) || name == "security.c";
		if (!hidden)
			list.add(name);
	}
	if (has_layout)
		list.add(kLustreLov);
	return list.full ? Result<std::size_t>(cfs::fail(RANGE)) : list.n;
}

} // namespace client
