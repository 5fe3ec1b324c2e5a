// SPDX-License-Identifier: GPL-2.0
//
// A server mount: the targets of one device, from mount(2) to umount(2) (spec 07 section 14). An
// MGS, an MDT with or without an MGS beside it, or an OST. Order of the start: MGS; connection to
// the MGS; services; registration; target; configuration log, which gives an MDT its OSTs; and when
// clients can connect, the MGS is told to tell them. The end is the reverse.
#pragma once

#include "libcfs/containers.hpp"
#include "mgc/mgc.hpp"
#include "server/node.hpp"
#include "server/options.hpp"
#include "wire/target_name.hpp"

namespace server
{

class TargetMount final : private llog::ConfigHandler, private mgc::TargetFollower
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	/// How long a mount waits for its MGS.
	static constexpr cfs::Duration kMgsWait = cfs::Duration::seconds(160);
	/// How often a registration is tried that an MGS did not get or has forgotten, and when.
	static constexpr unsigned kTries = 5;
	static constexpr cfs::Duration kTryAgain = cfs::Duration::seconds(2);
	static constexpr std::size_t kConnectionsMax = 8;

	/// The device is mounted for options.svname. options: kept until stop() has returned, with
	/// the text they were parsed from. Sleeps; killable. err::NODEV, err::INVAL, err::TIMEDOUT
	/// (no MGS), what the MGS says of the registration.
	[[nodiscard]] cfs::Result<> start(cfs::Node &node, osd::DeviceRef device,
					  const TargetOptions &options) noexcept;
	/// Also after a start() that failed. Sleeps.
	void stop(target::StopKind kind) noexcept;

	[[nodiscard]] osd::Device &device() noexcept { return *device_; }
	/// OSTs that the MDT knows.
	[[nodiscard]] std::size_t osps() noexcept;

private:
	struct OspEntry {
		static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
		cfs::ListHook hook;
		cfs::UniquePtr<osp::Osp> osp;
	};
	using Osps = cfs::List<OspEntry, &OspEntry::hook>;
	/// A connection that the log is describing.
	struct Pending {
		std::array<char, 64> device{};
		std::array<char, 64> owner_uuid{};
		std::array<char, 64> target{};
		std::array<std::array<char, 64>, kConnectionsMax> nodes{};
		std::size_t node_count = 0;
		bool is_osc = false;
	};

	[[nodiscard]] cfs::Result<> start_mgs() noexcept;
	[[nodiscard]] cfs::Result<> connect_mgs() noexcept;
	[[nodiscard]] cfs::Result<> add_mgs_nodes(std::string_view value) noexcept;
	[[nodiscard]] cfs::Result<> register_target() noexcept;
	[[nodiscard]] cfs::Result<> put_registration(wire::MgsTargetInfo &mti) noexcept;
	[[nodiscard]] std::span<lnet::Nid> own_nids(std::span<lnet::Nid> out) noexcept;
	[[nodiscard]] cfs::Result<> send_registration(wire::MgsTargetInfo &mti) noexcept;
	[[nodiscard]] cfs::Result<bool> announce() noexcept;
	void follow_osts() noexcept;
	[[nodiscard]] cfs::Result<> rewrite_mount_data(const wire::MgsTargetInfo &mti) noexcept;
	[[nodiscard]] cfs::Result<> start_target() noexcept;
	[[nodiscard]] cfs::Result<> start_mdt() noexcept;
	[[nodiscard]] cfs::Result<> start_ost() noexcept;
	[[nodiscard]] cfs::Result<> follow_logs() noexcept;
	[[nodiscard]] bool is_mdt() const noexcept { return target_.kind == wire::TargetKind::mdt; }
	[[nodiscard]] bool failout() const noexcept
	{
		return options_->param(wire::PARAM_FAILMODE) == "failout";
	}

	// ---- llog::ConfigHandler: the target's own log; one call at a time ----
	cfs::Result<> attach(std::string_view device, std::string_view type,
			     std::string_view uuid) noexcept override;
	cfs::Result<> setup(std::string_view device,
			    std::span<const cfs::Bytes> args) noexcept override;
	cfs::Result<> add_uuid(std::string_view node, wire::u64 nid4,
			       std::string_view nid_text) noexcept override;
	cfs::Result<> add_conn(std::string_view device, std::string_view node) noexcept override;
	cfs::Result<> add_ost(const Target &t) noexcept override;
	cfs::Result<> param(std::string_view device, std::string_view key,
			    std::string_view value) noexcept override;
	cfs::Result<> set_timeout(u32 seconds) noexcept override;
	[[nodiscard]] cfs::Result<> connect_ost(u32 index) noexcept;

	// ---- mgc::TargetFollower ----
	void target_at(const mgc::TargetPlace &place) noexcept override;

	cfs::RefPtr<cfs::Node> node_;
	ServerNode *server_ = nullptr; ///< held
	osd::DeviceRef device_;
	const TargetOptions *options_ = nullptr;
	wire::TargetName target_{};
	bool services_ = false;

	cfs::UniquePtr<mgs::Mgs> mgs_;
	cfs::UniquePtr<mgc::Mgc> mgc_;
	cfs::UniquePtr<mdt::Mdt> mdt_;
	cfs::UniquePtr<ost::Ost> ost_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("server mount")};
	Osps osps_ CFS_GUARDED_BY(lock_);
	Pending pending_; ///< the handler's
};

} // namespace server
