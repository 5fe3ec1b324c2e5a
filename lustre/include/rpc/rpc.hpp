// SPDX-License-Identifier: GPL-2.0
//
// RPC of one node, as the layers above see it: one abstract object per node, got from
// rpc_hold(node) (plat_rpc.h). It holds LNet, and owns what imports, services and targets share:
// the XID counter, the threads that complete requests, the timers, the pinger, the handle table,
// the table of server uuids and their NIDs.
#pragma once

#include "rpc/plat_rpc.h"
#include "rpc/target.hpp"

/// What plat_rpc.h calls RPC of a node.
struct rpc_node {
};

namespace cfs
{
class Node;
}

namespace rpc
{

/// Numbers that administrators set (spec 02 4.1, 08); seconds.
struct Tunables {
	std::atomic<u32> timeout{100};	     ///< obd_timeout
	std::atomic<u32> at_min{5};	     ///< an estimate is at least this
	std::atomic<u32> at_max{600};	     ///< and at most this; 0: no adaptive time-outs
	std::atomic<u32> at_history{600};    ///< how long measurements count
	std::atomic<u32> at_early_margin{5}; ///< early replies go so long before the deadline
	std::atomic<u32> at_extra{30};	     ///< and ask for so much more
	std::atomic<u32> bulk_timeout{100};  ///< a server waits for a bulk
	std::atomic<bool> suppress_pings{false};

	[[nodiscard]] u32 ping_interval() const noexcept
	{
		u32 t = timeout.load(std::memory_order_relaxed) / 4;
		return t ? t : 1;
	}
};

class Rpc : public ::rpc_node
{
public:
	// ---- client ----
	/// A connection to a target, not started yet. err::NOMEM, err::NAMETOOLONG. Sleeps.
	[[nodiscard]] virtual cfs::Result<cfs::RefPtr<Import>>
	new_import(const ImportSpec &spec) noexcept = 0;
	/// The import whose callback cookie this is; null when there is none. Any context.
	[[nodiscard]] virtual cfs::RefPtr<Import>
	find_import(wire::ExportHandle cookie) noexcept = 0;

	/// Server uuids and their NIDs, as configuration logs tell them (spec 02 9.6). A uuid has
	/// at most kNidsPerUuid NIDs. err::NOSPC, err::NOMEM, err::EXIST.
	static constexpr unsigned kNidsPerUuid = 32;
	[[nodiscard]] virtual cfs::Result<> add_uuid(std::string_view uuid,
						     const lnet::Nid &nid) noexcept = 0;
	/// err::NOENT.
	[[nodiscard]] virtual cfs::Result<> del_uuid(std::string_view uuid) noexcept = 0;
	/// How many there are; at most out.size() are stored.
	[[nodiscard]] virtual std::size_t nids_of(std::string_view uuid,
						  std::span<lnet::Nid> out) noexcept = 0;

	// ---- server ----
	/// Sleeps. err::NOMEM, err::INVAL, what LNet says.
	[[nodiscard]] virtual cfs::Result<Service *>
	start_service(const ServiceSpec &spec) noexcept = 0;
	/// err::EXIST: that name or uuid is registered.
	[[nodiscard]] virtual cfs::Result<Target *>
	register_target(const TargetSpec &spec) noexcept = 0;
	[[nodiscard]] virtual cfs::RefPtr<Export>
	find_export(wire::ExportHandle cookie) noexcept = 0;

	// ---- shared ----
	[[nodiscard]] virtual cfs::Node &node() noexcept = 0;
	[[nodiscard]] virtual lnet::Network &network() noexcept = 0;
	[[nodiscard]] virtual Tunables &tunables() noexcept = 0;
	/// A handle cookie nobody had before; see handle.hpp. Any context.
	[[nodiscard]] virtual u64 new_cookie() noexcept = 0;
	/// An XID of this node's sequence (for match bits of one's own). Any context.
	[[nodiscard]] virtual wire::Xid new_xid() noexcept = 0;
	/// A version 4 uuid as text, NUL-terminated: the name of a mount.
	virtual void new_uuid(char (&out)[wire::UUID_MAX]) noexcept = 0;

protected:
	~Rpc() = default;
};

} // namespace rpc
