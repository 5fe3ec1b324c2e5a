// SPDX-License-Identifier: GPL-2.0
//
// The backing file system of a target that is not mounted, through libext2fs: files in it, its
// label, and the commands that make and repair it. No mount is needed for any of this.
//
// Invariant: what is written keeps e2fsck content: the usage in the quota files follows the inodes
// and blocks that are added, and nothing is written while a journal waits for replay.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mkfs/failure.hpp"

namespace mkfs
{

class Backing
{
	struct Closer {
		void operator()(ext2_filsys fs) const { ext2fs_free(fs); }
	};
	std::unique_ptr<struct_ext2_filsys, Closer> fs_;

	explicit Backing(ext2_filsys fs) : fs_(fs) {}
	[[nodiscard]] ext2_ino_t find(const std::string &path) const;
	Outcome<ext2_ino_t> make_dir(const std::string &name);
	Outcome<ext2_ino_t> make_file(ext2_ino_t dir, const std::string &name);
	Outcome<> account(std::int64_t bytes, std::int64_t inodes);
	Outcome<> account_one(ext2_ino_t quota_file, std::int64_t bytes, std::int64_t inodes);

public:
	enum class Mode {
		read,
		write,
		write_fresh
	}; ///< fresh: no other node can have it open (MMP)

	/// Writing: a journal with something in it is replayed first, by e2fsck.
	static Outcome<Backing> open(const std::string &device, Mode mode);

	[[nodiscard]] bool exists(const std::string &path) const { return find(path) != 0; }
	/// The first `most` bytes of a file; ENOENT.
	Outcome<std::string> read(const std::string &path, std::size_t most) const;
	/// Replaces CONFIGS/mountdata, making it and its folder if need be.
	Outcome<> write_mountdata(const std::string &bytes);
	[[nodiscard]] std::string label() const;
	/// Whether there is anything of ours on it.
	[[nodiscard]] bool is_lustre() const;
	/// Writes out what was changed.
	Outcome<> close();
};

/// Whether the device is there with something of ours on it; one without a file system is not.
bool has_lustre_data(const std::string &device);

/// EEXIST with a message when the device is mounted.
Outcome<> refuse_mounted(const std::string &device);

/// Kilobytes of a device or file.
Outcome<std::uint64_t> device_kb(const std::string &device);

/// Whether the installed e2fsprogs know a feature.
bool knows_feature(const std::string &name);

/// Runs a program of the system's; its output goes to `output`. The status is waitpid()'s.
int run(const std::vector<std::string> &argv, std::string &output);

/// Changes the label, also of a device that is mounted.
Outcome<> set_label(const std::string &device, const std::string &label);

} // namespace mkfs
