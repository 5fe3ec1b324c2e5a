// SPDX-License-Identifier: GPL-2.0
//
// Nodes: booting, crashing, ending; their clocks; and the world that holds them.
#include <algorithm>
#include <utility>

#include "libcfs/host/common/params_tree.hpp"
#include "libcfs/sim/disk.hpp"
#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/net.hpp"
#include "libcfs/sim/report.hpp"
#include "libcfs/sim/sched.hpp"

namespace cfs::sim
{

namespace
{

NodeImpl &impl(Node &n)
{
	return static_cast<NodeImpl &>(n);
}

} // namespace

// ---- NodeImpl ----

NodeImpl::NodeImpl(Sched *s, std::string node_name, std::uint32_t address, const NodeOptions &o)
    : cfs_node(std::move(node_name)), sched(s), options(o), random(s->outcome.seed, 1000 + address),
      address_(address)
{
	options.cpts = std::clamp(options.cpts, 1u, 64u);
	options.cpus = std::max(options.cpus / options.cpts, 1u) * options.cpts;
}

NodeImpl::~NodeImpl()
{
	clear();
}

Nanos NodeImpl::clock(Nanos now) const noexcept
{
	Nanos d = now - base_now_;
	if (options.clock_ppm == 0)
		return base_clock_ + d;
	auto scaled = static_cast<unsigned __int128>(d) *
		      static_cast<std::uint64_t>(1'000'000 + options.clock_ppm) / 1'000'000;
	return base_clock_ + static_cast<Nanos>(scaled);
}

Nanos NodeImpl::when(Nanos now, std::uint64_t deadline) const noexcept
{
	Nanos shown = clock(now);
	if (deadline <= shown)
		return now;
	auto wait = static_cast<unsigned __int128>(deadline - shown);
	if (options.clock_ppm)
		wait = wait * 1'000'000 /
			       static_cast<std::uint64_t>(1'000'000 + options.clock_ppm) +
		       1;
	// What lies beyond all time never comes.
	return wait > UINT64_MAX / 2 ? UINT64_MAX : now + static_cast<Nanos>(wait);
}

void NodeImpl::set_clock_ppm(std::int32_t ppm) noexcept
{
	base_clock_ = clock(sched->now());
	base_now_ = sched->now();
	options.clock_ppm = std::max(ppm, -900'000);
}

void NodeImpl::boot(std::function<void()> fn)
{
	if (up_)
		hosted::misuse("node " + cfs_node::name + " is started, and up already");
	up_ = true;
	stopping = false;
	incarnation_++;
	memory = std::make_unique<hosted::MemDomain>(cfs_node::name);
	params = std::make_unique<hosted::ParamTree>();
	base_now_ = sched->now();
	base_clock_ = kSecond + random.below(1'000'000 * kSecond);
	main = std::move(fn);
	sched->note("node " + cfs_node::name + " boots");
	sched->net->node_up(*this);
	sched->spawn(this, "main", CFS_CPT_ANY, [this] {
		main();
		std::string left = remains();
		if (!left.empty())
			sched->fail(Failure::leftover,
				    "node " + cfs_node::name + " ended and left behind:\n" + left);
		sched->net->node_down(*this, CrashKind::process);
		// Its last fiber belongs to no node: there is none any more.
		sched->note("node " + cfs_node::name + " has ended");
		current_fiber->node = current_fiber->home = &sched->driver;
		clear();
		mark_down();
	});
}

std::string NodeImpl::remains()
{
	std::string out;
	for (Fiber *f = sched->first_fiber(); f; f = f->next)
		if (f->home == this && f != current_fiber)
			out += "  fiber " + f->label() + "\n";
	// With no section open, memory on its way out may go at once.
	if (rcu.readers.empty()) {
		for (auto &p : std::exchange(rcu.pending, {}))
			cfs_free(p.subsys, p.p, p.bytes);
		rcu.freed = rcu.queued;
	}
	out += leftovers();
	for (auto tree : {CFS_PTREE_SYSFS, CFS_PTREE_DEBUGFS})
		for (auto &[name, dir] : params->roots[tree]->dirs)
			out += "  parameter folder " + name + "\n";
	return out + memory->leaks();
}

void NodeImpl::clear() noexcept
{
	sched->disarm(rcu.reclaim);
	rcu.readers.clear();
	rcu.pending.clear();
	rcu.freed = rcu.queued;
	rcu.waiters.fibers.clear();
	stop_waiters.fibers.clear();
	drop_all();
	params = std::make_unique<hosted::ParamTree>();
	memory.reset();
	machine = nullptr;
}

void NodeImpl::mark_down()
{
	up_ = false;
	sched->wake(down_waiters);
}

void NodeImpl::power_off(CrashKind kind)
{
	if (!up_)
		return;
	if (kind == CrashKind::any)
		kind = sched->faults.chance(2) ? CrashKind::process : CrashKind::power;
	sched->note("node " + cfs_node::name + " crashes" +
		    (kind == CrashKind::power ? " (power)" : ""));
	bool suicide = current_fiber->home == this;
	sched->drop_fibers(this);
	sched->net->node_down(*this, kind);
	for (Disk *d : disks)
		d->crash();
	if (suicide) {
		// Its locks and sections go with the node.
		Fiber *me = current_fiber;
		me->held.clear();
		me->spin_depth = me->rcu_depth = 0;
		me->node = me->home = &sched->driver;
	}
	clear();
	mark_down();
	if (suicide)
		sched->exit_current();
}

// ---- Node ----

void Node::start(std::function<void()> main)
{
	impl(*this).boot(std::move(main));
}

void Node::restart()
{
	NodeImpl &n = impl(*this);
	if (!n.main)
		hosted::misuse("node " + std::string(n.name()) + " was never started");
	auto again = n.main;
	n.boot(std::move(again));
}

void Node::crash(CrashKind kind)
{
	impl(*this).power_off(kind);
}

void Node::stop()
{
	NodeImpl &n = impl(*this);
	n.stopping = true;
	n.sched->wake(n.stop_waiters);
}

void Node::wait_down()
{
	NodeImpl &n = impl(*this);
	while (n.up())
		n.sched->wait_on(n.down_waiters, Wait::node);
}

void Node::spawn(std::string_view name, std::function<void()> fn)
{
	NodeImpl &n = impl(*this);
	if (!n.up())
		hosted::misuse("node " + std::string(n.name()) + " is down");
	n.sched->spawn(&n, name, CFS_CPT_ANY, std::move(fn));
}

// ---- World ----

World::World(std::uint64_t seed, const Options &options)
    : sched_(std::make_unique<Sched>(this, seed, options))
{
	install_crash_reports();
}

World::~World() = default;

Node &World::add_node(std::string name, const NodeOptions &options)
{
	auto address = static_cast<std::uint32_t>(sched_->nodes.size() + 1);
	sched_->nodes.push_back(
		std::make_unique<NodeImpl>(sched_.get(), std::move(name), address, options));
	sched_->node_list.push_back(sched_->nodes.back().get());
	return *sched_->nodes.back();
}

Disk &World::add_disk(std::string name, const DiskOptions &options)
{
	sched_->disks.push_back(std::make_unique<Disk>(*sched_, std::move(name), options));
	return *sched_->disks.back();
}

Net &World::net() noexcept
{
	return *sched_->net;
}

void World::spawn(std::string_view name, std::function<void()> fn)
{
	sched_->spawn(&sched_->driver, name, CFS_CPT_ANY, std::move(fn));
}

Outcome World::run()
{
	return sched_->run();
}

const Outcome &World::outcome() const noexcept
{
	return sched_->outcome;
}

bool World::ran() const noexcept
{
	return sched_->ran;
}

void World::fail(std::string why)
{
	if (current_sched == sched_.get())
		sched_->fail(Failure::check, std::move(why));
	sched_->fail_after(Failure::check, std::move(why));
}

void World::check(bool ok, std::string_view why)
{
	if (!ok)
		fail(std::string(why));
}

void World::note(std::string_view text)
{
	sched_->note(std::string(text));
}

Nanos World::now() const noexcept
{
	return sched_->now();
}

std::uint64_t World::seed() const noexcept
{
	return sched_->outcome.seed;
}

Rng &World::rng() noexcept
{
	return sched_->for_test;
}

const std::vector<Node *> &World::nodes() const noexcept
{
	return sched_->node_list;
}

// ---- for code in fibers ----

World &this_world() noexcept
{
	if (!current_sched)
		hosted::misuse("no simulation runs");
	return *current_sched->world;
}

Node &this_node() noexcept
{
	if (!current_sched || current_fiber->home == &current_sched->driver)
		hosted::misuse("the caller is no fiber of a node");
	return *current_fiber->home;
}

void wait_stop() noexcept
{
	NodeImpl &n = impl(this_node());
	while (!n.stopping)
		n.sched->wait_on(n.stop_waiters, Wait::node);
}

void sleep_for(Nanos span) noexcept
{
	this_world();
	current_sched->block(Wait::sleep, nullptr, nullptr, 0, current_sched->now() + span);
}

void point() noexcept
{
	if (current_sched)
		current_sched->point();
}

} // namespace cfs::sim
