// SPDX-License-Identifier: GPL-2.0
//
// Finding: floating point or vector register: .*fld
extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	asm volatile("fldz" ::: "memory");
	return n;
}
