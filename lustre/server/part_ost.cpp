// SPDX-License-Identifier: GPL-2.0
//
// What ost.ko gives to the server mount.
#include "server/parts.hpp"

namespace server
{

namespace
{

class Part final : public OstPart
{
public:
	cfs::Result<ServicesPtr> services(rpc::Rpc &rpc,
					  cfs::ParamGroup *params) const noexcept override
	{
		return ServicesOf<ost::Oss>::start(rpc, params);
	}
	cfs::Result<cfs::UniquePtr<ost::Ost>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const ost::OstConfig &config) const noexcept override
	{
		return ost::Ost::start(rpc, ldlm, std::move(device), config);
	}
};

constinit const Part kPart;

} // namespace

} // namespace server

const struct server_ost_part *server_ost_part(void) noexcept
{
	return &server::kPart;
}
