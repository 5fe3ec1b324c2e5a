// SPDX-License-Identifier: GPL-2.0
//
// What mdt.ko gives to the server mount.
#include "server/parts.hpp"

namespace server
{

namespace
{

class Part final : public MdtPart
{
public:
	cfs::Result<ServicesPtr> services(rpc::Rpc &rpc,
					  cfs::ParamGroup *params) const noexcept override
	{
		return ServicesOf<mdt::Mds>::start(rpc, params);
	}
	cfs::Result<cfs::UniquePtr<mdt::Mdt>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const mdt::MdtConfig &config) const noexcept override
	{
		return mdt::Mdt::start(rpc, ldlm, std::move(device), config);
	}
	cfs::Result<cfs::UniquePtr<osp::Osp>>
	osp(rpc::Rpc &rpc, osd::Device &device,
	    const osp::OspConfig &config) const noexcept override
	{
		return osp::Osp::create(rpc, device, config);
	}
};

constinit const Part kPart;

} // namespace

} // namespace server

const struct server_mdt_part *server_mdt_part(void) noexcept
{
	return &server::kPart;
}
