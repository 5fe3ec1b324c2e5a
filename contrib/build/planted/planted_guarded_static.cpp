// SPDX-License-Identifier: GPL-2.0
//
// Finding: function-local statics that need a guard
extern "C" int planted_run(int n);

struct Later {
	volatile int value;
	explicit Later(int v) : value(v) {}
};

extern "C" int planted_run(int n)
{
	static Later later(n);
	return later.value;
}
