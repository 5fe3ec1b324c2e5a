// SPDX-License-Identifier: GPL-2.0
//
// The management server of a node, as who starts it sees it (the server mount, tests): the target
// "MGS" and its service on portal 26 (spec 02 section 9). Targets register with it, it writes what
// they are into configuration logs (CONFIGS/ of its device), and everybody reads those and holds a
// lock on them that is called back when they change.
//
//     auto m = TRY(mgs::Mgs::start(rpc, ldlm, device, {}));
//     ...
//     m->stop();
#pragma once

#include "ldlm/ldlm.hpp"
#include "libcfs/params.hpp"
#include "osd/osd.hpp"
#include "rpc/rpc.hpp"

namespace mgs
{

struct MgsConfig {
	/// The folder that gets `MGS` with the parameters; none when null. Stays open longer.
	cfs::ParamGroup *params = nullptr;
};

/// A running MGS; at most one per node.
class Mgs
{
public:
	/// Takes over a reference of the device, which an MDT may share. Clients can connect when
	/// it returns. err::EXIST: the node has one. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Mgs>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const MgsConfig &config) noexcept;
	/// Ends all connections and lets the device go. Call it before the object is destroyed,
	/// once. Sleeps.
	virtual void stop() noexcept = 0;
	/// A parameter as `lctl conf_param` sets it: `device` gets "key=value" from the log of its
	/// kind. err::INVAL, err::NOENT: no such file system. Sleeps.
	[[nodiscard]] virtual cfs::Result<> set_param(std::string_view device,
						      std::string_view value) noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~Mgs() = default;
};

} // namespace mgs
