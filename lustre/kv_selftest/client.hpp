// SPDX-License-Identifier: GPL-2.0
//
// The client of kv.hpp: a connection, its locks, and what it keeps under them. Several threads may
// use one. Whatever becomes of an operation goes to a ClientObserver, which keeps book.
//
//     Client client(observer);
//     TRY(client.open(rpc, ldlm, {.target = "kv-MDT0000", .servers = nids}));
//     TRY(client.append(2));
//     TRY(client.read(2));
//     auto heard = client.close();
#pragma once

#include <optional>

#include "ldlm/rpc_links.hpp"
#include "lustre/kv_selftest/kv.hpp"
#include "rpc/format/ops_ost.hpp"
#include "rpc/rpc.hpp"

namespace kv
{

/// The answer to an append.
struct Told {
	u64 number = 0;
	u64 place = 0; ///< in the list
	u64 transno = 0;
	unsigned key = 0;
	bool committed = false; ///< known to be on disk already
};

/// Keeps book of what a client does. Calls come from several threads at once and must not sleep.
class ClientObserver
{
public:
	/// An append begins: a number that nobody ever appended. 0: there is none left.
	virtual u64 trying(unsigned key) noexcept = 0;
	virtual void told(const Told &t) noexcept = 0;
	/// It is on disk; possibly before its told().
	virtual void committed(u64 number) noexcept { (void)number; }
	/// A read begins, under the lock: the least that it may find. Goes back to read().
	virtual u64 least(unsigned key) noexcept = 0;
	/// kept: it was known from before.
	virtual void read(unsigned key, u64 length, u64 least, bool kept) noexcept = 0;
	/// The server has forgotten this client, and what it had not committed for it.
	virtual void evicted() noexcept = 0;

protected:
	~ClientObserver() = default;
};

struct ClientSpec {
	std::string_view target;	   ///< "kv-MDT0000"
	std::span<const lnet::Nid> server; ///< NIDs of the node that serves it
};

class Client final : public rpc::ImportUser, public ldlm::LockUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	/// The observer outlives it.
	explicit Client(ClientObserver &observer) noexcept : observer_(observer) {}
	~Client() { CFS_ASSERT(!import_); }

	/// Starts to connect; operations wait until it is. Sleeps.
	[[nodiscard]] cfs::Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					 const ClientSpec &spec) noexcept;
	/// When no operation runs. The error says that the server has not heard the good-bye: then
	/// what was not committed may be lost. Does nothing when it is not open. Sleeps.
	[[nodiscard]] cfs::Result<> close() noexcept;
	/// Operations fail from now on: for a server that does not come back. Sleeps.
	void give_up() noexcept;
	[[nodiscard]] const char *uuid() const noexcept { return uuid_; }

	/// Appends a new number to a list. err::NOSPC: the observer has none; else as a request or
	/// an enqueue. Sleeps.
	[[nodiscard]] cfs::Result<> append(unsigned key) noexcept;
	/// Asks how long a list is, or knows. Likewise.
	[[nodiscard]] cfs::Result<> read(unsigned key) noexcept;

	// ---- ImportUser ----
	bool replay_locks(rpc::Import &) noexcept override { return locks_.ns().replay(); }
	void on_evicted(rpc::Import &) noexcept override;
	void on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept override;

	// ---- LockUser ----
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &) noexcept override;
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }

private:
	struct Appending;

	[[nodiscard]] cfs::Result<> bring_up(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					     const ClientSpec &spec) noexcept;
	[[nodiscard]] cfs::Result<ldlm::LockUse> lock(unsigned key, ldlm::Mode mode) noexcept;
	/// What is known under the lock that is in use.
	[[nodiscard]] std::optional<u64> kept(const ldlm::LockUse &use, unsigned key) noexcept;
	void keep(const ldlm::LockUse &use, unsigned key, u64 length) noexcept;

	ClientObserver &observer_;
	char uuid_[wire::UUID_MAX] = {};
	cfs::RefPtr<rpc::Import> import_;
	ldlm::ClientLocks locks_;
	/// Over a check that the lock is valid and what follows from it: its cancel comes after, or
	/// has been.
	cfs::Mutex kept_lock_{CFS_LOCK_CLASS("kv client kept")};
	std::optional<u64> kept_[kKeys] CFS_GUARDED_BY(kept_lock_);
	/// Appends that rpc has not forgotten yet.
	cfs::SpinLock appending_lock_{CFS_LOCK_CLASS("kv client appends")};
	cfs::WaitQueue forgotten_{CFS_LOCK_CLASS("kv client appends wait")};
	u32 appending_ CFS_GUARDED_BY(appending_lock_) = 0;
};

} // namespace kv
