// SPDX-License-Identifier: GPL-2.0
//
// Finding: section \.init_array.*static object has a constructor
extern "C" int planted_run(int n);

namespace
{
struct Counter {
	volatile int value;
	Counter() : value(7) {}
};
Counter counter;
} // namespace

extern "C" int planted_run(int n)
{
	return counter.value + n;
}
