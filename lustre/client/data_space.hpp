// SPDX-License-Identifier: GPL-2.0
//
// The OSTs of a mount. Private to this folder.
#pragma once

#include "client/osc.hpp"

namespace client
{

class DataSpaceImpl final : public DataSpace
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LOV;
	static constexpr u32 kOstsMax = 65536;
	/// How old an answer to statfs may be.
	static constexpr cfs::Duration kStatfsAge = cfs::Duration::seconds(1);

	DataSpaceImpl(rpc::Rpc &rpc, ldlm::Ldlm &ldlm) noexcept : rpc_(rpc), ldlm_(ldlm) {}
	~DataSpaceImpl() { CFS_ASSERT(oscs_.empty()); }
	[[nodiscard]] Result<> open(const DataSpaceSpec &spec) noexcept;

	Result<> setup_osc(std::string_view device, std::string_view target,
			   std::string_view node) noexcept override;
	Result<> add_conn(std::string_view device, std::string_view node) noexcept override;
	Result<> add_ost(u32 index, std::string_view target, u32 gen,
			 bool active) noexcept override;
	Result<> del_ost(u32 index) noexcept override;
	Result<> param(std::string_view device, std::string_view key,
		       std::string_view value) noexcept override;
	void target_moved(u32 index, std::span<const lnet::Nid> nids,
			  u32 instance) noexcept override;

	Result<> wait_connected(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	void abort() noexcept override;
	void close(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	void destroy() noexcept override;

	Result<> statfs(struct ::lustre_statfs &out) noexcept override;
	Result<wire::ObdStatfs> ost_statfs(u32 index, bool lazy) noexcept override;
	Result<OstInfo> ost_info(u32 index) noexcept override;
	u32 ost_end() noexcept override;
	unsigned rpc_pages() noexcept override;

	/// The OST of that index; null when there is none.
	[[nodiscard]] cfs::RefPtr<Osc> ost(u32 index) noexcept;

private:
	static constexpr std::size_t kTextMax = 64;

	[[nodiscard]] cfs::RefPtr<Osc> by_device(std::string_view device) noexcept;
	[[nodiscard]] cfs::RefPtr<Osc> by_target(std::string_view target) noexcept;
	/// The n-th, in the order of the log.
	[[nodiscard]] cfs::RefPtr<Osc> nth(std::size_t n) noexcept;

	rpc::Rpc &rpc_;
	ldlm::Ldlm &ldlm_;
	DataSpaceSpec spec_;
	char fsname_[kTextMax] = {};
	char instance_[kTextMax] = {};
	char client_uuid_[kTextMax] = {};
	cfs::ParamGroup params_;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("data space")};
	// Each holds a reference.
	cfs::List<Osc, &Osc::in_space> oscs_ CFS_GUARDED_BY(lock_);
	u32 end_ CFS_GUARDED_BY(lock_) = 0;
	bool aborted_ CFS_GUARDED_BY(lock_) = false;
};

} // namespace client
