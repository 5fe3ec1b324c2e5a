// SPDX-License-Identifier: GPL-2.0
//
// Services: receive buffers, queues, threads; see service_impl.hpp.

#include "lustre/rpc/service_impl.hpp"

#include <algorithm>

namespace rpc
{

using namespace cfs::err;

namespace
{

/// Room for a security container, as stock has it.
constexpr std::size_t kRequestExtra = 1024;
/// A thread beyond the minimum that found nothing to do for so long ends.
constexpr auto kThreadIdle = cfs::Duration::seconds(60);

enum Stat : unsigned { kWaitTime, kQueueDepth, kActive, kTimeout, kBufsAvail };
constexpr cfs::StatInfo kStats[] = {
	{"req_waittime", "usecs", cfs::StatKind::squares},
	{"req_qdepth", "reqs", cfs::StatKind::squares},
	{"req_active", "reqs", cfs::StatKind::squares},
	{"req_timeout", "secs", cfs::StatKind::squares},
	{"reqbuf_avail", "bufs", cfs::StatKind::squares},
};

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&ServiceImpl::show_threads_min, &ServiceImpl::set_threads_min>(
		{.name = "threads_min",
		 .doc = "Threads that are always there.",
		 .unit = "threads",
		 .by_default = 2,
		 .min = 1,
		 .max = ServiceImpl::kThreadsMax}),
	cfs::param_int<&ServiceImpl::show_threads_max, &ServiceImpl::set_threads_max>(
		{.name = "threads_max",
		 .doc = "Threads that there may be at most.",
		 .unit = "threads",
		 .by_default = 16,
		 .min = 1,
		 .max = ServiceImpl::kThreadsMax}),
	cfs::param_int<&ServiceImpl::threads>({.name = "threads_started",
					       .doc = "Threads there are.",
					       .unit = "threads",
					       .read_only = true}),
	cfs::param_text<&ServiceImpl::show_history>(
		{.name = "req_history",
		 .doc = "The last requests: number, NIDs, XID, length, phase, arrival, time taken.",
		 .tree = CFS_PTREE_DEBUGFS}),
	cfs::param_text<&ServiceImpl::show_timeouts>(
		{.name = "timeouts",
		 .doc = "The estimate of how long a request takes.",
		 .tree = CFS_PTREE_DEBUGFS}),
	cfs::param_member<&ServiceImpl::stats_>({.name = "stats",
						 .doc = "Waiting times, queue lengths, buffers.",
						 .tree = CFS_PTREE_DEBUGFS}),
};

} // namespace

// ---- buffers ----

void ReceiveBuffer::destroy() noexcept
{
	service->buffer_free(*this);
}

void ServiceImpl::buffer_free(ReceiveBuffer &b) noexcept
{
	cfs_free(kSubsys, b.memory, b.bytes);
	b.~ReceiveBuffer();
	cfs_free(kSubsys, &b, sizeof(b));
	cfs::SpinGuard g(lock_);
	// Under the lock: without the last buffer the service may go.
	if (short_.load(std::memory_order_relaxed))
		(void)refill_work_.queue(core_.completions());
	if (--buffers_ == 0)
		waitq_.wake_all();
}

cfs::Result<> ServiceImpl::post_buffer(u32 portal) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (stopping_)
			return cfs::fail(SHUTDOWN);
		if (buffers_ >= kBuffersMax)
			return cfs::fail(NOBUFS);
		buffers_++;
	}
	cfs::ScopeExit undo([this]() noexcept {
		cfs::SpinGuard g(lock_);
		if (--buffers_ == 0)
			waitq_.wake_all();
	});
	std::size_t bytes = spec_.buffer_bytes;
	void *memory = cfs_alloc(kSubsys, bytes, CFS_ALLOC_LARGE);
	if (!memory)
		return cfs::fail(NOMEM);
	auto made = cfs::try_make<ReceiveBuffer>();
	if (!made) {
		cfs_free(kSubsys, memory, bytes);
		return cfs::fail(made.error());
	}
	undo.dismiss();
	ReceiveBuffer &b = *made->release();
	b.service = this;
	b.memory = static_cast<std::byte *>(memory);
	b.bytes = bytes;
	b.portal = portal;
	return attach(b);
}

/// Consumes the buffer's first reference: LNet has it until the last event.
cfs::Result<> ServiceImpl::attach(ReceiveBuffer &b) noexcept
{
	lnet::MatchSpec match;
	match.portal = static_cast<u32>(spec_.portals[b.portal]);
	match.ignore_bits = ~u64{0};
	lnet::MdSpec md;
	md.buffer = {b.memory, {}, static_cast<u32>(b.bytes)};
	md.threshold = lnet::LNET_MD_THRESH_INF;
	md.max_size = static_cast<u32>(spec_.request_max + kRequestExtra);
	md.options = lnet::LNET_MD_OP_PUT | lnet::LNET_MD_MAX_SIZE;
	md.handler = this;
	md.user = &b;
	auto self =
		cfs::RefPtr<ReceiveBuffer>::share(&b); // it may be used up before attach returns
	bool ends = false;
	{
		cfs::SpinGuard g(lock_);
		ends = stopping_;
		if (!ends) {
			posted_.push_back(b);
			posted_by_[b.portal]++;
		}
	}
	if (ends) {
		b.put();
		return cfs::fail(SHUTDOWN);
	}
	auto h = core_.network().attach(match, md);
	{
		cfs::SpinGuard g(lock_);
		if (h) {
			b.md = *h;
			ends = stopping_; // stop() may have looked before it had a name
		} else {
			posted_.erase(posted_.iterator_to(b));
			posted_by_[b.portal]--;
			waitq_.wake_all();
		}
	}
	if (ends)
		(void)core_.network().unlink(*h);
	if (!h)
		b.put();
	return h ? cfs::Result<>{} : cfs::fail(h.error());
}

void ServiceImpl::refill() noexcept
{
	if (!short_.exchange(false, std::memory_order_acq_rel))
		return;
	for (u32 p = 0; p < 2; p++) {
		if (spec_.portals[p] == wire::Portal{})
			continue;
		for (;;) {
			{
				cfs::SpinGuard g(lock_);
				if (stopping_ || posted_by_[p] >= kBuffersPosted)
					break;
			}
			if (!post_buffer(p)) {
				// The portal is lazy: messages wait until memory is there.
				short_.store(true, std::memory_order_release);
				break;
			}
		}
	}
}

void ServiceImpl::on_event(const lnet::Event &ev) noexcept
{
	auto *b = static_cast<ReceiveBuffer *>(ev.user);
	bool request = ev.type == lnet::EventType::put && ev.status == cfs::Errno{};
	if (request) {
		// A request is made without sleeping: this is LNet's thread.
		auto made = cfs::try_make_flags<ServerReq>(CFS_ALLOC_DEFAULT, *this, ev,
							   cfs::RefPtr<ReceiveBuffer>::share(b));
		if (made && waiting_.load(std::memory_order_relaxed) < kQueueMax) {
			requests_.fetch_add(1, std::memory_order_relaxed);
			u64 n = received_.fetch_add(1, std::memory_order_relaxed);
			Part &p = parts_[core_.network().cpt_of(ev.initiator.nid) % parts_.size()];
			u32 depth = waiting_.fetch_add(1, std::memory_order_relaxed);
			if (n % 16 == 0)
				stats_.add(kQueueDepth, depth);
			cfs::SpinGuard g(p.lock);
			p.incoming.push_back(*made->release());
			call_if_needed(p);
		} else {
			no_memory_.fetch_add(1, std::memory_order_relaxed);
			if (made) {
				requests_.fetch_add(1, std::memory_order_relaxed);
				made->reset();
			}
			CERROR(CFS_S_RPC, "{}: no memory for a request of {}: dropped", name(),
			       ev.initiator);
		}
	}
	if (!ev.unlinked)
		return;
	bool low = false;
	{
		cfs::SpinGuard g(lock_);
		posted_.erase(posted_.iterator_to(*b));
		u32 left = --posted_by_[b->portal];
		if (left < kBuffersPosted)
			short_.store(true, std::memory_order_release);
		low = left < kBuffersPosted / 2 && !stopping_;
		waitq_.wake_all();
	}
	// Threads post as they come by, but all may be at work, or were here a moment ago. While a
	// message waits for a buffer, so does what comes behind it from the same peer: also the
	// data that a thread waits for.
	if (low)
		(void)refill_work_.queue(core_.completions());
	b->put(); // the service may go
}

// ---- threads ----

u32 ServiceImpl::min_per_part() const noexcept
{
	u32 n = threads_min_.load(std::memory_order_relaxed) / static_cast<u32>(parts_.size());
	return std::max(n, 1u);
}

u32 ServiceImpl::max_per_part() const noexcept
{
	u32 n = threads_max_.load(std::memory_order_relaxed) / static_cast<u32>(parts_.size());
	return std::max(n, min_per_part());
}

cfs::Result<> ServiceImpl::start_worker(Part &p) noexcept
{
	auto w = TRY(cfs::try_make<Worker>());
	w->part = &p;
	u32 number = 0;
	{
		cfs::SpinGuard g(p.lock);
		if (p.stopping)
			return cfs::fail(SHUTDOWN);
		number = p.next_number++;
		p.threads++;
	}
	char name[32];
	cfs::format_cstr(name, "{}{:02}_{:03}", static_cast<const char *>(thread_name_), p.index,
			 number);
	Worker *raw = w.release();
	{
		cfs::SpinGuard g(p.lock);
		p.workers.push_back(*raw);
	}
	int cpt = parts_.size() > 1 ? static_cast<int>(p.index) : CFS_CPT_ANY;
	auto r = raw->thread.start<&Worker::run>(core_.node().plat(), name, raw, cpt);
	if (r)
		return r;
	{
		cfs::SpinGuard g(p.lock);
		p.threads--;
		p.workers.erase(p.workers.iterator_to(*raw));
	}
	cfs::UniquePtr<Worker>(raw).reset();
	return r;
}

/// Joins threads that have ended.
void ServiceImpl::reap(Part &p) noexcept
{
	for (;;) {
		Worker *w = nullptr;
		{
			cfs::SpinGuard g(p.lock);
			for (Worker &i : p.workers)
				if (i.exited) {
					w = &i;
					break;
				}
			if (!w)
				return;
			p.workers.erase(p.workers.iterator_to(*w));
		}
		cfs::UniquePtr<Worker>(w).reset();
	}
}

void ServiceImpl::Worker::run() noexcept
{
	part->service->work(*this);
}

bool ServiceImpl::can_take(Part &p) const noexcept
{
	if (p.urgent.empty() && p.normal.empty())
		return false;
	// How many threads there may be, and how many of them are kept from any work, so that
	// somebody looks at what comes in; and from ordinary work, for what others wait for.
	bool may_grow = !p.stopping && !p.cannot_grow;
	u32 limit = may_grow ? std::max(max_per_part(), p.threads) : p.threads;
	u32 looking = limit > 2 ? 1 : 0;
	u32 spare = limit > 1 ? looking + 1 : 0;
	if (p.busy + looking >= p.threads)
		return false;
	return !p.urgent.empty() || p.busy_normal + spare < p.threads;
}

bool ServiceImpl::wants_thread(Part &p) const noexcept
{
	if (p.starting || p.stopping || p.cannot_grow || p.threads >= max_per_part())
		return false;
	bool queued = !p.normal.empty() || !p.urgent.empty();
	bool all_busy = p.busy + 1 >= p.threads;
	return (queued && !can_take(p)) || (all_busy && (queued || !p.incoming.empty()));
}

bool ServiceImpl::drained(Part &p) const noexcept
{
	return p.incoming.empty() && p.urgent.empty() && p.normal.empty();
}

/// There is something that a thread can do at once.
bool ServiceImpl::something(Part &p) const noexcept
{
	return !p.incoming.empty() || can_take(p) || wants_thread(p);
}

void ServiceImpl::call_one(Part &p) noexcept
{
	if (p.asleep.empty())
		return;
	Worker &w = p.asleep.front();
	p.asleep.pop_front();
	p.looking++;
	w.called = true;
	w.waitq.wake_one();
}

/// Sees to it that somebody looks at what there is.
void ServiceImpl::call_if_needed(Part &p) noexcept
{
	if (p.looking == 0 && something(p))
		call_one(p);
}

/// A thread goes to work, which may take any time. Somebody else looks at what it leaves behind.
void ServiceImpl::leave(Part &p) noexcept
{
	p.looking--;
	call_if_needed(p);
}

/// Until something can be done. False: the thread is to end.
bool ServiceImpl::sleep(Part &p, Worker &w) noexcept
{
	while (!something(p)) {
		if (p.stopping && drained(p))
			return false;
		w.called = false;
		p.asleep.push_front(w);
		p.looking--;
		auto called = [&w]() CFS_NO_TSA { return w.called; };
		if (w.waitq.wait(p.lock, cfs::WaitMode::idle, cfs::after(kThreadIdle), called))
			continue;
		p.asleep.erase(p.asleep.iterator_to(w));
		p.looking++;
		// Not the last one that is free.
		if (p.threads > min_per_part() && p.busy + 1 < p.threads)
			return false;
	}
	return true;
}

/// Starts another thread; p.starting is set and the caller has left.
void ServiceImpl::grow(Part &p) noexcept
{
	reap(p);
	bool started = start_worker(p).has_value();
	cfs::SpinGuard g(p.lock);
	p.starting = false;
	p.cannot_grow = !started;
}

void ServiceImpl::work(Worker &w) noexcept
{
	Part &p = *w.part;
	{
		cfs::SpinGuard g(p.lock);
		p.looking++;
	}
	for (;;) {
		bool more = false, refills = false;
		{
			cfs::SpinGuard g(p.lock);
			if (!sleep(p, w)) {
				p.threads--;
				w.exited = true;
				leave(p); // what came in just now is for another one
				if (p.stopping)
					call_one(p);
				p.waitq.wake_all();
				return;
			}
			more = wants_thread(p);
			p.starting = p.starting || more;
			refills = short_.load(std::memory_order_relaxed);
			if (more || refills)
				leave(p);
		}
		if (refills)
			refill();
		if (more)
			grow(p);
		if (more || refills) {
			cfs::SpinGuard g(p.lock);
			p.looking++;
		}
		while (do_incoming(p)) {
		}
		while (do_one(p)) {
		}
	}
}

bool ServiceImpl::do_incoming(Part &p) noexcept
{
	ServerReq *r = nullptr;
	{
		cfs::SpinGuard g(p.lock);
		if (p.incoming.empty())
			return false;
		r = &p.incoming.front();
		p.incoming.pop_front();
		leave(p);
	}
	bool wanted = r->prepare();
	bool urgent = wanted && r->urgent();
	if (!wanted) {
		waiting_.fetch_sub(1, std::memory_order_relaxed);
		r->put();
	}
	cfs::SpinGuard g(p.lock);
	p.looking++;
	if (wanted)
		(urgent ? p.urgent : p.normal).push_back(*r);
	return true;
}

bool ServiceImpl::do_one(Part &p) noexcept
{
	ServerReq *r = nullptr;
	bool normal = false;
	{
		cfs::SpinGuard g(p.lock);
		if (!can_take(p))
			return false;
		normal = p.urgent.empty();
		auto &q = normal ? p.normal : p.urgent;
		r = &q.front();
		q.pop_front();
		p.busy++;
		if (normal)
			p.busy_normal++;
		leave(p);
	}
	waiting_.fetch_sub(1, std::memory_order_relaxed);
	stats_.add(kWaitTime, (cfs::Instant::now() - r->arrival()).us());
	r->execute();
	r->put();
	cfs::SpinGuard g(p.lock);
	p.looking++;
	p.busy--;
	if (normal)
		p.busy_normal--;
	p.cannot_grow = false; // it may be tried again
	return p.incoming.empty();
}

// ---- history and numbers ----

void ServiceImpl::note_handled(ServerReq &r, cfs::Duration took, i32 status) noexcept
{
	HistoryRecord h;
	h.self = r.self();
	h.source = r.source();
	h.xid = static_cast<u64>(r.xid());
	h.length = static_cast<u32>(r.message().size());
	h.opcode = static_cast<u32>(r.opcode());
	h.status = status;
	h.took_ms = static_cast<u32>(took.ms());
	h.arrival = cfs::real_seconds() - took.s();
	h.limit = static_cast<u32>((r.deadline() - r.arrival()).s());
	h.complete = true;
	cfs::SpinGuard g(history_lock_);
	if (history_.empty())
		return;
	h.seq = ++history_seq_;
	history_[h.seq % history_.size()] = h;
}

void ServiceImpl::show_history(cfs::FormatSink &out) noexcept
{
	u64 from = 0, to = 0;
	{
		cfs::SpinGuard g(history_lock_);
		to = history_seq_;
		from = to > history_.size() ? to - history_.size() + 1 : 1;
	}
	for (u64 n = from; n <= to; n++) {
		HistoryRecord h;
		{
			cfs::SpinGuard g(history_lock_);
			h = history_[n % history_.size()];
		}
		if (h.seq != n)
			continue;
		out.print("{}:{}:{}:x{}:{}:Complete:{}:{}.{:03}s(-{}.0s) opc {} rc {}\n", h.seq,
			  h.self, h.source, h.xid, h.length, h.arrival, h.took_ms / 1000,
			  h.took_ms % 1000, h.limit, h.opcode, h.status);
	}
}

void ServiceImpl::show_timeouts(cfs::FormatSink &out) noexcept
{
	auto v = estimate_.view();
	out.print("   service : cur {:3}  worst {:3} (at {}, 0s ago) ",
		  estimate_.get(core_.tunables()), v.worst_ever, cfs::real_seconds());
	for (u32 b : v.bin)
		out.print("{:3} ", b);
	out.put('\n');
}

u32 ServiceImpl::threads() noexcept
{
	u32 n = 0;
	for (Part &p : parts_) {
		cfs::SpinGuard g(p.lock);
		n += p.threads;
	}
	return n;
}

u32 ServiceImpl::queued() noexcept
{
	return waiting_.load(std::memory_order_relaxed);
}

u32 ServiceImpl::show_threads_min() noexcept
{
	return threads_min_.load(std::memory_order_relaxed);
}

u32 ServiceImpl::show_threads_max() noexcept
{
	return threads_max_.load(std::memory_order_relaxed);
}

cfs::Result<> ServiceImpl::set_threads_min(u32 n) noexcept
{
	if (n > threads_max_.load(std::memory_order_relaxed))
		return cfs::fail(RANGE);
	threads_min_.store(n, std::memory_order_relaxed);
	return {};
}

cfs::Result<> ServiceImpl::set_threads_max(u32 n) noexcept
{
	if (n < threads_min_.load(std::memory_order_relaxed))
		return cfs::fail(RANGE);
	threads_max_.store(n, std::memory_order_relaxed);
	for (Part &p : parts_) {
		cfs::SpinGuard g(p.lock);
		call_if_needed(p);
	}
	return {};
}

const Handler *ServiceImpl::find_handler(wire::Opcode op) const noexcept
{
	for (const Handler &h : spec_.handlers)
		if (h.opcode == op)
			return &h;
	return nullptr;
}

void ServiceImpl::request_gone() noexcept
{
	cfs::SpinGuard g(lock_);
	if (requests_.fetch_sub(1, std::memory_order_relaxed) == 1)
		waitq_.wake_all();
}

// ---- life ----

cfs::Result<> ServiceImpl::init(const ServiceSpec &s) noexcept
{
	spec_ = s;
	if (s.name.empty() || s.name.size() >= sizeof(name_) || s.portals[0] == wire::Portal{})
		return cfs::fail(INVAL);
	std::copy(s.name.begin(), s.name.end(), name_);
	std::size_t n = std::min(s.thread_name.size(), sizeof(thread_name_) - 1);
	std::copy_n(s.thread_name.begin(), n, thread_name_);
	spec_.name = name_;
	spec_.thread_name = thread_name_;
	std::size_t longest = s.request_max + kRequestExtra;
	spec_.buffer_bytes = std::max({s.buffer_bytes, longest, std::size_t{32768}});
	u32 cpus = cfs_cpu_count();
	threads_min_ = std::min(s.threads_min ? s.threads_min : 2u, kThreadsMax);
	u32 max = s.threads_max ? s.threads_max : std::clamp(cpus * 8, 16u, 128u);
	threads_max_ = std::max(std::min(max, kThreadsMax), threads_min_.load());
	TRY(stats_.open(kSubsys, kStats));
	auto history = TRY(cfs::Array<HistoryRecord>::make(kSubsys, kHistory));
	{
		cfs::SpinGuard g(history_lock_);
		history_ = std::move(history);
	}
	parts_ = TRY(cfs::Array<Part>::make(kSubsys, std::min(cfs_cpt_count(), kPartsMax)));
	for (u32 i = 0; i < parts_.size(); i++) {
		parts_[i].service = this;
		parts_[i].index = i;
	}
	for (Part &p : parts_)
		for (u32 i = 0; i < min_per_part(); i++)
			TRY(start_worker(p));
	for (u32 p = 0; p < 2; p++) {
		if (spec_.portals[p] == wire::Portal{})
			continue;
		for (u32 i = 0; i < kBuffersPosted; i++)
			TRY(post_buffer(p));
		TRY(core_.network().set_lazy(static_cast<u32>(spec_.portals[p]), true));
	}
	return open_params();
}

cfs::Result<> ServiceImpl::open_params() noexcept
{
	if (!spec_.params)
		return {};
	TRY(params_.open(*spec_.params, name_));
	return params_.add(kParams, this);
}

cfs::Result<ServiceImpl *> ServiceImpl::make(Core &core, const ServiceSpec &s) noexcept
{
	auto made = TRY(cfs::try_make<ServiceImpl>(core));
	ServiceImpl *service = made.release();
	if (auto r = service->init(s); !r) {
		service->stop();
		return cfs::fail(r.error());
	}
	return service;
}

void ServiceImpl::stop() noexcept
{
	params_.close();
	for (wire::Portal p : spec_.portals)
		if (p != wire::Portal{})
			(void)core_.network().set_lazy(static_cast<u32>(p), false);
	{
		cfs::SpinGuard g(lock_);
		stopping_ = true;
	}
	// No more requests come in.
	for (;;) {
		lnet::MdHandle md;
		{
			cfs::SpinGuard g(lock_);
			for (ReceiveBuffer &b : posted_)
				if (b.md) {
					md = std::exchange(b.md, lnet::MdHandle{});
					break;
				}
		}
		if (!md)
			break;
		(void)core_.network().unlink(md);
	}
	{
		cfs::SpinGuard g(lock_);
		auto none = [this]() CFS_NO_TSA { return posted_.empty(); };
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	for (Part &p : parts_) {
		cfs::SpinGuard g(p.lock);
		p.stopping = true;
		call_one(p); // who ends calls the next one
		auto none = [&p]() CFS_NO_TSA { return p.threads == 0; };
		(void)p.waitq.wait(p.lock, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	for (Part &p : parts_)
		reap(p);
	{
		cfs::SpinGuard g(lock_);
		auto none = [this]() CFS_NO_TSA {
			return requests_.load(std::memory_order_relaxed) == 0 && buffers_ == 0;
		};
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	(void)refill_work_.cancel_sync();
	core_.remove_service(*this);
	destroy();
}

void ServiceImpl::destroy() noexcept
{
	this->~ServiceImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

} // namespace rpc
