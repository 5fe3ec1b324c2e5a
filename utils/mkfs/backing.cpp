// SPDX-License-Identifier: GPL-2.0
//
// libext2fs knows nothing of quota files, so that their usage of id 0, which owns all that the
// tools make, is brought up to date here: the format is the kernel's vfsv1 (quota tree of 1 KiB
// blocks, four levels, 72-byte entries).

#include "mkfs/backing.hpp"

extern "C" {
#include <e2p/e2p.h>
}
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "libcfs/endian.hpp"
#include "wire/disk_target.hpp"

namespace mkfs
{

namespace
{

constexpr std::size_t kQuotaBlock = 1024;
constexpr int kQuotaLevels = 4;

/// Entry of a quota file, version 1 of vfsv1.
struct QuotaEntry {
	cfs::le32 id, pad;
	cfs::le64 inode_hard, inode_soft, inodes, space_hard, space_soft, space, block_time,
		inode_time;
};
static_assert(sizeof(QuotaEntry) == 72);
constexpr std::size_t kQuotaHead = 16; // of a block of entries

Outcome<> check(errcode_t rc, const std::string &what)
{
	if (!rc)
		return {};
	int status = rc < 256 ? static_cast<int>(rc) : EIO;
	return failure(status, what + ": " + error_message(rc));
}

/// A file of the backing file system, open.
class File
{
	ext2_file_t f_ = nullptr;

public:
	File() = default;
	File(const File &) = delete;
	File &operator=(const File &) = delete;
	~File()
	{
		if (f_)
			ext2fs_file_close(f_);
	}
	errcode_t open(ext2_filsys fs, ext2_ino_t ino, int flags)
	{
		return ext2fs_file_open(fs, ino, flags, &f_);
	}
	errcode_t read(std::uint64_t at, void *buf, unsigned len, unsigned &got)
	{
		if (auto rc = ext2fs_file_llseek(f_, at, EXT2_SEEK_SET, nullptr))
			return rc;
		return ext2fs_file_read(f_, buf, len, &got);
	}
	errcode_t write(std::uint64_t at, const void *buf, unsigned len)
	{
		unsigned done = 0;
		if (auto rc = ext2fs_file_llseek(f_, at, EXT2_SEEK_SET, nullptr))
			return rc;
		auto rc = ext2fs_file_write(f_, buf, len, &done);
		return rc ? rc : done == len ? 0 : EXT2_ET_SHORT_WRITE;
	}
	errcode_t close()
	{
		auto f = std::exchange(f_, nullptr);
		return f ? ext2fs_file_close(f) : 0;
	}
	std::uint64_t size()
	{
		std::uint64_t n = 0;
		ext2fs_file_get_lsize(f_, reinterpret_cast<__u64 *>(&n));
		return n;
	}
};

std::uint32_t random_generation()
{
	std::uint32_t g = 0;
	while (!g)
		if (getrandom(&g, sizeof(g), 0) != sizeof(g))
			g = static_cast<std::uint32_t>(time(nullptr));
	return g;
}

/// Replays the journal if it has something in it.
Outcome<> settle_journal(const std::string &device)
{
	ext2_filsys fs = nullptr;
	TRY(check(ext2fs_open(device.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs),
		  device));
	bool dirty = ext2fs_has_feature_journal_needs_recovery(fs->super);
	ext2fs_free(fs);
	if (!dirty)
		return {};
	std::string output;
	int status = run({"e2fsck", "-p", "-E", "journal_only", device}, output);
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return {};
	return failure(EIO, device + ": cannot replay the journal:\n" + output);
}

} // namespace

Outcome<Backing> Backing::open(const std::string &device, Mode mode)
{
	int flags = EXT2_FLAG_64BITS;
	if (mode != Mode::read) {
		TRY(settle_journal(device));
		flags |= EXT2_FLAG_RW;
		if (mode == Mode::write_fresh)
			flags |= EXT2_FLAG_SKIP_MMP;
	}
	ext2_filsys fs = nullptr;
	auto rc = ext2fs_open(device.c_str(), flags, 0, 0, unix_io_manager, &fs);
	TRY(check(rc, device));
	Backing b(fs);
	if (mode != Mode::read)
		TRY(check(ext2fs_read_bitmaps(fs), device));
	return b;
}

ext2_ino_t Backing::find(const std::string &path) const
{
	ext2_ino_t ino = 0;
	if (ext2fs_namei(fs_.get(), EXT2_ROOT_INO, EXT2_ROOT_INO, path.c_str(), &ino))
		return 0;
	return ino;
}

Outcome<std::string> Backing::read(const std::string &path, std::size_t most) const
{
	auto ino = find(path);
	if (!ino)
		return failure(ENOENT, path + ": not found");
	File f;
	TRY(check(f.open(fs_.get(), ino, 0), path));
	std::string out(std::min<std::uint64_t>(most, f.size()), '\0');
	unsigned got = 0;
	TRY(check(f.read(0, out.data(), static_cast<unsigned>(out.size()), got), path));
	out.resize(got);
	return out;
}

std::string Backing::label() const
{
	const auto *s = reinterpret_cast<const char *>(fs_->super->s_volume_name);
	return std::string(s, strnlen(s, EXT2_LABEL_LEN));
}

bool Backing::is_lustre() const
{
	return exists(std::string(wire::MOUNT_DATA_FILE)) || exists(std::string(wire::LAST_RCVD));
}

Outcome<ext2_ino_t> Backing::make_dir(const std::string &name)
{
	TRY(check(ext2fs_mkdir(fs_.get(), EXT2_ROOT_INO, 0, name.c_str()), name));
	auto ino = find(name);
	ext2_inode inode{};
	TRY(check(ext2fs_read_inode(fs_.get(), ino, &inode), name));
	inode.i_generation = random_generation();
	TRY(check(ext2fs_write_inode(fs_.get(), ino, &inode), name));
	TRY(account(fs_->blocksize, 1));
	return ino;
}

Outcome<ext2_ino_t> Backing::make_file(ext2_ino_t dir, const std::string &name)
{
	auto *fs = fs_.get();
	ext2_ino_t ino = 0;
	TRY(check(ext2fs_new_inode(fs, dir, LINUX_S_IFREG | 0644, nullptr, &ino), name));
	TRY(check(ext2fs_link(fs, dir, name.c_str(), ino, EXT2_FT_REG_FILE), name));
	ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
	ext2_inode inode{};
	inode.i_mode = LINUX_S_IFREG | 0644;
	inode.i_atime = inode.i_ctime = inode.i_mtime = static_cast<__u32>(time(nullptr));
	inode.i_links_count = 1;
	inode.i_generation = random_generation();
	if (ext2fs_has_feature_extents(fs->super)) {
		ext2_extent_handle_t handle = nullptr;
		inode.i_flags |= EXT4_EXTENTS_FL;
		TRY(check(ext2fs_extent_open2(fs, ino, &inode, &handle), name));
		ext2fs_extent_free(handle);
	}
	TRY(check(ext2fs_write_new_inode(fs, ino, &inode), name));
	TRY(account(0, 1));
	return ino;
}

Outcome<> Backing::write_mountdata(const std::string &bytes)
{
	auto *fs = fs_.get();
	std::string dir_name(wire::MOUNT_CONFIGS_DIR), file_name(wire::CONFIGS_FILE);
	auto dir = find(dir_name);
	if (!dir)
		dir = TRY(make_dir(dir_name));
	auto ino = find(std::string(wire::MOUNT_DATA_FILE));
	if (!ino)
		ino = TRY(make_file(dir, file_name));
	ext2_inode before{}, after{};
	TRY(check(ext2fs_read_inode(fs, ino, &before), file_name));
	File f;
	TRY(check(f.open(fs, ino, EXT2_FILE_WRITE), file_name));
	TRY(check(f.write(0, bytes.data(), static_cast<unsigned>(bytes.size())), file_name));
	TRY(check(f.close(), file_name));
	TRY(check(ext2fs_read_inode(fs, ino, &after), file_name));
	after.i_mtime = after.i_ctime = static_cast<__u32>(time(nullptr));
	TRY(check(ext2fs_write_inode(fs, ino, &after), file_name));
	return account((static_cast<std::int64_t>(after.i_blocks) - before.i_blocks) * 512, 0);
}

Outcome<> Backing::account(std::int64_t bytes, std::int64_t inodes)
{
	auto *s = fs_->super;
	if (!ext2fs_has_feature_quota(s) || (!bytes && !inodes))
		return {};
	for (ext2_ino_t ino : {s->s_usr_quota_inum, s->s_grp_quota_inum, s->s_prj_quota_inum})
		if (ino)
			TRY(account_one(ino, bytes, inodes));
	return {};
}

Outcome<> Backing::account_one(ext2_ino_t quota_file, std::int64_t bytes, std::int64_t inodes)
{
	File f;
	std::array<char, kQuotaBlock> block{};
	unsigned got = 0;
	cfs::le32 next = 1;
	TRY(check(f.open(fs_.get(), quota_file, EXT2_FILE_WRITE), "quota file"));
	for (int level = 0; level < kQuotaLevels; level++) {
		TRY(check(f.read(std::uint64_t{next.get()} * kQuotaBlock, &next, sizeof(next), got),
			  "quota file"));
		if (got != sizeof(next) || !next.get())
			return failure(EIO, "quota file: no entry of id 0");
	}
	std::uint64_t at = std::uint64_t{next.get()} * kQuotaBlock;
	TRY(check(f.read(at, block.data(), kQuotaBlock, got), "quota file"));
	for (auto off = kQuotaHead; off + sizeof(QuotaEntry) <= got; off += sizeof(QuotaEntry)) {
		auto &e = *reinterpret_cast<QuotaEntry *>(block.data() + off);
		if (e.id.get() || (!e.inodes.get() && !e.space.get()))
			continue;
		e.inodes = e.inodes.get() + static_cast<std::uint64_t>(inodes);
		e.space = e.space.get() + static_cast<std::uint64_t>(bytes);
		TRY(check(f.write(at + off, &e, sizeof(e)), "quota file"));
		return check(f.close(), "quota file");
	}
	return failure(EIO, "quota file: no entry of id 0");
}

Outcome<> Backing::close()
{
	auto *fs = fs_.release();
	return check(ext2fs_close_free(&fs), "writing the file system");
}

bool has_lustre_data(const std::string &device)
{
	auto b = Backing::open(device, Backing::Mode::read);
	return b && b->is_lustre();
}

Outcome<> refuse_mounted(const std::string &device)
{
	int flags = 0;
	if (!ext2fs_check_if_mounted(device.c_str(), &flags) && (flags & EXT2_MF_MOUNTED))
		return failure(EEXIST,
			       device + ": is currently mounted, exiting without any change");
	return {};
}

Outcome<std::uint64_t> device_kb(const std::string &device)
{
	blk64_t kb = 0;
	TRY(check(ext2fs_get_device_size2(device.c_str(), 1024, &kb), device));
	return kb;
}

bool knows_feature(const std::string &name)
{
	int type = 0;
	unsigned mask = 0;
	return !e2p_string2feature(const_cast<char *>(name.c_str()), &type, &mask);
}

int run(const std::vector<std::string> &argv, std::string &output)
{
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC))
		return 127 << 8;
	std::vector<char *> args;
	for (const auto &a : argv)
		args.push_back(const_cast<char *>(a.c_str()));
	args.push_back(nullptr);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], 1);
		dup2(pipe_fds[1], 2);
		// The file system tools are where ordinary users' PATH does not look.
		const char *path = getenv("PATH");
		setenv("PATH", (std::string(path ? path : "") + ":/usr/sbin:/sbin").c_str(), 1);
		execvp(args[0], args.data());
		dprintf(2, "%s: %s\n", args[0], strerror(errno));
		_exit(127);
	}
	close(pipe_fds[1]);
	char buf[4096];
	for (ssize_t n; (n = read(pipe_fds[0], buf, sizeof(buf))) != 0;) {
		if (n > 0)
			output.append(buf, static_cast<std::size_t>(n));
		else if (errno != EINTR)
			break;
	}
	close(pipe_fds[0]);
	int status = 127 << 8;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

Outcome<> set_label(const std::string &device, const std::string &label)
{
	std::string output;
	if (run({"tune2fs", "-f", "-L", label, device}, output))
		return failure(EIO, "cannot label " + device + " " + label + ":\n" + output);
	return {};
}

} // namespace mkfs
