// SPDX-License-Identifier: GPL-2.0
//
// Enqueues that carry an intent (spec 04 sections 5 to 7): the MDT does what is asked under locks
// of its own, gives one of them to the client, and tells dispositions and the result beside it.
#pragma once

#include "mdt/target.hpp"

namespace mdt
{

/// What an intent came to. The status travels with the dispositions, not as the reply's.
struct IntentResult {
	u64 disposition = 0; ///< DISP_*
	cfs::Errno status{};
	LocalLock lock; ///< for the client; without one the reply says ELDLM_LOCK_ABORTED
	/// Set: nothing was done; the reply's own status.
	cfs::Errno refused{};

	[[nodiscard]] bool failed() const noexcept { return status != cfs::Errno{}; }
};

/// The status of what was done, as it travels beside the dispositions.
inline void tell_status(ldlm::EnqueueAnswer &answer, cfs::Errno status) noexcept
{
	answer.rep.lock_policy_res2 =
		static_cast<u64>(static_cast<std::int64_t>(cfs::to_rc(status)));
}

/// Runs `f(IntentResult &)` within the lock manager's enqueue. What f did not do, because the lock
/// of a request that comes again exists, `ran` says.
template <typename F>
class IntentRun final : public ldlm::IntentPolicy
{
	F f_;

public:
	bool ran = false;

	explicit IntentRun(F f) noexcept : f_(std::move(f)) {}
	ldlm::IntentVerdict run(ldlm::ServerNamespace &ns, ldlm::Peer &peer, const ldlm::LockDesc &,
				u64 flags, u64 client_handle,
				ldlm::EnqueueAnswer &answer) noexcept override
	{
		IntentResult r;
		ran = true;
		f_(r);
		if (r.refused != cfs::Errno{}) {
			answer.status = cfs::to_rc(r.refused);
			return ldlm::IntentVerdict::done;
		}
		answer.rep.lock_policy_res1 = r.disposition;
		tell_status(answer, r.status);
		if (!r.lock || (flags & wire::LDLM_FL_INTENT_ONLY))
			return ldlm::IntentVerdict::done;
		if (auto given =
			    ns.hand_over(std::move(r.lock), peer, client_handle, flags, answer);
		    !given) {
			answer.status = cfs::to_rc(given);
			return ldlm::IntentVerdict::done;
		}
		return ldlm::IntentVerdict::replaced;
	}
};

/// Whether the reply has the lock and not only the outcome.
[[nodiscard]] inline bool has_lock(const ldlm::EnqueueAnswer &a) noexcept
{
	return a.status == 0 && a.lock;
}

[[nodiscard]] cfs::Result<> intent_open(MdtTarget &t, rpc::ServerRequest &req,
					ldlm::Peer &peer) noexcept;

} // namespace mdt
