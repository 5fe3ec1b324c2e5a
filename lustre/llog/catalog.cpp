// SPDX-License-Identifier: GPL-2.0
//
// Catalogs.
#include "llog/catalog.hpp"

#include <algorithm>

#include "libcfs/log.hpp"

namespace llog
{

using namespace cfs::err;
using cfs::fail;
using cfs::MutexGuard;
using osd::Transaction;

namespace
{

/// Body of an entry: the log's name, then zeros.
constexpr std::size_t kEntryBody = sizeof(wire::LlogLogidRec) - kRecordFrame;
/// So many plain logs are kept open although nobody uses them.
constexpr std::size_t kIdleLogsMax = 8;
/// With less room than this in the newest log, the next one is got ready.
constexpr std::uint64_t kSpare = 65536;
constexpr std::uint64_t kPlainSmall = 2 << 20;
constexpr std::uint64_t kPlainLarge = 128 << 20;

bool same(const wire::LlogLogid &a, const wire::LlogLogid &b) noexcept
{
	return a.oi.oi.oi_id == b.oi.oi.oi_id.get() && a.oi.oi.oi_seq == b.oi.oi.oi_seq.get();
}

/// "CATALOGS:0x1:0x2": a plain log has no name of its own.
std::string_view name_plain(std::span<char> buf, const Log &catalog, const wire::Fid &fid) noexcept
{
	return cfs::format_to(buf, "{}:[{:#x}:{:#x}]", catalog.name(), fid.seq.get(),
			      fid.oid.get());
}

Result<const wire::LlogLogidRec *> as_entry(const Record &r) noexcept
{
	if (r.type != LlogRecType::LLOG_LOGID_MAGIC)
		return fail(PROTO);
	return cfs::view_at<wire::LlogLogidRec>(r.whole, 0);
}

/// Remembers the last entry it is shown.
class LastEntry final : public RecordVisitor
{
public:
	wire::LlogLogid id{};
	bool found = false;

	Result<Next> record(const Record &r) noexcept override
	{
		if (auto e = as_entry(r)) {
			id = (*e)->id;
			found = true;
		}
		return Next::go_on;
	}
};

} // namespace

// ---- opening ----

Result<cfs::UniquePtr<Catalog>> Catalog::open(osd::ObjectRef object, std::string_view name,
					      osd::LastId &ids, const CatalogSpec &spec) noexcept
{
	LogSpec s;
	s.flags = spec.flags | wire::LLOG_F_IS_CAT | wire::LLOG_F_IS_FIXSIZE;
	s.chunk = spec.chunk;
	s.fixed_size = sizeof(wire::LlogLogidRec);
	LogRef log = TRY(Log::open(std::move(object), name, s));
	if (!(log->info().flags & wire::LLOG_F_IS_CAT)) {
		CERROR(CFS_S_LOG, "log {:e} is no catalog", name);
		return fail(PROTO);
	}
	auto c = TRY(cfs::try_make<Catalog>(std::move(log), ids, spec));
	c->learn_limit();
	if (c->log_->object().exists())
		TRY(c->find_newest());
	return c;
}

Catalog::~Catalog()
{
	MutexGuard g(lock_);
	open_.clear_and_dispose([](Log *l) { l->put(); });
}

void Catalog::learn_limit() noexcept
{
	plain_limit_ = spec_.plain_bytes;
	wire::ObdStatfs s{};
	if (plain_limit_ || !log_->object().device().statfs(s)) {
		plain_limit_ = plain_limit_ ? plain_limit_ : kPlainSmall;
		return;
	}
	std::uint64_t share = s.bfree * s.bsize / 64;
	plain_limit_ = share > kPlainLarge ? kPlainLarge : std::min(share, kPlainSmall);
}

Result<> Catalog::find_newest() noexcept
{
	LastEntry last;
	(void)TRY(llog::process(*log_, log_->name(), last));
	if (!last.found)
		return {};
	auto log = plain(last.id);
	if (!log) {
		CWARN(CFS_S_LOG, "log {:e}: its newest log cannot be used: {}", log_->name(),
		      log.error());
		return log.error() == NOMEM ? Result<>(fail(NOMEM)) : Result<>();
	}
	MutexGuard g(lock_);
	newest_ = *log;
	return {};
}

LogSpec Catalog::plain_spec() const noexcept
{
	LogSpec s;
	s.flags = spec_.plain_flags | wire::LLOG_F_IS_PLAIN | wire::LLOG_F_ZAP_WHEN_EMPTY;
	s.chunk = spec_.chunk;
	return s;
}

// ---- plain logs in memory ----

LogRef Catalog::opened(const wire::LlogLogid &id) noexcept
{
	for (Log &l : open_)
		if (same(l.logid(), id))
			return LogRef::share(&l);
	return nullptr;
}

/// Keeps a log, and lets go of others that nobody uses.
void Catalog::keep(const LogRef &plain) noexcept
{
	plain->get();
	open_.push_back(*plain);
	auto it = open_.begin();
	while (open_.size() > kIdleLogsMax && it != open_.end()) {
		Log &l = *it;
		++it;
		// Others get a reference only under our lock, so the last one stays the last.
		if (l.refs() == 1)
			forget(l);
	}
}

void Catalog::forget(Log &plain) noexcept
{
	open_.erase(open_.iterator_to(plain));
	plain.put();
}

Result<LogRef> Catalog::plain(const wire::LlogLogid &id) noexcept
{
	{
		MutexGuard g(lock_);
		if (LogRef have = opened(id))
			return have;
	}
	wire::Fid fid = TRY(to_fid(id));
	osd::ObjectRef object = TRY(log_->object().device().object(fid));
	if (!object->exists())
		return fail(NOENT);
	char buf[64];
	LogRef log = TRY(Log::open(std::move(object), name_plain(buf, *log_, fid), plain_spec()));
	MutexGuard g(lock_);
	if (LogRef have = opened(id))
		return have;
	keep(log);
	return log;
}

Result<LogRef> Catalog::new_plain() noexcept
{
	wire::Fid fid = TRY(ids_.reserve());
	osd::ObjectRef object = TRY(log_->object().device().object(fid, osd::kNew));
	char buf[64];
	return Log::open(std::move(object), name_plain(buf, *log_, fid), plain_spec());
}

// ---- entries ----

std::uint32_t Catalog::max_index() noexcept
{
	return spec_.max_index ? spec_.max_index : HeaderView::capacity(log_->info().chunk) - 1;
}

bool Catalog::is_full(Log &plain, std::uint64_t body_bytes) noexcept
{
	std::uint64_t bytes = record_bytes(body_bytes);
	return !plain.has_room(body_bytes) || plain.info().bytes + bytes > plain_limit_;
}

Result<std::uint32_t> Catalog::free_index() noexcept
{
	std::uint32_t last = log_->info().last_index;
	std::uint32_t next = last >= max_index() ? 1 : last + 1;
	if (log_->live(next))
		return fail(NOSPC);
	return next;
}

/// Makes a prepared log, and the newest.
Result<> Catalog::enter(Transaction &tx, Log &plain) noexcept
{
	std::uint32_t index = TRY(free_index());
	TRY(ids_.store(tx));
	TRY(plain.object().create(tx, osd::local_file_spec()));
	plain.assign_cat_idx(index);
	wire::LlogLogid id = plain.logid();
	std::byte zeros[kEntryBody - sizeof(id)] = {};
	Bytes body[] = {cfs::bytes_of(id), zeros};
	auto r = log_->append_at(tx, index, LlogRecType::LLOG_LOGID_MAGIC, body);
	if (!r) {
		(void)plain.object().destroy(tx);
		prepared_.reset();
		return r;
	}
	newest_ = LogRef::share(&plain);
	prepared_.reset();
	keep(newest_);
	return {};
}

/// Ends a plain log without live records, and its entry.
Result<> Catalog::drop(Transaction &tx, Log &plain) noexcept
{
	std::uint32_t index = plain.info().cat_idx;
	TRY(plain.destroy_object(tx));
	if (plain.in_catalog.is_linked())
		forget(plain);
	TRY(log_->cancel(tx, index));
	Log::Info i = log_->info();
	if (index != (i.cat_idx >= max_index() ? 1 : i.cat_idx + 1))
		return {};
	// The oldest one: all behind it that are cancelled too are as good as never written.
	std::uint32_t at = index;
	while (at != i.last_index) {
		std::uint32_t next = at >= max_index() ? 1 : at + 1;
		if (log_->live(next))
			break;
		at = next;
	}
	return log_->set_cat_idx(tx, at >= max_index() && at != i.last_index ? 0 : at);
}

// ---- adding ----

Result<> CatalogAdd::prepare(std::uint64_t body_bytes) noexcept
{
	body_bytes_ = body_bytes;
	next_.reset();
	MutexGuard g(catalog_.lock_);
	newest_ = catalog_.newest_;
	if (newest_ && !catalog_.is_full(*newest_, body_bytes + kSpare))
		return {};
	// A log that is small on purpose is always this full; then the next one is there early.
	if (!catalog_.prepared_)
		catalog_.prepared_ = TRY(catalog_.new_plain());
	next_ = catalog_.prepared_;
	return {};
}

Result<> CatalogAdd::declare(Transaction &tx) noexcept
{
	if (newest_)
		TRY(newest_->declare_append(tx, body_bytes_));
	if (!next_)
		return {};
	TRY(next_->object().declare_create(tx, osd::local_file_spec()));
	TRY(next_->declare_destroy(tx));
	TRY(catalog_.ids_.declare(tx));
	TRY(next_->declare_append(tx, body_bytes_));
	return catalog_.log().declare_append(tx, kEntryBody);
}

Result<Cookie> CatalogAdd::add(Transaction &tx, LlogRecType type, std::span<const Bytes> body,
			       std::uint32_t id) noexcept
{
	MutexGuard g(catalog_.lock_);
	LogRef to = catalog_.newest_;
	if (!to || catalog_.is_full(*to, body_bytes_)) {
		if (!next_ || next_ != catalog_.prepared_)
			return fail(AGAIN);
		TRY(catalog_.enter(tx, *next_));
		to = next_;
	}
	if (to != newest_ && to != next_)
		return fail(AGAIN);
	std::uint32_t index = TRY(to->append(tx, type, body, id));
	return Cookie{to->logid(), index};
}

// ---- cancelling ----

Result<> CatalogCancel::prepare(const Cookie &c) noexcept
{
	plain_ = TRY(catalog_.plain(c.log));
	index_ = c.index;
	if (!plain_->live(c.index))
		return fail(NOENT);
	return {};
}

Result<> CatalogCancel::declare(Transaction &tx) noexcept
{
	TRY(plain_->declare_cancel(tx));
	TRY(plain_->declare_destroy(tx));
	TRY(catalog_.log().declare_cancel(tx));
	return catalog_.log().declare_cancel(tx); // for cat_idx
}

Result<> CatalogCancel::cancel(Transaction &tx) noexcept
{
	MutexGuard g(catalog_.lock_);
	bool empty = TRY(plain_->cancel(tx, index_));
	if (!empty || plain_ == catalog_.newest_)
		return {};
	return catalog_.drop(tx, *plain_);
}

// ---- reading ----

/// Opens the plain log of each entry and shows its records.
class CatalogWalk final : public RecordVisitor
{
	Catalog &catalog_;
	CatalogVisitor &visitor_;

	class Inner final : public RecordVisitor
	{
		CatalogVisitor &visitor_;
		wire::LlogLogid id_;

	public:
		cfs::Errno error{}; ///< of the visitor

		Inner(CatalogVisitor &v, const wire::LlogLogid &id) noexcept : visitor_(v), id_(id)
		{
		}
		Result<Next> record(const Record &r) noexcept override
		{
			auto next = visitor_.record({id_, r.index}, r);
			if (!next)
				error = next.error();
			return next;
		}
	};

public:
	ProcessResult total;

	CatalogWalk(Catalog &c, CatalogVisitor &v) noexcept : catalog_(c), visitor_(v) {}

	Result<Next> record(const Record &r) noexcept override
	{
		auto entry = as_entry(r);
		if (!entry) {
			pass_over(r, entry.error());
			return Next::go_on;
		}
		auto plain = catalog_.plain((*entry)->id);
		if (!plain && (plain.error() == NOMEM || plain.error() == IO))
			return fail(plain.error());
		if (!plain) {
			pass_over(r, plain.error());
			return Next::go_on;
		}
		Inner inner(visitor_, (*entry)->id);
		auto done = llog::process(**plain, (*plain)->name(), inner);
		if (!done && (inner.error != cfs::Errno{} || done.error() != PROTO))
			return fail(done.error());
		if (!done) {
			pass_over(r, done.error());
			return Next::go_on;
		}
		total.records += done->records;
		total.corrupt += done->corrupt;
		total.stopped = done->stopped;
		return done->stopped ? Next::stop : Next::go_on;
	}

private:
	void pass_over(const Record &r, cfs::Errno why) noexcept
	{
		total.corrupt++;
		CERROR(CFS_S_LOG, "log {:e}: passing over the log of entry {}: {}",
		       catalog_.log().name(), r.index, why);
	}
};

Result<ProcessResult> Catalog::process(CatalogVisitor &visitor) noexcept
{
	CatalogWalk walk(*this, visitor);
	ProcessResult entries = TRY(llog::process(*log_, log_->name(), walk));
	walk.total.corrupt += entries.corrupt;
	walk.total.last_index = entries.last_index;
	return walk.total;
}

} // namespace llog
