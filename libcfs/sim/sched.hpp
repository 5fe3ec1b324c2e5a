// SPDX-License-Identifier: GPL-2.0
//
// The scheduler: fibers, virtual time, events, and every choice. Inside the simulator only.
//
// One fiber runs at a time. It gives way at preemption points (when the policy says so), when it
// blocks, and when it ends; whoever gives way picks the next fiber and switches to it directly.
// When no fiber is ready, time jumps to the next event. Events only make fibers ready or free
// memory, and run on the stack of whoever gave way.
//
// Nothing here may depend on an address: lists are in order of creation or arrival, and choices are
// indices into them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/stacks.hpp"
#include "libcfs/host/common/task.hpp"
#include "libcfs/plat/lock.h"
#include "libcfs/plat/wait.h"
#include "libcfs/sim/fiber.hpp"
#include "libcfs/sim/lock_order.hpp"
#include "libcfs/sim/sim.hpp"

struct cfs_machine;
struct cfs_thread;

namespace cfs::sim
{

struct Fiber;
class NodeImpl;
void fiber_entry();

/// Something that happens at a moment. Intrusive: lives in what it is about.
struct Event {
	static constexpr std::size_t kIdle = SIZE_MAX;
	Nanos at = 0;
	std::uint64_t seq = 0;
	std::size_t pos = kIdle; ///< in the heap
	void (*fire)(Event &e) = nullptr;

	[[nodiscard]] bool armed() const noexcept { return pos != kIdle; }
};

/// Events by time, and by order of arming within one moment.
class EventHeap
{
	std::vector<Event *> heap_;

	static bool before(const Event *a, const Event *b) noexcept
	{
		return a->at != b->at ? a->at < b->at : a->seq < b->seq;
	}
	void place(Event *e, std::size_t pos) noexcept
	{
		heap_[pos] = e;
		e->pos = pos;
	}
	void up(std::size_t pos) noexcept;
	void down(std::size_t pos) noexcept;

public:
	[[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
	[[nodiscard]] Event *first() const noexcept { return heap_[0]; }
	void add(Event &e);
	void remove(Event &e) noexcept;
};

/// Why a fiber does not run.
enum class Wait : std::uint8_t {
	nothing,
	spin,
	mutex,
	read,
	write,
	queue,
	sleep,
	thread_end,
	node,
	rcu,
	net,
	disk,
	stall,
};

/// A lock a fiber holds.
struct Held {
	const void *lock;
	cfs_lock_class *cls;
	std::uint8_t nest;
	bool shared;
};

/// Fibers that wait for something of the simulator's own, woken all together. Knows when one of
/// them is dropped.
struct WaitList {
	std::vector<Fiber *> fibers;
	WaitList() = default;
	WaitList(const WaitList &) = delete;
	WaitList &operator=(const WaitList &) = delete;
};

/// A thread of execution.
struct Fiber : hosted::Task {
	std::uint64_t id = 0;
	NodeImpl *home = nullptr; ///< its node; drivers have the world's own
	bool preemptible = true;  ///< false: the host's own stack, events
	bool ready = false;	  ///< in the ready list, at ready_index
	std::size_t ready_index = 0;
	std::uint64_t ready_since = 0; ///< step
	std::uint64_t priority = 0;
	unsigned cpu = 0;

	Wait wait = Wait::nothing;
	const void *wait_on = nullptr; ///< the lock or queue
	const cfs_lock_class *wait_class = nullptr;
	unsigned wait_mode = 0;
	Nanos wait_since = 0;
	Nanos wait_until = UINT64_MAX;
	bool timed_out = false;
	struct Timeout : Event {
		Fiber *fiber = nullptr;
	} timeout;
	Fiber *next_waiter = nullptr; ///< on the same lock
	WaitList *wait_list = nullptr;

	std::vector<Held> held;
	std::uint64_t rcu_since = 0;

	std::function<void()> fn;
	cfs_thread *handle = nullptr;

	Context context;
	Stack stack;
	Fiber *visitor = nullptr; ///< it runs only to answer this one
	bool doomed = false;	  ///< the answer is to vanish
	bool ended = false;	  ///< only its stack is left

	Fiber *prev = nullptr;
	Fiber *next = nullptr;

	/// "mds1/ost_io #12"
	[[nodiscard]] std::string label() const;
};

/// The fiber that runs, or the stand-in for code outside of any.
extern Fiber *current_fiber;
/// The world that runs, null outside run().
extern Sched *current_sched;

struct RcuPending {
	std::uint64_t grace; ///< sections that began before this number may still see it
	cfs_subsys subsys;
	void *p;
	std::size_t bytes;
};

/// RCU of one machine. Sections and frees take numbers from one counter.
struct RcuState {
	struct ReclaimEvent : Event {
		NodeImpl *node = nullptr;
	};
	std::uint64_t counter = 0;
	std::vector<Fiber *> readers; ///< by rcu_since
	std::deque<RcuPending> pending;
	std::uint64_t queued = 0; ///< ever
	std::uint64_t freed = 0;  ///< ever
	WaitList waiters;	  ///< for a section's end or a free
	ReclaimEvent reclaim;
};

/// A node as the scheduler sees it.
class NodeImpl final : public cfs_node, public Node
{
public:
	NodeImpl(Sched *sched, std::string name, std::uint32_t address, const NodeOptions &o);
	~NodeImpl() override;

	[[nodiscard]] bool up() const noexcept override { return up_; }
	[[nodiscard]] unsigned incarnation() const noexcept override { return incarnation_; }
	[[nodiscard]] std::string_view name() const noexcept override { return cfs_node::name; }
	[[nodiscard]] std::uint32_t address() const noexcept override { return address_; }
	[[nodiscard]] cfs_node *handle() noexcept override { return this; }
	void set_clock_ppm(std::int32_t ppm) noexcept override;
	void set_wall_clock_skew(std::int64_t ns) noexcept override
	{
		options.wall_clock_skew = ns;
	}
	void attach(Disk &d) override { disks.push_back(&d); }

	void boot(std::function<void()> main);
	void power_off(CrashKind kind);
	/// What remains when main returns, which is a failure; empty when nothing does.
	std::string remains();
	/// Frees what a node that is down has no use for.
	void clear() noexcept;

	[[nodiscard]] Nanos clock(Nanos now) const noexcept;
	/// The moment at which its clock will show `deadline`.
	[[nodiscard]] Nanos when(Nanos now, std::uint64_t deadline) const noexcept;

	Sched *const sched;
	NodeOptions options;
	std::unique_ptr<hosted::MemDomain> memory;
	RcuState rcu;
	cfs_machine *machine = nullptr;
	std::vector<Disk *> disks;
	bool stopping = false;
	WaitList stop_waiters;
	WaitList down_waiters;
	Rng random;

	std::function<void()> main;

private:
	void mark_down();

	std::uint32_t address_;
	bool up_ = false;
	unsigned incarnation_ = 0;
	// Its clock showed base_clock_ at base_now_ and has run at clock_ppm since.
	Nanos base_clock_ = 0;
	Nanos base_now_ = 0;
};

/// A line of the event log.
struct LogLine {
	Nanos at;
	std::string text;
};

class Sched
{
public:
	Sched(World *world, std::uint64_t seed, const Options &options);
	~Sched();

	// ---- choices and time ----

	/// A preemption point of the current fiber.
	void point() noexcept
	{
		now_ += options.step;
		if (++steps_ >= next_slow_ || now_ >= next_event_) [[unlikely]]
			slow_point();
	}
	/// Gives way to any other fiber that is ready.
	void yield() noexcept;
	[[nodiscard]] Nanos now() const noexcept { return now_; }

	// ---- fibers ----

	Fiber *spawn(NodeImpl *home, std::string_view name, int cpt, std::function<void()> fn);
	/// Blocks the current fiber until make_ready() or the deadline; true when it was the
	/// latter.
	bool block(Wait why, const void *on, const cfs_lock_class *cls, unsigned mode, Nanos until);
	void make_ready(Fiber *f);
	/// Waits on a list, until wake(list) or the deadline.
	bool wait_on(WaitList &l, Wait why, Nanos until = UINT64_MAX);
	void wake(WaitList &l);
	/// Ends the current fiber.
	[[noreturn]] void exit_current();
	/// Drops every fiber of a node but the current one.
	void drop_fibers(NodeImpl *home);
	[[nodiscard]] Fiber *first_fiber() const noexcept { return all_first_; }
	[[nodiscard]] std::size_t fiber_count() const noexcept { return fiber_count_; }

	// ---- events ----

	void arm(Event &e, Nanos at);
	void disarm(Event &e) noexcept;

	// ---- the run ----

	Outcome run();
	[[noreturn]] void fail(Failure kind, std::string title);
	/// A failure that is noticed outside of fibers, after the run.
	void fail_after(Failure kind, std::string title);
	void note(std::string text);
	/// A cheap entry: static strings only.
	void step_note(const char *what, const char *which) noexcept;
	/// Takes part in the hash that compares runs.
	void mix(std::uint64_t v) noexcept { hash_ = (hash_ ^ v) * 0x9e3779b97f4a7c15u; }

	World *const world;
	const Options options;
	Outcome outcome;
	bool ran = false;
	Rng choice; ///< of the scheduler
	Rng faults; ///< of network, disks, fault plans
	Rng for_test;
	LockOrder lock_order;
	std::uint32_t spurious_one_in;
	std::vector<std::unique_ptr<NodeImpl>> nodes;
	std::vector<Node *> node_list;
	NodeImpl driver; ///< the node of driver fibers
	std::unique_ptr<Net> net;
	std::vector<std::unique_ptr<Disk>> disks;

private:
	friend void fiber_entry();
	struct StepNote {
		Nanos at;
		std::uint64_t fiber;
		const char *what;
		const char *which;
	};

	void draw_policy();
	void slow_point() noexcept;
	void draw_next_decision();
	void change_priorities();
	void update_next_event() noexcept;
	void fire_due();
	bool idle_until_ready();
	Fiber *choose();
	void switch_to(Fiber *f);
	[[noreturn]] void finish();
	void unlink(Fiber *f);
	void reap(Fiber *f);
	void answer_visitors(Fiber *me) noexcept;
	void check_budgets();
	void check_hung();
	void stuck();
	std::string stack_of(Fiber *f);
	std::string describe_fibers();
	std::string describe_logs();
	void compose_report(Failure kind, std::string title);

	Nanos now_ = 0;
	std::uint64_t steps_ = 0;
	std::uint64_t next_slow_ = 0;
	Nanos next_event_ = UINT64_MAX;
	std::uint64_t next_decision_ = 0;
	std::uint64_t next_stall_ = UINT64_MAX; ///< step
	std::uint64_t busy_since_ = 0;		///< step of the last idle moment
	unsigned stalled_ = 0;			///< fibers that lost their CPU
	Nanos next_hung_check_ = 0;
	bool must_choose_ = false; ///< priorities: someone more important is ready

	bool priorities_ = false;
	std::uint32_t switch_one_in_ = 1;
	std::uint32_t stall_one_in_ = 0;
	std::vector<std::uint64_t> change_steps_; ///< priorities: sorted, last first
	std::uint64_t next_fairness_ = 0;	  ///< priorities: when to look who starves
	std::uint64_t lowest_priority_ = std::uint64_t{1} << 32;
	std::uint64_t highest_priority_ = std::uint64_t{1} << 40;

	std::vector<Fiber *> ready_;
	Fiber *all_first_ = nullptr;
	Fiber *all_last_ = nullptr;
	std::size_t fiber_count_ = 0;
	std::uint64_t next_fiber_id_ = 1;
	Fiber *zombie_ = nullptr; ///< ended; freed by whoever runs next
	EventHeap events_;
	std::uint64_t next_event_seq_ = 0;
	Fiber events_context_;	       ///< stands in for the current fiber while events fire
	Fiber *interrupted_ = nullptr; ///< whom it stands in for
	std::string visit_answer_;

	std::uint64_t switches_ = 0;
	std::uint64_t hash_ = 0;
	std::deque<LogLine> log_;
	std::array<StepNote, 64> step_notes_{};
	std::size_t step_note_next_ = 0;
};

} // namespace cfs::sim
