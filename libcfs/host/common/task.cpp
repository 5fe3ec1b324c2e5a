// SPDX-License-Identifier: GPL-2.0
//
// Nodes, what they own, and the parts of thread.h that only look at the calling task.
#include "libcfs/host/common/task.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/host/common/params_tree.hpp"
#include "libcfs/plat/thread.h"
#include "libcfs/plat/wait.h"

namespace cfs::hosted
{

void Task::set_comm(const char *name) noexcept
{
	std::size_t n = std::min(std::strlen(name), sizeof(comm) - 1);
	std::memcpy(comm, name, n);
	std::memset(comm + n, 0, sizeof(comm) - n);
}

bool signal_pending(const Task &t, unsigned mode) noexcept
{
	auto s = t.signals.load(std::memory_order_acquire);
	if (mode & CFS_WAIT_INTERRUPTIBLE)
		return s != 0;
	return (mode & CFS_WAIT_KILLABLE) && (s & kSignalKill);
}

Owned::Owned(cfs_node *owner) : owner_(node_or_default(owner))
{
	if (!owner_)
		return;
	std::lock_guard g(owner_->owned_lock_);
	next_ = owner_->owned_;
	if (next_)
		next_->prev_ = this;
	owner_->owned_ = this;
}

Owned::~Owned()
{
	if (!owner_)
		return;
	std::lock_guard g(owner_->owned_lock_);
	if (prev_)
		prev_->next_ = next_;
	else
		owner_->owned_ = next_;
	if (next_)
		next_->prev_ = prev_;
}

} // namespace cfs::hosted

using namespace cfs::hosted;

cfs_node::cfs_node(std::string node_name)
    : name(std::move(node_name)), params(std::make_unique<ParamTree>())
{
}

cfs_node::~cfs_node()
{
	drop_all();
}

std::string cfs_node::leftovers() const
{
	std::lock_guard g(owned_lock_);
	std::string out;
	for (const Owned *o = owned_; o; o = o->next_)
		out += "  " + o->describe() + "\n";
	return out;
}

void cfs_node::drop_all()
{
	while (owned_)
		delete owned_;
}

extern "C" {

const char *cfs_node_name(const cfs_node *node) noexcept
{
	return node ? node->name.c_str() : "none";
}

const void *cfs_thread_self(void) noexcept
{
	return &task();
}

uint32_t cfs_thread_pid(void) noexcept
{
	return task().pid;
}

void cfs_thread_comm(char buf[16]) noexcept
{
	std::memcpy(buf, task().comm, 16);
}

bool cfs_thread_killed(void) noexcept
{
	return task().signals.load(std::memory_order_acquire) & kSignalKill;
}

cfs_node *cfs_node_current(void) noexcept
{
	return task().node;
}

bool cfs_may_sleep(void) noexcept
{
	return !task().atomic_context();
}

} // extern "C"
