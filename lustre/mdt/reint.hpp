// SPDX-License-Identifier: GPL-2.0
//
// MDS_REINT: changes of the namespace and of attributes (spec 04 section 9). reint.cpp does what
// all of them have in common: whether the client may change anything, answers that were given
// before, early cancels, the reply, and locks that are kept until it has arrived.
#pragma once

#include "mdt/target.hpp"

namespace mdt
{

/// One of them under way. body becomes the reply's; it stays zero when the operation fails.
struct Reint {
	MdtTarget &t;
	rpc::ServerRequest &req;
	LockSet locks;
	Caller caller;
	wire::MdtBody body{};
};

[[nodiscard]] cfs::Result<> reint_setattr(Reint &r,
					  rpc::RequestView<op::MdsReintSetattr> in) noexcept;
[[nodiscard]] cfs::Result<> reint_create(Reint &r,
					 rpc::RequestView<op::MdsReintCreate> in) noexcept;
[[nodiscard]] cfs::Result<> reint_symlink(Reint &r,
					  rpc::RequestView<op::MdsReintSymlink> in) noexcept;
[[nodiscard]] cfs::Result<> reint_link(Reint &r, rpc::RequestView<op::MdsReintLink> in) noexcept;
[[nodiscard]] cfs::Result<> reint_unlink(Reint &r,
					 rpc::RequestView<op::MdsReintUnlink> in) noexcept;
[[nodiscard]] cfs::Result<> reint_rename(Reint &r,
					 rpc::RequestView<op::MdsReintRename> in) noexcept;
[[nodiscard]] cfs::Result<> reint_setxattr(Reint &r,
					   rpc::RequestView<op::MdsReintSetxattr> in) noexcept;

} // namespace mdt
