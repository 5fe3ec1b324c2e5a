// SPDX-License-Identifier: GPL-2.0
//
// Threads that work on a client of kv.hpp, and a book of what they were told, which another machine
// can compare with the server's disk. Parameters:
//
//     appended, reads, kept   operations that succeeded; reads that were answered from what is kept
//     failed, wrong, evicted  operations that failed; reads that found less than had been answered
//                             before, evictions: all 0 as long as the server always comes back
//     running                 threads that are not done
//     stop                    1: threads end after what they are doing
//     told                    a line "NUMBER KEY PLACE COMMITTED" for each append that was
//                             answered; COMMITTED is 1 when it is known to be on disk
#pragma once

#include <atomic>

#include "libcfs/params.hpp"
#include "lustre/kv_selftest/client.hpp"

namespace kv
{

struct LoadSpec {
	ClientSpec client;
	u32 id = 1;	       ///< of this client among others: the upper half of its numbers
	u32 threads = 4;       ///< 1 to kThreadsMax
	u32 steps = 1000;      ///< of each thread; threads * steps is at most kAppendsMax
	u64 seed = 1;	       ///< what the threads do follows from it
	cfs::Duration pause{}; ///< between two steps of a thread, at most
};

struct LoadCounters {
	std::atomic<u64> appended{0}, reads{0}, kept{0}, failed{0}, wrong{0}, evicted{0};
};

class Load final : private ClientObserver
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	static constexpr u32 kThreadsMax = 64;
	static constexpr u32 kAppendsMax = 1u << 20;
	/// How long stop() waits for a server that does not answer.
	static constexpr cfs::Duration kStopWait = cfs::Duration::seconds(120);

	Load() noexcept : client_(*this) {}

	/// Begins; does not wait for the server. client.target stays until stop() has returned.
	/// err::INVAL: a number in the spec. Sleeps.
	[[nodiscard]] cfs::Result<> start(cfs_node *node, rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					  const LoadSpec &spec) noexcept;
	/// Threads end after the step they are in. Any context.
	void ask_stop(bool stop = true) noexcept
	{
		stopping_.store(stop, std::memory_order_relaxed);
	}
	/// Ends it, with a good-bye to the server. Also after a start() that failed. Sleeps.
	void stop() noexcept;

	[[nodiscard]] u32 running() noexcept { return running_.load(std::memory_order_relaxed); }
	/// The lines of `told`.
	void show_told(cfs::FormatSink &out) noexcept;
	[[nodiscard]] const LoadCounters &counters() const noexcept { return counters_; }
	/// Makes the parameters. The folder is closed before stop(). Sleeps.
	[[nodiscard]] cfs::Result<> add_params(cfs::ParamGroup &folder) noexcept;

private:
	struct Worker {
		Load *load = nullptr;
		u64 random = 0;
		cfs::Thread thread;

		void run() noexcept { load->work(*this); }
	};
	/// Number n of this client is records_[n - 1].
	struct Record {
		u64 place = 0;
		wire::u8 key = 0;
		bool answered = false;
		bool committed = false;
	};

	// ---- ClientObserver ----
	u64 trying(unsigned key) noexcept override;
	void told(const Told &t) noexcept override;
	void committed(u64 number) noexcept override;
	u64 least(unsigned key) noexcept override;
	void read(unsigned key, u64 length, u64 least, bool kept) noexcept override;
	void evicted() noexcept override;

	[[nodiscard]] cfs::Result<> start_threads(cfs_node *node) noexcept;
	void work(Worker &w) noexcept;
	void pause(Worker &w, cfs::Duration most) noexcept;
	[[nodiscard]] u64 numbers() const noexcept { return u64{spec_.id} << 32; }

	LoadSpec spec_;
	Client client_;
	LoadCounters counters_;
	std::atomic<bool> stopping_{false};
	std::atomic<u32> running_{0};
	cfs::WaitQueue ended_{CFS_LOCK_CLASS("kv load ended")};
	cfs::Array<Worker> workers_;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("kv load")};
	cfs::Array<Record> records_; ///< elements under lock_
	u32 tried_ CFS_GUARDED_BY(lock_) = 0;
	u64 length_[kKeys] CFS_GUARDED_BY(lock_) = {}; ///< the longest that this client was told
};

} // namespace kv
