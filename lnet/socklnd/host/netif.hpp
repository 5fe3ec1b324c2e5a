// SPDX-License-Identifier: GPL-2.0
//
// A hand on what the hosted back end says of network interfaces.
#pragma once

#include <optional>
#include <vector>

#include "lnet/plat_socket.h"

namespace lnet::sock::host
{

/// For tests: from now on these are the machine's interfaces, as cfs_netif_list() gives them;
/// without a list, its own again. Whoever watches them is told. Interfaces of the machine itself
/// are not watched: those of a test machine stay as they are.
void pretend_netifs(std::optional<std::vector<cfs_netif>> list);

} // namespace lnet::sock::host
