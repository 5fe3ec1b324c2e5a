// SPDX-License-Identifier: GPL-2.0
//
// What lfs asks the kernel: mounts, and the calls of wire/user_abi.hpp on open files. Everything
// returns 0 or a negative errno; nothing is printed here. Works on any client that keeps that ABI.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/user_abi.hpp"

namespace lfs
{

/// A mounted file system, a line of /proc/mounts.
struct Mount {
	std::string dir;
	std::string fsname;
};

/// Those of type lustre that are clients, in their order.
[[nodiscard]] std::vector<Mount> parse_mounts(std::string_view proc_mounts);
[[nodiscard]] std::vector<Mount> mounts();
/// The mount that holds a path: -ENOENT and the like when there is no such path, -ENODEV when it
/// is on no client mount.
int mount_of(const std::string &path, Mount &out);

/// An open file that closes itself.
class Fd
{
public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd) {}
	Fd(Fd &&o) noexcept : fd_(o.fd_) { o.fd_ = -1; }
	Fd &operator=(Fd &&o) noexcept;
	~Fd() { close(); }

	/// 0 or a negative errno.
	int open(const std::string &path, int flags, unsigned mode = 0);
	void close();
	[[nodiscard]] int get() const { return fd_; }

private:
	int fd_ = -1;
};

/// The folder part ("." if none) and the last part of a path, trailing slashes dropped.
struct PathParts {
	std::string dir, name;
};
[[nodiscard]] PathParts split_path(std::string_view path);

/// The FID of what a path names; `follow` symbolic links. -ENOTTY: not Lustre.
int fid_of(const std::string &path, bool follow, wire::Fid &out);
/// MDT of an open file.
int mdt_of(int fd, std::uint32_t &out);
/// MDT that a FID lives on, asked on any file of the mount; that file's own where the client cannot
/// tell.
int mdt_of_fid(int fd, const wire::Fid &fid, std::uint32_t &out);

/// The largest layout the kernel gives: an extended attribute's size.
inline constexpr std::size_t kLayoutBytes = 65536;
/// The default layout of a directory, in user form. -ENODATA: it has none.
int directory_layout(int dir_fd, std::vector<std::byte> &out);
/// The layout of an entry of a directory. -ENODATA: it has none.
int entry_layout(int dir_fd, const std::string &name, std::vector<std::byte> &out);
/// Creates or changes with the plain form, or through the named attribute.
int set_plain_layout(int fd, std::vector<std::byte> layout);
int set_layout_xattr(int fd, const char *name, const std::vector<std::byte> &layout);

/// MDT layout of a directory: magic LMV_MAGIC_V1 for what it is, LMV_USER_MAGIC for its default.
struct DirLayout {
	wire::LmvUserMdV1 head{};
	std::vector<wire::LmvUserMdsData> stripes;
	std::string foreign; ///< value of a foreign layout
	bool is_foreign = false;
};
int dir_layout(int fd, std::uint32_t magic, DirLayout &out);
int set_default_dir_layout(int fd, const wire::LmvUserMdV1 &l,
			   const std::vector<wire::LmvUserMdsData> &mdts);
/// A client without that call knows one MDT: where the layout asks for no other, an ordinary
/// directory is what it means.
int make_striped_dir(int parent_fd, const std::string &name, unsigned mode,
		     const std::vector<std::byte> &layout);

enum class TargetKind : std::uint32_t { mdt = wire::LL_STATFS_LMV, ost = wire::LL_STATFS_LOV };
/// -ENODEV: behind the last index. -EAGAIN: nothing there. -ENODATA: inactive.
int target_statfs(int fd, TargetKind kind, std::uint32_t index, bool nodelay, wire::ObdStatfs &out,
		  std::string &uuid);
/// "lustre-clilov-ff11000019d2d800" or clilmv.
int target_set_name(int fd, TargetKind kind, std::string &out);
int client_uuid(int fd, std::string &out);

/// fsname and instance of a mount.
struct Identity {
	std::string fsname, instance;
};
int identity_of(int fd, Identity &out);

/// A path of a FID, relative to the mount. `link` counts its names; the next number comes back.
int path_of_fid(int root_fd, const wire::Fid &fid, std::uint32_t &link, std::string &out);
/// -ENODATA: fewer names.
int parent_of(int fd, std::uint32_t link, wire::Fid &parent, std::string &name);
int data_version(int fd, std::uint32_t flags, std::uint64_t &out);

} // namespace lfs
