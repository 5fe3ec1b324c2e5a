// SPDX-License-Identifier: GPL-2.0
//
// An object: a FID, and the inode behind it while it exists (osd/osd.hpp). The three kinds of
// content are facets of it, in files of their own.
//
// Locks: lock() is the users'. The body lock keeps writers and truncation apart and is held around
// whole transactions. The content lock makes single operations atomic: exclusive for changes,
// shared for reading; it guards inode_ too. An inode number is looked up under it, the inode is
// read after it was given back.
#pragma once

#include "device.hpp"
#include "inode.hpp"
#include "osd/osd.hpp"

namespace osd::ldiskfs
{

class DirFacet final : public Directory
{
	ObjectImpl &o_;

public:
	explicit DirFacet(ObjectImpl &o) noexcept : o_(o) {}
	cfs::Result<Fid> lookup(std::string_view name) noexcept override;
	cfs::Result<cfs::UniquePtr<DirCursor>> open() noexcept override;
	cfs::Result<bool> empty() noexcept override;
	cfs::Result<> declare_insert(Transaction &tx, std::string_view name) noexcept override;
	cfs::Result<> insert(Transaction &tx, std::string_view name,
			     Object &object) noexcept override;
	cfs::Result<> declare_remove(Transaction &tx, std::string_view name) noexcept override;
	cfs::Result<> remove(Transaction &tx, std::string_view name) noexcept override;
	cfs::Result<> declare_set_parent(Transaction &tx) noexcept override;
	cfs::Result<> set_parent(Transaction &tx, Object &parent) noexcept override;
};

class IndexFacet final : public Index
{
	ObjectImpl &o_;
	IndexSpec spec_{};

	/// err::NOENT, or err::INVAL for wrong sizes.
	cfs::Result<> check(cfs::Bytes key, std::size_t record_bytes) noexcept;

public:
	explicit IndexFacet(ObjectImpl &o) noexcept : o_(o) {}
	/// Reads the shape, once; err::INVAL: it is not an index.
	cfs::Result<> load() noexcept;
	void set_spec(IndexSpec s) noexcept { spec_ = s; }
	IndexSpec spec() const noexcept override { return spec_; }
	cfs::Result<> lookup(cfs::Bytes key, cfs::MutBytes record) noexcept override;
	cfs::Result<cfs::UniquePtr<IndexCursor>> open() noexcept override;
	cfs::Result<> declare_insert(Transaction &tx) noexcept override;
	cfs::Result<> insert(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept override;
	cfs::Result<> declare_update(Transaction &tx) noexcept override;
	cfs::Result<> update(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept override;
	cfs::Result<> declare_remove(Transaction &tx) noexcept override;
	cfs::Result<> remove(Transaction &tx, cfs::Bytes key) noexcept override;
};

class BodyFacet final : public Body
{
	ObjectImpl &o_;

	cfs::Result<> read_journalled(ldi_inode *i, std::uint64_t offset,
				      cfs::MutBytes to) noexcept;
	cfs::Result<> read_plain(ldi_inode *i, std::uint64_t offset, cfs::MutBytes to) noexcept;
	cfs::Result<> write_blocks(Tx &tx, ldi_inode *i, std::uint64_t offset,
				   cfs::Bytes from) noexcept;
	cfs::Result<> zero_in_block(Tx &tx, ldi_inode *i, std::uint64_t start,
				    std::uint64_t end) noexcept;
	cfs::Result<> zero_edges(Tx &tx, ldi_inode *i, std::uint64_t start,
				 std::uint64_t end) noexcept;
	cfs::Result<std::uint64_t> seek(std::uint64_t offset, bool data) noexcept;

public:
	explicit BodyFacet(ObjectImpl &o) noexcept : o_(o) {}
	cfs::Result<std::size_t> read(std::uint64_t offset, cfs::MutBytes to) noexcept override;
	cfs::Result<> declare_write(Transaction &tx, std::uint64_t offset,
				    std::size_t bytes) noexcept override;
	cfs::Result<> write(Transaction &tx, std::uint64_t offset,
			    cfs::Bytes from) noexcept override;
	cfs::Result<> declare_punch(Transaction &tx, std::uint64_t start,
				    std::uint64_t end) noexcept override;
	cfs::Result<> punch(Transaction &tx, std::uint64_t start,
			    std::uint64_t end) noexcept override;
	cfs::Result<> declare_fallocate(Transaction &tx, std::uint32_t mode, std::uint64_t start,
					std::uint64_t end) noexcept override;
	cfs::Result<> fallocate(Transaction &tx, std::uint32_t mode, std::uint64_t start,
				std::uint64_t end) noexcept override;
	cfs::Result<std::uint64_t> seek_data(std::uint64_t offset) noexcept override
	{
		return seek(offset, true);
	}
	cfs::Result<std::uint64_t> seek_hole(std::uint64_t offset) noexcept override
	{
		return seek(offset, false);
	}
	cfs::Result<std::size_t> fiemap(std::uint64_t start, std::uint64_t length,
					std::span<Extent> out) noexcept override;
	cfs::Result<cfs::UniquePtr<BulkIo>> bulk(std::span<const BulkRange> ranges,
						 Direction direction) noexcept override;
};

class ObjectImpl final : public Object
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	ObjectImpl(DeviceImpl &d, const Fid &f) noexcept
	    : dev_(d), fid_(f), place_(d.place(f)), dir_(*this), index_(*this), body_(*this)
	{
	}

	void get() const noexcept override;
	void put() const noexcept override;

	const Fid &fid() const noexcept override { return fid_; }
	Device &device() noexcept override { return dev_; }
	bool exists() const noexcept override { return exists_.load(std::memory_order_acquire); }
	std::uint32_t type() const noexcept override
	{
		return exists() ? type_.load(std::memory_order_relaxed) : 0;
	}

	void lock(unsigned nest) noexcept override CFS_NO_TSA { lock_.lock(nest); }
	void unlock() noexcept override CFS_NO_TSA { lock_.unlock(); }
	void lock_shared(unsigned nest) noexcept override CFS_NO_TSA { lock_.lock_shared(nest); }
	void unlock_shared() noexcept override CFS_NO_TSA { lock_.unlock_shared(); }

	cfs::Result<> declare_create(Transaction &tx, const CreateSpec &spec) noexcept override;
	cfs::Result<> create(Transaction &tx, const CreateSpec &spec) noexcept override;
	cfs::Result<> declare_destroy(Transaction &tx) noexcept override;
	cfs::Result<> destroy(Transaction &tx) noexcept override;
	cfs::Result<> declare_ref_add(Transaction &tx) noexcept override;
	cfs::Result<> ref_add(Transaction &tx) noexcept override;
	cfs::Result<> declare_ref_del(Transaction &tx) noexcept override;
	cfs::Result<> ref_del(Transaction &tx) noexcept override;
	cfs::Result<> attr_get(Attr &out) noexcept override;
	cfs::Result<> declare_attr_set(Transaction &tx, const Attr &attr) noexcept override;
	cfs::Result<> attr_set(Transaction &tx, const Attr &attr) noexcept override;
	cfs::Result<std::uint64_t> version() noexcept override;
	cfs::Result<> declare_version_set(Transaction &tx) noexcept override;
	cfs::Result<> version_set(Transaction &tx, std::uint64_t version) noexcept override;
	cfs::Result<std::size_t> xattr_get(std::string_view name,
					   cfs::MutBytes out) noexcept override;
	cfs::Result<std::size_t> xattr_list(std::span<char> out) noexcept override;
	cfs::Result<> declare_xattr_set(Transaction &tx, std::string_view name,
					std::size_t bytes) noexcept override;
	cfs::Result<> xattr_set(Transaction &tx, std::string_view name, cfs::Bytes value,
				XattrMode mode) noexcept override;
	cfs::Result<> declare_xattr_del(Transaction &tx, std::string_view name) noexcept override;
	cfs::Result<> xattr_del(Transaction &tx, std::string_view name) noexcept override;
	cfs::Result<Directory *> directory() noexcept override;
	cfs::Result<Index *> index() noexcept override;
	cfs::Result<Body *> body() noexcept override;

	// ---- for the other files of this folder ----

	/// Finds out whether it exists, unless that is known. `fresh`: it surely does not.
	cfs::Result<> load(bool fresh) noexcept;
	/// Takes an inode that is known to be its.
	void adopt(InodeRef inode, const wire::LustreMdtAttrs &lma) noexcept;
	[[nodiscard]] DeviceImpl &dev() noexcept { return dev_; }
	[[nodiscard]] cfs::RwSem &content_lock() noexcept { return content_; }
	[[nodiscard]] cfs::RwSem &body_lock() noexcept { return body_lock_; }
	/// A reference to its inode; err::NOENT.
	cfs::Result<InodeRef> inode() noexcept;
	/// Likewise with the content lock held.
	cfs::Result<ldi_inode *> inode_locked() noexcept
	{
		if (!inode_)
			return cfs::fail(cfs::err::NOENT);
		return inode_.get();
	}

	/// The same as an owner, with the content lock held.
	cfs::Result<InodeRef> share_locked() noexcept
	{
		if (!inode_)
			return cfs::fail(cfs::err::NOENT);
		return inode_.share();
	}
	/// Whether blocks may be allocated behind the end; after a mount nobody knows.
	[[nodiscard]] bool allocated_behind() const noexcept { return behind_; }
	void set_allocated_behind(bool v) noexcept { behind_ = v; }

	cfs::ListHook in_bucket;
	mutable std::atomic<std::uint32_t> refs{1};

private:
	cfs::Result<InodeRef> new_inode(Tx &tx, const CreateSpec &spec, ldi_inode *near) noexcept;
	cfs::Result<> fill(Tx &tx, ldi_inode *i, const CreateSpec &spec,
			   ldi_inode *parent) noexcept;
	cfs::Result<> fill_content(Tx &tx, ldi_inode *i, const CreateSpec &spec,
				   ldi_inode *parent) noexcept;
	[[nodiscard]] cfs::Result<> check_spec(const CreateSpec &spec) const noexcept;
	cfs::Result<> enter(Tx &tx, ldi_inode *i) noexcept;
	cfs::Result<> leave(Tx &tx) noexcept;
	cfs::Result<InodeRef> near_inode(const CreateSpec &spec) noexcept;
	cfs::Result<> set_lma_flags(Tx &tx, ldi_inode *i, std::uint32_t flags) noexcept;
	[[nodiscard]] std::uint32_t lma_flags() const noexcept;
	[[nodiscard]] unsigned quota() const noexcept
	{
		return dev_.fs_info().quota_update_credits;
	}
	[[nodiscard]] unsigned quota_new() const noexcept;

	DeviceImpl &dev_;
	const Fid fid_;
	const Place place_;
	cfs::RwSem lock_{CFS_LOCK_CLASS("osd object")};
	cfs::RwSem body_lock_{CFS_LOCK_CLASS("osd body")};
	cfs::RwSem content_{CFS_LOCK_CLASS("osd content")};
	cfs::Mutex load_lock_{CFS_LOCK_CLASS("osd load")};
	std::atomic<bool> loaded_{false}, exists_{false};
	std::atomic<std::uint32_t> type_{0};
	InodeRef inode_;
	wire::LustreMdtAttrs lma_{};
	/// The last link is gone, but not the object: the inode keeps one until it is destroyed, so
	/// that the kernel does not free it.
	bool unlinked_ = false;
	std::atomic<bool> behind_{true};
	DirFacet dir_;
	IndexFacet index_;
	BodyFacet body_;
};

} // namespace osd::ldiskfs
