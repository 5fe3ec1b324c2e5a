// SPDX-License-Identifier: GPL-2.0
//
// Resources of a namespace, by name: made at their first use, taken out with their last user.
//
// R derives from ResourceBase<R> and has a HashHook `in_table`. A user is whoever holds what get()
// returned and has not called put(): lock objects, mostly. Invariant: a resource without users is
// dead, and a dead one is never used again; whoever meets one in the table makes another.
#pragma once

#include "ldlm/types.hpp"
#include "libcfs/hash.hpp"
#include "libcfs/lock.hpp"

namespace ldlm
{

struct ResKey {
	LockType type;
	ResName name;
	bool operator==(const ResKey &) const = default;
};

template <typename R>
class ResourceBase : public cfs::RcuRefCounted<R>
{
public:
	ResourceBase(const ResKey &k, cfs_lock_class *c) noexcept : key(k), lock(c) {}

	const ResKey key;
	cfs::Mutex lock;
	std::size_t users CFS_GUARDED_BY(lock) = 0;
	bool dead CFS_GUARDED_BY(lock) = false;
};

template <typename R>
struct ResourceTraits {
	using Key = ResKey;
	static const Key &key(const R &r) noexcept { return r.key; }
	static u32 hash(const Key &k) noexcept { return k.name.hash() ^ static_cast<u32>(k.type); }
};

template <typename R>
class ResourceTable
{
	cfs::HashTable<R, &R::in_table, ResourceTraits<R>> table_;

public:
	explicit ResourceTable(cfs_lock_class *c) noexcept : table_(c) {}

	[[nodiscard]] cfs::Result<> open(cfs::WorkQueue &queue) noexcept
	{
		return table_.open(R::kSubsys, &queue);
	}
	void close() noexcept { table_.close(); }
	[[nodiscard]] std::size_t size() const noexcept { return table_.size(); }

	/// One that exists, without becoming its user; or null.
	[[nodiscard]] cfs::RefPtr<R> find(const ResKey &key) noexcept { return table_.find(key); }

	/// The one of a name, made with `args` when there is none, with the caller as a user.
	template <typename... Args>
	[[nodiscard]] cfs::Result<cfs::RefPtr<R>> get(const ResKey &key, Args... args) noexcept
	{
		for (;;) {
			cfs::RefPtr<R> r = table_.find(key);
			if (!r)
				r = table_.find_or_insert(TRY(cfs::try_make_ref<R>(key, args...)));
			{
				cfs::MutexGuard g(r->lock);
				if (!r->dead) {
					r->users++;
					return r;
				}
			}
			// Its last user is about to take it out; so that nobody waits for him:
			(void)table_.erase(*r);
		}
	}
	void put(R &r) noexcept
	{
		{
			cfs::MutexGuard g(r.lock);
			if (--r.users > 0)
				return;
			r.dead = true;
		}
		(void)table_.erase(r);
	}
};

} // namespace ldlm
