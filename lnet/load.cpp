// SPDX-License-Identifier: GPL-2.0
//
// See load.hpp. Each message has a slot with an MD of its own, threshold 2: SEND, and ACK or REPLY.
// A slot whose MD has ended goes to the list of idle ones, from which the caller's thread starts
// the next message; handlers never start one, because over the loopback that would nest without
// end.

#include "lnet/load.hpp"

#include <algorithm>
#include <bit>

#include "libcfs/containers.hpp"
#include "libcfs/parse.hpp"

namespace lnet
{

using namespace cfs::err;

cfs::Result<cfs::UniquePtr<LoadSink>> LoadSink::make(Network &net) noexcept
{
	auto s = TRY(cfs::try_make<LoadSink>(net));
	s->buffer_ = TRY(cfs::Array<std::byte>::make(kSubsys, kLoadSizeMax));
	MatchSpec match;
	match.portal = kLoadPortal;
	match.match_bits = kLoadMatchBits;
	match.ignore_bits = 0;
	MdSpec md;
	md.buffer.linear = s->buffer_.data();
	md.buffer.length = kLoadSizeMax;
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
};

class Load
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	Load(Network &net, const LoadSpec &spec) noexcept : net_(net), spec_(spec) {}
	[[nodiscard]] cfs::Result<LoadResult> run() noexcept;
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

	Network &net_;
	const LoadSpec spec_;
	LoadResult result_;
	cfs::Array<std::byte> buffer_; // what is sent, or received into, by all
	cfs::Array<Slot> slots_;
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

cfs::Result<> Load::launch(Slot &s) noexcept
{
	s.status = {};
	s.moved = 0;
	s.answered = false;
	s.start_ns = cfs_now_ns();
	MdSpec md;
	md.buffer.linear = buffer_.data();
	md.buffer.length = spec_.size;
	md.threshold = 2;
	md.options = spec_.get ? std::uint32_t{LNET_MD_TRUNCATE} : 0u;
	md.handler = &s;
	auto h = TRY(net_.bind(md));
	auto sent = spec_.get ? net_.get(Nid{}, h, spec_.target, kLoadPortal, kLoadMatchBits, 0)
			      : net_.put(Nid{}, h, true, spec_.target, kLoadPortal, kLoadMatchBits,
					 0, 0);
	if (!sent) {
		s.status = sent.error();
		(void)net_.unlink(h); // its UNLINK event ends the slot
	}
	return {};
}

void Load::account(Slot &s) noexcept
{
	if (s.status != cfs::Errno{} || !s.answered) {
		result_.failed++;
		if (result_.first_error == cfs::Errno{})
			result_.first_error = s.status != cfs::Errno{} ? s.status : PROTO;
		return;
	}
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

cfs::Result<LoadResult> Load::run() noexcept
{
	buffer_ = TRY(cfs::Array<std::byte>::make(kSubsys, std::max(spec_.size, 1u)));
	slots_ = TRY(cfs::Array<Slot>::make(kSubsys, spec_.concurrency));
	std::uint64_t begin = cfs_now_ns();
	cfs::Instant end = cfs::after(spec_.time);
	cfs::Result<> going;
	std::size_t under_way = 0;
	for (Slot &s : slots_) {
		s.load = this;
		going = launch(s);
		if (!going)
			break;
		under_way++;
	}
	while (going && cfs::Instant::now() < end) {
		going = wait_for(1, cfs::WaitMode::killable);
		for (Slot *s = going ? take() : nullptr; s; s = take()) {
			under_way--;
			account(*s);
			if (cfs::Instant::now() >= end || (!result_.messages && result_.failed))
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

cfs::Result<LoadResult> run_load(Network &net, const LoadSpec &spec) noexcept
{
	if (spec.size > kLoadSizeMax || spec.concurrency < 1 ||
	    spec.concurrency > LoadSpec::kConcurrencyMax)
		return cfs::fail(INVAL);
	auto load = TRY(cfs::try_make<Load>(net, spec));
	return load->run();
}

cfs::Result<LoadSpec> parse_load(std::string_view text) noexcept
{
	constexpr std::string_view kBlanks = " \t\n";
	constexpr std::uint64_t kSecondsMax = 3600;
	LoadSpec s;
	s.target.nid = TRY(parse_nid(cfs::next_word(text, kBlanks)));
	std::string_view kind = cfs::next_word(text, kBlanks);
	if (kind != "put" && kind != "get")
		return cfs::fail(INVAL);
	s.get = kind == "get";
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
	if (s.concurrency == 0 || !cfs::trim(text).empty())
		return cfs::fail(INVAL);
	return s;
}

void format_load(cfs::FormatSink &out, const LoadSpec &spec, const LoadResult &r) noexcept
{
	out.print("load:\n    target: {}\n    operation: {}\n    size: {}\n    concurrency: {}\n",
		  spec.target.nid, spec.get ? "get" : "put", spec.size, spec.concurrency);
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
