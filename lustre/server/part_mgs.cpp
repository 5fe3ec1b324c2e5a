// SPDX-License-Identifier: GPL-2.0
//
// What mgs.ko gives to the server mount.
#include "server/parts.hpp"

namespace server
{

namespace
{

class Part final : public MgsPart
{
public:
	cfs::Result<cfs::UniquePtr<mgs::Mgs>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const mgs::MgsConfig &config) const noexcept override
	{
		return mgs::Mgs::start(rpc, ldlm, std::move(device), config);
	}
};

constinit const Part kPart;

} // namespace

} // namespace server

const struct server_mgs_part *server_mgs_part(void) noexcept
{
	return &server::kPart;
}
