// SPDX-License-Identifier: GPL-2.0
//
// Code compiled so that atomic operations are preemption points: bugs between two of them, with no
// call of the boundary near, must be found.
#include <gtest/gtest.h>

#include <atomic>

#include "libcfs/mem.hpp"
#include "libcfs/sim/gtest.hpp"
#include "libcfs/thread.hpp"

namespace
{

using namespace cfs::sim;

struct Counter {
	std::atomic<int> n{0};
	int plain = 0;
	void add_wrongly() { n.store(n.load() + 1); }
	void add_well() { n.fetch_add(1); }
	void add_plainly() { plain = plain + 1; }
};

template <auto Method>
void two_threads(World &w)
{
	w.add_node("n").start([] {
		Counter c;
		{
			cfs::Thread t[2];
			for (auto &x : t)
				EXPECT_TRUE(x.start<Method>(cfs_node_current(), "t", &c));
		}
		this_world().check(c.n + c.plain == 2, "an update was lost");
	});
}

TEST(PlantedBug, ALoadAndAStoreInsteadOfAnAddIsFound)
{
	expect_found(1000, Failure::check, two_threads<&Counter::add_wrongly>, {}, 1);
}

TEST(WithoutBug, AnAtomicAddLosesNothing)
{
	run_seeds(1000, two_threads<&Counter::add_well>);
}

TEST(PlantedBug, ARaceOnPlainMemoryIsFoundWithMemoryPoints)
{
	Options o;
	o.memory_points = true;
	expect_found(1000, Failure::check, two_threads<&Counter::add_plainly>, o, 1);
}

struct Shared : cfs::RefCounted<Shared> {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
};

struct Sharer {
	cfs::RefPtr<Shared> p;
	void run()
	{
		auto mine = p;
		auto another = mine;
		mine.reset();
	}
};

TEST(WithoutBug, ReferenceCountsFreeOnce)
{
	run_seeds(1000, [](World &w) {
		w.add_node("n").start([] {
			Sharer s[3];
			auto first = cfs::try_make_ref<Shared>();
			EXPECT_TRUE(first);
			for (auto &x : s)
				x.p = *first;
			first->reset();
			cfs::Thread t[3];
			for (int i = 0; i < 3; i++)
				EXPECT_TRUE(
					t[i].start<&Sharer::run>(cfs_node_current(), "t", &s[i]));
		});
	});
}

} // namespace
