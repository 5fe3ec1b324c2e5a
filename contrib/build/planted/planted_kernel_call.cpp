// SPDX-License-Identifier: GPL-2.0
//
// Finding: core code refers to kfree
extern "C" int planted_run(int n);
extern "C" void kfree(const void *);

extern "C" int planted_run(int n)
{
	kfree(nullptr);
	return n;
}
