// SPDX-License-Identifier: GPL-2.0
//
// Work on a tree of files, and what must be there afterwards. Every step is done to a mounted file
// system and to a model in the test's memory; verify() compares the two as `ls -lR` and `cmp` would
// show them. The model outlives nodes and is handed from one client to the next.
#pragma once

#include <map>
#include <optional>

#include "tests/sim/cluster_fs.hpp"

namespace cluster
{

using Data = std::vector<std::byte>;

/// Bytes that differ for each seed and tell where they belong.
[[nodiscard]] Data make_data(std::size_t n, std::uint64_t seed);

struct Inode {
	std::uint32_t mode = 0; ///< with the type
	unsigned links = 1;
	std::optional<std::int64_t> mtime{}; ///< if it was set and stands
	Data data{};			     ///< of a file
	std::string target{};		     ///< of a symbolic link

	[[nodiscard]] bool is(std::uint32_t type) const { return (mode & 0170000) == type; }
};
inline constexpr std::uint32_t kDir = 0040000, kFile = 0100000, kLink = 0120000;

/// By path, without '/' in front; parents are there.
using Model = std::map<std::string, std::shared_ptr<Inode>>;

class Tree
{
	client::host::Vfs &v_;
	Model &model_;
	cfs::sim::Rng &rng_;
	std::function<void()> before_each_;

	void step() const
	{
		if (before_each_)
			before_each_();
	}
	Inode &at(const std::string &path) { return *model_.at(path); }
	void add(const std::string &path, std::shared_ptr<Inode> i);
	void drop(const std::string &path);
	/// The directory has been changed, and with it its time.
	void touched(const std::string &path);
	void compare(const std::string &path, const client::host::Stat &s);
	void compare_dir(const std::string &path);

public:
	/// before_each: called before each step.
	Tree(client::host::Vfs &v, Model &model, cfs::sim::Rng &rng,
	     std::function<void()> before_each = {})
	    : v_(v), model_(model), rng_(rng), before_each_(std::move(before_each))
	{
	}

	void mkdir(const std::string &path);
	/// As lfs does it, which is told so: {"-c", "2"}.
	void setstripe(const std::string &path, std::vector<std::string> options);
	/// Creates the file unless it exists and writes it in pieces.
	void write(const std::string &path, const Data &data);
	void symlink(const std::string &target, const std::string &path);
	void link(const std::string &from, const std::string &to);
	void chmod(const std::string &path, std::uint32_t mode);
	void set_time(const std::string &path);
	/// A file or a directory with all that is in it, to a name that is free or another file's,
	/// which is gone then.
	void rename(const std::string &from, const std::string &to);
	/// Not a directory.
	void unlink(const std::string &path);
	/// rm -rf
	void remove_all(const std::string &path);

	/// A directory with `count` directories, files and links of either kind below.
	void make(const std::string &path, unsigned count);
	/// fsync(2) of everything at and below a path: what servers have not written yet is lost
	/// when they go after the client.
	void make_durable(const std::string &path);
	/// Everything at and below a path that the model has and the file system has is the same.
	void verify(const std::string &path);
	/// One of them, without what is in it.
	void look(const std::string &path);
	/// Of the names in a directory those with this beginning.
	void verify_names(const std::string &dir, const std::string &prefix);
	/// Indices of the OSTs that have the file's objects.
	[[nodiscard]] std::vector<std::uint32_t> osts_of(const std::string &path);
	/// Paths below, in order.
	[[nodiscard]] std::vector<std::string> below(const std::string &path,
						     std::uint32_t type) const;
};

} // namespace cluster
