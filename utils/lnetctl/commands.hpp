// SPDX-License-Identifier: GPL-2.0
//
// lnetctl's commands (spec 08 section 4). Each is a function of its words that prints to streams
// and returns what becomes the exit status; main.cpp gives them the terminal and the kernel, tests
// something else.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "lnetctl/codec.hpp"
#include "lnetctl/system.hpp"

namespace lnetctl
{

/// What a command works with.
struct Shell {
	System &sys;
	std::ostream &out;
	std::ostream &err;
	std::istream &in;
};

using Words = std::vector<std::string>;

/// Runs a command, e.g. {"net", "show", "-v"}. 0 or a negative number.
[[nodiscard]] int run(Shell &sh, const Words &words);
/// Reads commands, one a line, until the end or one fails.
[[nodiscard]] int run_lines(Shell &sh, bool prompt);

// ---- shared by the files of lnetctl and by lctl ----

inline constexpr int kUsage = -22;

/// Tells an error as stock's netlink commands do; gives back what they exit with.
int complain(Shell &sh, const std::string &verb, const std::string &object, int rc,
	     const std::string &text);
/// Likewise for a request that failed; `quiet`: not if the kernel said nothing.
int complain(Shell &sh, const std::string &verb, const std::string &object, const Outcome &o,
	     bool quiet = false);
/// As commands on /dev/lnet and on parameters do.
int complain_plain(Shell &sh, const std::string &verb, const std::string &object, int rc,
		   const std::string &text);

/// Sends a request about objects.
[[nodiscard]] Outcome send(Shell &sh, lnet::nl::Command c, std::uint16_t flags,
			   const std::string &name, const Node &objects);
/// Asks for a listing. `filter` may be null.
[[nodiscard]] Outcome ask(Shell &sh, lnet::nl::Command c, std::uint16_t flags, unsigned verbosity,
			  const std::string &name, const Node &filter, Answer &answer);

[[nodiscard]] std::vector<std::string> split(const std::string &s, char separator);

// set.cpp
[[nodiscard]] int set_command(Shell &sh, const Words &words);
[[nodiscard]] int global_show(Shell &sh);
[[nodiscard]] int stats_command(Shell &sh, const Words &words);
[[nodiscard]] Node global_node(Shell &sh, int &rc);
/// Sets what a map like that of `global show` says. The first error.
[[nodiscard]] int set_globals(Shell &sh, const Node &map);

// import.cpp
[[nodiscard]] int import_command(Shell &sh, const Words &words);
[[nodiscard]] int export_command(Shell &sh, const Words &words);

// doctor.cpp
[[nodiscard]] int doctor_command(Shell &sh, const Words &words);

// net.cpp
[[nodiscard]] int net_command(Shell &sh, const Words &words);
/// Adds or deletes the interfaces that an entry of `net:` describes.
[[nodiscard]] int import_net(Shell &sh, const Node &entry, bool add);
/// Likewise all entries of `ip2nets:` together.
[[nodiscard]] int import_ip2nets(Shell &sh, const Node &entries, bool add);

} // namespace lnetctl
