// SPDX-License-Identifier: GPL-2.0
//
// The order between lock classes, as one world has shown it. Taking B while holding A says "A
// before B"; the world fails when what is said contradicts itself, even though no deadlock came of
// it this time. A class with another `nest` counts as another class.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libcfs/host/common/stacks.hpp"
#include "libcfs/plat/lock.h"

namespace cfs::sim
{

struct Held;

class LockOrder
{
public:
	LockOrder();

	/// Notes that a lock of class `c` is about to be taken. Returns a description of the
	/// contradiction, empty when there is none.
	std::string take(const std::vector<Held> &held, cfs_lock_class *c, unsigned nest);

private:
	using Id = std::uint32_t; // a class's first id, plus nest

	struct Subclass {
		const cfs_lock_class *cls;
		std::vector<std::uint64_t> bits;		///< ids taken while this is held
		std::vector<std::pair<Id, hosted::Site>> after; ///< the same, and where first
	};

	Id id_of(const cfs_lock_class *c, unsigned nest);
	[[nodiscard]] bool known(Id a, Id b) const noexcept;
	void add(Id a, Id b);
	bool path(Id from, Id to, std::vector<Id> &way, std::vector<bool> &seen) const;
	[[nodiscard]] std::string name(Id id) const;
	[[nodiscard]] std::string step(Id a, Id b) const;

	std::uint32_t world_; ///< which world an id cached in a lock class belongs to
	std::vector<Subclass> subclasses_;
};

} // namespace cfs::sim
