// SPDX-License-Identifier: GPL-2.0
//
// A graph of classes. New edges are rare after the first moments of a world, so only they search
// for a cycle; what a lock costs is one test of a bit for each lock held.
#include "libcfs/sim/lock_order.hpp"

#include <cstring>

#include "libcfs/sim/sched.hpp"

namespace cfs::sim
{

namespace
{

constexpr unsigned kNests = 8;

// What the simulator keeps in cfs_lock_class::key.
struct CachedId {
	std::uint32_t world;
	std::uint32_t first;
};

std::uint32_t worlds_made = 0;

} // namespace

LockOrder::LockOrder() : world_(++worlds_made) {}

LockOrder::Id LockOrder::id_of(const cfs_lock_class *c, unsigned nest)
{
	auto *key = const_cast<unsigned char *>(c->key);
	CachedId id{};
	static_assert(sizeof(id) <= sizeof(c->key));
	std::memcpy(&id, key, sizeof(id));
	if (id.world != world_) {
		id = {world_, static_cast<Id>(subclasses_.size())};
		std::memcpy(key, &id, sizeof(id));
		for (unsigned i = 0; i < kNests; i++)
			subclasses_.push_back({c, {}, {}});
	}
	return id.first + nest % kNests;
}

bool LockOrder::known(Id a, Id b) const noexcept
{
	const auto &bits = subclasses_[a].bits;
	return b / 64 < bits.size() && (bits[b / 64] >> (b % 64) & 1);
}

void LockOrder::add(Id a, Id b)
{
	Subclass &s = subclasses_[a];
	if (s.bits.size() <= b / 64)
		s.bits.resize(b / 64 + 1);
	s.bits[b / 64] |= std::uint64_t{1} << (b % 64);
	hosted::Site here;
	hosted::capture_site(here);
	s.after.emplace_back(b, here);
}

// Depth first; classes are few, and `seen` bounds it.
bool LockOrder::path(Id from, Id to, std::vector<Id> &way, std::vector<bool> &seen) const
{
	way.push_back(from);
	if (from == to)
		return true;
	seen[from] = true;
	for (auto &[next, site] : subclasses_[from].after)
		if (!seen[next] && path(next, to, way, seen))
			return true;
	way.pop_back();
	return false;
}

std::string LockOrder::name(Id id) const
{
	unsigned nest = id % kNests;
	std::string n = std::string("\"") + subclasses_[id].cls->name + "\"";
	return nest ? n + " (nest " + std::to_string(nest) + ")" : n;
}

std::string LockOrder::step(Id a, Id b) const
{
	for (auto &[next, site] : subclasses_[a].after)
		if (next == b)
			return "  " + name(b) + " taken with " + name(a) +
			       " held: " + hosted::describe_site(site) + "\n";
	return {};
}

std::string LockOrder::take(const std::vector<Held> &held, cfs_lock_class *c, unsigned nest)
{
	if (!c)
		return {};
	Id taken = id_of(c, nest);
	for (const Held &h : held) {
		if (!h.cls)
			continue;
		Id before = id_of(h.cls, h.nest);
		if (before == taken)
			return "two locks of class " + name(taken) +
			       " are held at once without a nest that orders them\n";
		if (known(before, taken))
			continue;
		std::vector<Id> way;
		std::vector<bool> seen(subclasses_.size());
		bool cycle = path(taken, before, way, seen);
		add(before, taken);
		if (!cycle)
			continue;
		std::string text = "lock classes taken in contradicting order\n";
		text += step(before, taken);
		for (std::size_t i = 0; i + 1 < way.size(); i++)
			text += step(way[i], way[i + 1]);
		return text;
	}
	return {};
}

} // namespace cfs::sim
