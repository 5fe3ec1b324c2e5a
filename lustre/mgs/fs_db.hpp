// SPDX-License-Identifier: GPL-2.0
//
// What the MGS knows of one file system: which targets are registered, where they live, and the
// number of the last group written. The configuration logs are where it is kept; this is what was
// read from them, and what has been added since.
#pragma once

#include <array>

#include "libcfs/containers.hpp"
#include "llog/config.hpp"
#include "mgs/config_writer.hpp"
#include "target/common.hpp"

namespace mgs
{

/// A registered target and its nodes. Not moved: the nodes refer to its NIDs.
class KnownTarget
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	static constexpr std::size_t kNidsMax = wire::MTI_NIDS_MAX;
	static constexpr std::size_t kNodesMax = 8;

	KnownTarget() = default;
	KnownTarget(const KnownTarget &) = delete;
	KnownTarget &operator=(const KnownTarget &) = delete;

	TargetKind kind = TargetKind::ost;
	u16 index = 0;
	bool failout = false;
	cfs::ListHook hook;

	/// The NIDs that follow are another node's. err::NOSPC.
	[[nodiscard]] cfs::Result<> begin_node() noexcept;
	/// err::NOSPC; the first one begins a node.
	[[nodiscard]] cfs::Result<> add_nid(const lnet::Nid &nid) noexcept;
	[[nodiscard]] std::size_t nids() const noexcept { return nids_; }
	/// Of all its nodes.
	[[nodiscard]] std::span<const lnet::Nid> all_nids() const noexcept
	{
		return {nid_.data(), nids_};
	}
	[[nodiscard]] TargetInfo info() const noexcept
	{
		return {kind, index, {nodes_.data(), nodes_count_}, failout};
	}

private:
	std::array<lnet::Nid, kNidsMax> nid_{};
	std::array<ServerNode, kNodesMax> nodes_{};
	std::size_t nids_ = 0;
	std::size_t nodes_count_ = 0;
};

/// A file system. Under the MGS's registration lock.
class FsDb
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	using Targets = cfs::List<KnownTarget, &KnownTarget::hook>;

	/// Whether it may be the name of a file system: names of logs are made of it.
	[[nodiscard]] static bool is_name(std::string_view fsname) noexcept;
	/// Reads the logs of a file system; one without any is empty. err::INVAL: no name of a file
	/// system. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<FsDb>>
	load(target::NamedLogs &logs, std::string_view fsname) noexcept;

	FsDb() = default;
	~FsDb() { clear(); }
	FsDb(const FsDb &) = delete;
	FsDb &operator=(const FsDb &) = delete;

	[[nodiscard]] std::string_view name() const noexcept { return name_.view(); }
	/// Number of the last group; ConfigWriter counts it up.
	[[nodiscard]] u32 &step() noexcept { return step_; }
	[[nodiscard]] KnownTarget *find(TargetKind kind, u16 index) noexcept;
	[[nodiscard]] const Targets &targets() const noexcept { return targets_; }
	[[nodiscard]] bool empty() const noexcept { return targets_.empty(); }
	/// The lowest index that no target of the kind has; err::NOSPC.
	[[nodiscard]] cfs::Result<u16> free_index(TargetKind kind) noexcept;
	/// Takes it over; replaces one with the same index.
	void put(cfs::UniquePtr<KnownTarget> t) noexcept;
	/// Its logs are gone.
	void clear() noexcept;

	cfs::ListHook hook;

private:
	Name name_;
	u32 step_ = 1;
	Targets targets_;
};

} // namespace mgs
