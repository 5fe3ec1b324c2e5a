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

	// Of whoever makes it, before it is submitted.
	ldlm::LockUse use;   ///< the lock it happens under; none: see `handle`, or lockless
	u64 grant_used = 0;  ///< claimed by the pages
	u64 grant_pages = 0; ///< and how many those are
	bool urgent = false; ///< somebody waits
	u64 file_index = 0;  ///< the user's

	cfs::ListHook in_queue;

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
};

/// Waits for several reads and writes.
class BrwWait final : public BrwUser
{
	cfs::SpinLock lock_{CFS_LOCK_CLASS("brw wait")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("brw wait queue")};
	u32 pending_ CFS_GUARDED_BY(lock_) = 0;
	cfs::Errno error_ CFS_GUARDED_BY(lock_){};
	u64 good_until_ CFS_GUARDED_BY(lock_) = ~u64{0};

public:
	/// One more is about to be submitted.
	void expect() noexcept
	{
		cfs::SpinGuard g(lock_);
		pending_++;
	}
	/// Of those that failed, the one with the lowest file_index counts.
	void brw_done(Brw &brw, Result<> r) noexcept override
	{
		cfs::SpinGuard g(lock_);
		if (!r && brw.file_index < good_until_) {
			good_until_ = brw.file_index;
			error_ = r.error();
		}
		pending_--;
		waitq_.wake_all();
	}
	/// Until all have ended; the error. Sleeps.
	[[nodiscard]] Result<> wait() noexcept
	{
		cfs::SpinGuard g(lock_);
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
				  [this]() CFS_NO_TSA { return pending_ == 0; });
		if (error_ != cfs::Errno{})
			return cfs::fail(error_);
		return {};
	}
	/// The file_index of the first that failed.
	[[nodiscard]] u64 good_until() noexcept
	{
		cfs::SpinGuard g(lock_);
		return good_until_;
	}
};

} // namespace client
