// SPDX-License-Identifier: GPL-2.0
//
// See load.hpp. Each message has a slot with an MD of its own, threshold 2: SEND, and ACK or REPLY.
// Payload is in pages, as it is for whoever moves file data. A slot whose MD has ended goes to the
// list of idle ones, from which its load's thread starts the next message; handlers never start
// one, because over the loopback that would nest without end. A load of several threads is several
// loads, which share the slots' places in the sink out among themselves.

#include "lnet/load.hpp"

#include <algorithm>
#include <bit>

#include "libcfs/containers.hpp"
#include "libcfs/parse.hpp"
#include "libcfs/plat/csum.h"
#include "lnet/buffer.hpp"

namespace lnet
{

using namespace cfs::err;

// ---- pages ----

LoadPages::~LoadPages()
{
	for (cfs_bvec &v : pieces_)
		if (v.page)
			cfs_page_free(kSubsys, v.page);
}

cfs::Result<> LoadPages::make(std::uint32_t bytes) noexcept
{
	std::size_t n = std::max<std::size_t>((bytes + CFS_PAGE_SIZE - 1) / CFS_PAGE_SIZE, 1);
	pieces_ = TRY(cfs::Array<cfs_bvec>::make(kSubsys, n));
	for (cfs_bvec &v : pieces_) {
		v = {cfs_page_alloc(kSubsys, CFS_ALLOC_ZERO), CFS_PAGE_SIZE, 0};
		if (!v.page)
			return cfs::fail(NOMEM);
	}
	return {};
}

Buffer LoadPages::part(std::uint32_t offset, std::uint32_t length) const noexcept
{
	CFS_ASSERT(offset % CFS_PAGE_SIZE == 0);
	Buffer b;
	b.pieces = std::span<const cfs_bvec>(pieces_.data(), pieces_.size());
	b.pieces = b.pieces.subspan(offset / CFS_PAGE_SIZE);
	b.length = length;
	return b;
}

namespace
{

/// Calls f(bytes) for each run of an extent.
template <typename F>
void for_each_run(const Extent &e, F f) noexcept
{
	Cursor c(e);
	for (Run r = c.next(); r.length > 0; r = c.next()) {
		auto *map = static_cast<std::byte *>(cfs_page_map(r.page));
		f(cfs::MutBytes(map + r.offset, r.length));
		cfs_page_unmap(map);
	}
}

} // namespace

void LoadPages::fill(std::uint32_t offset, std::uint32_t length, std::uint64_t seed) noexcept
{
	std::uint64_t x = seed | 1;
	for_each_run({part(offset, length), 0, length}, [&](cfs::MutBytes b) {
		for (std::size_t i = 0; i < b.size(); i++) {
			if (i % sizeof(x) == 0) { // xorshift
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
			}
			b[i] = static_cast<std::byte>(x >> (i % sizeof(x) * 8));
		}
	});
}

std::uint32_t LoadPages::crc(std::uint32_t offset, std::uint32_t length) const noexcept
{
	std::uint32_t c = ~0u;
	for_each_run({part(offset, length), 0, length},
		     [&](cfs::MutBytes b) { c = cfs_crc32(c, b.data(), b.size()); });
	return ~c;
}

// ---- the sink ----

cfs::Result<cfs::UniquePtr<LoadSink>> LoadSink::make(Network &net) noexcept
{
	auto s = TRY(cfs::try_make<LoadSink>(net));
	TRY(s->buffer_.make(kLoadSinkBytes));
	MatchSpec match;
	match.portal = kLoadPortal;
	match.match_bits = kLoadMatchBits;
	match.ignore_bits = 0;
	MdSpec md;
	md.buffer = s->buffer_.part(0, kLoadSinkBytes);
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_PUT | LNET_MD_OP_GET | LNET_MD_MANAGE_REMOTE | LNET_MD_TRUNCATE;
	md.handler = s.get();
	s->md_ = TRY(net.attach(match, md));
	return s;
}

void LoadSink::destroy() noexcept
{
	if (md_) {
		(void)net_.unlink(md_);
		(void)ended_.wait(cfs::WaitMode::idle, cfs::Instant::never());
	}
	this->~LoadSink();
	cfs_free(kSubsys, this, sizeof(*this));
}

void LoadSink::on_event(const Event &ev) noexcept
{
	if (ev.type == EventType::put || ev.type == EventType::get) {
		bool ok = ev.status == cfs::Errno{};
		// Nobody else puts there before this one has its ACK, which follows.
		if (ok && ev.type == EventType::put && ev.hdr_data & kLoadChecked &&
		    buffer_.crc(ev.offset, ev.mlength) != static_cast<std::uint32_t>(ev.hdr_data)) {
			corrupt.fetch_add(1, std::memory_order_relaxed);
			ok = false;
		}
		(ok ? messages : failed).fetch_add(1, std::memory_order_relaxed);
		if (ok)
			bytes.fetch_add(ev.mlength, std::memory_order_relaxed);
	}
	if (ev.unlinked)
		ended_.complete();
}

namespace
{

class Load;

/// One message at a time.
class Slot final : public EventHandler
{
public:
	void on_event(const Event &ev) noexcept override;

	Load *load = nullptr;
	cfs::ListHook hook;
	std::uint64_t start_ns = 0;
	cfs::Errno status{};
	std::uint32_t moved = 0;
	bool answered = false;
	std::uint32_t offset = 0; ///< of what is its own, here ...
	std::uint32_t there = 0;  ///< ... and in the sink
	std::uint32_t crc = 0;	  ///< checking: what was put ...
	std::uint32_t length = 0; ///< ... and how long that was
	bool back = false;	  ///< it is being got back
};

class Load
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	/// `first`: slots of other loads, which come before this one's in the sink.
	Load(Network &net, const LoadSpec &spec, std::uint32_t first) noexcept
	    : net_(net), spec_(spec), first_(first), seed_(std::uint64_t{first} << 32)
	{
	}
	[[nodiscard]] cfs::Result<LoadResult> run() noexcept;
	[[nodiscard]] cfs::Result<> run_on_thread(cfs::Node &node) noexcept
	{
		return thread_.start<&Load::body>(node.plat(), "lnet_load", this);
	}
	/// What a thread has to tell, once it has ended.
	[[nodiscard]] cfs::Result<LoadResult> join() noexcept
	{
		thread_.join();
		return outcome_;
	}
	/// Nothing more is started.
	void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
	void ended(Slot &s) noexcept
	{
		// Woken with the lock held: once it is free, this may be gone.
		cfs::SpinGuard g(lock_);
		idle_.push_back(s);
		count_++;
		wait_.wake_one();
	}
	void abandon(MdHandle md) noexcept { (void)net_.unlink(md); }

private:
	[[nodiscard]] Slot *take() noexcept
	{
		cfs::SpinGuard g(lock_);
		if (idle_.empty())
			return nullptr;
		Slot &s = idle_.front();
		idle_.pop_front();
		count_--;
		return &s;
	}
	[[nodiscard]] std::size_t idle() noexcept
	{
		cfs::SpinGuard g(lock_);
		return count_;
	}
	[[nodiscard]] cfs::Result<> launch(Slot &s) noexcept;
	void account(Slot &s) noexcept;
	[[nodiscard]] cfs::Result<> wait_for(std::size_t idle, cfs::WaitMode mode) noexcept;

	[[nodiscard]] bool over(cfs::Instant end) const noexcept
	{
		return stopped_.load(std::memory_order_relaxed) || cfs::Instant::now() >= end;
	}
	void body() noexcept { outcome_ = run(); }

	Network &net_;
	const LoadSpec spec_;
	const std::uint32_t first_;
	LoadResult result_;
	[[nodiscard]] cfs::Result<> prepare() noexcept;
	void next_payload(Slot &s) noexcept;
	LoadPages buffer_; // what is sent, or received into; checking, each slot has its part
	std::uint64_t seed_;
	cfs::Array<Slot> slots_;
	std::atomic<bool> stopped_{false};
	cfs::Result<LoadResult> outcome_{LoadResult{}};
	cfs::Thread thread_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet load")};
	cfs::WaitQueue wait_{CFS_LOCK_CLASS("lnet load wait")};
	cfs::List<Slot, &Slot::hook> idle_ CFS_GUARDED_BY(lock_);
	std::size_t count_ CFS_GUARDED_BY(lock_) = 0;
};

void Slot::on_event(const Event &ev) noexcept
{
	bool failed = ev.status != cfs::Errno{};
	if (failed && status == cfs::Errno{})
		status = ev.status;
	if (ev.type == EventType::ack || ev.type == EventType::reply) {
		answered = answered || !failed;
		moved = ev.mlength;
	}
	if (ev.unlinked)
		load->ended(*this); // it may be used again from here on
	else if (failed)
		load->abandon(ev.md); // no answer will come
}

/// The first are of the sizes where things change, the others of any.
void Load::next_payload(Slot &s) noexcept
{
	constexpr std::uint32_t kSizes[] = {0, 1, 4095, 4096, 4097, 16384, 65537, kLoadSizeMax};
	std::uint64_t n = seed_++;
	std::uint64_t any = n * 0x9e3779b97f4a7c15;
	auto own = static_cast<std::uint32_t>(n);
	s.length = own < std::size(kSizes)
			   ? std::min(kSizes[own], spec_.size)
			   : static_cast<std::uint32_t>((any >> 20) % (spec_.size + 1));
	buffer_.fill(s.offset, s.length, any);
	s.crc = buffer_.crc(s.offset, s.length);
}

cfs::Result<> Load::launch(Slot &s) noexcept
{
	s.status = {};
	s.moved = 0;
	s.answered = false;
	s.start_ns = cfs_now_ns();
	if (spec_.check && !s.back)
		next_payload(s);
	bool get = spec_.get || s.back;
	std::uint64_t hdr_data = spec_.check ? kLoadChecked | s.crc : 0;
	MdSpec md;
	md.buffer = buffer_.part(s.offset, s.length);
	md.threshold = 2;
	md.options = get ? std::uint32_t{LNET_MD_TRUNCATE} : 0u;
	md.handler = &s;
	auto h = TRY(net_.bind(md));
	auto sent = get ? net_.get(Nid{}, h, spec_.target, kLoadPortal, kLoadMatchBits, s.there)
			: net_.put(Nid{}, h, true, spec_.target, kLoadPortal, kLoadMatchBits,
				   s.there, hdr_data);
	if (!sent) {
		s.status = sent.error();
		(void)net_.unlink(h); // its UNLINK event ends the slot
	}
	return {};
}

void Load::account(Slot &s) noexcept
{
	cfs::Errno why = s.status;
	if (why == cfs::Errno{} && !s.answered)
		why = PROTO;
	else if (why == cfs::Errno{} && s.back &&
		 (s.moved != s.length || buffer_.crc(s.offset, s.length) != s.crc))
		why = BADMSG;
	if (why != cfs::Errno{}) {
		result_.failed++;
		if (result_.first_error == cfs::Errno{})
			result_.first_error = why;
		s.back = false;
		return;
	}
	s.back = spec_.check && !s.back;
	if (s.back) // other bytes than those that are to come
		buffer_.fill(s.offset, s.length, seed_);
	result_.messages++;
	result_.bytes += s.moved;
	std::uint64_t us = (cfs_now_ns() - s.start_ns) / 1000;
	unsigned bucket = us ? static_cast<unsigned>(std::bit_width(us)) - 1 : 0;
	result_.latency[std::min(bucket, LoadResult::kBuckets - 1)]++;
}

cfs::Result<> Load::wait_for(std::size_t wanted, cfs::WaitMode mode) noexcept
{
	return wait_.wait(mode, cfs::Instant::never(), [&] { return idle() >= wanted; });
}

cfs::Result<> Load::prepare() noexcept
{
	std::uint32_t part =
		std::max(1u, (spec_.size + CFS_PAGE_SIZE - 1) / CFS_PAGE_SIZE) * CFS_PAGE_SIZE;
	if (spec_.check && std::uint64_t{part} * (first_ + spec_.concurrency) > kLoadSinkBytes)
		return cfs::fail(INVAL);
	TRY(buffer_.make(spec_.check ? part * spec_.concurrency : part));
	slots_ = TRY(cfs::Array<Slot>::make(kSubsys, spec_.concurrency));
	std::uint32_t i = 0;
	for (Slot &s : slots_) {
		s.load = this;
		s.length = spec_.size;
		s.offset = spec_.check ? part * i : 0;
		s.there = spec_.check ? part * (first_ + i) : 0;
		i++;
	}
	return {};
}

cfs::Result<LoadResult> Load::run() noexcept
{
	TRY(prepare());
	std::uint64_t begin = cfs_now_ns();
	cfs::Instant end = cfs::after(spec_.time);
	cfs::Result<> going;
	std::size_t under_way = 0;
	for (Slot &s : slots_) {
		going = launch(s);
		if (!going)
			break;
		under_way++;
	}
	while (going && !over(end)) {
		going = wait_for(1, cfs::WaitMode::killable);
		for (Slot *s = going ? take() : nullptr; s; s = take()) {
			under_way--;
			account(*s);
			if (over(end) || (!result_.messages && result_.failed))
				continue;
			going = launch(*s);
			if (!going)
				break;
			under_way++;
		}
		if (!under_way)
			break; // nothing gets through
	}
	(void)wait_for(under_way, cfs::WaitMode::idle);
	while (Slot *s = take())
		account(*s);
	TRY(going);
	result_.elapsed_ns = cfs_now_ns() - begin;
	return result_;
}

} // namespace

void LoadResult::add(const LoadResult &other) noexcept
{
	messages += other.messages;
	failed += other.failed;
	bytes += other.bytes;
	elapsed_ns = std::max(elapsed_ns, other.elapsed_ns);
	if (first_error == cfs::Errno{})
		first_error = other.first_error;
	for (unsigned b = 0; b < kBuckets; b++)
		latency[b] += other.latency[b];
}

cfs::Result<LoadResult> run_load(cfs::Node &node, Network &net, const LoadSpec &spec) noexcept
{
	if (spec.size > kLoadSizeMax || spec.concurrency < 1 ||
	    spec.concurrency > LoadSpec::kConcurrencyMax || spec.threads < 1 ||
	    spec.threads > spec.concurrency || spec.threads > LoadSpec::kThreadsMax)
		return cfs::fail(INVAL);
	auto loads = TRY(cfs::Array<cfs::UniquePtr<Load>>::make(Load::kSubsys, spec.threads));
	LoadSpec part = spec;
	std::uint32_t first = 0;
	for (std::uint32_t i = 0; i < spec.threads; i++, first += part.concurrency) {
		part.concurrency = spec.concurrency / spec.threads +
				   (i < spec.concurrency % spec.threads ? 1 : 0);
		loads[i] = TRY(cfs::try_make<Load>(net, part, first));
	}
	// The caller's thread is the last one: it can be killed, which ends the others.
	cfs::Result<> started;
	for (std::uint32_t i = 0; i + 1 < spec.threads && started; i++)
		started = loads[i]->run_on_thread(node);
	auto sum = started ? loads[spec.threads - 1]->run()
			   : cfs::Result<LoadResult>(cfs::fail(started.error()));
	for (std::uint32_t i = 0; i + 1 < spec.threads; i++) {
		if (!sum)
			loads[i]->stop();
		auto r = loads[i]->join();
		if (sum && r)
			sum->add(*r);
		else if (sum)
			sum = r;
	}
	return sum;
}

cfs::Result<LoadSpec> parse_load(std::string_view text) noexcept
{
	constexpr std::string_view kBlanks = " \t\n";
	constexpr std::uint64_t kSecondsMax = 3600;
	LoadSpec s;
	s.target.nid = TRY(parse_nid(cfs::next_word(text, kBlanks)));
	std::string_view kind = cfs::next_word(text, kBlanks);
	s.get = kind == "get";
	s.check = kind == "check";
	if (kind != "put" && !s.get && !s.check)
		return cfs::fail(INVAL);
	auto number = [&](std::uint64_t otherwise,
			  std::uint64_t max) noexcept -> cfs::Result<std::uint64_t> {
		std::string_view word = cfs::next_word(text, kBlanks);
		if (word.empty())
			return otherwise;
		auto v = TRY(cfs::parse_size(word));
		return v <= max ? cfs::Result<std::uint64_t>(v) : cfs::fail(INVAL);
	};
	s.size = static_cast<std::uint32_t>(TRY(number(0, kLoadSizeMax)));
	s.concurrency = static_cast<std::uint32_t>(TRY(number(1, LoadSpec::kConcurrencyMax)));
	s.time = cfs::Duration::seconds(static_cast<std::int64_t>(TRY(number(1, kSecondsMax))));
	s.threads = static_cast<std::uint32_t>(TRY(number(1, LoadSpec::kThreadsMax)));
	if (s.concurrency == 0 || s.threads == 0 || s.threads > s.concurrency ||
	    !cfs::trim(text).empty())
		return cfs::fail(INVAL);
	return s;
}

void format_load(cfs::FormatSink &out, const LoadSpec &spec, const LoadResult &r) noexcept
{
	out.print("load:\n    target: {}\n    operation: {}\n    size: {}\n    concurrency: {}\n"
		  "    threads: {}\n",
		  spec.target.nid,
		  spec.check ? "check"
		  : spec.get ? "get"
			     : "put",
		  spec.size, spec.concurrency, spec.threads);
	out.print("    messages: {}\n    failed: {}\n    bytes: {}\n    milliseconds: {}\n",
		  r.messages, r.failed, r.bytes, r.elapsed_ns / 1000000);
	out.print("    messages_per_second: {}\n    bytes_per_second: {}\n",
		  r.per_second(r.messages), r.per_second(r.bytes));
	if (r.first_error != cfs::Errno{})
		out.print("    first_error: {}\n", cfs::to_rc(r.first_error));
	out.put("    latency_us:\n");
	for (unsigned b = 0; b < LoadResult::kBuckets; b++)
		if (r.latency[b])
			out.print("        {}: {}\n", b ? std::uint64_t{1} << b : 0, r.latency[b]);
}

} // namespace lnet
