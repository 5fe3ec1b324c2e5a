// SPDX-License-Identifier: GPL-2.0
//
// The injector. It costs one relaxed load while nothing is armed. The set of sites that had their
// turn is looked up by a hash that does not depend on where the binary was loaded.
#include "libcfs/host/alloc_fault.hpp"

#include <atomic>
#include <mutex>
#include <set>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/stacks.hpp"
#include "libcfs/host/common/task.hpp"

namespace
{

using cfs::hosted::Site;

enum class Mode { off, nth, random, sites };

struct Injector {
	std::atomic<bool> armed{false};
	std::mutex lock;
	Mode mode = Mode::off;
	std::uint64_t left = 0; // nth
	std::uint64_t rng = 0;	// random
	std::uint32_t one_in = 0;
	bool fired = false;
	std::set<std::uint64_t> done; // sites that had their turn
	Site last{};		      // the one that failed
	bool last_spare = false;
	std::uintptr_t site_end_before = UINTPTR_MAX; // of the task that armed for sites

	void arm(Mode m)
	{
		std::lock_guard g(lock);
		if (mode != Mode::off)
			cfs::hosted::misuse("two allocation-fault injectors at once");
		mode = m;
		fired = false;
		armed.store(true, std::memory_order_release);
	}
	void disarm()
	{
		std::lock_guard g(lock);
		armed.store(false, std::memory_order_release);
		mode = Mode::off;
	}
	bool decide(const Site &site);
};

// Never destroyed: threads may still allocate while the process ends.
Injector &injector()
{
	static auto *i = new Injector;
	return *i;
}

bool Injector::decide(const Site &site)
{
	std::lock_guard g(lock);
	switch (mode) {
	case Mode::nth:
		if (left == 0 || --left)
			return false;
		break;
	case Mode::random:
		rng += 0x9e3779b97f4a7c15u; // splitmix64
		{
			std::uint64_t z = rng;
			z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
			z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
			if ((z ^ (z >> 31)) % one_in)
				return false;
		}
		break;
	case Mode::sites:
		if (fired || !done.insert(cfs::hosted::site_hash(site)).second)
			return false;
		break;
	case Mode::off:
		return false;
	}
	fired = true;
	last = site;
	last_spare = cfs::hosted::task().spare;
	return true;
}

} // namespace

namespace cfs::hosted
{

bool inject_failure() noexcept
{
	Injector &i = injector();
	if (!i.armed.load(std::memory_order_relaxed) || task().alloc_faults_off)
		return false;
	Site site;
	capture_site(site);
	return i.decide(site);
}

} // namespace cfs::hosted

namespace cfs::host
{

FailNth::FailNth(std::uint64_t n)
{
	injector().left = n;
	injector().arm(Mode::nth);
}

FailNth::~FailNth()
{
	injector().disarm();
}

bool FailNth::fired() const
{
	std::lock_guard g(injector().lock);
	return injector().fired;
}

FailRandomly::FailRandomly(std::uint64_t seed, std::uint32_t one_in)
{
	injector().rng = seed;
	injector().one_in = one_in ? one_in : 1;
	injector().arm(Mode::random);
}

FailRandomly::~FailRandomly()
{
	injector().disarm();
}

FailSites::FailSites()
{
	injector().done.clear();
}

// A simulation that failed does not come to its disarm().
FailSites::~FailSites()
{
	injector().disarm();
}

[[gnu::noinline]] void FailSites::arm()
{
	hosted::Task &t = hosted::task();
	injector().site_end_before = t.site_end;
	// Our own frame's link: the frame of the caller.
	t.site_end = *static_cast<const std::uintptr_t *>(__builtin_frame_address(0));
	injector().arm(Mode::sites);
}

bool FailSites::disarm()
{
	injector().disarm();
	hosted::task().site_end = injector().site_end_before;
	return injector().fired;
}

std::string FailSites::site() const
{
	return hosted::describe_site(injector().last);
}

bool FailSites::spare() const
{
	return injector().last_spare;
}

bool FaultReport::all_good() const
{
	return clean_run_ok && !gave_up && complaints().empty();
}

std::string FaultReport::complaints() const
{
	std::string out;
	for (const FaultRun &r : runs) {
		if (!r.failed_body && !r.spare)
			out += "no error came of a failed allocation at " + r.site + "\n";
		if (!r.leaks.empty())
			out += "leak after a failed allocation at " + r.site + ":\n" + r.leaks;
	}
	if (!clean_run_ok)
		out += "the run without any failed allocation returned an error\n";
	if (gave_up)
		out += "more sites than allowed\n";
	return out;
}

FaultReport fail_each_site(const std::function<Result<>()> &body, unsigned max_sites)
{
	hosted::MemDomain &domain = hosted::mem_domain();
	FaultReport report;
	FailSites faults;
	for (;;) {
		auto held_before = domain.objects();
		faults.arm();
		auto rc = body();
		if (!faults.disarm()) {
			report.clean_run_ok = rc.has_value();
			return report;
		}
		FaultRun run;
		run.site = faults.site();
		run.spare = faults.spare();
		run.failed_body = !rc.has_value();
		if (domain.objects() != held_before)
			run.leaks = domain.leaks();
		report.runs.push_back(std::move(run));
		if (report.runs.size() == max_sites) {
			report.gave_up = true;
			return report;
		}
	}
}

} // namespace cfs::host
