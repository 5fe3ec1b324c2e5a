// SPDX-License-Identifier: GPL-2.0
//
// A metadata target, as who starts it sees it (the server mount, tests). It serves the namespace of
// a file system to clients over the services that an MDS node runs; see Documentation/mdt.md.
//
//     auto mds = TRY(mdt::Mds::start(rpc, &params));                  // once per node
//     auto t = TRY(mdt::Mdt::start(rpc, ldlm, device, {.name = "lustre-MDT0000"}));
//     TRY(t->add_ost(*osp));                                          // per OST of its log
//     ...
//     t->stop(target::StopKind::failover);                            // then the next ones
//     mds->stop();
//
// The MDT keeps the objects of files on OSTs through osp::Osp, which belongs to whoever made it and
// is stopped after the MDT.
#pragma once

#include "ldlm/ldlm.hpp"
#include "libcfs/params.hpp"
#include "osd/osd.hpp"
#include "osp/osp.hpp"
#include "rpc/rpc.hpp"
#include "target/target.hpp"

namespace mdt
{

using wire::u32;

struct MdtConfig {
	std::string_view name; ///< "lustre-MDT0000". Copied; the uuid is this and "_UUID".
	u32 index = 0;	       ///< number of the MDT in its file system, as in the name
	/// Clients are not waited for after a restart, and do not keep requests.
	bool failout = false;
	cfs::Duration recovery_soft = cfs::Duration::seconds(300);
	cfs::Duration recovery_hard = cfs::Duration::seconds(900);
	/// Longest bulk of a directory read that clients are allowed, bytes.
	u32 brw_bytes = 1u << 20;
	/// Layout of files that ask for none: stripes, and bytes of a stripe unit.
	u32 stripe_count = 1;
	u32 stripe_bytes = 4u << 20;
	/// How long an open waits for objects of an OST before it fails.
	cfs::Duration object_wait = cfs::Duration::seconds(30);
	/// Whoever starts it adds OSTs and then calls osts_complete(): clients are refused until
	/// then, because what they replay may name any of the OSTs.
	bool osts_follow = false;
	/// Clients may connect although no OST has been added: for tests of names alone.
	bool without_osts = false;
	/// The folder that gets one of this name with the target's parameters (`mdt`); none when
	/// null. Stays open longer than the target.
	cfs::ParamGroup *params = nullptr;
};

/// A running target.
class Mdt
{
public:
	/// Takes over the device, and makes what a fresh one lacks: the root directory, PENDING,
	/// the sequences. err::INVAL: the device belongs to another target, err::EXIST: it runs
	/// already; err::OPNOTSUPP: an index other than 0. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Mdt>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const MdtConfig &config) noexcept;
	/// Ends all connections, writes everything out, and lets the device go. Call it before the
	/// object is destroyed, once. Sleeps.
	virtual void stop(target::StopKind kind) noexcept = 0;

	/// One more OST for new files; its index is the osp's. It is started afterwards, and stays
	/// until stop() has returned.
	/// err::EXIST, err::NOMEM. Any time after start(): clients are refused (err::AGAIN) until
	/// there is the first one, light-weight connections of servers excepted.
	[[nodiscard]] virtual cfs::Result<> add_ost(osp::Osp &osp) noexcept = 0;

	/// All OSTs that were there so far have been added; see MdtConfig::osts_follow.
	virtual void osts_complete() noexcept = 0;

	/// How often it has been started: its ocd_instance.
	[[nodiscard]] virtual u32 mount_count() noexcept = 0;
	/// As target::Target::clients_told().
	virtual void clients_told(bool yes) noexcept = 0;

	[[nodiscard]] virtual target::Target &target() noexcept = 0;
	[[nodiscard]] virtual osd::Device &device() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~Mdt() = default;
};

/// The services of a node that has MDTs (spec 02 section 1.5): mdt, mdt_readpage, mdt_io, mdt_seqs,
/// mdt_seqm, mdt_fld. One set per node; requests find their target by the connection.
class Mds
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;
	static constexpr unsigned kServices = 6;

	Mds() = default;
	~Mds() { stop(); }

	/// params: the folder that gets one folder per service; may be null. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Mds>>
	start(rpc::Rpc &rpc, cfs::ParamGroup *params) noexcept;
	/// After the targets. Does nothing when it has been stopped. Sleeps.
	void stop() noexcept;

private:
	rpc::Service *services_[kServices] = {};
};

} // namespace mdt
