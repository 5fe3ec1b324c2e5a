// SPDX-License-Identifier: GPL-2.0
//
// A read or write of one object, as one RPC after the other until it is done: pages gathered in the
// order of the object, niobufs, checksum, short I/O, result (spec 05 section 7). Private to this
// folder.
//
// Life. Made with a reference of its maker's; add() collects pieces; Osc::submit() takes a
// reference until the end. Each request that is sent holds one until rpc needs the pages no more,
// which for a write is when the server has committed it. BrwUser::brw_done() comes once.
#pragma once

#include "client/data.hpp"
#include "ldlm/client.hpp"
#include "libcfs/containers.hpp"
#include "rpc/data_checksum.hpp"

namespace client
{

class Brw;
class Osc;
class OscObject;

class BrwUser
{
public:
	/// It has ended; pages may be used again. From a thread of rpc's, or of whoever submitted
	/// it; must not wait for other requests. The LockUse has not been released yet.
	virtual void brw_done(Brw &brw, Result<> r) noexcept = 0;

protected:
	~BrwUser() = default;
};

/// What an OST is told of the file that an object belongs to (05 7.3).
struct FileIdent {
	wire::Fid fid{};
	wire::OstId object{};
	wire::OstLayout layout{};
	u32 stripe = 0;
	u32 uid = 0, gid = 0, projid = 0;
	std::int64_t atime = 0, mtime = 0, ctime = 0;

	/// Object, parent and layout, with their valid bits.
	void pack_identity(wire::Obdo &oa) const noexcept;
};

class Brw final : public rpc::RequestUser, public cfs::RefCounted<Brw>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSC;

	[[nodiscard]] static Result<cfs::RefPtr<Brw>> make(cfs::RefPtr<OscObject> object,
							   bool write, u32 brw_flags,
							   const FileIdent &ident,
							   BrwUser &user) noexcept;
	Brw(cfs::RefPtr<OscObject> object, bool write, u32 brw_flags, const FileIdent &ident,
	    BrwUser &user) noexcept;
	~Brw();

	/// One more piece, of one page, behind all others. err::NOMEM. May sleep.
	[[nodiscard]] Result<> add(cfs_page *page, u32 in_page, u32 len, u64 offset) noexcept;
	/// Whether a piece at this offset may follow: only first and last pieces are not whole.
	[[nodiscard]] bool takes(u64 offset, u32 max_pages) const noexcept;

	[[nodiscard]] std::size_t count() const noexcept { return count_; }
	[[nodiscard]] cfs_page *page(std::size_t i) noexcept { return pieces_[i].page; }
	[[nodiscard]] u64 first() const noexcept { return offsets_[0]; }
	/// The byte behind the last.
	[[nodiscard]] u64 end() const noexcept
	{
		return offsets_[count_ - 1] + pieces_[count_ - 1].len;
	}
	[[nodiscard]] u32 bytes() const noexcept { return bytes_; }
	[[nodiscard]] bool is_write() const noexcept { return write_; }
	[[nodiscard]] u32 flags() const noexcept { return flags_; }
	/// Reads: bytes that the object had.
	[[nodiscard]] u32 got() const noexcept { return got_; }
	[[nodiscard]] OscObject &object() noexcept { return *object_; }

	/// Sends it; the queue's. An error ends it here and now.
	void start() noexcept;
	/// Ends it before it was sent; the queue's.
	void drop() noexcept { finish(cfs::fail(cfs::err::INTR), 0); }
	/// Whoever waits for it does not want it any more: ends it soon, with an error. Any thread
	/// that holds a reference.
	void interrupt() noexcept;

	// Of whoever makes it, before it is submitted.
	ldlm::LockUse use;   ///< the lock it happens under; none: see `handle`, or lockless
	u64 grant_used = 0;  ///< claimed by the pages
	u64 grant_pages = 0; ///< and how many those are
	bool urgent = false; ///< somebody waits
	u64 file_index = 0;  ///< the user's

	bool told_to_stop = false; ///< BrwWait's
	cfs::ListHook in_queue;
	cfs::ListHook in_wait; ///< BrwWait's

	// RequestUser
	void on_complete(rpc::ClientRequest &req, Result<rpc::i32> r) noexcept override;
	void on_gone(rpc::ClientRequest &) noexcept override { put(); }

private:
	template <typename Format>
	Result<> send_as() noexcept;
	template <typename Writer>
	void fill(Writer &req, u32 niobufs, bool short_io) noexcept;
	[[nodiscard]] u32 niobufs() const noexcept;
	[[nodiscard]] u32 checksum(u32 bytes) noexcept;
	void copy_out(cfs::MutBytes to) noexcept;
	void copy_in(cfs::Bytes from) noexcept;
	void zero_from(u32 bytes) noexcept;
	[[nodiscard]] Result<> check_write(rpc::ClientRequest &req, bool &redo) noexcept;
	[[nodiscard]] Result<> check_read(rpc::ClientRequest &req, u32 bytes, bool &redo) noexcept;
	void finish(Result<> r, u64 granted) noexcept;
	[[nodiscard]] Result<> grow() noexcept;
	void ended() noexcept;

	cfs::RefPtr<OscObject> object_;
	BrwUser &user_;
	FileIdent ident_;
	cfs::Array<cfs_bvec> pieces_;
	cfs::Array<u64> offsets_;
	std::size_t count_ = 0;
	u32 bytes_ = 0;
	u32 flags_;
	u32 got_ = 0;
	u32 sum_ = 0; // sent with a write; computed of a read that is redone
	unsigned tries_ = 0;
	bool write_;
	bool summed_ = false;
	bool short_ = false;
	bool ended_ = false;
	rpc::ChecksumType sum_type_{};

	cfs::SpinLock stop_lock_{CFS_LOCK_CLASS("brw stop")};
	bool stopped_ CFS_GUARDED_BY(stop_lock_) = false;
	bool finished_ CFS_GUARDED_BY(stop_lock_) = false;
	cfs::RefPtr<rpc::ClientRequest> sent_ CFS_GUARDED_BY(stop_lock_);
};

/// Waits for several reads and writes.
class BrwWait final : public BrwUser
{
	cfs::SpinLock lock_{CFS_LOCK_CLASS("brw wait")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("brw wait queue")};
	cfs::List<Brw, &Brw::in_wait> pending_ CFS_GUARDED_BY(lock_);
	cfs::Errno error_ CFS_GUARDED_BY(lock_){};
	u64 good_until_ CFS_GUARDED_BY(lock_) = ~u64{0};

	/// Takes one that is under way and has not been interrupted; null: there is none.
	[[nodiscard]] cfs::RefPtr<Brw> next_to_stop() noexcept;

public:
	~BrwWait() { CFS_ASSERT(pending_.empty()); }
	/// One more is about to be submitted.
	void expect(Brw &brw) noexcept
	{
		cfs::SpinGuard g(lock_);
		pending_.push_back(brw);
	}
	/// Of those that failed, the one with the lowest file_index counts.
	void brw_done(Brw &brw, Result<> r) noexcept override
	{
		cfs::SpinGuard g(lock_);
		if (!r && brw.file_index < good_until_) {
			good_until_ = brw.file_index;
			error_ = r.error();
		}
		pending_.erase(pending_.iterator_to(brw));
		waitq_.wake_all();
	}
	/// Until all have ended; the error. Those that are left when the waiter is killed are
	/// interrupted. Sleeps.
	[[nodiscard]] Result<> wait() noexcept;
	/// The file_index of the first that failed.
	[[nodiscard]] u64 good_until() noexcept
	{
		cfs::SpinGuard g(lock_);
		return good_until_;
	}
};

} // namespace client
