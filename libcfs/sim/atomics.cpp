// SPDX-License-Identifier: GPL-2.0
//
// Preemption points at atomic operations. Code compiled with -fsanitize=thread calls the functions
// below for every atomic and plain access; linked to the simulator instead of ThreadSanitizer, each
// atomic operation becomes a point where another fiber may go on. Plain accesses are points only
// with Options::memory_points.
//
// The operations themselves are sequentially consistent: one thread runs everything anyway.
#include "libcfs/sim/sched.hpp"

namespace
{

void atomic_point() noexcept
{
	if (cfs::sim::current_sched)
		cfs::sim::current_sched->point();
}

void memory_point() noexcept
{
	using cfs::sim::current_sched;
	if (current_sched && current_sched->options.memory_points)
		current_sched->point();
}

} // namespace

using Order = int; // what the compiler passes: a memory order, of no interest here

#define CFS_SIM_ATOMIC_RMW(bits, type, op)                                                         \
	type __tsan_atomic##bits##_##op(volatile type *p, type v, Order) noexcept                  \
	{                                                                                          \
		atomic_point();                                                                    \
		return __atomic_##op(p, v, __ATOMIC_SEQ_CST);                                      \
	}

#define CFS_SIM_ATOMIC(bits, type)                                                                 \
	type __tsan_atomic##bits##_load(const volatile type *p, Order) noexcept                    \
	{                                                                                          \
		atomic_point();                                                                    \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                       \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile type *p, type v, Order) noexcept                 \
	{                                                                                          \
		atomic_point();                                                                    \
		__atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                          \
	}                                                                                          \
	type __tsan_atomic##bits##_exchange(volatile type *p, type v, Order) noexcept              \
	{                                                                                          \
		atomic_point();                                                                    \
		return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                \
	}                                                                                          \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_add)                                                  \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_sub)                                                  \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_and)                                                  \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_or)                                                   \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_xor)                                                  \
	CFS_SIM_ATOMIC_RMW(bits, type, fetch_nand)                                                 \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected,        \
							  type v, Order, Order) noexcept           \
	{                                                                                          \
		atomic_point();                                                                    \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST,        \
						   __ATOMIC_SEQ_CST);                              \
	}                                                                                          \
	int __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v,  \
							Order a, Order b) noexcept                 \
	{                                                                                          \
		return __tsan_atomic##bits##_compare_exchange_strong(p, expected, v, a, b);        \
	}                                                                                          \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,   \
							Order a, Order b) noexcept                 \
	{                                                                                          \
		__tsan_atomic##bits##_compare_exchange_strong(p, &expected, v, a, b);              \
		return expected;                                                                   \
	}

#define CFS_SIM_MEMORY(name)                                                                       \
	void __tsan_##name(void *) noexcept                                                        \
	{                                                                                          \
		memory_point();                                                                    \
	}

extern "C" {

CFS_SIM_ATOMIC(8, std::uint8_t)
CFS_SIM_ATOMIC(16, std::uint16_t)
CFS_SIM_ATOMIC(32, std::uint32_t)
CFS_SIM_ATOMIC(64, std::uint64_t)

CFS_SIM_MEMORY(read1)
CFS_SIM_MEMORY(read2)
CFS_SIM_MEMORY(read4)
CFS_SIM_MEMORY(read8)
CFS_SIM_MEMORY(read16)
CFS_SIM_MEMORY(write1)
CFS_SIM_MEMORY(write2)
CFS_SIM_MEMORY(write4)
CFS_SIM_MEMORY(write8)
CFS_SIM_MEMORY(write16)
CFS_SIM_MEMORY(unaligned_read2)
CFS_SIM_MEMORY(unaligned_read4)
CFS_SIM_MEMORY(unaligned_read8)
CFS_SIM_MEMORY(unaligned_read16)
CFS_SIM_MEMORY(unaligned_write2)
CFS_SIM_MEMORY(unaligned_write4)
CFS_SIM_MEMORY(unaligned_write8)
CFS_SIM_MEMORY(unaligned_write16)

void __tsan_read_range(void *, std::size_t) noexcept
{
	memory_point();
}
void __tsan_write_range(void *, std::size_t) noexcept
{
	memory_point();
}
void __tsan_init(void) noexcept {}
void __tsan_func_entry(void *) noexcept {}
void __tsan_func_exit(void) noexcept {}
void __tsan_vptr_update(void **, void *) noexcept {}
void __tsan_vptr_read(void **) noexcept {}
void __tsan_atomic_thread_fence(Order) noexcept
{
	atomic_point();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(Order) noexcept {}

// Of clang: calls of the C library through the sanitizer.
void *__tsan_memcpy(void *to, const void *from, std::size_t n) noexcept
{
	memory_point();
	return __builtin_memcpy(to, from, n);
}
void *__tsan_memmove(void *to, const void *from, std::size_t n) noexcept
{
	memory_point();
	return __builtin_memmove(to, from, n);
}
void *__tsan_memset(void *to, int c, std::size_t n) noexcept
{
	memory_point();
	return __builtin_memset(to, c, n);
}

} // extern "C"
