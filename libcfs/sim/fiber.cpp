// SPDX-License-Identifier: GPL-2.0
//
// Stacks and switches.
#include "libcfs/sim/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#ifdef CFS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cfs::sim
{

namespace
{

constexpr std::size_t kGuardBytes = 4096;

// All stacks ever made, and those not in use. Never destroyed: worlds may end late.
struct Stacks {
	std::vector<Stack> all;
	std::vector<Stack> spare;
};

Stacks &stacks()
{
	static auto *s = new Stacks;
	return *s;
}

} // namespace

std::uintptr_t Stack::low() const noexcept
{
	return reinterpret_cast<std::uintptr_t>(base) + kGuardBytes;
}

Stack take_stack(std::size_t bytes)
{
	auto &spare = stacks().spare;
	for (std::size_t i = spare.size(); i-- > 0;) {
		if (spare[i].bytes != bytes)
			continue;
		Stack s = spare[i];
		spare[i] = spare.back();
		spare.pop_back();
		return s;
	}
	void *m = mmap(nullptr, bytes + kGuardBytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (m == MAP_FAILED || mprotect(m, kGuardBytes, PROT_NONE)) {
		std::perror("simulator: no memory for a stack");
		std::abort();
	}
	Stack s{static_cast<unsigned char *>(m), bytes};
	stacks().all.push_back(s);
	return s;
}

void give_stack(Stack s)
{
#ifdef CFS_ASAN
	// Frames that were dropped left their red zones.
	__asan_unpoison_memory_region(s.base + kGuardBytes, s.bytes);
#endif
	stacks().spare.push_back(s);
}

bool in_guard_page(std::uintptr_t addr) noexcept
{
	for (const Stack &s : stacks().all)
		if (addr >= reinterpret_cast<std::uintptr_t>(s.base) && addr < s.low())
			return true;
	return false;
}

#ifndef CFS_SIM_UCONTEXT

// void cfs_sim_switch(void **save_sp, void *load_sp): the registers that a call preserves go on the
// stack; the rest is the caller's, as at any call.
extern "C" void cfs_sim_switch(void **save_sp, void *load_sp) noexcept;
asm(R"(
	.text
	.p2align 4
	.type cfs_sim_switch, @function
cfs_sim_switch:
	.cfi_startproc
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.cfi_endproc
	.size cfs_sim_switch, .-cfs_sim_switch
)");

void context_make(Context &c, const Stack &s, void (*entry)())
{
	// As cfs_sim_switch() leaves a stack: six registers, then where to go. Above that a return
	// address of 0, which ends stack traces; entry() finds the stack aligned as after a call.
	auto *top = reinterpret_cast<std::uintptr_t *>(s.high());
	*--top = 0;
	*--top = reinterpret_cast<std::uintptr_t>(entry);
	for (int i = 0; i < 6; i++)
		*--top = 0;
	c = {top, nullptr, s.low(), s.high()};
}

#else

void context_make(Context &c, const Stack &s, void (*entry)())
{
	c.fake_stack = nullptr;
	c.low = s.low();
	c.high = s.high();
	getcontext(&c.uc);
	c.uc.uc_stack.ss_sp = reinterpret_cast<void *>(s.low());
	c.uc.uc_stack.ss_size = s.bytes;
	c.uc.uc_link = nullptr;
	makecontext(&c.uc, entry, 0);
}

#endif

void context_switch(Context &from, Context &to, bool from_ends) noexcept
{
#ifdef CFS_ASAN
	__sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack,
				       reinterpret_cast<void *>(to.low), to.high - to.low);
#else
	(void)from_ends;
#endif
#ifdef CFS_SIM_UCONTEXT
	swapcontext(&from.uc, &to.uc);
#else
	cfs_sim_switch(&from.sp, to.sp);
#endif
	context_entered(from);
}

void context_entered([[maybe_unused]] Context &self) noexcept
{
#ifdef CFS_ASAN
	__sanitizer_finish_switch_fiber(self.fake_stack, nullptr, nullptr);
#endif
}

} // namespace cfs::sim
