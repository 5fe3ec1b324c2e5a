// SPDX-License-Identifier: GPL-2.0
//
// Calls of the kernel; see kernel.hpp.

#include "lfs/kernel.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

/// The type of Lustre's file handles (06 2.3).
constexpr int kHandleType = 0x97;

int call(int fd, std::uint32_t number, void *argument)
{
	int rc = ::ioctl(fd, number, argument);
	return rc < 0 ? -errno : rc;
}

/// /proc/mounts writes blanks, tabs, newlines and backslashes as \ooo.
std::string unescape(std::string_view s)
{
	std::string out;
	auto octal = [&](std::size_t i) { return i < s.size() && s[i] >= '0' && s[i] <= '7'; };
	for (std::size_t i = 0; i < s.size(); i++) {
		if (s[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
			out += static_cast<char>((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 +
						 (s[i + 3] - '0'));
			i += 3;
		} else {
			out += s[i];
		}
	}
	return out;
}

/// An obd_ioctl_data with its inline buffers behind it, as one block.
class ObdCall
{
public:
	ObdCall() : bytes_(sizeof(wire::ObdIoctlData)) {}
	wire::ObdIoctlData &head()
	{
		return *reinterpret_cast<wire::ObdIoctlData *>(bytes_.data());
	}
	/// The next inline buffer: 1, then 2.
	void add(cfs::Bytes b)
	{
		auto at = bytes_.size();
		bytes_.resize(at + wire::round8(b.size()));
		memcpy(bytes_.data() + at, b.data(), b.size());
		auto n = static_cast<std::uint32_t>(b.size());
		if (buffers_++ == 0)
			head().inllen1 = n, first_ = at;
		else
			head().inllen2 = n, second_ = at;
	}
	int run(int fd, std::uint32_t number)
	{
		auto address = reinterpret_cast<std::uintptr_t>(bytes_.data());
		head().len = static_cast<std::uint32_t>(bytes_.size());
		head().version = wire::OBD_IOCTL_VERSION;
		if (buffers_ > 0)
			head().inlbuf1 = address + first_;
		if (buffers_ > 1)
			head().inlbuf2 = address + second_;
		return bytes_.size() > wire::kObdIoctlMax ? -E2BIG
							  : call(fd, number, bytes_.data());
	}

private:
	std::vector<std::byte> bytes_;
	unsigned buffers_ = 0;
	std::size_t first_ = 0, second_ = 0;
};

bool on_lustre(int fd)
{
	struct statfs s;
	return !fstatfs(fd, &s) && static_cast<std::uint32_t>(s.f_type) == wire::LL_SUPER_MAGIC;
}

/// Text of a fixed buffer: up to its NUL, or -EPROTO when there is none.
int terminated(const char *buf, std::size_t n, std::string &out)
{
	auto *nul = static_cast<const char *>(memchr(buf, 0, n));
	if (!nul)
		return -EPROTO;
	out.assign(buf, nul);
	return 0;
}

} // namespace

std::vector<Mount> parse_mounts(std::string_view proc_mounts)
{
	std::vector<Mount> out;
	for (const std::string &line : split(proc_mounts, '\n')) {
		auto words = split(line, ' ');
		if (words.size() < 3 || words[2] != "lustre")
			continue;
		auto at = words[0].find(":/");
		if (at == words[0].npos)
			continue; // a server's target
		std::string fs = words[0].substr(at + 2);
		out.push_back({unescape(words[1]), fs.substr(0, fs.find('/'))});
	}
	return out;
}

std::vector<Mount> mounts()
{
	std::ifstream in("/proc/self/mounts");
	std::stringstream all;
	all << in.rdbuf();
	return parse_mounts(all.str());
}

int mount_of(const std::string &path, Mount &out)
{
	char *real = realpath(path.c_str(), nullptr);
	if (!real)
		return -errno;
	std::string p = real;
	free(real);
	const auto all = mounts();
	const Mount *best = nullptr;
	for (const Mount &m : all) {
		bool inside = p == m.dir || m.dir == "/" || p.starts_with(m.dir + "/");
		if (inside && (!best || m.dir.size() >= best->dir.size()))
			best = &m;
	}
	struct statfs s;
	if (statfs(p.c_str(), &s))
		return -errno;
	if (!best || static_cast<std::uint32_t>(s.f_type) != wire::LL_SUPER_MAGIC)
		return -ENODEV;
	out = *best;
	return 0;
}

Fd &Fd::operator=(Fd &&o) noexcept
{
	if (this != &o) {
		close();
		std::swap(fd_, o.fd_);
	}
	return *this;
}

int Fd::open(const std::string &path, int flags, unsigned mode)
{
	close();
	fd_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
	return fd_ < 0 ? -errno : 0;
}

void Fd::close()
{
	if (fd_ >= 0)
		::close(fd_);
	fd_ = -1;
}

PathParts split_path(std::string_view path)
{
	while (path.size() > 1 && path.ends_with('/'))
		path.remove_suffix(1);
	auto slash = path.rfind('/');
	if (slash == path.npos)
		return {".", std::string(path)};
	return {std::string(slash ? path.substr(0, slash) : "/"),
		std::string(path.substr(slash + 1))};
}

int fid_of(const std::string &path, bool follow, wire::Fid &out)
{
	Fd fd;
	if (int rc = fd.open(path, O_PATH | (follow ? 0 : O_NOFOLLOW)))
		return rc;
	alignas(file_handle) char buf[sizeof(file_handle) + 128] = {};
	auto *handle = reinterpret_cast<file_handle *>(buf);
	handle->handle_bytes = 128;
	int mount_id;
	if (!name_to_handle_at(fd.get(), "", handle, &mount_id, AT_EMPTY_PATH)) {
		if (handle->handle_type != kHandleType || handle->handle_bytes < sizeof(out))
			return -ENOTTY;
		memcpy(&out, handle->f_handle, sizeof(out));
		return 0;
	}
	if (errno != EOPNOTSUPP && errno != EOVERFLOW)
		return -errno;
	struct stat st;
	if (fstat(fd.get(), &st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return -ENOTTY;
	if (int rc = fd.open(path, O_RDONLY | O_NONBLOCK))
		return rc;
	return call(fd.get(), wire::LL_IOC_PATH2FID, &out);
}

int mdt_of(int fd, std::uint32_t &out)
{
	return call(fd, wire::LL_IOC_GET_MDTIDX, &out);
}

int mdt_of_fid(int fd, const wire::Fid &fid, std::uint32_t &out)
{
	wire::Fid f = fid;
	int rc = call(fd, wire::LL_IOC_FID2MDTIDX, &f);
	if (rc == -ENOTTY)
		return mdt_of(fd, out);
	if (rc < 0)
		return rc;
	out = static_cast<std::uint32_t>(rc);
	return 0;
}

int directory_layout(int dir_fd, std::vector<std::byte> &out)
{
	out.assign(kLayoutBytes, std::byte{});
	wire::LovUserMdV1 ask{};
	ask.magic = wire::LOV_USER_MAGIC_V1;
	ask.stripe_count = wire::LOV_MAX_STRIPE_COUNT;
	memcpy(out.data(), &ask, sizeof(ask));
	return call(dir_fd, wire::LL_IOC_LOV_GETSTRIPE, out.data());
}

int entry_layout(int dir_fd, const std::string &name, std::vector<std::byte> &out)
{
	out.assign(kLayoutBytes, std::byte{});
	if (name.size() > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(out.data(), name.c_str(), name.size() + 1);
	int rc = call(dir_fd, wire::IOC_MDC_GETFILESTRIPE, out.data());
	if (rc != -ENOTTY || !on_lustre(dir_fd))
		return rc < 0 ? rc : 0;
	// The attribute lacks only the generation of a plain layout.
	std::string path = text("/proc/self/fd/%d/", dir_fd) + name;
	auto n = lgetxattr(path.c_str(), "lustre.lov", out.data(), out.size());
	return n < 0 ? -errno : 0;
}

int set_plain_layout(int fd, std::vector<std::byte> layout)
{
	// The kernel writes the beginning of what the layout became back into it.
	layout.resize(std::max(layout.size(), sizeof(wire::LovUserMdV3)));
	int rc = call(fd, wire::LL_IOC_LOV_SETSTRIPE, layout.data());
	return rc < 0 ? rc : 0;
}

int set_layout_xattr(int fd, const char *name, const std::vector<std::byte> &layout)
{
	return fsetxattr(fd, name, layout.data(), layout.size(), 0) ? -errno : 0;
}

int dir_layout(int fd, std::uint32_t magic, DirLayout &out)
{
	std::uint32_t room = 256;
	std::vector<std::byte> buf;
	wire::LmvUserMdV1 &head = out.head;
	for (;;) {
		buf.assign(sizeof(head) + room * sizeof(wire::LmvUserMdsData), std::byte{});
		wire::LmvUserMdV1 ask{};
		ask.magic = magic;
		ask.stripe_count = room;
		memcpy(buf.data(), &ask, sizeof(ask));
		int rc = call(fd, wire::LL_IOC_LMV_GETSTRIPE, buf.data());
		memcpy(&head, buf.data(), sizeof(head));
		if (rc != -E2BIG || room >= wire::LMV_MAX_STRIPE_COUNT) {
			if (rc < 0)
				return rc;
			break;
		}
		room = wire::LMV_MAX_STRIPE_COUNT;
	}
	cfs::Reader rest(buf);
	if (head.magic.get() == wire::LMV_MAGIC_FOREIGN) {
		auto foreign = rest.view<wire::LmvForeignMd>();
		auto value = foreign ? rest.take((*foreign)->length) : cfs::fail(cfs::err::PROTO);
		if (!value)
			return -EPROTO;
		out.is_foreign = true;
		out.foreign = cfs::as_string(*value);
		return 0;
	}
	if (magic == wire::LMV_USER_MAGIC && head.magic.get() != wire::LMV_USER_MAGIC_SPECIFIC)
		return 0; // a default names no MDTs
	auto stripes = rest.skip(sizeof(head)) ? rest.array<wire::LmvUserMdsData>(head.stripe_count)
					       : cfs::fail(cfs::err::PROTO);
	if (!stripes)
		return -EPROTO;
	out.stripes.assign(stripes->begin(), stripes->end());
	return 0;
}

int set_default_dir_layout(int fd, const wire::LmvUserMdV1 &l,
			   const std::vector<wire::LmvUserMdsData> &mdts)
{
	std::vector<std::byte> buf(sizeof(l) + mdts.size() * sizeof(wire::LmvUserMdsData));
	memcpy(buf.data(), &l, sizeof(l));
	if (!mdts.empty())
		memcpy(buf.data() + sizeof(l), mdts.data(), buf.size() - sizeof(l));
	int rc = call(fd, wire::LL_IOC_LMV_SET_DEFAULT_STRIPE, buf.data());
	return rc < 0 ? rc : 0;
}

int make_striped_dir(int parent_fd, const std::string &name, unsigned mode,
		     const std::vector<std::byte> &layout)
{
	ObdCall c;
	c.head().type = mode;
	c.head().obdo1.flags = wire::OBD_FL_OBDMDEXISTS; // refuse a name that exists
	c.head().obdo1.valid = wire::OBD_MD_FLFLAGS;
	c.add(cfs::as_bytes(std::string_view(name.c_str(), name.size() + 1)));
	c.add(layout);
	int rc = c.run(parent_fd, wire::LL_IOC_LMV_SETSTRIPE);
	auto head = cfs::view_at<wire::LmvUserMdV1>(cfs::Bytes(layout), 0);
	bool only_mdt0 = head && (*head)->magic.get() == wire::LMV_USER_MAGIC &&
			 ((*head)->stripe_offset.get() == 0 ||
			  (*head)->stripe_offset.get() == wire::LMV_OFFSET_DEFAULT);
	if (rc == -ENOTTY && only_mdt0 && on_lustre(parent_fd))
		rc = mkdirat(parent_fd, name.c_str(), mode) ? -errno : 0;
	return rc < 0 ? rc : 0;
}

int target_statfs(int fd, TargetKind kind, std::uint32_t index, bool nodelay, wire::ObdStatfs &out,
		  std::string &uuid)
{
	cfs::le32 type =
		static_cast<std::uint32_t>(kind) | (nodelay ? wire::LL_STATFS_NODELAY : 0u);
	cfs::le32 which = index;
	wire::ObdUuid name{};
	out = {};
	ObdCall c;
	c.add(cfs::bytes_of(type));
	c.add(cfs::bytes_of(which));
	c.head().plen1 = sizeof(out);
	c.head().pbuf1 = reinterpret_cast<std::uintptr_t>(&out);
	c.head().plen2 = sizeof(name);
	c.head().pbuf2 = reinterpret_cast<std::uintptr_t>(&name);
	int rc = c.run(fd, wire::IOC_OBD_STATFS);
	uuid = name.uuid.view();
	return rc < 0 ? rc : 0;
}

int target_set_name(int fd, TargetKind kind, std::string &out)
{
	char buf[128] = {};
	int rc = call(fd,
		      kind == TargetKind::ost ? wire::OBD_IOC_GETDTNAME : wire::OBD_IOC_GETMDNAME,
		      buf);
	return rc < 0 ? rc : terminated(buf, sizeof(buf), out);
}

int client_uuid(int fd, std::string &out)
{
	wire::ObdUuid uuid{};
	int rc = call(fd, wire::OBD_IOC_GETUUID, &uuid);
	if (rc < 0)
		return rc;
	out = uuid.uuid.view();
	return 0;
}

int identity_of(int fd, Identity &out)
{
	std::string name;
	if (int rc = target_set_name(fd, TargetKind::ost, name))
		return rc;
	constexpr std::string_view kMiddle = "-clilov-";
	auto at = name.find(kMiddle);
	if (at == name.npos)
		return -EPROTO;
	out.fsname = name.substr(0, at);
	out.instance = name.substr(at + kMiddle.size());
	return 0;
}

int path_of_fid(int root_fd, const wire::Fid &fid, std::uint32_t &link, std::string &out)
{
	// Too little room is no error: the path then comes without its NUL.
	for (std::size_t room = PATH_MAX; room <= std::size_t{64} * PATH_MAX; room *= 4) {
		std::vector<std::byte> buf(sizeof(wire::GetinfoFid2path) + room);
		auto &head = *reinterpret_cast<wire::GetinfoFid2path *>(buf.data());
		head.fid = fid;
		head.recno = ~std::uint64_t{0};
		head.linkno = link;
		head.pathlen = static_cast<std::uint32_t>(room);
		int rc = call(root_fd, wire::OBD_IOC_FID2PATH, buf.data());
		if (rc == -EOVERFLOW)
			continue;
		if (rc < 0)
			return rc;
		auto *path = reinterpret_cast<const char *>(buf.data() + sizeof(head));
		if (terminated(path, room, out))
			continue;
		link = head.linkno;
		return 0;
	}
	return -ENAMETOOLONG;
}

int parent_of(int fd, std::uint32_t link, wire::Fid &parent, std::string &name)
{
	constexpr std::uint32_t kRoom = NAME_MAX + 1;
	std::vector<std::byte> buf(sizeof(wire::GetParent) + kRoom);
	auto &head = *reinterpret_cast<wire::GetParent *>(buf.data());
	head.linkno = link;
	head.name_size = kRoom;
	int rc = call(fd, wire::LL_IOC_GETPARENT, buf.data());
	if (rc < 0)
		return rc;
	parent = head.fid;
	return terminated(reinterpret_cast<const char *>(buf.data() + sizeof(head)), kRoom, name);
}

int data_version(int fd, std::uint32_t flags, std::uint64_t &out)
{
	wire::IocDataVersion v{};
	v.flags = flags;
	int rc = call(fd, wire::LL_IOC_DATA_VERSION, &v);
	if (rc < 0)
		return rc;
	out = v.version;
	return 0;
}

} // namespace lfs
