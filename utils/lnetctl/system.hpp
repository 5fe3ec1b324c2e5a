// SPDX-License-Identifier: GPL-2.0
//
// What the tools need of the node that they run on: the kernel modules' interfaces and the network
// interfaces. kernel.cpp talks to the running kernel; tests put something else here.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lnet/netlink.hpp"

namespace lnetctl
{

/// What came of a request: 0 or a negative errno, and what the kernel said to it.
struct Outcome {
	int rc = 0;
	std::string message;

	[[nodiscard]] explicit operator bool() const { return rc == 0; }
};

/// Instead of an errno: there is nobody to ask, because the modules are not loaded.
inline constexpr int kNoFamily = -1000;

struct Interface {
	std::string name;
	std::string address; ///< IPv4 or IPv6, as text
};

class System
{
public:
	using Take = std::function<void(cfs::Bytes attrs, std::uint16_t flags)>;

	virtual ~System() = default;
	virtual Outcome request(lnet::nl::Command command, std::uint16_t flags,
				cfs::Bytes attrs) = 0;
	/// Gives each message of the answer to `take`.
	virtual Outcome dump(lnet::nl::Command command, std::uint16_t flags, std::uint8_t version,
			     cfs::Bytes attrs, const Take &take) = 0;
	/// A call of /dev/lnet; `size` is what is coded in its number.
	virtual Outcome ioctl(unsigned number, unsigned size, std::span<std::byte> argument) = 0;
	/// A module parameter of lnet: 0 or a negative errno.
	virtual int read_param(const std::string &name, std::string &value) = 0;
	virtual int write_param(const std::string &name, const std::string &value) = 0;
	[[nodiscard]] virtual std::vector<Interface> interfaces() = 0;
};

} // namespace lnetctl
