// SPDX-License-Identifier: GPL-2.0
//
// A log in an object of this node's object store: appending, cancelling, reading (spec 07 section
// 12). Everything that changes it is part of a transaction of the caller, like any change of an
// object: declared first, done between start and stop.
//
//     auto tx = TRY(device.begin());
//     TRY(log->declare_append(*tx, body.size()));
//     TRY(tx->start());
//     std::uint32_t index = TRY(log->append(*tx, LlogRecType::OBD_CFG_REC, {&body, 1}));
//
// All users of an object must use the same Log: it keeps the header in memory. The lock of a log is
// taken within transactions.
#pragma once

#include "libcfs/format.hpp"
#include "libcfs/lock.hpp"
#include "llog/source.hpp"
#include "osd/local.hpp"

namespace llog
{

/// What a log is to be when its first record is written.
struct LogSpec {
	std::uint32_t flags = wire::LLOG_F_IS_PLAIN; ///< LLOG_F_*
	std::uint32_t chunk = kChunkMin;
	std::uint32_t fixed_size = 0; ///< with IS_FIXSIZE, the length of every record
	std::uint32_t cat_idx = 0;    ///< of a plain log, its place in its catalog
	std::string_view tgtuuid{};   ///< "config_uuid" in configuration logs
	std::int64_t timestamp = 0;   ///< seconds; 0: now
};

class Log final : public LogSource, public cfs::RefCounted<Log>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LOG;
	using Ref = cfs::RefPtr<Log>;

	/// Of an object that holds a log, is empty, or does not exist yet. spec is what counts if
	/// nothing was written to it so far. name, for messages, is copied. err::PROTO: it holds
	/// something else, said on the console. Not within a transaction.
	[[nodiscard]] static Result<Ref> open(osd::ObjectRef object, std::string_view name,
					      const LogSpec &spec) noexcept;

	Log(osd::ObjectRef object, std::string_view name) noexcept;

	[[nodiscard]] std::string_view name() const noexcept { return name_; }
	[[nodiscard]] osd::Object &object() const noexcept { return *object_; }
	[[nodiscard]] wire::LlogLogid logid() const noexcept { return to_logid(object_->fid()); }

	struct Info {
		std::uint32_t flags, count, last_index, cat_idx, chunk;
		std::uint64_t bytes; ///< of the log
	};
	/// count: live records, the header included; 1 in a log without any.
	[[nodiscard]] Info info() noexcept;
	[[nodiscard]] bool live(std::uint32_t index) noexcept;
	/// Whether a record with such a body may be appended; a catalog's free places are seen to
	/// by Catalog.
	[[nodiscard]] bool has_room(std::uint64_t body_bytes) noexcept;

	/// Adds a record; its index. In a log of fixed records, at its place. err::NOSPC: no index
	/// is left; err::MSGSIZE: longer than a chunk, or not of the fixed length.
	[[nodiscard]] Result<> declare_append(osd::Transaction &tx,
					      std::uint64_t body_bytes) noexcept;
	[[nodiscard]] Result<std::uint32_t> append(osd::Transaction &tx, LlogRecType type,
						   std::span<const Bytes> body,
						   std::uint32_t id = 0) noexcept;
	/// Writes a fixed record over the place of `index`, which must be free, and makes it the
	/// last one: how a catalog wraps.
	[[nodiscard]] Result<> append_at(osd::Transaction &tx, std::uint32_t index,
					 LlogRecType type, std::span<const Bytes> body) noexcept;

	/// Cancels a record; whether none is left. err::NOENT: it is not alive.
	[[nodiscard]] Result<> declare_cancel(osd::Transaction &tx) noexcept;
	[[nodiscard]] Result<bool> cancel(osd::Transaction &tx, std::uint32_t index) noexcept;
	/// Tells a log that has not been written to its place in its catalog.
	void assign_cat_idx(std::uint32_t cat_idx) noexcept;
	/// Notes in a catalog up to where its oldest entries are cancelled.
	[[nodiscard]] Result<> set_cat_idx(osd::Transaction &tx, std::uint32_t cat_idx) noexcept;

	/// Replaces the body of a record by one of the same length.
	[[nodiscard]] Result<> declare_rewrite(osd::Transaction &tx, const Record &r) noexcept;
	[[nodiscard]] Result<> rewrite(osd::Transaction &tx, const Record &r, Bytes body) noexcept;

	/// Ends the object; entries that name it are the caller's business.
	[[nodiscard]] Result<> declare_destroy(osd::Transaction &tx) noexcept;
	[[nodiscard]] Result<> destroy_object(osd::Transaction &tx) noexcept;

	// ---- LogSource ----
	Result<std::size_t> read_header(MutBytes out) noexcept override;
	Result<Block> next_block(std::uint32_t index, std::uint32_t saved_index,
				 std::uint64_t offset, MutBytes out) noexcept override;

	cfs::ListHook in_catalog; ///< the catalog's

private:
	Result<> load() noexcept;
	Result<> make_header(const LogSpec &spec) noexcept;
	Result<> check_append(std::uint64_t bytes) noexcept CFS_REQUIRES(lock_);
	Result<> put_record(osd::Transaction &tx, std::uint32_t index, LlogRecType type,
			    std::span<const Bytes> body, std::uint32_t id,
			    std::uint64_t bytes) noexcept CFS_REQUIRES(lock_);
	Result<> put_pad(osd::Transaction &tx, std::uint64_t bytes) noexcept CFS_REQUIRES(lock_);
	Result<> store_header(osd::Transaction &tx, std::uint32_t index) noexcept
		CFS_REQUIRES(lock_);
	[[nodiscard]] std::uint64_t chunk_left() const noexcept CFS_REQUIRES(lock_)
	{
		return header_.size() - end_ % header_.size();
	}

	osd::ObjectRef object_;
	osd::Body *body_ = nullptr;
	char name_buf_[64];
	std::string_view name_;

	cfs::Mutex lock_{CFS_LOCK_CLASS("llog")};
	cfs::Array<std::byte> header_; // of one chunk; content by the lock
	HeaderView head_ CFS_GUARDED_BY(lock_);
	std::uint64_t end_ CFS_GUARDED_BY(lock_) = 0; // where the next record goes
	bool written_ CFS_GUARDED_BY(lock_) = false;  // the header is on disk
};

using LogRef = Log::Ref;

/// The log under a name in a directory (CONFIGS), made empty if there is none.
[[nodiscard]] Result<LogRef> open_named(osd::Object &dir, std::string_view name,
					const LogSpec &spec, osd::LastId &ids) noexcept;
/// The log under a name, or err::NOENT.
[[nodiscard]] Result<LogRef> find_named(osd::Object &dir, std::string_view name,
					const LogSpec &spec) noexcept;
/// Removes a log and its name, in a transaction of its own. err::NOENT.
[[nodiscard]] Result<> erase_named(osd::Object &dir, std::string_view name) noexcept;
/// Appends a record in a transaction of its own.
[[nodiscard]] Result<std::uint32_t> append_now(Log &log, LlogRecType type, Bytes body) noexcept;
/// Appends all live records of a log to another one, which is empty: how a target keeps a copy of
/// its configuration (07 14.4). Indices stay only if none was cancelled. Several transactions.
[[nodiscard]] Result<> copy(LogSource &from, Log &to) noexcept;

} // namespace llog
