// SPDX-License-Identifier: GPL-2.0
//
// The host's own stack as a fiber that can not be preempted.
#include "libcfs/sim/host_fiber.hpp"

#include <pthread.h>

namespace cfs::sim
{

namespace
{

void find_stack(Fiber &f)
{
	pthread_attr_t attr;
	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	void *low = nullptr;
	std::size_t bytes = 0;
	pthread_attr_getstack(&attr, &low, &bytes);
	pthread_attr_destroy(&attr);
	f.stack_low = reinterpret_cast<std::uintptr_t>(low);
	f.stack_high = f.stack_low + bytes;
	f.context.low = f.stack_low;
	f.context.high = f.stack_high;
}

} // namespace

Fiber &host_fiber() noexcept
{
	static auto *f = [] {
		auto *made = new Fiber;
		made->preemptible = false;
		made->pid = 1;
		made->set_comm("host");
		return made;
	}();
	return *f;
}

Fiber *current_fiber = &host_fiber();

void host_fiber_enter() noexcept
{
	// Looking it up reads a file, so only when another thread has taken over.
	static pthread_t known = 0;
	if (known == pthread_self())
		return;
	known = pthread_self();
	find_stack(host_fiber());
}

} // namespace cfs::sim
