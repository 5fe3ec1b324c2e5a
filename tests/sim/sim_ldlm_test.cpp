// SPDX-License-Identifier: GPL-2.0
//
// The lock manager under random use, delays, silent clients, evictions and server restarts.
#include "ldlm_world.hpp"
#include "libcfs/plat/core.h"

namespace
{

using namespace ldlm_world;

struct Plan {
	unsigned clients = 4;
	unsigned threads = 2; ///< per client
	unsigned steps = 12;
	bool deaths = false;
	unsigned restarts = 0;
};

/// One thread of a client.
class Actor
{
public:
	Actor(Cluster &c, Client &me, unsigned owner) : c_(c), me_(me), owner_(owner) {}

	void step()
	{
		auto &rng = c_.w.rng();
		switch (rng.below(8)) {
		case 0:
		case 1:
			return io(true);
		case 2:
		case 3:
			return io(false);
		case 4:
		case 5:
			return inode();
		case 6:
			return glimpse();
		default:
			return rng.chance(2) ? flocks() : drop();
		}
	}

private:
	LockUse get(LockType type, unsigned f, Mode mode, Policy p)
	{
		MatchSpec m;
		m.type = type;
		m.name = name(f);
		m.modes = satisfying_modes(mode);
		m.policy = p;
		if (LockUse u = me_.ns->match(m))
			return u;
		EnqueueSpec s;
		s.type = type;
		s.name = name(f);
		s.mode = mode;
		s.policy = p;
		s.lvb_type =
			type == LDLM_EXTENT ? wire::LvbType::LVB_T_OST : wire::LvbType::LVB_T_NONE;
		s.lvb_max = type == LDLM_EXTENT ? sizeof(wire::OstLvb) : 0;
		u64 early[8];
		if (c_.w.rng().chance(3)) {
			DropSpec d;
			d.type = type;
			d.name = name(f);
			if (type == LDLM_IBITS)
				d.bits = p.ibits.bits;
			else
				d.extent = p.extent;
			std::size_t n = me_.ns->collect(d, early);
			s.early_cancels = std::span(early).first(n);
		}
		std::byte lvb[sizeof(wire::OstLvb)];
		auto r = me_.ns->enqueue(s, lvb);
		c_.counts[r ? "granted" : "refused"]++;
		return r ? std::move(r->use) : LockUse();
	}
	static ResName name(unsigned f) { return {{f, 0x200000400, 0, 0}}; }
	bool trusted(LockUse &u) { return u->valid() && me_.alive && !me_.detached; }

	void io(bool write)
	{
		auto &rng = c_.w.rng();
		auto f = static_cast<unsigned>(rng.below(kFiles));
		auto from = static_cast<unsigned>(rng.below(kBlocks));
		auto to = static_cast<unsigned>(rng.between(from, kBlocks - 1));
		LockUse u = get(LDLM_EXTENT, f, write ? LCK_PW : LCK_PR,
				Policy::of_extent(from * kBlock, (to + 1) * kBlock - 1));
		if (!u)
			return;
		File &file = c_.files[f];
		c_.note(me_, write ? "writes" : "reads", *u.get());
		for (unsigned b = from; b <= to; b++) {
			if (rng.chance(3))
				sleep_for(rng.below(3 * kMillisecond));
			if (!trusted(u))
				return;
			auto &cached = me_.cache[f][b];
			if (write) {
				cached = ++c_.counter;
				me_.dirty[f][b] = true;
				file.truth[b] = *cached;
				continue;
			}
			if (!cached)
				cached = file.disk[b];
			if (*cached != file.truth[b])
				c_.w.fail("client " + std::to_string(me_.id) +
					  " reads stale block " + std::to_string(b) + " of file " +
					  std::to_string(f));
		}
	}

	void inode()
	{
		auto &rng = c_.w.rng();
		auto f = static_cast<unsigned>(rng.below(kFiles));
		u64 bits = 0;
		for (u64 b : kBits)
			bits |= rng.chance(2) ? b : 0;
		if (!bits)
			return;
		bool write = rng.chance(3);
		LockUse u = get(LDLM_IBITS, f, write ? LCK_EX : LCK_PR,
				Policy::of_bits(bits, write ? 0 : rng.below(0x80)));
		if (!u)
			return;
		for (unsigned i = 0; i < 3; i++) {
			if (!(bits & kBits[i]))
				continue;
			sleep_for(rng.below(kMillisecond));
			if (!trusted(u))
				return;
			u64 &truth = c_.files[f].bits[i];
			auto &seen = me_.seen[f][i];
			if (write)
				truth++;
			if (!seen || write)
				seen = truth;
			c_.w.check(*seen == truth, "an inode's part is stale under its lock");
		}
	}

	void glimpse()
	{
		auto f = static_cast<unsigned>(c_.w.rng().below(kFiles));
		unsigned life = me_.life;
		unsigned evictions = c_.evictions;
		u64 before = File::size_of(c_.files[f].truth);
		EnqueueSpec s;
		s.type = LDLM_EXTENT;
		s.name = name(f);
		s.mode = LCK_PR;
		s.policy = Policy::of_extent(0, kEof);
		s.flags = wire::LDLM_FL_HAS_INTENT;
		s.lvb_type = wire::LvbType::LVB_T_OST;
		s.lvb_max = sizeof(wire::OstLvb);
		wire::OstLvb lvb{};
		auto r = me_.ns->enqueue(s, {reinterpret_cast<std::byte *>(&lvb), sizeof(lvb)});
		u64 after = File::size_of(c_.files[f].truth);
		bool same = me_.life == life && !me_.detached && evictions == c_.evictions;
		// Somebody could not be asked for want of memory: no answer.
		if (!r || !same || r->lvb_bytes == 0 || r->res1 != 0)
			return;
		c_.counts[r->use ? "glimpse granted" : "glimpse answered"]++;
		c_.w.check(lvb.size.get() >= before, "a glimpse says less than was written before");
		// What a client that has died unnoticed had in its cache still counts.
		for (auto &c : c_.clients)
			if (!c->alive && (c->peer || c->detached))
				return;
		c_.w.check(lvb.size.get() <= after, "a glimpse says more than there is");
	}

	void flocks()
	{
		auto &rng = c_.w.rng();
		bool held = true;
		for (unsigned i = 0; i < 2 && held; i++) {
			u64 start = rng.below(20);
			auto r = flock(rng.below(2), rng.chance(2) ? LCK_PR : LCK_PW, start,
				       start + rng.below(10),
				       rng.chance(4) ? u64{wire::LDLM_FL_BLOCK_NOWAIT} : 0);
			c_.counts[r				  ? "flock"
				  : r.error() == cfs::err::DEADLK ? "flock deadlock"
								  : "flock refused"]++;
			held = bool(r);
			sleep_for(rng.below(20 * kMillisecond));
		}
		for (u64 f = 0; f < 2; f++)
			(void)flock(f, LCK_NL, 0, kFlockEof, 0);
	}
	cfs::Result<> flock(u64 f, Mode m, u64 start, u64 end, u64 flags)
	{
		EnqueueSpec s;
		s.type = LDLM_FLOCK;
		s.name = {{f, 7, 0, kFlockResource}};
		s.mode = m;
		s.policy = FlockRange{start, end, owner_, owner_};
		s.flags = flags;
		TRY(me_.ns->enqueue(s, {}));
		return {};
	}

	void drop()
	{
		auto &rng = c_.w.rng();
		if (rng.chance(3)) {
			(void)me_.ns->clear_unused();
			return;
		}
		DropSpec d;
		d.type = rng.chance(2) ? LDLM_EXTENT : LDLM_IBITS;
		d.name = name(static_cast<unsigned>(rng.below(kFiles)));
		d.used_too = rng.chance(2);
		(void)me_.ns->drop(d);
	}

	Cluster &c_;
	Client &me_;
	unsigned owner_;
};

void run_cluster(sim::World &w, const Plan &plan)
{
	ASSERT_EQ(cfs_core_start(), 0);
	{
		Cluster c(w, plan.clients);
		unsigned running = 0;
		unsigned number = 0;
		for (auto &client : c.clients)
			for (unsigned t = 0; t < plan.threads; t++) {
				running++;
				number++;
				sim::this_node().spawn("actor", [&, number, me = client.get()] {
					Actor a(c, *me, number);
					for (unsigned i = 0; i < plan.steps && me->alive; i++) {
						a.step();
						sleep_for(w.rng().below(20 * kMillisecond));
					}
					running--;
				});
			}
		if (plan.deaths) {
			sleep_for(w.rng().below(500 * kMillisecond));
			Client &victim = *c.clients[w.rng().below(plan.clients)];
			victim.alive = false;
			c.lose_dirty(victim);
			// Its own threads wait until somebody tells them.
			sleep_for(30 * kSecond);
			victim.ns->on_evicted();
			// What pings would have found out; a flock alone does not.
			c.evict(victim);
		}
		for (unsigned i = 0; i < plan.restarts; i++) {
			sleep_for(w.rng().below(500 * kMillisecond));
			c.crash_server();
		}
		while (running > 0)
			sleep_for(50 * kMillisecond);
		// Shortness of memory is nobody's fault.
		if (!plan.deaths && plan.restarts == 0)
			w.check(c.evictions == 0, "a client that did its part is evicted");
		c.finish();
	}
	cfs_core_stop();
}

void simulate(unsigned seeds, const Plan &plan)
{
	sim::run_seeds(seeds, [plan](sim::World &w) {
		w.add_node("all").start([&w, plan] { run_cluster(w, plan); });
	});
}

TEST(SimLdlm, CachesStayCoherent)
{
	simulate(400, {});
}

TEST(SimLdlm, SilentClientsAreEvictedAndOthersGoOn)
{
	simulate(300, {.deaths = true});
}

TEST(SimLdlm, LocksSurviveRestartsOfTheServer)
{
	simulate(300, {.steps = 16, .restarts = 2});
}

} // namespace
