// SPDX-License-Identifier: GPL-2.0
//
// Walking over all locks of a client's namespace: a batch of references at a time, since the table
// can not be held while something is done about a lock.
#pragma once

#include "lustre/ldlm/client_ns.hpp"

namespace ldlm
{

template <typename F>
void ClientNs::for_all(F f) noexcept
{
	constexpr std::size_t kFew = 16;
	ClientLockImplPtr few[kFew];
	u32 round = rounds_.fetch_add(1, std::memory_order_relaxed) + 1;
	auto many = cfs::Array<ClientLockImplPtr>::make(kSubsys, by_handle_.size() + kFew);
	std::span<ClientLockImplPtr> batch = few;
	if (many)
		batch = *many;
	std::size_t n = 0;
	do {
		n = 0;
		by_handle_.for_each([&](ClientLockImpl &l) {
			if (n == batch.size())
				return false;
			if (l.visited.exchange(round, std::memory_order_relaxed) != round)
				batch[n++] = ClientLockImplPtr::share(&l);
			return true;
		});
		for (std::size_t i = 0; i < n; i++) {
			f(*batch[i]);
			batch[i].reset();
		}
	} while (n == batch.size());
}

} // namespace ldlm
