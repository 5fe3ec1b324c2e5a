// SPDX-License-Identifier: GPL-2.0
//
// Finding: section .*_Z.*: not merged
extern "C" int planted_run(int n);

[[gnu::section(".text.odd._Z7planted"), gnu::noinline]] static int odd(int n)
{
	return n + 1;
}

extern "C" int planted_run(int n)
{
	return odd(n);
}
