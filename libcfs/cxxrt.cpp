// SPDX-License-Identifier: GPL-2.0
//
// What the C++ compiler may call behind the programmer's back. The build links one copy into every
// module that has C++ objects, since mangled names are never exported. Each of these functions is
// unreachable in correct code: objects are freed by the allocator they came from
// (libcfs/plat/mem.h), never by a delete expression. Virtual destructors still make the compiler
// refer to them.
//
// There is no operator new on purpose: a plain `new` leaves an undefined symbol, which the build
// refuses.
#include <cstddef>
#include <new>

#include "libcfs/plat/base.h"

namespace
{

[[noreturn]] inline void unreachable_call(const char *what)
{
	cfs_bug(__FILE__, 0, "c++ runtime", what);
	// objtool knows no foreign noreturn function; an undefined instruction ends the flow for
	// it.
	__builtin_trap();
}

} // namespace

extern "C" void __cxa_pure_virtual();
extern "C" void __cxa_pure_virtual()
{
	unreachable_call("pure virtual function called");
}

extern "C" void __cxa_deleted_virtual();
extern "C" void __cxa_deleted_virtual()
{
	unreachable_call("deleted virtual function called");
}

void operator delete(void *) noexcept
{
	unreachable_call("operator delete called");
}

void operator delete(void *, std::size_t) noexcept
{
	unreachable_call("operator delete called");
}

void operator delete(void *, std::align_val_t) noexcept
{
	unreachable_call("operator delete called");
}

void operator delete(void *, std::size_t, std::align_val_t) noexcept
{
	unreachable_call("operator delete called");
}

// std::popcount without the POPCNT instruction, which kernel code may not assume.
extern "C" int __popcountdi2(unsigned long v);
extern "C" int __popcountdi2(unsigned long v)
{
	v -= (v >> 1) & 0x5555555555555555UL;
	v = (v & 0x3333333333333333UL) + ((v >> 2) & 0x3333333333333333UL);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
	return static_cast<int>((v * 0x0101010101010101UL) >> 56);
}
