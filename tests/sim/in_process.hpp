// SPDX-License-Identifier: GPL-2.0
//
// LNet of a simulated node as the tools' System: what lnetctl sends goes to the core by the same
// functions that the kernel's glue calls, and every attribute is coded and decoded on the way.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "lnet/plat_netlink.h"
#include "lnet/simlnd/world.hpp"
#include "lnet/tunables.hpp"
#include "lnetctl/commands.hpp"

namespace lnet_tools
{

class InProcess final : public lnetctl::System
{
public:
	lnetctl::Outcome request(lnet::nl::Command c, std::uint16_t flags,
				 cfs::Bytes attrs) override
	{
		const char *message = nullptr;
		auto r = make(c, flags, 0, attrs);
		int rc = lnet_nl_do(&r, &message);
		return {rc, message ? message : ""};
	}
	lnetctl::Outcome dump(lnet::nl::Command c, std::uint16_t flags, std::uint8_t version,
			      cfs::Bytes attrs, const Take &take) override
	{
		constexpr std::uint16_t kDump = 0x300;
		const char *message = nullptr;
		auto r = make(c, static_cast<std::uint16_t>(flags | kDump), version, attrs);
		lnet_nl_dump *d = nullptr;
		if (int rc = lnet_nl_dump_open(&r, &d, &message))
			return {rc, message ? message : ""};
		const void *data = nullptr;
		std::size_t length = 0;
		std::uint16_t out_flags = 0;
		int rc;
		while ((rc = lnet_nl_dump_peek(d, &data, &length, &out_flags)) > 0) {
			longest = std::max(longest, length);
			take({static_cast<const std::byte *>(data), length}, out_flags);
			lnet_nl_dump_step(d);
		}
		lnet_nl_dump_close(d);
		return {rc, ""};
	}
	lnetctl::Outcome ioctl(unsigned number, unsigned, std::span<std::byte> argument) override
	{
		return {lnet_ioctl(cfs_node_current(), number, argument.data(), argument.size()),
			""};
	}
	int read_param(const std::string &name, std::string &value) override
	{
		int which = find(name);
		if (which < 0)
			return -ENOENT;
		auto s = lnet::sim::control().settings();
		value = std::to_string(lnet::read_tunable(s, static_cast<unsigned>(which))) + "\n";
		return 0;
	}
	int write_param(const std::string &name, const std::string &value) override
	{
		int which = find(name);
		if (which < 0)
			return -ENOENT;
		auto s = lnet::sim::control().settings();
		auto changed =
			lnet::change_tunable(s, static_cast<unsigned>(which), std::stoll(value));
		if (changed)
			changed = lnet::sim::control().set_settings(s);
		return cfs::to_rc(changed);
	}
	std::vector<lnetctl::Interface> interfaces() override
	{
		std::uint32_t addresses[16];
		int n = lnet_addresses_get(cfs_node_current(), addresses, 4);
		std::vector<lnetctl::Interface> out;
		for (int i = 0; i < n; i++) {
			auto nid = lnet::Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0),
						   addresses[i]);
			char text[lnet::LNET_NIDSTR_SIZE];
			cfs::format_cstr(text, "{}", nid);
			std::string s = text;
			out.push_back({"eth" + std::to_string(i), s.substr(0, s.find('@'))});
		}
		return out;
	}

	std::size_t longest = 0; ///< message seen

private:
	static lnet_nl_request make(lnet::nl::Command c, std::uint16_t flags, std::uint8_t version,
				    cfs::Bytes attrs)
	{
		return {cfs_node_current(),	      attrs.data(), attrs.size(), flags,
			static_cast<std::uint8_t>(c), version};
	}
	static int find(const std::string &name)
	{
		static const char *const kNames[] = {
#define NAME(n, doc) #n,
			LNET_TUNABLES(NAME)
#undef NAME
		};
		for (int i = 0; i < LNET_TUNABLE_COUNT; i++)
			if (name == kNames[i])
				return i;
		return -1;
	}
};

/// What a command left.
struct Result {
	int rc = 0;
	std::string out, err;
};

/// Runs words of lnetctl.
inline Result lnetctl_words(const lnetctl::Words &w, const std::string &input = "")
{
	InProcess sys;
	std::ostringstream out, err;
	std::istringstream in(input);
	lnetctl::Shell sh{sys, out, err, in};
	Result r;
	r.rc = lnetctl::run(sh, w);
	r.out = out.str();
	r.err = err.str();
	return r;
}

/// Runs a line of lnetctl.
inline Result lnetctl_run(const std::string &line, const std::string &input = "")
{
	std::istringstream words(line);
	lnetctl::Words w;
	for (std::string one; words >> one;)
		w.push_back(one);
	return lnetctl_words(w, input);
}

} // namespace lnet_tools
