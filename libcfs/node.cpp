// SPDX-License-Identifier: GPL-2.0
//
// Nodes; see libcfs/node.hpp. The machine's list holds no references: a node that nobody refers to
// any more stays on it until its parts have ended, and whoever asks for it meanwhile waits, so that
// a new object never meets the remains of the old one.
#include "libcfs/node.hpp"

#include "libcfs/log.hpp"
#include "libcfs/machine.hpp"

namespace cfs
{

/// Makes and ends nodes.
struct NodeLife {
	[[nodiscard]] static Result<Node *> make(cfs_node *plat) noexcept;
	/// Ends it while it is still listed.
	static void end(Node &n) noexcept;
	static void free(Node *n) noexcept;
	[[nodiscard]] static bool has_part(Node &n, NodeSlot which) noexcept
	{
		return n.slot(which).part.load(std::memory_order_acquire) != nullptr;
	}
};

Result<Node *> NodeLife::make(cfs_node *plat) noexcept
{
	void *mem = cfs_alloc(Node::kSubsys, sizeof(Node), CFS_ALLOC_DEFAULT);
	if (!mem)
		return fail(err::NOMEM);
	Node *n = ::new (mem) Node(plat);
	auto opened = n->params_.open_root(plat, "lustre");
	if (opened)
		opened = n->workq_.create(plat, "lustre_node");
	if (!opened) {
		free(n);
		return fail(opened.error());
	}
	return n;
}

void NodeLife::end(Node &n) noexcept
{
	for (;;) {
		unsigned latest = 0;
		NodeSlot which{};
		for (unsigned i = 0; i < kNodeSlots; i++) {
			Node::Slot &s = n.slots_[i];
			MutexGuard g(s.lock);
			if (s.part.load(std::memory_order_relaxed) && s.made > latest) {
				latest = s.made;
				which = static_cast<NodeSlot>(i);
			}
		}
		if (latest == 0)
			break;
		n.drop_part(which);
	}
	n.workq_.destroy();
	n.params_.close();
}

void NodeLife::free(Node *n) noexcept
{
	n->~Node();
	cfs_free(Node::kSubsys, n, sizeof(Node));
}

void Node::drop_part(NodeSlot which) noexcept
{
	Slot &s = slot(which);
	NodePart *p = nullptr;
	{
		MutexGuard g(s.lock);
		p = s.part.exchange(nullptr, std::memory_order_acq_rel);
	}
	if (p)
		p->destroy();
}

namespace
{

/// The listed node with a reference, or null. Waits for the end of one that is ending.
Node *find_living(cfs_machine &m, cfs_node *plat) noexcept CFS_REQUIRES(m.nodes_lock)
{
	Node *found = nullptr;
	auto settled = [&]() CFS_NO_TSA {
		for (Node &n : m.nodes) {
			if (n.plat() != plat)
				continue;
			if (!n.try_get())
				return false;
			found = &n;
		}
		return true;
	};
	(void)m.nodes_wait.wait(m.nodes_lock, WaitMode::idle, Instant::never(), settled);
	return found;
}

Result<Node *> get_node(cfs_node *plat) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m || !plat)
		return fail(err::SHUTDOWN);
	MutexGuard g(m->nodes_lock);
	if (Node *n = find_living(*m, plat))
		return n;
	Node *n = TRY(NodeLife::make(plat));
	m->nodes.push_back(*n);
	return n;
}

/// Some node that has the part, with a reference.
Node *node_with_part(cfs_machine &m, NodeSlot which) noexcept
{
	MutexGuard g(m.nodes_lock);
	for (Node &n : m.nodes)
		if (NodeLife::has_part(n, which) && n.try_get())
			return &n;
	return nullptr;
}

} // namespace

} // namespace cfs

int cfs_core_node_get(cfs_node *plat, cfs_core_node **out) noexcept
{
	auto n = cfs::get_node(plat);
	if (n)
		*out = *n;
	return to_rc(n);
}

cfs_core_node *cfs_core_node_find(cfs_node *plat) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m)
		return nullptr;
	cfs::MutexGuard g(m->nodes_lock);
	return cfs::find_living(*m, plat);
}

void cfs_core_node_put(cfs_core_node *node) noexcept
{
	static_cast<cfs::Node *>(node)->put();
}

void cfs_core_node_free(cfs_core_node *node) noexcept
{
	auto *n = static_cast<cfs::Node *>(node);
	cfs_machine *m = cfs_machine_get();
	CFS_ASSERT(m);
	cfs::NodeLife::end(*n);
	{
		cfs::MutexGuard g(m->nodes_lock);
		m->nodes.erase(m->nodes.iterator_to(*n));
		m->nodes_wait.wake_all();
	}
	cfs::NodeLife::free(n);
}

void cfs_core_nodes_drop(unsigned int slot) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m || slot >= cfs::kNodeSlots)
		return;
	auto which = static_cast<cfs::NodeSlot>(slot);
	while (cfs::Node *n = cfs::node_with_part(*m, which)) {
		n->drop_part(which);
		n->put();
	}
}
