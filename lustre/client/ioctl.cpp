// SPDX-License-Identifier: GPL-2.0
//
// ioctl(2): striping, names of targets, statfs of one target, FIDs, flags.
#include "client/ioctl.hpp"

#include "client/mount_impl.hpp"
#include "wire/print.hpp"
#include "wire/user_abi.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

constexpr std::size_t kUserLayoutMax = 65536;
constexpr std::size_t kNameMax = 256;

template <typename T>
Result<> to_user(u64 arg, const T &v) noexcept
{
	return cfs::to_result(vfs_copy_to_user(arg, &v, sizeof(v)));
}
template <typename T>
Result<T> from_user(u64 arg) noexcept
{
	T v{};
	TRY(cfs::to_result(vfs_copy_from_user(&v, arg, sizeof(v))));
	return v;
}

// ---- layouts ----

/// Bytes of the layout a user gives; its first word says what it is.
Result<std::size_t> user_layout_bytes(u64 arg) noexcept
{
	auto head = TRY(from_user<LovUserMdV1>(arg));
	switch (head.magic.get()) {
	case LOV_USER_MAGIC_V1:
		return sizeof(LovUserMdV1);
	case LOV_USER_MAGIC_V3:
		return sizeof(LovUserMdV3);
	case LOV_USER_MAGIC_SPECIFIC:
		return sizeof(LovUserMdV3) + head.stripe_count.get() * sizeof(LovUserOstData);
	case LOV_USER_MAGIC_COMP_V1: {
		// Its length is its second word.
		u32 n = head.pattern.get();
		if (n < sizeof(LovUserMdV1) || n > kUserLayoutMax)
			return cfs::fail(INVAL);
		return n;
	}
	default:
		return cfs::fail(INVAL);
	}
}

Result<> check_striping(const LovUserMdV1 &md) noexcept
{
	constexpr u32 kUnit = 65536;
	if (md.magic.get() == LOV_USER_MAGIC_COMP_V1)
		return {};
	if (md.stripe_size.get() % kUnit)
		return cfs::fail(INVAL);
	if (md.pattern.get() && md.pattern.get() != LOV_PATTERN_RAID0)
		return cfs::fail(INVAL);
	return {};
}

/// The layout as the server has it, in a buffer of its own.
struct ServerLayout {
	MdReply reply;
	cfs::Bytes ea;
};
Result<ServerLayout> server_layout(Inode &i) noexcept
{
	u64 valid = OBD_MD_FLEASIZE | (i.is_dir() ? OBD_MD_FLDIREA : 0);
	auto r = TRY(i.mount().mdc().getattr(Caller::here(i.gid()), i.fid(), valid, 4096));
	ServerLayout l{std::move(r), {}};
	l.ea = l.reply.md;
	if (!l.reply.valid(OBD_MD_FLEASIZE | OBD_MD_FLDIREA) || l.ea.empty())
		return cfs::fail(NODATA);
	return l;
}

Result<long> set_stripe(Inode &i, u64 arg) noexcept
{
	std::size_t n = TRY(user_layout_bytes(arg));
	auto ea = TRY(cfs::Array<std::byte>::make(CFS_S_LLITE, n));
	TRY(cfs::to_result(vfs_copy_from_user(ea.data(), arg, n)));
	cfs::Bytes bytes(ea.data(), ea.size());
	TRY(check_striping(*TRY(cfs::view_at<LovUserMdV1>(bytes, 0))));
	if (i.is_dir()) {
		Mdc &mdc = i.mount().mdc();
		Early early(mdc.locks());
		early.add(i.fid(), MDS_INODELOCK_UPDATE | MDS_INODELOCK_XATTR);
		lustre_attr none{};
		(void)TRY(mdc.setattr(Caller::here(i.gid()), i.fid(), none, bytes, early));
		return 0;
	}
	if (!i.is_regular())
		return cfs::fail(INVAL);
	TRY(i.need_layout());
	if (i.data().layout())
		return cfs::fail(EXIST);
	auto file = TRY(open_inode(i, kORdwr, MDS_OPEN_HAS_EA, false, bytes));
	close_file(std::move(file));
	TRY(i.need_layout());
	auto layout = i.data().layout();
	if (!layout)
		return cfs::fail(PROTO);
	// The first part of what it has become.
	cfs::Bytes raw = layout->raw();
	std::size_t back = raw.size() < sizeof(LovUserMdV1) ? raw.size() : sizeof(LovUserMdV1);
	TRY(cfs::to_result(vfs_copy_to_user(arg, raw.data(), back)));
	return 0;
}

/// Copies as many objects as the caller has room for.
Result<long> give_layout(cfs::Bytes ea, u64 arg, std::size_t objects_room) noexcept
{
	const LovUserMdV1 *md = TRY(cfs::view_at<LovUserMdV1>(ea, 0));
	std::size_t n = ea.size();
	u32 magic = md->magic.get();
	if (magic == LOV_USER_MAGIC_V1 || magic == LOV_USER_MAGIC_V3) {
		std::size_t head =
			magic == LOV_USER_MAGIC_V1 ? sizeof(LovUserMdV1) : sizeof(LovUserMdV3);
		std::size_t most = head + objects_room * sizeof(LovUserOstData);
		n = n < most ? n : most;
	}
	TRY(cfs::to_result(vfs_copy_to_user(arg, ea.data(), n)));
	return 0;
}

Result<long> get_stripe(Inode &i, u64 arg) noexcept
{
	auto asked = TRY(from_user<LovUserMdV1>(arg));
	auto l = TRY(server_layout(i));
	return give_layout(l.ea, arg, asked.stripe_count.get());
}

/// The layout of a name in a directory; the caller's buffer is as long as its name says nothing of.
Result<long> get_file_stripe(Inode &dir, u64 arg) noexcept
{
	char name[kNameMax] = {};
	TRY(cfs::to_result(vfs_copy_from_user(name, arg, sizeof(name) - 1)));
	auto r = TRY(dir.mount().mdc().getattr_name(Caller::here(dir.gid()),
						    {dir.fid(), std::string_view(name)},
						    OBD_MD_FLEASIZE | OBD_MD_FLDIREA, 4096));
	if (!r.valid(OBD_MD_FLEASIZE | OBD_MD_FLDIREA) || r.md.empty())
		return cfs::fail(NODATA);
	TRY(cfs::to_result(vfs_copy_to_user(arg, r.md.data(), r.md.size())));
	return 0;
}

// ---- targets ----

Result<long> device_name(Mount &m, std::string_view kind, u64 arg) noexcept
{
	char buf[UUID_MAX + 1] = {};
	auto text = cfs::format_to(std::span<char>(buf, UUID_MAX), "{}-{}-{}", m.fsname(), kind,
				   m.instance());
	TRY(cfs::to_result(vfs_copy_to_user(arg, buf, text.size() + 1)));
	return 0;
}

/// The inline buffers of IOC_OBD_STATFS.
struct StatfsWhich {
	le32 type, padding1; // LL_STATFS_*
	le32 index, padding2;
};

Result<long> target_statfs(Mount &m, u64 arg) noexcept
{
	auto d = TRY(from_user<ObdIoctlData>(arg));
	auto which = TRY(from_user<StatfsWhich>(arg + sizeof(d)));
	u32 type = which.type.get(), index = which.index.get();
	ObdStatfs s{};
	Chars<UUID_MAX> uuid{};
	if (type & LL_STATFS_LMV) {
		if (index)
			return cfs::fail(NODEV);
		s = TRY(m.mdc().statfs());
		(void)uuid.set(m.mdt().target());
	} else if (type & LL_STATFS_LOV) {
		OstInfo info = TRY(m.data().ost_info(index));
		s = TRY(m.data().ost_statfs(index, (type & LL_STATFS_NODELAY) != 0));
		(void)uuid.set(std::string_view(info.uuid));
	} else {
		return cfs::fail(NODEV);
	}
	if (d.plen1.get() < sizeof(s) || d.plen2.get() < sizeof(uuid))
		return cfs::fail(INVAL);
	TRY(to_user(d.pbuf1.get(), s));
	TRY(to_user(d.pbuf2.get(), uuid));
	return 0;
}

// ---- inodes ----

Result<long> get_flags(Inode &i, u64 arg) noexcept
{
	lustre_attr a{};
	TRY(i.getattr(LUSTRE_ATTR_FLAGS, false, a));
	u32 flags = i.is_regular() ? a.flags | LUSTRE_EXTENTS_FL : a.flags;
	TRY(to_user(arg, flags));
	return 0;
}

Result<long> set_flags(Inode &i, u64 arg) noexcept
{
	lustre_attr a{};
	a.valid = LUSTRE_ATTR_FLAGS;
	a.flags = TRY(from_user<u32>(arg));
	if (a.flags & ~LUSTRE_FL_USER_VISIBLE)
		return cfs::fail(OPNOTSUPP);
	TRY(i.setattr(a));
	return 0;
}

Result<long> of_target(Inode &i, u32 cmd, u64 arg) noexcept
{
	Mount &m = i.mount();
	switch (cmd) {
	case LL_IOC_GET_MDTIDX:
		TRY(to_user(arg, u32{0}));
		return 0;
	case LL_IOC_GET_CONNECT_FLAGS:
		TRY(to_user(arg, m.mdt().granted().connect_flags.get()));
		return 0;
	case LL_IOC_GETOBDCOUNT: {
		constexpr u32 kMdts = 64; // slots, as stock has them
		u32 mdts = TRY(from_user<u32>(arg));
		TRY(to_user(arg, mdts ? kMdts : m.data().ost_end()));
		return 0;
	}
	case OBD_IOC_GETDTNAME:
		return device_name(m, "clilov", arg);
	case OBD_IOC_GETMDNAME:
		return device_name(m, "clilmv", arg);
	case OBD_IOC_GETUUID: {
		Chars<UUID_MAX> uuid{};
		(void)uuid.set(m.client_uuid());
		TRY(to_user(arg, uuid));
		return 0;
	}
	case IOC_OBD_STATFS:
		return target_statfs(m, arg);
	default:
		return cfs::fail(NOTTY);
	}
}

} // namespace

Result<long> do_ioctl(Inode &i, OpenFile *, u32 cmd, u64 arg) noexcept
{
	switch (cmd) {
	case LL_IOC_LOV_SETSTRIPE:
	case LL_IOC_LOV_SETSTRIPE_NEW:
		return set_stripe(i, arg);
	case LL_IOC_LOV_GETSTRIPE:
	case LL_IOC_LOV_GETSTRIPE_NEW:
		return get_stripe(i, arg);
	case IOC_MDC_GETFILESTRIPE:
		return i.is_dir() ? get_file_stripe(i, arg) : Result<long>(cfs::fail(NOTTY));
	case LL_IOC_PATH2FID:
		TRY(to_user(arg, i.fid()));
		return 0;
	case kIocFsGetFlags:
		return get_flags(i, arg);
	case kIocFsSetFlags:
		return set_flags(i, arg);
	case LL_IOC_GETVERSION:
	case kIocFsGetVersion:
		TRY(to_user(arg, generation_of(i.fid())));
		return 0;
	default:
		return of_target(i, cmd, arg);
	}
}

} // namespace client
