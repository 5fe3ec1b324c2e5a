// SPDX-License-Identifier: GPL-2.0
//
// What a mem::Disk holds. Plain memory and standard containers, for it belongs to the test and not
// to a node.
//
// A node may crash at any call of the boundary (libcfs/plat), never between two of them. So nothing
// in here calls the boundary, and each function leaves the image consistent: its changes and their
// undo record are made as one. Exclusion is the caller's, who holds the mount's disk lock.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lustre/osd/mem/mem.hpp"

namespace osd::mem
{

inline constexpr std::size_t kPage = CFS_PAGE_SIZE;

/// A block of a body. An unwritten one takes space and reads as zeros.
struct Page {
	std::array<std::byte, kPage> data{};
	bool unwritten = false;
};

struct DirKey {
	std::uint64_t cookie = 0;
	std::string name;
	auto operator<=>(const DirKey &) const = default;
};

struct DirTarget {
	Fid fid{};
	std::uint32_t type = 0;
};

struct Inode {
	Fid fid{};
	Attr attr{}; ///< size and blocks up to date; valid unused
	std::uint64_t version = 0;
	std::map<std::string, std::string, std::less<>> xattrs;
	// One of these, by the type:
	std::map<std::uint64_t, std::unique_ptr<Page>> pages;
	std::map<DirKey, DirTarget> entries;
	std::map<std::string, std::string, std::less<>> records;
	std::string symlink;
	IndexSpec index{};

	[[nodiscard]] std::uint32_t type() const noexcept { return attr.mode & kTypeMask; }
};

class Image
{
public:
	explicit Image(const DiskOptions &o);

	[[nodiscard]] const DiskOptions &options() const noexcept { return options_; }

	// ---- journal ----

	/// A new mount: nothing of an earlier one may change anything any more. Takes back what was
	/// not committed. seed: for what became of bulk data.
	std::uint64_t mount(std::uint64_t seed);
	[[nodiscard]] bool fenced(std::uint64_t mount) const noexcept { return mount != mount_; }
	/// Everything of this group and of those before is durable.
	void commit(std::uint64_t group);
	[[nodiscard]] std::size_t uncommitted() const noexcept { return undo_.size(); }

	// ---- objects; `g` is the group a change belongs to ----

	[[nodiscard]] Inode *find(const Fid &fid) noexcept;
	cfs::Result<Inode *> create(std::uint64_t g, const Fid &fid, const CreateSpec &spec,
				    const Attr &attr, Inode *parent);
	void destroy(std::uint64_t g, Inode &i);
	void set_attr(std::uint64_t g, Inode &i, const Attr &attr); // size, blocks aside
	void set_version(std::uint64_t g, Inode &i, std::uint64_t v);
	void set_xattr(std::uint64_t g, Inode &i, std::string_view name, cfs::Bytes value);
	void del_xattr(std::uint64_t g, Inode &i, std::string_view name);

	// ---- directories ----

	[[nodiscard]] std::uint64_t cookie(std::string_view name) const noexcept;
	[[nodiscard]] const DirTarget *entry(const Inode &dir, std::string_view name) const;
	void enter(std::uint64_t g, Inode &dir, std::string_view name, const DirTarget &to);
	void leave(std::uint64_t g, Inode &dir, std::string_view name);

	// ---- indices ----

	void set_record(std::uint64_t g, Inode &i, cfs::Bytes key, cfs::Bytes record);
	void del_record(std::uint64_t g, Inode &i, cfs::Bytes key);

	// ---- bodies ----

	std::size_t read(const Inode &i, std::uint64_t offset, cfs::MutBytes to) const;
	/// Journalled. err::NOSPC.
	cfs::Result<> write(std::uint64_t g, Inode &i, std::uint64_t offset, cfs::Bytes from);
	/// One page, or a part of it, not journalled.
	cfs::Result<> write_bulk(std::uint64_t g, Inode &i, std::uint64_t offset, cfs::Bytes from);
	void set_size(std::uint64_t g, Inode &i, std::uint64_t size);
	/// Frees whole pages and zeroes the rest; the size stays.
	void punch(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end);
	/// Makes it read as zeros and take space.
	cfs::Result<> zero(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end);
	/// Makes it take space. err::NOSPC.
	cfs::Result<> allocate(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end);

	// ---- totals ----

	[[nodiscard]] std::uint64_t pages_total() const noexcept { return options_.bytes / kPage; }
	[[nodiscard]] std::uint64_t pages_free() const noexcept { return pages_total() - pages_; }
	[[nodiscard]] std::uint64_t inodes_free() const noexcept
	{
		return options_.inodes - inodes_.size();
	}
	[[nodiscard]] QuotaUsage usage(QuotaType type, std::uint32_t id) const;
	[[nodiscard]] std::string dump() const;

private:
	using InodePtr = std::shared_ptr<Inode>;
	struct FidLess {
		bool operator()(const Fid &a, const Fid &b) const noexcept { return a < b; }
	};
	struct Undo {
		std::uint64_t group = 0;
		/// Bulk data written over a page: may have reached the disk anyway.
		const Inode *bulk_of = nullptr;
		std::uint64_t bulk_page = 0;
		std::function<void()> back;
	};

	InodePtr share(const Inode &i) { return inodes_.at(i.fid); }
	void note(std::uint64_t g, std::function<void()> back)
	{
		undo_.push_back({g, nullptr, 0, std::move(back)});
	}
	Page *page(const Inode &i, std::uint64_t n) const;
	/// Gives the inode a page it has not.
	Page &add_page(std::uint64_t g, Inode &i, std::uint64_t n);
	/// Keeps what the page was for undoing.
	void keep_page(std::uint64_t g, Inode &i, std::uint64_t n, bool bulk);
	void drop_page(std::uint64_t g, Inode &i, std::uint64_t n);
	void zero_part(std::uint64_t g, Inode &i, std::uint64_t n, std::size_t from,
		       std::size_t to);
	[[nodiscard]] std::uint64_t missing(const Inode &i, std::uint64_t start,
					    std::uint64_t end) const;
	void recount();
	void format();

	DiskOptions options_;
	std::map<Fid, InodePtr, FidLess> inodes_;
	std::deque<Undo> undo_;
	std::uint64_t pages_ = 0;
	std::uint64_t mount_ = 0;
};

} // namespace osd::mem
