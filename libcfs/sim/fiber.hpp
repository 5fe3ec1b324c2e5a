// SPDX-License-Identifier: GPL-2.0
//
// Stacks and the switch between them. A context is a stack pointer: everything else is saved on the
// stack. x86-64 has a switch of its own; other machines use ucontext (also with CFS_SIM_UCONTEXT
// defined, to test that way here).
//
// AddressSanitizer is told of each switch. Below each stack lies a page that faults, so that an
// overflow stops the process and does not corrupt a neighbour.
#pragma once

#include <cstddef>
#include <cstdint>

#include "libcfs/host/common/sanitizers.hpp"

#if !defined(__x86_64__) && !defined(CFS_SIM_UCONTEXT)
#define CFS_SIM_UCONTEXT 1
#endif
#ifdef CFS_SIM_UCONTEXT
#include <ucontext.h>
#endif

namespace cfs::sim
{

/// A stack with its guard page; recycled by the process.
struct Stack {
	unsigned char *base = nullptr; ///< of the mapping: the guard page
	std::size_t bytes = 0;	       ///< usable, above the guard page

	[[nodiscard]] std::uintptr_t low() const noexcept;
	[[nodiscard]] std::uintptr_t high() const noexcept { return low() + bytes; }
};

/// Never fails: the process ends when there is no address space.
Stack take_stack(std::size_t bytes);
void give_stack(Stack s);
/// Whether an address lies in a guard page of a stack handed out: which one is not known.
bool in_guard_page(std::uintptr_t addr) noexcept;

/// Where something that does not run will go on.
struct Context {
#ifdef CFS_SIM_UCONTEXT
	ucontext_t uc;
#else
	void *sp = nullptr;
#endif
	void *fake_stack = nullptr; ///< of AddressSanitizer
	std::uintptr_t low = 0;	    ///< bounds of its stack
	std::uintptr_t high = 0;
};

/// Makes `c` begin with entry() on the stack. entry never returns.
void context_make(Context &c, const Stack &s, void (*entry)());
/// Goes on with `to`; returns when something switches to `from`. With `from_ends`, never.
void context_switch(Context &from, Context &to, bool from_ends = false) noexcept;
/// The first thing entry() does.
void context_entered(Context &self) noexcept;

} // namespace cfs::sim
