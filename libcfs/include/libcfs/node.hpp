// SPDX-License-Identifier: GPL-2.0
//
// A node: everything one member of the file system has, instead of globals. Node is the core's
// object for a cfs_node of the platform (a network namespace, a simulated host). It exists while
// someone holds a reference: a mount, a configured network, a running test. Modules hang their own
// per-node objects on it as parts:
//
//     class LnetNode final : public NodePart {
//     public:
//             static constexpr NodeSlot kNodeSlot = NodeSlot::lnet;
//             static Result<UniquePtr<LnetNode>> make(Node &node);
//             void destroy() noexcept override;   // stops, waits, frees; may sleep
//     };
//     LnetNode *lnet = TRY(node->part<LnetNode>());   // made at first use
//
// A part lives as long as its node: parts end in the reverse order of their making when the last
// reference goes. A part whose making uses another part must come later in NodeSlot.
#pragma once

#include <atomic>

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/params.hpp"
#include "libcfs/plat/core.h"
#include "libcfs/thread.hpp"

/// What the boundary calls a Node.
struct cfs_core_node {
};

namespace cfs
{

/// Who may hang a part on a node, lowest layer first. At most 8: they are lock subclasses.
enum class NodeSlot : unsigned { test, lnet, rpc, ldlm, osd, mgs, server, client, count };
inline constexpr unsigned kNodeSlots = static_cast<unsigned>(NodeSlot::count);
static_assert(kNodeSlots <= 8);

/// A module's object of one node.
class NodePart
{
public:
	/// Stops whatever runs, waits for its end and frees the object. Sleeps.
	virtual void destroy() noexcept = 0;

protected:
	~NodePart() = default;
};

class Node final : public ::cfs_core_node, public RefCounted<Node>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	/// The node's object, made when there is none. Sleeps.
	[[nodiscard]] static Result<RefPtr<Node>> get(cfs_node *plat) noexcept
	{
		cfs_core_node *n = nullptr;
		TRY(to_result(cfs_core_node_get(plat, &n)));
		return RefPtr<Node>::adopt(static_cast<Node *>(n));
	}
	/// The node's object if there is one. Sleeps.
	[[nodiscard]] static RefPtr<Node> find(cfs_node *plat) noexcept
	{
		return RefPtr<Node>::adopt(static_cast<Node *>(cfs_core_node_find(plat)));
	}

	[[nodiscard]] cfs_node *plat() const noexcept { return plat_; }
	[[nodiscard]] const char *name() const noexcept { return cfs_node_name(plat_); }
	/// The folder "lustre" of the node's parameters.
	[[nodiscard]] ParamGroup &params() noexcept { return params_; }
	/// For short work that belongs to no one in particular. Nothing on it may wait for the
	/// network.
	[[nodiscard]] WorkQueue &workq() noexcept { return workq_; }

	/// The part of type T, made when there is none: by one thread, others wait. Sleeps.
	template <typename T>
	[[nodiscard]] Result<T *> part() noexcept
	{
		Slot &s = slot(T::kNodeSlot);
		if (NodePart *p = s.part.load(std::memory_order_acquire))
			return static_cast<T *>(p);
		MutexGuard g(s.lock, static_cast<unsigned>(T::kNodeSlot));
		if (NodePart *p = s.part.load(std::memory_order_relaxed))
			return static_cast<T *>(p);
		UniquePtr<T> made = TRY(T::make(*this));
		T *p = made.release();
		s.made = made_.fetch_add(1, std::memory_order_relaxed) + 1;
		s.part.store(p, std::memory_order_release);
		return p;
	}
	/// The part if there is one. Any context.
	template <typename T>
	[[nodiscard]] T *find_part() noexcept
	{
		return static_cast<T *>(slot(T::kNodeSlot).part.load(std::memory_order_acquire));
	}
	/// Ends the part of a slot, if there is one. Nobody may use it any more. Sleeps.
	void drop_part(NodeSlot which) noexcept;

	/// Called by the last reference.
	void destroy() noexcept { cfs_core_node_free(this); }

	explicit Node(cfs_node *plat) noexcept : plat_(plat) {}

	ListHook in_machine; ///< the machine's nodes_lock

private:
	friend struct NodeLife;

	struct Slot {
		Mutex lock{CFS_LOCK_CLASS("node part")};
		std::atomic<NodePart *> part{nullptr};
		unsigned made CFS_GUARDED_BY(lock) = 0; // order of making
	};
	Slot &slot(NodeSlot which) noexcept { return slots_[static_cast<unsigned>(which)]; }

	cfs_node *plat_;
	ParamGroup params_;
	WorkQueue workq_;
	std::atomic<unsigned> made_{0};
	Slot slots_[kNodeSlots];
};

/// Ends the parts of a slot in every node: what a module does before it goes. Nobody may make or
/// use one any more. Sleeps.
inline void drop_node_parts(NodeSlot which) noexcept
{
	cfs_core_nodes_drop(static_cast<unsigned>(which));
}

} // namespace cfs
