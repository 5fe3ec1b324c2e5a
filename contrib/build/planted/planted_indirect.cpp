// SPDX-License-Identifier: GPL-2.0
//
// Finding: indirect branch without a retpoline
extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	asm volatile("jmp *%0" : : "r"(static_cast<long>(n)));
	return n;
}
