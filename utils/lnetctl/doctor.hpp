// SPDX-License-Identifier: GPL-2.0
//
// lnetctl doctor: looks at what LNet has and at how the system under it is set up, and says what
// to change. What it looks at is handed in, so that tests can make systems that are ill.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace lnetctl
{

/// An interface that LNet is on.
struct DoctorNi {
	std::string nid;
	std::string if_name;
	bool up = true;
	long credits = 0, peer_credits = 0;
};

/// A NID that somebody else has.
struct DoctorPeer {
	std::string nid;
	bool multi_rail = false;
	bool asked = false;    ///< it is to be pinged
	bool answered = false; ///< it was
	std::string error;     ///< why it did not
};

struct Finding {
	enum class Level { ok, note, warning, error };
	Level level;
	std::string what;
	std::string change; ///< empty when nothing is to be done
};

struct DoctorInput {
	std::string root = "/"; ///< has proc/ and sys/
	std::vector<DoctorNi> nis;
	std::vector<DoctorPeer> peers;
	unsigned port = 988;
	std::string accept = "secure"; ///< lnet's parameter
	/// Tries a TCP connection to an address: 0 or an errno. Empty: nobody is connected to.
	std::function<int(const std::string &address, unsigned port)> connect;
};

[[nodiscard]] std::vector<Finding> examine(const DoctorInput &in);

} // namespace lnetctl
