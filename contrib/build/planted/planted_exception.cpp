// SPDX-License-Identifier: GPL-2.0
//
// Finding: exceptions
extern "C" int planted_run(int n);
extern "C" void __cxa_rethrow();

extern "C" int planted_run(int n)
{
	if (n == 7)
		__cxa_rethrow();
	return n;
}
