// SPDX-License-Identifier: GPL-2.0
//
// Finding: operator new
extern "C" int planted_run(int n);

extern "C" int planted_run(int n)
{
	int *volatile p = new int(n);
	return *p;
}
