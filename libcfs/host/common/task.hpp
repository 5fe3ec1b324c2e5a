// SPDX-License-Identifier: GPL-2.0
//
// What the two hosted back ends share about the code that runs: a task is a thread (threads) or a
// fiber (sim), a node owns the platform objects made in its name. The back end supplies task(),
// node_or_default(), may_block() and the memory domain; the shared files beside this one supply the
// rest of the boundary.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "libcfs/plat/base.h"

namespace cfs::hosted
{

class MemDomain;
class ParamTree;

/// Signals sent to a task by a test (bits of Task::signals).
inline constexpr std::uint32_t kSignalKill = 1;
inline constexpr std::uint32_t kSignalInterrupt = 2;

/// The calling context. Touched by its own thread or fiber only, except `signals`.
struct Task {
	cfs_node *node = nullptr;
	char comm[16] = {};
	std::uint32_t pid = 0;
	int cpt = -1;
	std::uint32_t spin_depth = 0; ///< spinlocks held
	std::uint32_t rcu_depth = 0;  ///< nested RCU sections
	std::uintptr_t stack_low = 0;
	std::uintptr_t stack_high = 0;
	std::uintptr_t site_end =
		UINTPTR_MAX;	       ///< frames at and above it are of no allocation's site
	std::uint32_t maps = 0;	       ///< pages mapped now
	const void *mapped[8] = {};    ///< their addresses, in order of mapping
	bool alloc_faults_off = false; ///< set while a report is being made
	bool spare = false;	       ///< the platform does without what it tries to make now
	std::atomic<std::uint32_t> signals{0};

	[[nodiscard]] bool atomic_context() const noexcept { return spin_depth || rcu_depth; }
	void set_comm(const char *name) noexcept;
};

/// The calling task; never fails.
Task &task() noexcept;

/// Which wait modes a pending signal ends.
[[nodiscard]] bool signal_pending(const Task &t, unsigned mode) noexcept;

/// A platform object that belongs to a node: so that a simulated crash drops it and the end of a
/// node finds what was forgotten. Destroying one through this base releases memory only, never
/// waits.
class Owned
{
	friend struct ::cfs_node;
	Owned *prev_ = nullptr;
	Owned *next_ = nullptr;
	cfs_node *owner_ = nullptr;

public:
	Owned(const Owned &) = delete;
	Owned &operator=(const Owned &) = delete;
	virtual ~Owned();
	/// "work queue ost_io": for the report of what was left.
	[[nodiscard]] virtual std::string describe() const = 0;
	[[nodiscard]] cfs_node *owner() const noexcept { return owner_; }

protected:
	explicit Owned(cfs_node *owner);
};

/// `node`, or the node that objects of no node belong to.
cfs_node *node_or_default(cfs_node *node) noexcept;

/// The current memory domain: of the process (threads) or of the current node (sim).
MemDomain &mem_domain() noexcept;

/// Called before anything that may sleep: reports a held spinlock or RCU section, and is a
/// preemption point in sim.
void may_block(const char *what) noexcept;

/// Called where something a scheduler should know of happens without sleeping. Nothing in threads.
void preempt_point() noexcept;

/// Whether an allocation made inside the platform (a thread, a queue, a folder) is to fail now.
bool inject_failure() noexcept;

/// cfs_bug with a formatted message about misuse of the boundary.
[[noreturn]] void misuse(const std::string &what) noexcept;

} // namespace cfs::hosted

/// The node of both hosted back ends; each derives its own.
struct cfs_node {
	explicit cfs_node(std::string node_name);
	virtual ~cfs_node();
	cfs_node(const cfs_node &) = delete;
	cfs_node &operator=(const cfs_node &) = delete;

	std::string name;
	std::unique_ptr<cfs::hosted::ParamTree> params;

	/// Describes what still belongs to it, one line each; empty when it was left clean.
	[[nodiscard]] std::string leftovers() const;
	/// Forgets everything it owns, without waiting and without running any of it.
	void drop_all();

private:
	friend class cfs::hosted::Owned;
	mutable std::mutex owned_lock_;
	cfs::hosted::Owned *owned_ = nullptr;
};
