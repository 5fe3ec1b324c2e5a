// SPDX-License-Identifier: GPL-2.0
//
// A warning on purpose, a few C++ frames deep: the test tests/vm/libcfs-warn checks that the
// kernel's trace of it names each of them, in order and without guessing. The frames are of the
// kinds that core code has: a free function in a namespace, a template, a virtual method.
#include <concepts>

#include "selftest.h"

namespace cfs::selftest
{

unsigned climb_down(unsigned frames) noexcept;

class Ladder
{
public:
	virtual unsigned down(unsigned frames) noexcept = 0;

protected:
	~Ladder() = default;
};

template <std::unsigned_integral T>
[[gnu::noinline]] T step(Ladder &l, T frames) noexcept
{
	return l.down(frames) + 1;
}

class Rung final : public Ladder
{
public:
	[[gnu::noinline]] unsigned down(unsigned frames) noexcept override
	{
		// Bounded: the caller's count goes down to nothing.
		if (frames == 0)
			return cfs_selftest_warn_here(frames) + 1;
		return step(*this, frames - 1) + 1;
	}
};

[[gnu::noinline]] unsigned climb_down(unsigned frames) noexcept
{
	Rung r;
	return step<unsigned>(r, frames) + 1;
}

} // namespace cfs::selftest

void cfs_selftest_warn(unsigned int frames) noexcept
{
	// The result is used, so the call is not the last thing done here and leaves a frame.
	if (cfs::selftest::climb_down(frames < 8 ? frames : 8) == 0)
		__builtin_trap();
}
