// SPDX-License-Identifier: GPL-2.0
//
// The simulator's public interface: worlds of nodes that run core code on fibers in one thread,
// under virtual time, with every choice drawn from a seed. Documentation/simulator.md shows how to
// write a simulation; this says what each call does.
//
//     World w(seed);
//     Node &a = w.add_node("mds1");
//     a.start([] { ... });                 // main function of the node, run again at each restart
//     w.spawn("script", [&] { sleep_for(kSecond); a.crash(); a.restart(); });
//     Outcome o = w.run();                 // until everything has ended, or something is wrong
//
// Rules of a world:
//  - Everything runs in fibers: mains of nodes, threads that core code starts, and driver fibers
//    that belong to no node and play the outside world (the script of a test).
//  - A crash drops a node's fibers where they stand, nothing is unwound, and frees the memory they
//    had from cfs_alloc(). What must survive belongs to the test or lies on a Disk. The other way
//    round, a node's fibers may touch objects of the test, but must not leave locks of the test
//    held across a point where they may crash.
//  - run() fails when a fiber can never go on, and when a node's main returns and leaves memory,
//    threads, queues or parameter files behind.
//  - The same binary and seed give the same run, instruction by instruction, up to addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcfs/plat/thread.h"
#include "libcfs/result.hpp"
#include "libcfs/sim/rng.hpp"

namespace cfs::sim
{

class Disk;
class Net;
class Node;
class Sched;
class World;
struct DiskOptions;

/// Virtual nanoseconds, a span or a moment since the world's start.
using Nanos = std::uint64_t;
inline constexpr Nanos kMicrosecond = 1'000;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;

enum class Policy {
	mixed,	     ///< each seed draws one of the others, and its parameters
	random_walk, ///< at any point, with a chance, go on with any fiber
	priorities,  ///< fibers have random priorities that change at few points (PCT): finds
		     ///< bugs that need few, particular reorderings in long runs
};

struct Options {
	Policy policy = Policy::mixed;
	/// random_walk: a switch at one preemption point in this many; 0 draws it.
	std::uint32_t switch_one_in = 0;
	/// priorities: how many times a priority changes; 0 draws it.
	std::uint32_t priority_changes = 0;
	/// At one preemption point in this many, the fiber stands still for a while, as if its CPU
	/// had been taken away; 0 never. Off by default in half of the seeds.
	std::uint32_t stall_one_in = 20'000;
	Nanos stall_max = 100 * kMillisecond;
	/// One wait in this many ends without reason, which the boundary permits; 0 never.
	std::uint32_t spurious_one_in = 50;
	/// Report locks of classes taken in both orders, even if nothing came of it.
	bool lock_order = true;
	/// In code compiled for it (sim_instrumented() of the build), plain reads and writes of
	/// memory are preemption points too, not only atomic ones.
	bool memory_points = false;
	/// Virtual time that each preemption point takes.
	Nanos step = 100;
	/// Steps without anyone being idle before the run counts as a livelock.
	std::uint64_t busy_steps_max = 20'000'000;
	/// Steps and virtual time before the run counts as endless.
	std::uint64_t steps_max = 1'000'000'000;
	Nanos time_max = 10'000'000 * kSecond;
	/// A fiber that waits this long for a lock, or killably without a deadline, hangs.
	Nanos hung_after = 100'000 * kSecond;
	/// Of each fiber. Address space, mostly: only what is touched takes memory.
	std::size_t stack_bytes = 256 * 1024;
	/// Print the event log as it happens.
	bool trace = false;
};

enum class Failure {
	none,
	deadlock,     ///< a cycle of locks, or nothing can run any more
	lock_order,   ///< two classes taken in both orders
	livelock,     ///< busy without end
	hung,	      ///< a wait without end while others go on
	atomic_sleep, ///< something that may sleep, under a spinlock or RCU
	bug,	      ///< cfs_bug(): an assertion, or misuse of the boundary
	leftover,     ///< a node ended and left memory or objects
	check,	      ///< World::fail(), from the test
};
std::string_view failure_name(Failure f) noexcept;

/// What became of a run.
struct Outcome {
	Failure failure = Failure::none;
	std::string title;  ///< one line
	std::string report; ///< everything: title, seed, stacks of all fibers, event log
	std::uint64_t seed = 0;
	std::uint64_t steps = 0;      ///< preemption points passed
	std::uint64_t switches = 0;   ///< between fibers
	std::uint64_t trace_hash = 0; ///< of every choice: equal for equal runs
	Nanos time = 0;		      ///< virtual, at the end
	[[nodiscard]] bool ok() const noexcept { return failure == Failure::none; }
};

/// How a crash looks to the node's peers.
enum class CrashKind {
	any,	 ///< drawn
	process, ///< connections are reset at once
	power,	 ///< silence; connections are reset when the node is up again and hears of them
};

struct NodeOptions {
	std::uint64_t memory_bytes = std::uint64_t{4} << 30; ///< what cfs_mem_total() says
	unsigned cpus = 4;
	unsigned cpts = 2;
	std::int32_t clock_ppm = 0;	  ///< how much faster its clocks run, parts per million
	std::int64_t wall_clock_skew = 0; ///< nanoseconds added to the wall clock
};

/// A machine. Made by World::add_node(); lives as long as the world.
class Node
{
public:
	Node(const Node &) = delete;
	Node &operator=(const Node &) = delete;
	virtual ~Node() = default;

	/// Boots it: runs `main` on a fiber of the node. It must be down.
	void start(std::function<void()> main);
	/// Drops everything it is, keeps what its disks hold durably. Not an error when it is down.
	/// A fiber of the node itself may call it and does not come back.
	void crash(CrashKind kind = CrashKind::any);
	/// Boots it again with the function of start(). It must be down.
	void restart();
	/// Asks main to return: ends wait_stop(). Does not wait.
	void stop();
	/// Waits until main has returned or the node crashed. From fibers of other nodes or
	/// drivers.
	void wait_down();
	/// A further fiber of the node, which must end before main returns. The node must be up.
	void spawn(std::string_view name, std::function<void()> fn);

	[[nodiscard]] virtual bool up() const noexcept = 0;
	/// Boots so far.
	[[nodiscard]] virtual unsigned incarnation() const noexcept = 0;
	[[nodiscard]] virtual std::string_view name() const noexcept = 0;
	/// For Net: 1 for the first node, and so on.
	[[nodiscard]] virtual std::uint32_t address() const noexcept = 0;
	/// For the boundary: where node code starts threads and makes queues.
	[[nodiscard]] virtual cfs_node *handle() noexcept = 0;
	/// Changes from now on how its clocks run.
	virtual void set_clock_ppm(std::int32_t ppm) noexcept = 0;
	virtual void set_wall_clock_skew(std::int64_t ns) noexcept = 0;
	/// Its disk loses what is not durable when the node crashes.
	virtual void attach(Disk &d) = 0;

protected:
	Node() = default;
};

/// A schedule of faults, drawn from the seed. Each kind happens at random moments with the given
/// mean distance; 0 switches it off. At `until` everything is healed and every node is up.
struct FaultPlan {
	Nanos from = 0;
	Nanos until = 0;
	Nanos crash_every = 0;
	std::vector<Node *> crash_nodes; ///< empty: all
	Nanos down_min = kSecond;
	Nanos down_max = 30 * kSecond;
	unsigned down_together_max = 1; ///< nodes down at the same time
	Nanos partition_every = 0;	///< one node against all others, or a pair
	Nanos partition_min = kMillisecond;
	Nanos partition_max = 20 * kSecond;
	Nanos reset_every = 0; ///< all connections between a pair
	Nanos clock_every = 0; ///< new clock rates and wall-clock jumps
};

class World
{
public:
	explicit World(std::uint64_t seed, const Options &options = {});
	~World();
	World(const World &) = delete;
	World &operator=(const World &) = delete;

	Node &add_node(std::string name, const NodeOptions &options = {});
	Disk &add_disk(std::string name, const DiskOptions &options);
	[[nodiscard]] Net &net() noexcept;
	/// A driver fiber. Before run(), or from any fiber.
	void spawn(std::string_view name, std::function<void()> fn);
	/// Starts drivers that carry out the plan.
	void inject(const FaultPlan &plan);

	/// Runs until every fiber has ended or something is wrong. Once.
	Outcome run();
	[[nodiscard]] const Outcome &outcome() const noexcept;
	[[nodiscard]] bool ran() const noexcept;

	/// Ends the run as a failure. From a fiber it does not return; after run() it marks the
	/// outcome.
	void fail(std::string why);
	/// fail(why) unless ok.
	void check(bool ok, std::string_view why);
	/// Writes a line into the event log.
	void note(std::string_view text);

	[[nodiscard]] Nanos now() const noexcept;
	[[nodiscard]] std::uint64_t seed() const noexcept;
	/// For choices of the test: a stream of its own, apart from the scheduler's.
	[[nodiscard]] Rng &rng() noexcept;
	[[nodiscard]] const std::vector<Node *> &nodes() const noexcept;

private:
	friend class Sched;
	std::unique_ptr<Sched> sched_;
};

// ---- for code in fibers ----

/// The world and node of the calling fiber. this_node() of a driver stops the run.
World &this_world() noexcept;
Node &this_node() noexcept;
/// Waits until Node::stop() is called for this node.
void wait_stop() noexcept;
void sleep_for(Nanos span) noexcept;
/// A point where the scheduler may go on with another fiber. Boundary calls are such points by
/// themselves; loops over plain atomics may want one.
void point() noexcept;

} // namespace cfs::sim
