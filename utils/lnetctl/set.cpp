// SPDX-License-Identifier: GPL-2.0
//
// lnetctl set, global and stats: settings are parameters of the module lnet, statistics come from
// /dev/lnet.

#include <cerrno>
#include <cstring>

#include "lnetctl/commands.hpp"
#include "lnetctl/usage.hpp"

namespace lnetctl
{

namespace nl = lnet::nl;
using nl::Command;

namespace
{

struct Setting {
	const char *name;      ///< what users call it
	const char *parameter; ///< null: derived from others
	const char *label;     ///< in error texts
	bool inverted = false;
};

/// In the order of `global show`.
constexpr Setting kSettings[] = {
	{"numa_range", "lnet_numa_range", "numa_range"},
	{"max_interfaces", "lnet_interfaces_max", "max interfaces"},
	{"discovery", "lnet_peer_discovery_disabled", "discovery", true},
	{"drop_asym_route", "lnet_drop_asym_route", "drop asym route"},
	{"retry_count", "lnet_retry_count", "retry count"},
	{"transaction_timeout", "lnet_transaction_timeout", "transaction timeout"},
	{"health_sensitivity", "lnet_health_sensitivity", "health sensitivity"},
	{"recovery_interval", "lnet_recovery_interval", "recovery interval"},
	{"router_sensitivity", "router_sensitivity_percentage", "router sensitivity percentage"},
	{"lnd_timeout", nullptr, "LND timeout"},
	{"response_tracking", "lnet_response_tracking", "response tracking"},
	{"recovery_limit", "lnet_recovery_limit", "recovery limit"},
	{"max_recovery_ping_interval", "lnet_max_recovery_ping_interval",
	 "max recovery ping interval"},
};

const Setting *find_setting(const std::string &name)
{
	for (const Setting &s : kSettings)
		if (name == s.name && s.parameter)
			return &s;
	return nullptr;
}

/// A number from the text of a parameter; false when it is none.
bool to_number(const std::string &text, long long &out)
{
	char *end = nullptr;
	errno = 0;
	out = std::strtoll(text.c_str(), &end, 0);
	while (*end == '\n' || *end == ' ')
		end++;
	return !text.empty() && end != text.c_str() && !*end && errno == 0;
}

int write_setting(Shell &sh, const Setting &s, long long value)
{
	if (s.inverted)
		value = value ? 0 : 1;
	if (!strcmp(s.name, "numa_range"))
		value = static_cast<std::uint32_t>(value);
	return sh.sys.write_param(s.parameter, std::to_string(value));
}

/// Stock's tools exit with this whatever the kernel said.
constexpr int kSetFailed = -61;

int set_failed(Shell &sh, const std::string &name, const std::string &label, int rc)
{
	return complain_plain(sh, "add", name, kSetFailed,
			      "cannot configure " + label + ": " + strerror(-rc));
}

int set_router(Shell &sh, const std::string &name, long long value)
{
	Outcome done;
	if (name == "routing") {
		Node n = Node::map();
		n.set("enable", Node::number(value));
		done = send(sh, Command::routing, nl::kFlagCreate, "routing", n);
	} else {
		Node n = Node::map();
		n.set(name.substr(0, name.find('_')), Node::number(value));
		done = send(sh, Command::buffers, nl::kFlagCreate, "buffers", n);
	}
	return done ? 0 : complain(sh, "add", name, done);
}

} // namespace

int set_command(Shell &sh, const Words &words)
{
	if (words.size() < 2)
		return usage(sh, "set");
	const std::string &name = words[1];
	bool router = name == "routing" || name == "tiny_buffers" || name == "small_buffers" ||
		      name == "large_buffers";
	const Setting *s = find_setting(name);
	if (!router && !s)
		return no_such_verb(sh, "set", name);
	if (words.size() != 3)
		return usage(sh, "set " + name);
	long long value = 0;
	if (!to_number(words[2], value))
		return complain_plain(sh, "parsing", name, -1, "invalid value '" + words[2] + "'");
	if (router)
		return set_router(sh, name, value);
	int rc = write_setting(sh, *s, value);
	return rc ? set_failed(sh, name, s->label, rc) : 0;
}

Node global_node(Shell &sh, int &rc)
{
	Node map = Node::map();
	long long retries = 0, transaction = 0;
	rc = 0;
	for (const Setting &s : kSettings) {
		long long value = 0;
		std::string text;
		if (!s.parameter) {
			value = retries >= 0 ? (transaction - 1) / (retries + 1) : 0;
		} else {
			int r = sh.sys.read_param(s.parameter, text);
			if (!r && !to_number(text, value))
				r = -EPROTO;
			if (r) {
				rc = r;
				(void)complain_plain(sh, "show", "global", r,
						     "cannot get " + std::string(s.label) + ": " +
							     strerror(-r));
				return map;
			}
		}
		if (s.inverted)
			value = value ? 0 : 1;
		if (!strcmp(s.name, "retry_count"))
			retries = value;
		if (!strcmp(s.name, "transaction_timeout"))
			transaction = value;
		map.set(s.name, Node::number(value));
	}
	return map;
}

int global_show(Shell &sh)
{
	int rc = 0;
	Node map = global_node(sh, rc);
	if (rc)
		return rc;
	Node out = Node::map();
	out.set("global", std::move(map));
	print(sh.out, out, kPlainLayout);
	return 0;
}

int set_globals(Shell &sh, const Node &map)
{
	// Some values are refused because of others: those get another turn when the rest is set.
	std::vector<const std::pair<std::string, Node> *> todo;
	for (const auto &e : map.entries())
		todo.push_back(&e);
	for (int turn = 0; turn < 2; turn++) {
		std::vector<const std::pair<std::string, Node> *> failed;
		for (const auto *e : todo) {
			const Setting *s = find_setting(e->first);
			long long value = 0;
			if (e->first == "lnd_timeout")
				continue; // follows from others
			int rc = -EINVAL;
			if (s && to_number(e->second.text(), value))
				rc = write_setting(sh, *s, value);
			if (!rc)
				continue;
			failed.push_back(e);
			if (turn == 1)
				return set_failed(sh, e->first, s ? s->label : e->first, rc);
		}
		todo = failed;
	}
	return 0;
}

namespace
{

/// Where numbers stand in lnet_ioctl_lnet_stats.
struct Counter {
	const char *name;
	unsigned offset;
	unsigned size;
};
constexpr Counter kCounters[] = {
	{"msgs_alloc", 8, 4},
	{"msgs_max", 12, 4},
	{"rst_alloc", 68, 4},
	{"errors", 16, 4},
	{"send_count", 20, 4},
	{"resend_count", 72, 4},
	{"response_timeout_count", 76, 4},
	{"local_interrupt_count", 80, 4},
	{"local_dropped_count", 84, 4},
	{"local_aborted_count", 88, 4},
	{"local_no_route_count", 92, 4},
	{"local_timeout_count", 96, 4},
	{"local_error_count", 100, 4},
	{"remote_dropped_count", 104, 4},
	{"remote_error_count", 108, 4},
	{"remote_timeout_count", 112, 4},
	{"network_timeout_count", 116, 4},
	{"failed_resends", 120, 4},
	{"successful_resends", 124, 4},
	{"recv_count", 24, 4},
	{"route_count", 28, 4},
	{"drop_count", 32, 4},
	{"send_length", 36, 8},
	{"recv_length", 44, 8},
	{"route_length", 52, 8},
	{"drop_length", 60, 8},
};
constexpr unsigned kStatsBytes = 128, kCodedBytes = 184;
constexpr unsigned kGetStats = 91, kResetStats = 110;
constexpr std::uint32_t kVersion2 = 0x0001000b;

Outcome stats_call(Shell &sh, unsigned number, std::vector<std::byte> &buffer)
{
	buffer.assign(kStatsBytes, std::byte{0});
	const std::uint32_t header[] = {kStatsBytes, kVersion2};
	std::memcpy(buffer.data(), header, sizeof(header));
	return sh.sys.ioctl(number, kCodedBytes, buffer);
}

int stats_failed(Shell &sh, const std::string &verb, const Outcome &o)
{
	sh.err << o.message;
	return complain_plain(sh, verb, "statistics", o.rc,
			      "cannot " + std::string(verb == "show" ? "get" : "reset") +
				      " lnet statistics: " + strerror(-o.rc));
}

} // namespace

int stats_command(Shell &sh, const Words &words)
{
	std::string verb = words.size() > 1 ? words[1] : "";
	if (verb != "show" && verb != "reset")
		return no_such_verb(sh, "stats", verb);
	std::vector<std::byte> buffer;
	auto done = stats_call(sh, verb == "show" ? kGetStats : kResetStats, buffer);
	if (!done)
		return stats_failed(sh, verb, done);
	if (verb == "reset")
		return 0;
	Node out = Node::map();
	Node &map = out.set("statistics", Node::map());
	for (const Counter &c : kCounters) {
		std::uint64_t v = 0;
		std::memcpy(&v, buffer.data() + c.offset, c.size);
		map.set(c.name, Node::number(static_cast<std::int64_t>(v)));
	}
	print(sh.out, out, kPlainLayout);
	return 0;
}

} // namespace lnetctl
