// SPDX-License-Identifier: GPL-2.0
//
// The guard of a resource on a server: its mutex and, for flocks, the namespace's flock mutex,
// under which the waits-for graph stands still.
#pragma once

#include "lustre/ldlm/server_ns.hpp"

namespace ldlm
{

class CFS_SCOPED_CAPABILITY ServerNs::Locked
{
	cfs::Mutex *flocks_;
	Resource &r_;

public:
	Locked(ServerNs &ns, Resource &r) noexcept CFS_ACQUIRE(r.lock) CFS_NO_TSA
	    : flocks_(r.key.type == LDLM_FLOCK ? &ns.flock_lock_ : nullptr),
	      r_(r)
	{
		if (flocks_)
			flocks_->lock();
		r_.lock.lock();
	}
	~Locked() CFS_RELEASE() CFS_NO_TSA
	{
		r_.lock.unlock();
		if (flocks_)
			flocks_->unlock();
	}
	Locked(const Locked &) = delete;
	Locked &operator=(const Locked &) = delete;
};

} // namespace ldlm
