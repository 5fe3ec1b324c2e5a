// SPDX-License-Identifier: GPL-2.0
//
// Finding: static destructors
extern "C" int planted_run(int n);

struct Closing {
	volatile int value = 0;
	constexpr Closing() = default;
	~Closing() { value = 1; }
};

static constinit Closing closing;

extern "C" int planted_run(int n)
{
	return closing.value + n;
}
