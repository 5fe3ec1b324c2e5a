// SPDX-License-Identifier: GPL-2.0
//
// A catalog: a log whose records name plain logs, and through it a queue of records of any length
// (spec 07 section 12). Records are added to the newest plain log; when that is full there is a new
// one. A plain log whose last record is cancelled, and that is no longer the newest, is destroyed
// and its entry cancelled. After the catalog's last index comes the first one again.
//
//     CatalogAdd add(catalog);
//     TRY(add.prepare(body.size()));              // before start(): may read the disk
//     TRY(add.declare(*tx));
//     TRY(tx->start());
//     Cookie c = TRY(add.add(*tx, type, {&body, 1}));
#pragma once

#include "llog/log.hpp"

namespace llog
{

/// Names a record below a catalog: its log and its index there.
struct Cookie {
	wire::LlogLogid log{};
	std::uint32_t index = 0;
};

struct CatalogSpec {
	std::uint32_t flags = 0;       ///< beside IS_CAT and IS_FIXSIZE, e.g. LLOG_F_RM_ON_ERR
	std::uint32_t plain_flags = 0; ///< beside IS_PLAIN and ZAP_WHEN_EMPTY
	std::uint32_t chunk = kChunkMin;
	/// Where a plain log is full; 0: min(2 MiB, free/64), or 128 MiB on a device where that is
	/// less than a 64th of what is free.
	std::uint64_t plain_bytes = 0;
	std::uint32_t max_index = 0; ///< of an entry, for tests; 0: what fits
};

class Catalog;

/// Is shown the records below a catalog.
class CatalogVisitor
{
public:
	using Next = RecordVisitor::Next;
	virtual Result<Next> record(const Cookie &cookie, const Record &r) noexcept = 0;

protected:
	~CatalogVisitor() = default;
};

class Catalog final
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LOG;

	/// ids numbers the plain logs: LAST_ID of sequence 1. It must outlive the catalog.
	[[nodiscard]] static Result<cfs::UniquePtr<Catalog>> open(osd::ObjectRef object,
								  std::string_view name,
								  osd::LastId &ids,
								  const CatalogSpec &spec) noexcept;
	~Catalog();

	[[nodiscard]] Log &log() noexcept { return *log_; }

	/// Shows all live records, oldest first. A plain log that is missing or makes no sense is
	/// reported and passed over.
	[[nodiscard]] Result<ProcessResult> process(CatalogVisitor &visitor) noexcept;

	// Private to this part, but made by try_make.
	Catalog(LogRef log, osd::LastId &ids, const CatalogSpec &spec) noexcept
	    : log_(std::move(log)), ids_(ids), spec_(spec)
	{
	}

private:
	friend class CatalogAdd;
	friend class CatalogCancel;
	friend class CatalogWalk;

	Result<> find_newest() noexcept;
	void learn_limit() noexcept;
	/// The log of an entry, from memory or from disk.
	Result<LogRef> plain(const wire::LlogLogid &id) noexcept;
	Result<LogRef> new_plain() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] LogSpec plain_spec() const noexcept;
	[[nodiscard]] std::uint32_t max_index() noexcept;
	[[nodiscard]] bool is_full(Log &plain, std::uint64_t body_bytes) noexcept;
	Result<std::uint32_t> free_index() noexcept;
	Result<> enter(osd::Transaction &tx, Log &plain) noexcept CFS_REQUIRES(lock_);
	Result<> drop(osd::Transaction &tx, Log &plain) noexcept CFS_REQUIRES(lock_);
	void forget(Log &plain) noexcept CFS_REQUIRES(lock_);
	void keep(const LogRef &plain) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] LogRef opened(const wire::LlogLogid &id) noexcept CFS_REQUIRES(lock_);

	LogRef log_;
	osd::LastId &ids_;
	const CatalogSpec spec_;
	std::uint64_t plain_limit_ = 0; // bytes
	/// Which plain log is the newest, and their entries. Taken within transactions, before the
	/// locks of logs.
	cfs::Mutex lock_{CFS_LOCK_CLASS("llog catalog")};
	LogRef newest_ CFS_GUARDED_BY(lock_);
	LogRef prepared_ CFS_GUARDED_BY(lock_); // the next one, not entered yet
	cfs::List<Log, &Log::in_catalog> open_ CFS_GUARDED_BY(lock_); // with references
};

/// Adding one record.
class CatalogAdd
{
	Catalog &catalog_;
	LogRef newest_, next_;
	std::uint64_t body_bytes_ = 0;

public:
	explicit CatalogAdd(Catalog &c) noexcept : catalog_(c) {}

	/// Finds the logs that the record may go to. Not within a transaction.
	[[nodiscard]] Result<> prepare(std::uint64_t body_bytes) noexcept;
	[[nodiscard]] Result<> declare(osd::Transaction &tx) noexcept;
	/// err::NOSPC: the catalog is full of live entries; err::AGAIN: others have filled the
	/// prepared logs meanwhile, prepare another transaction.
	[[nodiscard]] Result<Cookie> add(osd::Transaction &tx, LlogRecType type,
					 std::span<const Bytes> body,
					 std::uint32_t id = 0) noexcept;
};

/// Cancelling one record, and what becomes empty through it.
class CatalogCancel
{
	Catalog &catalog_;
	LogRef plain_;
	std::uint32_t index_ = 0;

public:
	explicit CatalogCancel(Catalog &c) noexcept : catalog_(c) {}

	/// Not within a transaction. err::NOENT: there is no such record (any more).
	[[nodiscard]] Result<> prepare(const Cookie &c) noexcept;
	[[nodiscard]] Result<> declare(osd::Transaction &tx) noexcept;
	[[nodiscard]] Result<> cancel(osd::Transaction &tx) noexcept;
};

} // namespace llog
