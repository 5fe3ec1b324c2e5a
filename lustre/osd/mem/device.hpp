// SPDX-License-Identifier: GPL-2.0
//
// A mount of a mem::Disk: the node's side of osd/mem. Everything here is memory of the node and
// goes when the node crashes.
//
// Locks, outer to inner: body locks; journal_ (a running transaction holds it as a reader, the
// commit takes it as a writer to end a group: so lock order checkers see who starts a transaction
// under the wrong lock); locks of objects; disk_lock_; state_lock_ and cache_lock_.
#pragma once

#include <atomic>

#include "libcfs/lock.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "lustre/osd/mem/image.hpp"

namespace osd::mem
{

class MemDevice;
class MemObject;
class MemTx;

/// What can be declared.
enum class Op : std::uint8_t {
	create,
	destroy,
	ref_add,
	ref_del,
	attr_set,
	version_set,
	xattr_set,
	xattr_del,
	dir_insert,
	dir_remove,
	set_parent,
	index_insert,
	index_update,
	index_remove,
	write,
	punch,
	fallocate,
	bulk_write,
};

/// A declared operation, or a body lock taken by one.
struct Declared {
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	Declared(MemObject *o, Op k, std::uint64_t x, std::uint64_t y) noexcept
	    : object(o), op(k), a(x), b(y)
	{
	}
	MemObject *object; ///< with a reference
	Op op;
	std::uint64_t a, b; ///< write: offset and bytes; others by op
	bool used = false;
	enum class Body : std::uint8_t { no, shared, exclusive };
	Body locked = Body::no;
	cfs::ListHook in_tx;
};

class MemTx final : public Transaction
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	/// As many declarations as half a transaction holds: there is no journal here, but users
	/// shall meet the limit.
	static constexpr unsigned kHalfOfMost = 64;

	explicit MemTx(MemDevice &d) noexcept : device_(d) {}
	~MemTx();

	cfs::Result<> start() noexcept override;
	[[nodiscard]] bool room_to_declare() const noexcept override
	{
		return declarations_ < kHalfOfMost;
	}
	cfs::Result<> stop() noexcept override;
	void set_sync() noexcept override { sync_ = true; }
	void on_commit(CommitCallback &cb) noexcept override;
	[[nodiscard]] Device &device() noexcept override;
	void destroy() noexcept override;

	cfs::Result<> declare(MemObject &o, Op op, std::uint64_t a = 0,
			      std::uint64_t b = 0) noexcept;
	/// Likewise with the body lock.
	cfs::Result<> declare_locked(MemObject &o, Op op, bool exclusive) noexcept;
	/// An operation is about to be done: it was declared, or that is a bug.
	void use(MemObject &o, Op op, std::uint64_t a = 0, std::uint64_t b = 0) noexcept;
	[[nodiscard]] std::uint64_t group() const noexcept { return group_; }
	void data_failed(cfs::Errno e) noexcept { data_error_ = e; }
	[[nodiscard]] const void *thread() const noexcept { return thread_; }

	cfs::ListHook in_device; ///< state_lock_

private:
	void release_bodies() noexcept;

	MemDevice &device_;
	enum class Phase : std::uint8_t { declaring, running, done } phase_ = Phase::declaring;
	bool sync_ = false;
	unsigned declarations_ = 0;
	std::uint64_t group_ = 0;
	const void *thread_ = nullptr;
	cfs::Errno data_error_{};
	cfs::List<Declared, &Declared::in_tx> declared_;
	cfs::List<CommitCallback, &CommitCallback::in_transaction> callbacks_;
};

/// The transaction of a call's arguments: every one of this store is a MemTx.
inline MemTx &mem_tx(Transaction &tx) noexcept
{
	return static_cast<MemTx &>(tx);
}

class MemDirectory final : public Directory
{
	MemObject &o_;

public:
	explicit MemDirectory(MemObject &o) noexcept : o_(o) {}
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

class MemIndex final : public Index
{
	MemObject &o_;

public:
	explicit MemIndex(MemObject &o) noexcept : o_(o) {}
	[[nodiscard]] IndexSpec spec() const noexcept override;
	cfs::Result<> lookup(cfs::Bytes key, cfs::MutBytes record) noexcept override;
	cfs::Result<cfs::UniquePtr<IndexCursor>> open() noexcept override;
	cfs::Result<> declare_insert(Transaction &tx) noexcept override;
	cfs::Result<> insert(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept override;
	cfs::Result<> declare_update(Transaction &tx) noexcept override;
	cfs::Result<> update(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept override;
	cfs::Result<> declare_remove(Transaction &tx) noexcept override;
	cfs::Result<> remove(Transaction &tx, cfs::Bytes key) noexcept override;
};

class MemBody final : public Body
{
	MemObject &o_;

public:
	explicit MemBody(MemObject &o) noexcept : o_(o) {}
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
	cfs::Result<std::uint64_t> seek_data(std::uint64_t offset) noexcept override;
	cfs::Result<std::uint64_t> seek_hole(std::uint64_t offset) noexcept override;
	cfs::Result<std::size_t> fiemap(std::uint64_t start, std::uint64_t length,
					std::span<Extent> out) noexcept override;
	cfs::Result<cfs::UniquePtr<BulkIo>> bulk(std::span<const BulkRange> ranges,
						 Direction direction) noexcept override;
};

class MemObject final : public Object
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	MemObject(MemDevice &d, const Fid &fid) noexcept : device_(d), fid_(fid) {}

	void get() const noexcept override;
	void put() const noexcept override;
	[[nodiscard]] const Fid &fid() const noexcept override { return fid_; }
	[[nodiscard]] Device &device() noexcept override;
	[[nodiscard]] bool exists() const noexcept override;
	[[nodiscard]] std::uint32_t type() const noexcept override;

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

	[[nodiscard]] MemDevice &mem() noexcept { return device_; }
	/// Runs f(Inode &) -> Result under the disk lock.
	template <typename F>
	auto with(F f) noexcept -> decltype(f(std::declval<Inode &>()));
	/// Runs f(Image &, group, Inode &) -> Result<> under the disk lock, as operation `op` of
	/// the transaction.
	template <typename F>
	cfs::Result<> change(Transaction &tx, Op op, F f, std::uint64_t a = 0,
			     std::uint64_t b = 0) noexcept;
	[[nodiscard]] cfs::RwSem &body_lock() noexcept { return body_lock_; }
	/// By the disk lock.
	[[nodiscard]] Inode *inode() const noexcept { return inode_; }

	cfs::SetHook in_cache; ///< cache_lock_

private:
	friend class MemDevice;
	cfs::Result<> check_spec(const CreateSpec &spec) noexcept;
	Attr first_attr(const CreateSpec &spec, const Inode *parent, Time now) noexcept;

	MemDevice &device_;
	const Fid fid_;
	mutable std::uint32_t refs_ = 1; // cache_lock_
	Inode *inode_ = nullptr;	 // disk_lock_
	cfs::RwSem lock_{CFS_LOCK_CLASS("osd object")};
	cfs::RwSem body_lock_{CFS_LOCK_CLASS("osd body")};
	MemDirectory directory_{*this};
	MemIndex index_{*this};
	MemBody body_{*this};
};

class MemDevice final : public Device
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	MemDevice(Image &image, const MountOptions &o) noexcept : image_(image), options_(o) {}
	~MemDevice();

	[[nodiscard]] cfs::Result<> open(cfs_node *node, std::string_view svname) noexcept;

	void get() const noexcept override { refs_.fetch_add(1, std::memory_order_relaxed); }
	void put() const noexcept override;
	[[nodiscard]] const DeviceInfo &info() const noexcept override { return info_; }
	cfs::Result<> statfs(wire::ObdStatfs &out) noexcept override;
	cfs::Result<QuotaUsage> usage(QuotaType type, std::uint32_t id) noexcept override;
	[[nodiscard]] bool healthy() const noexcept override;
	void set_read_only() noexcept override;
	cfs::Result<TransactionPtr> begin() noexcept override;
	cfs::Result<> sync() noexcept override;
	void start_commit() noexcept override;
	cfs::Result<ObjectRef> object(const Fid &fid, unsigned flags) noexcept override;
	ObjectRef root() noexcept override { return root_; }

	/// Whether changes are still possible, and if not, why.
	[[nodiscard]] cfs::Result<> writable() const noexcept;
	/// By the disk lock: err::IO once another mount has taken over.
	[[nodiscard]] cfs::Result<> mine() const noexcept;
	[[nodiscard]] Image &image() noexcept { return image_; }
	[[nodiscard]] const MountOptions &options() const noexcept { return options_; }
	void take_time(cfs::Duration min, cfs::Duration max) noexcept;
	void assert_no_transaction() noexcept;

	cfs::Mutex disk_lock{CFS_LOCK_CLASS("osd mem disk")};

private:
	friend class MemObject;
	friend class MemTx;

	struct ByFid {
		bool operator()(const MemObject &a, const MemObject &b) const noexcept
		{
			return a.fid() < b.fid();
		}
		bool operator()(const MemObject &a, const Fid &b) const noexcept
		{
			return a.fid() < b;
		}
		bool operator()(const Fid &a, const MemObject &b) const noexcept
		{
			return a < b.fid();
		}
	};
	using Callbacks = cfs::List<CommitCallback, &CommitCallback::in_transaction>;

	cfs::Result<> fill_info(std::string_view svname) noexcept;
	void run() noexcept; // the journal's thread
	void commit_group() noexcept;
	cfs::Result<> commit_to_disk(std::uint64_t group) noexcept;
	cfs::Result<> wait_committed(std::uint64_t group) noexcept;
	void ask_commit(std::uint64_t group) noexcept;
	void abort(cfs::Errno why) noexcept;

	Image &image_;
	const MountOptions options_;
	DeviceInfo info_;
	std::uint64_t mount_ = 0;
	mutable std::atomic<std::uint32_t> refs_{1};
	ObjectRef root_;
	cfs::Thread thread_;
	std::atomic<int> error_{0}; // why nothing can be changed any more

	cfs::RwSem journal_{CFS_LOCK_CLASS("osd journal")};
	std::uint64_t running_ = 1; // group; changes with journal_ held by a writer

	cfs::SpinLock state_lock_{CFS_LOCK_CLASS("osd mem state")};
	cfs::WaitQueue work_{CFS_LOCK_CLASS("osd mem journal")};
	cfs::WaitQueue commits_{CFS_LOCK_CLASS("osd mem commits")};
	std::uint64_t used_ CFS_GUARDED_BY(state_lock_) = 0;	// last group with a transaction
	std::uint64_t asked_ CFS_GUARDED_BY(state_lock_) = 0;	// group to commit at once
	std::uint64_t durable_ CFS_GUARDED_BY(state_lock_) = 0; // last group on disk, or lost
	cfs::Instant deadline_ CFS_GUARDED_BY(state_lock_) = cfs::Instant::never();
	std::uint64_t lost_from_ CFS_GUARDED_BY(state_lock_) = ~std::uint64_t{0}; // group
	bool stopping_ CFS_GUARDED_BY(state_lock_) = false;
	Callbacks callbacks_ CFS_GUARDED_BY(state_lock_); // of the running group
	cfs::List<MemTx, &MemTx::in_device> transactions_ CFS_GUARDED_BY(state_lock_);

	cfs::SpinLock cache_lock_{CFS_LOCK_CLASS("osd mem cache")};
	cfs::OrderedSet<MemObject, &MemObject::in_cache, ByFid> cache_ CFS_GUARDED_BY(cache_lock_);
};

template <typename F>
auto MemObject::with(F f) noexcept -> decltype(f(std::declval<Inode &>()))
{
	cfs::MutexGuard g(device_.disk_lock);
	auto mine = device_.mine();
	if (!mine)
		return cfs::fail(mine.error());
	if (!inode_)
		return cfs::fail(cfs::err::NOENT);
	return f(*inode_);
}

template <typename F>
cfs::Result<> MemObject::change(Transaction &t, Op op, F f, std::uint64_t a,
				std::uint64_t b) noexcept
{
	auto &tx = static_cast<MemTx &>(t);
	tx.use(*this, op, a, b);
	TRY(device_.writable());
	return with([&](Inode &i) -> cfs::Result<> { return f(device_.image(), tx.group(), i); });
}

} // namespace osd::mem
