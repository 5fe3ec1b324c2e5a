// SPDX-License-Identifier: GPL-2.0
//
// What the parts of the client see of a mount besides client/plat_vfs.h, which is the interface for
// everybody above: the names and connections that its devices share.
//
// Bring-up (spec 06 section 1.4): options, MGS, configuration log, MDT, root, OSTs. The log tells
// which targets there are and at which nodes; it is followed, so a new OST appears later. Every
// device of a mount ends in the same instance text, "lustre-OST0000-osc-ffff8f2a00c41000", and uses
// the same client uuid.
#pragma once

#include <string_view>

#include "client/options.hpp"
#include "client/plat_vfs.h"
#include "ldlm/ldlm.hpp"
#include "rpc/rpc.hpp"

/// What plat_vfs.h calls a mount.
struct lustre_mount {
};

namespace client
{

class DataSpace;

class MountInfo : public ::lustre_mount
{
public:
	/// 16 hexadecimal digits, the same in all device names.
	[[nodiscard]] virtual std::string_view instance() const noexcept = 0;
	/// A uuid: who this mount is to every server.
	[[nodiscard]] virtual std::string_view client_uuid() const noexcept = 0;
	[[nodiscard]] virtual std::string_view fsname() const noexcept = 0;
	[[nodiscard]] virtual const MountOptions &options() const noexcept = 0;
	[[nodiscard]] virtual cfs::Node &node() noexcept = 0;
	[[nodiscard]] virtual rpc::Rpc &rpc() noexcept = 0;
	[[nodiscard]] virtual ldlm::Ldlm &ldlm() noexcept = 0;
	/// The connection to MDT0000.
	[[nodiscard]] virtual rpc::Import &mdt() noexcept = 0;
	[[nodiscard]] virtual DataSpace &data() noexcept = 0;
	[[nodiscard]] virtual vfs_super *super() noexcept = 0;
	/// umount -f was called: nobody waits for a server any more.
	[[nodiscard]] virtual bool forced() const noexcept = 0;

protected:
	~MountInfo() = default;
};

} // namespace client
