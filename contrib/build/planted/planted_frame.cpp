// SPDX-License-Identifier: GPL-2.0
//
// Finding: stack frame of [0-9]+ bytes
extern "C" int planted_run(int n);

#pragma GCC diagnostic ignored "-Wframe-larger-than="

extern "C" int planted_run(int n)
{
	volatile char big[16384];
	big[n] = 1;
	return big[n];
}
