// SPDX-License-Identifier: GPL-2.0
//
// Logs in the object store.
//
// The order within a transaction: the record first, then the header that makes it count. So when
// the record finds no space nothing has changed, and the next one takes its place.
#include "llog/log.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/log.hpp"
#include "libcfs/time.hpp"

namespace llog
{

using namespace cfs::err;
using cfs::fail;
using cfs::MutexGuard;
using osd::Transaction;

namespace
{

using Buffer = cfs::Array<std::byte>;

/// Header writes of one change: its fields, a word of the bitmap, the tail.
constexpr std::size_t kWordBytes = 8;

std::uint64_t total(std::span<const Bytes> body) noexcept
{
	std::uint64_t n = 0;
	for (Bytes b : body)
		n += b.size();
	return n;
}

Bytes part(const Buffer &b, std::size_t at, std::size_t n) noexcept
{
	return {b.data() + at, n};
}

} // namespace

Log::Log(osd::ObjectRef object, std::string_view name) noexcept : object_(std::move(object))
{
	name_ = cfs::format_to(name_buf_, "{}", name);
}

Result<LogRef> Log::open(osd::ObjectRef object, std::string_view name, const LogSpec &spec) noexcept
{
	LogRef log = TRY(cfs::try_make_ref<Log>(std::move(object), name));
	log->body_ = TRY(log->object_->body());
	TRY(log->make_header(spec));
	if (log->object_->exists())
		TRY(log->load());
	return log;
}

/// The header of a log that nothing has been written to.
Result<> Log::make_header(const LogSpec &spec) noexcept
{
	CFS_ASSERT(is_power_of_two(spec.chunk) && spec.chunk >= kChunkMin &&
		   spec.chunk <= kChunkMax);
	header_ = TRY(Buffer::make(CFS_S_LOG, spec.chunk));
	MutexGuard g(lock_);
	wire::LlogLogHdr &h = *reinterpret_cast<wire::LlogLogHdr *>(header_.data());
	h.hdr.len = spec.chunk;
	h.hdr.type = LlogRecType::LLOG_HDR_MAGIC;
	h.timestamp = spec.timestamp ? spec.timestamp : cfs::real_seconds();
	h.count = 1;
	h.bitmap_offset = kHeadBytes;
	h.size = spec.flags & wire::LLOG_F_IS_FIXSIZE ? spec.fixed_size : 0;
	h.flags = spec.flags;
	h.cat_idx = spec.cat_idx;
	// A field that has the room for 39 characters takes as many of a longer text.
	(void)h.tgtuuid.uuid.set(spec.tgtuuid.substr(0, wire::UUID_MAX - 1));
	head_ = HeaderView({header_.data(), header_.size()});
	head_.set_bit(0, true);
	head_.tail().len = spec.chunk;
	end_ = spec.chunk;
	return {};
}

/// What is on disk takes the place of what was to be.
Result<> Log::load() noexcept
{
	osd::Attr attr;
	TRY(object_->attr_get(attr));
	if (attr.size == 0)
		return {};
	Buffer read = TRY(Buffer::make(CFS_S_LOG, kChunkMax));
	std::size_t n = TRY(body_->read(0, {read.data(), read.size()}));
	Bytes bytes(read.data(), n);
	const char *why = "";
	if (n >= kChunkMin && std::all_of(bytes.begin(), bytes.begin() + kChunkMin,
					  [](std::byte b) { return b == std::byte{0}; })) {
		// Its first record found space and its header did not.
		CWARN(CFS_S_LOG, "log {:e} has no header: taken as empty", name_);
		return {};
	}
	if (auto r = HeaderView::check(bytes, &why); !r) {
		CERROR(CFS_S_LOG, "{}: log {:e} cannot be used: {}",
		       static_cast<const char *>(object_->device().info().name), name_, why);
		return r;
	}
	HeaderView found({read.data(), n});
	if (found.chunk_bytes() != header_.size())
		header_ = TRY(Buffer::make(CFS_S_LOG, found.chunk_bytes()));
	std::memcpy(header_.data(), read.data(), header_.size());
	MutexGuard g(lock_);
	head_ = HeaderView({header_.data(), header_.size()});
	end_ = std::max<std::uint64_t>(attr.size, header_.size());
	written_ = true;
	std::uint32_t bits = head_.count_bits();
	if (head_.head().count != bits) {
		CWARN(CFS_S_LOG, "log {:e} says that it has {} records and has {}", name_,
		      head_.head().count.get(), bits);
		head_.head().count = bits;
	}
	return {};
}

Log::Info Log::info() noexcept
{
	MutexGuard g(lock_);
	const wire::LlogLogHdr &h = head_.head();
	return {h.flags,
		h.count,
		head_.last_index(),
		h.cat_idx,
		head_.chunk_bytes(),
		written_ ? end_ : 0};
}

bool Log::live(std::uint32_t index) noexcept
{
	MutexGuard g(lock_);
	return index > 0 && head_.bit(index);
}

// ---- appending ----

Result<> Log::check_append(std::uint64_t bytes) noexcept
{
	if (bytes > head_.chunk_bytes() || (head_.is_fixed() && bytes != head_.head().size.get()))
		return fail(MSGSIZE);
	// A pad may take an index as well.
	if (head_.last_index() + 2 >= head_.capacity())
		return fail(NOSPC);
	return {};
}

bool Log::has_room(std::uint64_t body_bytes) noexcept
{
	MutexGuard g(lock_);
	return check_append(record_bytes(body_bytes)).has_value();
}

Result<> Log::declare_append(Transaction &tx, std::uint64_t body_bytes) noexcept
{
	std::uint64_t bytes = record_bytes(body_bytes);
	bool first = false;
	std::size_t chunk = 0;
	{
		MutexGuard g(lock_);
		chunk = head_.chunk_bytes();
		first = !written_;
		if (bytes > chunk)
			return fail(MSGSIZE);
	}
	TRY(body_->declare_write(tx, osd::kEof, bytes));
	TRY(body_->declare_write(tx, osd::kEof, sizeof(wire::LlogRecHdr))); // of a pad
	TRY(body_->declare_write(tx, osd::kEof, sizeof(wire::LlogRecTail)));
	if (first)
		TRY(body_->declare_write(tx, 0, chunk));
	TRY(body_->declare_write(tx, 0, kHeadBytes));
	TRY(body_->declare_write(tx, osd::kEof, kWordBytes));
	return body_->declare_write(tx, osd::kEof, sizeof(wire::LlogRecTail));
}

/// Writes what changed with record `index`: the whole header the first time.
Result<> Log::store_header(Transaction &tx, std::uint32_t index) noexcept
{
	if (!written_) {
		TRY(body_->write(tx, 0, part(header_, 0, header_.size())));
		written_ = true;
		return {};
	}
	TRY(body_->write(tx, 0, part(header_, 0, kHeadBytes)));
	std::size_t word = kHeadBytes + index / 8 / kWordBytes * kWordBytes;
	TRY(body_->write(tx, word, part(header_, word, kWordBytes)));
	std::size_t tail = header_.size() - sizeof(wire::LlogRecTail);
	return body_->write(tx, tail, part(header_, tail, sizeof(wire::LlogRecTail)));
}

/// Fills the rest of the chunk if a record of `bytes` does not fit there. A pad takes an index, and
/// what is between its head and its tail is a hole.
Result<> Log::put_pad(Transaction &tx, std::uint64_t bytes) noexcept
{
	std::uint64_t left = chunk_left();
	if (left == bytes || left >= bytes + wire::LLOG_MIN_REC_SIZE)
		return {};
	wire::LlogRecHdr head{};
	head.len = static_cast<std::uint32_t>(left);
	head.index = head_.last_index() + 1;
	head.type = LlogRecType::LLOG_PAD_MAGIC;
	wire::LlogRecTail tail{head.len, head.index};
	TRY(body_->write(tx, end_, cfs::bytes_of(head)));
	TRY(body_->write(tx, end_ + left - sizeof(tail), cfs::bytes_of(tail)));
	end_ += left;
	head_.tail().index = head.index;
	return {};
}

Result<> Log::put_record(Transaction &tx, std::uint32_t index, LlogRecType type,
			 std::span<const Bytes> body, std::uint32_t id,
			 std::uint64_t bytes) noexcept
{
	Buffer record = TRY(Buffer::make(CFS_S_LOG, bytes));
	write_record({record.data(), record.size()}, type, id, index, body);
	std::uint64_t at = end_;
	if (head_.is_fixed())
		at = head_.chunk_bytes() + (index - 1) * bytes;
	TRY(body_->write(tx, at, part(record, 0, bytes)));
	end_ = std::max(end_, at + bytes);
	return {};
}

Result<std::uint32_t> Log::append(Transaction &tx, LlogRecType type, std::span<const Bytes> body,
				  std::uint32_t id) noexcept
{
	std::uint64_t bytes = record_bytes(total(body));
	MutexGuard g(lock_);
	TRY(check_append(bytes));
	std::uint64_t end = end_;
	std::uint32_t last = head_.last_index();
	Result<> r;
	if (!head_.is_fixed())
		r = put_pad(tx, bytes);
	std::uint32_t index = head_.last_index() + 1;
	if (r)
		r = put_record(tx, index, type, body, id, bytes);
	if (!r) {
		end_ = end;
		head_.tail().index = last;
		return fail(r.error());
	}
	wire::LlogLogHdr &h = head_.head();
	if (!head_.is_fixed() && (h.size == 0 || bytes < h.size.get()))
		h.size = static_cast<std::uint32_t>(bytes);
	h.count += 1;
	head_.set_bit(index, true);
	head_.tail().index = index;
	TRY(store_header(tx, index));
	return index;
}

Result<> Log::append_at(Transaction &tx, std::uint32_t index, LlogRecType type,
			std::span<const Bytes> body) noexcept
{
	std::uint64_t bytes = record_bytes(total(body));
	MutexGuard g(lock_);
	if (!head_.is_fixed() || bytes != head_.head().size.get())
		return fail(MSGSIZE);
	if (index == 0 || index >= head_.capacity() || head_.bit(index))
		return fail(NOSPC);
	TRY(put_record(tx, index, type, body, 0, bytes));
	head_.head().count += 1;
	head_.set_bit(index, true);
	head_.tail().index = index;
	return store_header(tx, index);
}

// ---- cancelling ----

Result<> Log::declare_cancel(Transaction &tx) noexcept
{
	TRY(body_->declare_write(tx, 0, kHeadBytes));
	TRY(body_->declare_write(tx, osd::kEof, kWordBytes));
	return body_->declare_write(tx, osd::kEof, sizeof(wire::LlogRecTail));
}

Result<bool> Log::cancel(Transaction &tx, std::uint32_t index) noexcept
{
	MutexGuard g(lock_);
	if (index == 0 || !head_.bit(index))
		return fail(NOENT);
	head_.set_bit(index, false);
	head_.head().count -= 1;
	TRY(store_header(tx, index));
	return head_.head().count.get() == 1;
}

void Log::assign_cat_idx(std::uint32_t cat_idx) noexcept
{
	MutexGuard g(lock_);
	CFS_ASSERT(!written_);
	head_.head().cat_idx = cat_idx;
}

Result<> Log::set_cat_idx(Transaction &tx, std::uint32_t cat_idx) noexcept
{
	MutexGuard g(lock_);
	head_.head().cat_idx = cat_idx;
	return store_header(tx, cat_idx);
}

// ---- rewriting, destroying ----

Result<> Log::declare_rewrite(Transaction &tx, const Record &r) noexcept
{
	return body_->declare_write(tx, r.offset + sizeof(wire::LlogRecHdr), r.body.size());
}

Result<> Log::rewrite(Transaction &tx, const Record &r, Bytes body) noexcept
{
	if (body.size() != r.body.size())
		return fail(MSGSIZE);
	MutexGuard g(lock_);
	if (!head_.bit(r.index) || r.offset + r.whole.size() > end_)
		return fail(NOENT);
	return body_->write(tx, r.offset + sizeof(wire::LlogRecHdr), body);
}

Result<> Log::declare_destroy(Transaction &tx) noexcept
{
	return object_->declare_destroy(tx);
}

Result<> Log::destroy_object(Transaction &tx) noexcept
{
	return object_->destroy(tx);
}

// ---- reading ----

Result<std::size_t> Log::read_header(MutBytes out) noexcept
{
	if (!object_->exists())
		return fail(NOENT);
	MutexGuard g(lock_);
	if (!written_)
		return std::size_t{0};
	std::memcpy(out.data(), header_.data(), std::min(out.size(), header_.size()));
	return header_.size();
}

Result<LogSource::Block> Log::next_block(std::uint32_t index, std::uint32_t, std::uint64_t offset,
					 MutBytes out) noexcept
{
	std::uint64_t chunk = 0;
	std::uint64_t end = 0;
	bool fixed = false;
	{
		MutexGuard g(lock_);
		chunk = head_.chunk_bytes();
		end = written_ ? end_ : 0;
		fixed = head_.is_fixed();
	}
	if (out.size() < chunk)
		return fail(INVAL);
	std::uint64_t start = std::max(offset / chunk * chunk, chunk);
	for (; start < end; start += chunk) {
		MutBytes to = out.first(chunk);
		std::size_t n = TRY(body_->read(start, to));
		if (n == 0)
			break;
		std::memset(to.data() + n, 0, chunk - n);
		Block b{start + n, 0};
		ChunkWalker w(to, start);
		Record r;
		const char *why = nullptr;
		while (w.next(r, &why) == ChunkWalker::Step::record)
			b.last_index = r.index;
		if (fixed || b.last_index >= index)
			return b;
	}
	return fail(NODATA);
}

// ---- named logs ----

namespace
{

Result<osd::ObjectRef> named_object(osd::Object &dir, std::string_view name) noexcept
{
	osd::Directory *d = TRY(dir.directory());
	osd::ObjectRef o = TRY(dir.device().object(TRY(d->lookup(name))));
	if (!o->exists())
		return fail(NOENT);
	return o;
}

/// Copies records, each in a transaction of its own: configuration logs are short.
class Copier final : public RecordVisitor
{
	Log &to_;

public:
	explicit Copier(Log &to) noexcept : to_(to) {}
	Result<Next> record(const Record &r) noexcept override
	{
		TRY(append_now(to_, r.type, r.body));
		return Next::go_on;
	}
};

} // namespace

Result<LogRef> open_named(osd::Object &dir, std::string_view name, const LogSpec &spec,
			  osd::LastId &ids) noexcept
{
	osd::ObjectRef o = TRY(osd::find_or_create_named(dir, name, osd::local_file_spec(), ids));
	return Log::open(std::move(o), name, spec);
}

Result<LogRef> find_named(osd::Object &dir, std::string_view name, const LogSpec &spec) noexcept
{
	osd::ObjectRef o = TRY(named_object(dir, name));
	return Log::open(std::move(o), name, spec);
}

Result<> erase_named(osd::Object &dir, std::string_view name) noexcept
{
	osd::Directory *d = TRY(dir.directory());
	osd::ObjectRef o = TRY(named_object(dir, name));
	osd::TransactionPtr tx = TRY(dir.device().begin());
	TRY(d->declare_remove(*tx, name));
	TRY(o->declare_destroy(*tx));
	TRY(tx->start());
	auto r = d->remove(*tx, name);
	if (r)
		r = o->destroy(*tx);
	TRY(tx->stop());
	return r;
}

Result<std::uint32_t> append_now(Log &log, LlogRecType type, Bytes body) noexcept
{
	osd::TransactionPtr tx = TRY(log.object().device().begin());
	TRY(log.declare_append(*tx, body.size()));
	TRY(tx->start());
	auto index = log.append(*tx, type, {&body, 1});
	TRY(tx->stop());
	return index;
}

Result<> copy(LogSource &from, Log &to) noexcept
{
	Copier c(to);
	ProcessResult r = TRY(process(from, to.name(), c));
	if (r.corrupt)
		return fail(UCLEAN);
	return {};
}

} // namespace llog
