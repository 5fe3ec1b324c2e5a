// SPDX-License-Identifier: GPL-2.0
#include "mdt/locks.hpp"

#include "libcfs/hash.hpp"

namespace mdt
{

namespace
{

/// A lock that waits for the client's acknowledgement.
class AckHold final : public rpc::ReplyHold
{
	ldlm::ServerNamespace &ns_;
	ldlm::ServerLockPtr lock_;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;

	AckHold(ldlm::ServerNamespace &ns, ldlm::ServerLockPtr lock) noexcept
	    : ns_(ns), lock_(std::move(lock))
	{
	}
	void release() noexcept override
	{
		ns_.unlock(*lock_);
		cfs::UniquePtr<AckHold>(this).reset();
	}
};

} // namespace

u32 hash_of_name(std::string_view name) noexcept
{
	return cfs::hash_text(name) & ldlm::kPdoHashMask;
}

cfs::Result<LocalLock> LockSet::take(const ResName &name, ldlm::Mode mode, u64 bits,
				     u64 try_bits) noexcept
{
	ldlm::LocalSpec spec;
	spec.name = name;
	spec.mode = mode;
	spec.policy =
		ldlm::Policy::of_bits(replay_ ? bits | try_bits : bits, replay_ ? 0 : try_bits);
	spec.unconditional = replay_;
	return ns_.lock(spec);
}

cfs::Result<> LockSet::add(const ResName &name, ldlm::Mode mode, u64 bits) noexcept
{
	CFS_ASSERT(n_ < kMax);
	locks_[n_] = TRY(take(name, mode, bits));
	n_++;
	return {};
}

cfs::Result<> LockSet::directory(const wire::Fid &dir, NameUse use) noexcept
{
	return add(ResName::of_fid(dir), use == NameUse::change ? ldlm::LCK_CW : ldlm::LCK_CR,
		   wire::MDS_INODELOCK_UPDATE);
}

cfs::Result<> LockSet::entry(const wire::Fid &dir, u32 hash, NameUse use) noexcept
{
	return add(ResName::of_entry(dir, hash),
		   use == NameUse::change ? ldlm::LCK_PW : ldlm::LCK_PR,
		   wire::MDS_INODELOCK_UPDATE);
}

cfs::Result<> LockSet::name(const wire::Fid &dir, std::string_view name, NameUse use) noexcept
{
	TRY(directory(dir, use));
	return entry(dir, hash_of_name(name), use);
}

cfs::Result<> LockSet::object(const wire::Fid &fid, ldlm::Mode mode, u64 bits) noexcept
{
	return add(ResName::of_fid(fid), mode, bits);
}

cfs::Result<> LockSet::rename() noexcept
{
	return add(ResName::of_rename(), ldlm::LCK_EX, wire::MDS_INODELOCK_UPDATE);
}

void LockSet::keep() noexcept
{
	while (n_ > 0) {
		LocalLock l = std::move(locks_[--n_]);
		ldlm::ServerLockPtr lock = l.detach();
		auto hold = cfs::try_make<AckHold>(ns_, lock);
		if (hold)
			req_.hold_until_ack(*hold->release());
		else
			ns_.unlock(*lock); // a recovery may find a gap: no more than that
	}
}

void LockSet::release() noexcept
{
	while (n_ > 0)
		locks_[--n_].release();
}

} // namespace mdt
