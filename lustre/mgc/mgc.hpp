// SPDX-License-Identifier: GPL-2.0
//
// A node's connection to its MGS (spec 02 section 9): reads configuration logs, follows them as
// they change, and registers targets. Used by client mounts and by server mounts alike.
//
//     auto mgc = TRY(mgc::Mgc::create(rpc, ldlm, {.device = "MGC10.0.0.1@tcp", .uuid = uuid}));
//     TRY(mgc->add_node(nids));                       // each node that may run the MGS
//     TRY(mgc->connect(WaitMode::killable, deadline));
//     TRY(mgc->read_log("lustre-client", handler));   // once, or:
//     TRY(mgc->follow("lustre-client", mgc::Kind::config, handler));
//     TRY(mgc->follow_targets("lustre-cliir", follower));
//     ...
//     mgc->stop();
//
// A followed log is protected by a lock of the MGS's: when the MGS wants to change the log it takes
// the lock back, and some seconds later the lock is asked for again and what is new in the log is
// told to the handler. Where targets run is a table of the MGS's, which is followed in the same
// way.
#pragma once

#include "ldlm/ldlm.hpp"
#include "libcfs/params.hpp"
#include "llog/config.hpp"
#include "mgc/places.hpp"
#include "rpc/rpc.hpp"

namespace mgc
{

struct MgcConfig {
	std::string_view device; ///< "MGC10.0.0.1@tcp", for messages. Copied, as the next.
	std::string_view uuid;	 ///< of this client of the MGS; any uuid
	/// Where targets run is neither asked for nor told.
	bool no_ir = false;
	/// The folder "mgc" that gets one for this device; none when null. Stays open longer.
	cfs::ParamGroup *params = nullptr;
};

/// Kinds of logs, each with a lock of its own (spec 02 9.2).
using Kind = wire::MgsCfgType;

class Mgc
{
public:
	/// Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Mgc>>
	create(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const MgcConfig &config) noexcept;
	/// A node that may run the MGS; before connect().
	[[nodiscard]] virtual cfs::Result<> add_node(std::span<const lnet::Nid> nids) noexcept = 0;
	/// Connects and waits for it. err::TIMEDOUT, err::INTR; the connecting goes on. Sleeps.
	[[nodiscard]] virtual cfs::Result<> connect(cfs::WaitMode mode,
						    cfs::Instant deadline) noexcept = 0;

	/// Tells the handler a log, once. excluded: as ConfigReader. err::NOENT: there is none.
	/// Sleeps.
	[[nodiscard]] virtual cfs::Result<llog::ProcessResult>
	read_log(std::string_view name, llog::ConfigHandler &handler,
		 std::string_view excluded = {}) noexcept = 0;

	/// Takes the log's lock, tells the handler the log, and what is added later, until
	/// unfollow() or stop(). Later calls of the handler come from a thread of the Mgc's; errors
	/// it gives then are logged. err::NOENT: there is no such log now, but it is followed all
	/// the same if `optional`, else not. At most kFollowedMax, err::NOSPC. Sleeps.
	static constexpr unsigned kFollowedMax = 256;
	[[nodiscard]] virtual cfs::Result<llog::ProcessResult>
	follow(std::string_view name, Kind kind, llog::ConfigHandler &handler,
	       bool optional = false, std::string_view excluded = {}) noexcept = 0;
	/// No call of the handler comes after the return. Nothing happens if it was not followed.
	/// Sleeps.
	virtual void unfollow(std::string_view name, llog::ConfigHandler &handler) noexcept = 0;

	/// Takes the lock of the table of where targets run ("lustre-cliir", or "lustre-mdtir" of
	/// an MDT), tells the follower what is in it, and what changes later, until
	/// unfollow_targets() or stop(). An MGS without imperative recovery has no such table, and
	/// nothing is told; if it cannot be read now, that is tried again. shown: who that is, in
	/// ir_state. err::NOSPC, err::NOMEM: it is not followed. Sleeps.
	[[nodiscard]] virtual cfs::Result<> follow_targets(std::string_view name,
							   TargetFollower &follower,
							   std::string_view shown) noexcept = 0;
	/// As unfollow().
	virtual void unfollow_targets(std::string_view name, TargetFollower &follower) noexcept = 0;

	/// MGS_TARGET_REG: sends the record and takes the answer's. nids: of this node, go with it.
	/// The server's error; mti.flags then has LDD_F_ERROR. Sleeps.
	[[nodiscard]] virtual cfs::Result<>
	register_target(wire::MgsTargetInfo &mti, std::span<const lnet::Nid> nids) noexcept = 0;

	/// Tells the MGS that a target takes connections (LDD_F_OPC_READY), and every MGS that
	/// comes after it, until stop(): none of them keeps that. mti becomes the answer of this
	/// one. An error: it could not be told, and will be. Once. Sleeps, but does not wait for an
	/// MGS that is away.
	[[nodiscard]] virtual cfs::Result<> announce(wire::MgsTargetInfo &mti,
						     std::span<const lnet::Nid> nids) noexcept = 0;

	[[nodiscard]] virtual rpc::Import &import() noexcept = 0;
	/// Gives the locks back and disconnects. Before the object goes, once. Sleeps.
	virtual void stop() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~Mgc() = default;
};

} // namespace mgc
