// SPDX-License-Identifier: GPL-2.0
//
// Scheduling, time and events. See sched.hpp for the rules.
#include "libcfs/sim/sched.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "libcfs/sim/disk.hpp"
#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/net.hpp"

#ifdef CFS_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace cfs::sim
{

Sched *current_sched = nullptr;

namespace
{

constexpr std::uint64_t kCheckEvery = 65536; // steps between looks at the budgets
constexpr std::uint64_t kLongRun = 20000;    // steps that a ready fiber may have to wait

// What a fiber's C++ objects hold is lost when it is dropped; that is no leak of the program.
void leaks_expected([[maybe_unused]] const Fiber *from, [[maybe_unused]] const Fiber *to)
{
#ifdef CFS_ASAN
	auto lossy = [](const Fiber *f) { return f->home && f->home != &f->home->sched->driver; };
	if (lossy(to) && !lossy(from))
		__lsan_disable();
	else if (lossy(from) && !lossy(to))
		__lsan_enable();
#endif
}

} // namespace

// ---- events ----

void EventHeap::up(std::size_t pos) noexcept
{
	Event *e = heap_[pos];
	for (; pos; pos = (pos - 1) / 2) {
		Event *parent = heap_[(pos - 1) / 2];
		if (!before(e, parent))
			break;
		place(parent, pos);
	}
	place(e, pos);
}

void EventHeap::down(std::size_t pos) noexcept
{
	Event *e = heap_[pos];
	for (std::size_t child = 2 * pos + 1; child < heap_.size(); child = 2 * pos + 1) {
		if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child]))
			child++;
		if (!before(heap_[child], e))
			break;
		place(heap_[child], pos);
		pos = child;
	}
	place(e, pos);
}

void EventHeap::add(Event &e)
{
	heap_.push_back(&e);
	up(heap_.size() - 1);
}

void EventHeap::remove(Event &e) noexcept
{
	std::size_t pos = e.pos;
	Event *last = heap_.back();
	heap_.pop_back();
	e.pos = Event::kIdle;
	if (last == &e)
		return;
	place(last, pos);
	up(pos);
	down(last->pos);
}

void Sched::arm(Event &e, Nanos at)
{
	if (e.armed())
		events_.remove(e);
	e.at = std::max(at, now_);
	e.seq = next_event_seq_++;
	events_.add(e);
	update_next_event();
}

void Sched::disarm(Event &e) noexcept
{
	if (!e.armed())
		return;
	events_.remove(e);
	update_next_event();
}

void Sched::update_next_event() noexcept
{
	next_event_ = events_.empty() ? UINT64_MAX : events_.first()->at;
}

// Events run between fibers: whoever is current stands aside.
void Sched::fire_due()
{
	if (events_.empty() || events_.first()->at > now_)
		return;
	interrupted_ = std::exchange(current_fiber, &events_context_);
	while (!events_.empty() && events_.first()->at <= now_) {
		Event *e = events_.first();
		events_.remove(*e);
		e->fire(*e);
	}
	current_fiber = std::exchange(interrupted_, nullptr);
	update_next_event();
}

// ---- policy ----

void Sched::draw_policy()
{
	priorities_ = options.policy == Policy::priorities ||
		      (options.policy == Policy::mixed && choice.chance(2));
	// From every other point to one in a thousand.
	switch_one_in_ = static_cast<std::uint32_t>(choice.magnitude(10));
	if (options.switch_one_in)
		switch_one_in_ = options.switch_one_in;
	auto changes = 1 + choice.below(6);
	if (options.priority_changes)
		changes = options.priority_changes;
	if (priorities_)
		for (std::uint64_t i = 0; i < changes; i++)
			change_steps_.push_back(choice.magnitude(20));
	std::sort(change_steps_.rbegin(), change_steps_.rend());
	stall_one_in_ = choice.chance(2) ? options.stall_one_in : 0;
	if (stall_one_in_)
		next_stall_ = choice.below(2 * std::uint64_t{stall_one_in_});
	spurious_one_in = choice.chance(2) ? options.spurious_one_in : 0;
	draw_next_decision();
}

void Sched::draw_next_decision()
{
	if (priorities_) {
		while (!change_steps_.empty() && change_steps_.back() <= steps_)
			change_steps_.pop_back();
		if (next_fairness_ <= steps_)
			next_fairness_ = steps_ + kLongRun;
		next_decision_ = next_fairness_;
		if (!change_steps_.empty())
			next_decision_ = std::min(next_decision_, change_steps_.back());
	} else {
		// Uniform around the mean does as well as geometric, and costs no logarithm.
		next_decision_ = steps_ + 1 + choice.below(2 * std::uint64_t{switch_one_in_});
	}
	if (stall_one_in_ && next_stall_ <= steps_)
		next_stall_ = steps_ + 1 + choice.below(2 * std::uint64_t{stall_one_in_});
	next_slow_ = std::min({next_decision_, next_stall_, steps_ + kCheckEvery});
}

Fiber *Sched::choose()
{
	std::size_t n = ready_.size();
	if (!priorities_)
		return ready_[n == 1 ? 0 : choice.below(n)];
	Fiber *best = ready_[0];
	for (Fiber *f : ready_)
		if (f->priority > best->priority)
			best = f;
	return best;
}

// At a change point the current fiber becomes the least important. Now and then whoever waits for
// very long becomes the most important, however busy others keep each other.
void Sched::change_priorities()
{
	if (steps_ < next_fairness_) {
		current_fiber->priority = --lowest_priority_;
		return;
	}
	Fiber *oldest = nullptr;
	for (Fiber *f : ready_)
		if (!oldest || f->ready_since < oldest->ready_since)
			oldest = f;
	if (oldest && steps_ - oldest->ready_since >= kLongRun)
		oldest->priority = ++highest_priority_;
}

void Sched::slow_point() noexcept
{
	Fiber *me = current_fiber;
	if (!me->preemptible) {
		next_event_ = UINT64_MAX; // events are fired by fibers only
		return;
	}
	fire_due();
	bool decide = steps_ >= next_decision_;
	bool stall = steps_ >= next_stall_;
	if (decide && priorities_)
		change_priorities();
	if (steps_ >= next_slow_) {
		check_budgets();
		draw_next_decision();
	}
	if (stall) {
		stalled_++;
		block(Wait::stall, nullptr, nullptr, 0, now_ + 1 + choice.below(options.stall_max));
		stalled_--;
		return;
	}
	if ((!decide && !must_choose_) || ready_.empty())
		return;
	make_ready(me);
	must_choose_ = false;
	switch_to(choose());
}

void Sched::yield() noexcept
{
	Fiber *me = current_fiber;
	point();
	me->priority = --lowest_priority_;
	if (ready_.empty()) {
		// Alone, it waits for time to pass.
		now_ += kMicrosecond;
		fire_due();
		if (ready_.empty())
			return;
	}
	Fiber *f = choose();
	make_ready(me);
	switch_to(f);
}

// ---- fibers ----

Fiber *Sched::spawn(NodeImpl *home, std::string_view name, int cpt, std::function<void()> fn)
{
	auto *f = new Fiber;
	f->id = next_fiber_id_++;
	f->pid = static_cast<std::uint32_t>(1000 + f->id);
	f->home = home;
	f->node = home;
	f->cpt = cpt;
	f->set_comm(std::string(name).c_str());
	f->fn = std::move(fn);
	f->priority = (std::uint64_t{1} << 32) + (choice.u64() >> 32);
	f->stack = take_stack(options.stack_bytes);
	f->stack_low = f->stack.low();
	f->stack_high = f->stack.high();
	f->timeout.fiber = f;
	f->timeout.fire = [](Event &e) {
		Fiber *self = static_cast<Fiber::Timeout &>(e).fiber;
		self->timed_out = true;
		current_sched->make_ready(self);
	};
	context_make(f->context, f->stack, fiber_entry);
	f->prev = all_last_;
	(all_last_ ? all_last_->next : all_first_) = f;
	all_last_ = f;
	fiber_count_++;
	make_ready(f);
	return f;
}

void fiber_entry()
{
	Fiber *me = current_fiber;
	context_entered(me->context);
	current_sched->answer_visitors(me);
	me->fn();
	if (me->atomic_context() || !me->held.empty())
		current_sched->fail(Failure::bug,
				    "a thread ends holding a lock or inside an RCU section");
	current_sched->exit_current();
}

void Sched::make_ready(Fiber *f)
{
	if (f->ready)
		return;
	if (f->timeout.armed())
		disarm(f->timeout);
	f->ready = true;
	f->ready_since = steps_;
	f->ready_index = ready_.size();
	ready_.push_back(f);
	if (priorities_ && f->priority > current_fiber->priority) {
		must_choose_ = true;
		next_slow_ = 0;
	}
}

void Sched::switch_to(Fiber *f)
{
	// Out of the ready list; the last one takes its place.
	ready_[f->ready_index] = ready_.back();
	ready_[f->ready_index]->ready_index = f->ready_index;
	ready_.pop_back();
	f->ready = false;
	Fiber *me = current_fiber;
	if (f == me)
		return;
	switches_++;
	mix(f->id ^ now_ << 20);
	if (options.trace)
		std::fprintf(stderr, "[%12.6f] -> %s\n", static_cast<double>(now_) / 1e9,
			     f->label().c_str());
	leaks_expected(me, f);
	current_fiber = f;
	context_switch(me->context, f->context, zombie_ == me);
	answer_visitors(me);
}

// Runs in a fiber that has just been given the processor, maybe only to print its stack or to go.
void Sched::answer_visitors(Fiber *me) noexcept
{
	while (Fiber *back = std::exchange(me->visitor, nullptr)) {
		bool ends = me->doomed;
		if (!ends)
			visit_answer_ = hosted::current_stack(2);
		current_fiber = back;
		context_switch(me->context, back->context, ends);
	}
	if (zombie_) {
		Fiber *z = std::exchange(zombie_, nullptr);
		give_stack(z->stack);
		delete z;
	}
}

bool Sched::block(Wait why, const void *on, const cfs_lock_class *cls, unsigned mode, Nanos until)
{
	Fiber *me = current_fiber;
	if (!me->preemptible)
		hosted::misuse("something waits where no fiber runs");
	me->wait = why;
	me->wait_on = on;
	me->wait_class = cls;
	me->wait_mode = mode;
	me->wait_since = now_;
	me->wait_until = until;
	me->timed_out = false;
	if (until != UINT64_MAX)
		arm(me->timeout, until);
	if (!idle_until_ready())
		stuck();
	switch_to(choose());
	me->wait = Wait::nothing;
	me->wait_on = nullptr;
	return me->timed_out;
}

// Lets time pass until some fiber is ready; false when nothing will ever happen again.
bool Sched::idle_until_ready()
{
	fire_due();
	while (ready_.empty()) {
		if (events_.empty())
			return false;
		now_ = events_.first()->at;
		if (!stalled_) // a stall is no rest
			busy_since_ = steps_;
		if (now_ > next_hung_check_)
			check_hung();
		if (now_ > options.time_max)
			fail(Failure::livelock, "virtual time ran out");
		fire_due();
	}
	return true;
}

bool Sched::wait_on(WaitList &l, Wait why, Nanos until)
{
	Fiber *me = current_fiber;
	l.fibers.push_back(me);
	me->wait_list = &l;
	bool timed_out = block(why, &l, nullptr, 0, until);
	if (me->wait_list) {
		std::erase(l.fibers, me);
		me->wait_list = nullptr;
	}
	return timed_out;
}

void Sched::wake(WaitList &l)
{
	for (Fiber *f : l.fibers) {
		f->wait_list = nullptr;
		make_ready(f);
	}
	l.fibers.clear();
}

void Sched::unlink(Fiber *f)
{
	(f->prev ? f->prev->next : all_first_) = f->next;
	(f->next ? f->next->prev : all_last_) = f->prev;
	fiber_count_--;
}

void Sched::exit_current()
{
	Fiber *me = current_fiber;
	unlink(me);
	me->ended = true;
	if (!idle_until_ready() || fiber_count_ == 0)
		stuck();
	zombie_ = me;
	switch_to(choose());
	std::abort(); // a zombie ran
}

// Frees a fiber that does not run. It runs once more, to let AddressSanitizer forget its frames.
void Sched::reap(Fiber *f)
{
	if (f->ready) {
		ready_[f->ready_index] = ready_.back();
		ready_[f->ready_index]->ready_index = f->ready_index;
		ready_.pop_back();
	}
	disarm(f->timeout);
	if (f->wait == Wait::stall)
		stalled_--;
	if (f->wait_list)
		std::erase(f->wait_list->fibers, f);
	unlink(f);
	f->visitor = current_fiber;
	f->doomed = true;
	Fiber *me = current_fiber;
	current_fiber = f;
	context_switch(me->context, f->context);
	current_fiber = me;
	give_stack(f->stack);
	delete f;
}

void Sched::drop_fibers(NodeImpl *home)
{
	for (Fiber *f = all_first_; f;) {
		Fiber *next = f->next;
		if (f->home == home && f != current_fiber)
			reap(f);
		f = next;
	}
}

// ---- the run ----

Sched::Sched(World *w, std::uint64_t seed, const Options &o)
    : world(w), options(o), choice(seed, 1), faults(seed, 2), for_test(seed, 3),
      driver(this, "driver", 0, {})
{
	outcome.seed = seed;
	now_ = 1 + choice.below(kSecond);
	events_context_.preemptible = false;
	events_context_.set_comm("event");
	events_context_.node = &driver;
	events_context_.home = &driver;
	driver.memory = std::make_unique<hosted::MemDomain>("driver");
	net = std::make_unique<Net>(*this);
	draw_policy();
}

Sched::~Sched()
{
	// After a failure fibers are left. They vanish as in a crash.
	Sched *outer = std::exchange(current_sched, this);
	Fiber *host = std::exchange(current_fiber, &host_fiber());
	while (all_first_)
		reap(all_first_);
	for (auto &n : nodes)
		n->clear();
	driver.clear();
	current_fiber = host;
	current_sched = outer;
}

Outcome Sched::run()
{
	if (ran || current_sched)
		hosted::misuse("World::run() twice, or inside a world");
	ran = true;
	next_hung_check_ = now_ + options.hung_after;
	if (fiber_count_) {
		current_sched = this;
		host_fiber_enter();
		if (idle_until_ready())
			switch_to(choose());
		current_sched = nullptr;
	}
	outcome.steps = steps_;
	outcome.switches = switches_;
	outcome.time = now_;
	outcome.trace_hash = hash_ ^ steps_;
	if (outcome.ok()) {
		std::string left = driver.remains();
		if (!left.empty())
			fail_after(Failure::leftover, "driver fibers left behind:\n" + left);
	}
	return outcome;
}

// Back to run(), for good.
void Sched::finish()
{
	Fiber *me = current_fiber;
	if (me->ended)
		zombie_ = me;
	leaks_expected(me, &host_fiber());
	current_fiber = &host_fiber();
	context_switch(me->context, host_fiber().context, me->ended);
	answer_visitors(me);
	std::abort(); // a finished world went on
}

// No fiber is ready and no event will come.
void Sched::stuck()
{
	if (fiber_count_ == 0)
		finish();
	fail(Failure::deadlock,
	     "deadlock: nothing can run any more, and not every fiber has ended");
}

void Sched::check_budgets()
{
	if (steps_ - busy_since_ > options.busy_steps_max)
		fail(Failure::livelock, "livelock: fibers are busy without end");
	if (steps_ > options.steps_max)
		fail(Failure::livelock, "the run takes too many steps");
}

void Sched::check_hung()
{
	next_hung_check_ = now_ + options.hung_after / 4;
	for (Fiber *f = all_first_; f; f = f->next) {
		bool lock = f->wait == Wait::spin || f->wait == Wait::mutex ||
			    f->wait == Wait::read || f->wait == Wait::write;
		bool wait = f->wait == Wait::queue && f->wait_until == UINT64_MAX &&
			    (f->wait_mode & (CFS_WAIT_KILLABLE | CFS_WAIT_INTERRUPTIBLE));
		if ((lock || wait) && now_ - f->wait_since > options.hung_after)
			fail(Failure::hung, "hung: " + f->label() + " waits without end");
	}
}

} // namespace cfs::sim
