// SPDX-License-Identifier: GPL-2.0
//
// What the server mount needs of the modules that have the targets: mgs.ko, mdt.ko and ost.ko each
// give one object (plat_server.h), behind which the targets and services are made. Hosted programs
// link the same objects statically.
#pragma once

#include "mdt/mdt.hpp"
#include "mgs/mgs.hpp"
#include "osp/osp.hpp"
#include "ost/ost.hpp"
#include "server/plat_server.h"

struct server_mgs_part {
};
struct server_mdt_part {
};
struct server_ost_part {
};

namespace server
{

/// The services of a node that serve all targets of a kind.
class Services
{
public:
	virtual void stop() noexcept = 0;
	/// After stop().
	virtual void destroy() noexcept = 0;

protected:
	~Services() = default;
};
using ServicesPtr = cfs::UniquePtr<Services>;

class MgsPart : public ::server_mgs_part
{
public:
	virtual cfs::Result<cfs::UniquePtr<mgs::Mgs>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const mgs::MgsConfig &config) const noexcept = 0;

protected:
	constexpr ~MgsPart() = default;
};

class MdtPart : public ::server_mdt_part
{
public:
	virtual cfs::Result<ServicesPtr> services(rpc::Rpc &rpc,
						  cfs::ParamGroup *params) const noexcept = 0;
	virtual cfs::Result<cfs::UniquePtr<mdt::Mdt>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const mdt::MdtConfig &config) const noexcept = 0;
	virtual cfs::Result<cfs::UniquePtr<osp::Osp>>
	osp(rpc::Rpc &rpc, osd::Device &device, const osp::OspConfig &config) const noexcept = 0;

protected:
	constexpr ~MdtPart() = default;
};

class OstPart : public ::server_ost_part
{
public:
	virtual cfs::Result<ServicesPtr> services(rpc::Rpc &rpc,
						  cfs::ParamGroup *params) const noexcept = 0;
	virtual cfs::Result<cfs::UniquePtr<ost::Ost>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const ost::OstConfig &config) const noexcept = 0;

protected:
	constexpr ~OstPart() = default;
};

/// An Oss or an Mds as Services.
template <typename T>
class ServicesOf final : public Services
{
	cfs::UniquePtr<T> t_;

public:
	static constexpr cfs_subsys kSubsys = T::kSubsys;

	explicit ServicesOf(cfs::UniquePtr<T> t) noexcept : t_(std::move(t)) {}
	void stop() noexcept override { t_->stop(); }
	void destroy() noexcept override
	{
		this->~ServicesOf();
		cfs_free(kSubsys, this, sizeof(*this));
	}
	[[nodiscard]] static cfs::Result<ServicesPtr> start(rpc::Rpc &rpc,
							    cfs::ParamGroup *params) noexcept
	{
		auto t = TRY(T::start(rpc, params));
		T &running = *t;
		auto made = cfs::try_make<ServicesOf>(std::move(t));
		if (!made) {
			running.stop();
			return cfs::fail(made.error());
		}
		return ServicesPtr(std::move(*made));
	}
};

} // namespace server
