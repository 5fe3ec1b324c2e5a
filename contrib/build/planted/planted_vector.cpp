// SPDX-License-Identifier: GPL-2.0
//
// Finding: floating point or vector register: .*xmm
extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	asm volatile("pxor %%xmm0, %%xmm0" ::: "memory");
	return n;
}
