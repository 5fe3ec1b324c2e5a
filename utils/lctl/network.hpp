// SPDX-License-Identifier: GPL-2.0
//
// lctl's commands about LNet (spec 01 section 16.5, spec 08 section 2.6).
#pragma once

#include "lnetctl/commands.hpp"

namespace lctl
{

/// Runs words[0] if it is one of them: true, and rc is what to exit with. `net` is that of --net.
[[nodiscard]] bool network_command(lnetctl::Shell &sh, const std::string &net,
				   const lnetctl::Words &words, int &rc);

/// What a peer is connected by, from /proc/net/tcp.
struct PeerConnections {
	std::string local = "0.0.0.0", remote = "0.0.0.0";
	unsigned port = 0;
	unsigned count = 0; ///< that this node has opened
};
[[nodiscard]] PeerConnections connections_to(std::istream &proc_net_tcp, const std::string &address,
					     unsigned port);

} // namespace lctl
