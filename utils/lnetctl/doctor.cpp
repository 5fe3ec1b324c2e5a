// SPDX-License-Identifier: GPL-2.0
//
// See doctor.hpp.

#include "lnetctl/doctor.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "lnetctl/commands.hpp"
#include "lnetctl/options.hpp"
#include "lnetctl/usage.hpp"

namespace lnetctl
{

namespace
{

using Level = Finding::Level;

std::optional<std::string> read_line(const std::string &path)
{
	std::ifstream in(path);
	std::string line;
	if (!in || !std::getline(in, line))
		return std::nullopt;
	return line;
}

std::optional<long> read_number(const std::string &path)
{
	auto line = read_line(path);
	if (!line)
		return std::nullopt;
	char *end = nullptr;
	long v = std::strtol(line->c_str(), &end, 10);
	return end == line->c_str() ? std::nullopt : std::optional(v);
}

/// `192.168.1.1@tcp` apart; the address in host order, 0 when it is not IPv4.
std::string net_of(const std::string &nid)
{
	auto at = nid.find('@');
	return at == nid.npos ? "tcp" : nid.substr(at + 1);
}
std::string address_of(const std::string &nid)
{
	return nid.substr(0, nid.find('@'));
}
std::uint32_t ipv4_of(const std::string &nid)
{
	in_addr a{};
	return inet_pton(AF_INET, address_of(nid).c_str(), &a) == 1 ? ntohl(a.s_addr) : 0;
}
bool is_tcp(const std::string &nid)
{
	return net_of(nid).starts_with("tcp");
}

/// A line of /proc/net/route.
struct IpRoute {
	std::string if_name;
	std::uint32_t destination = 0, mask = 0;
	long metric = 0;
};

class Doctor
{
public:
	explicit Doctor(const DoctorInput &in) : in_(in) {}

	std::vector<Finding> run()
	{
		read_routes();
		check_nis();
		check_mtus();
		check_multi_rail();
		check_return_paths();
		check_listener();
		check_peers();
		return std::move(out_);
	}

private:
	void say(Level level, const std::string &what, const std::string &change = "")
	{
		out_.push_back({level, what, change});
	}
	[[nodiscard]] std::string sys(const std::string &if_name, const char *file) const
	{
		return in_.root + "/sys/class/net/" + if_name + "/" + file;
	}
	/// A value of net.ipv4.conf: what the kernel uses is the greater of the interface's and of
	/// `all`.
	[[nodiscard]] std::optional<long> conf(const std::string &if_name, const char *key) const
	{
		auto dir = in_.root + "/proc/sys/net/ipv4/conf/";
		auto own = read_number(dir + if_name + "/" + key),
		     all = read_number(dir + "all/" + key);
		if (!own)
			return std::nullopt;
		return std::max(*own, all.value_or(0));
	}

	void read_routes()
	{
		std::ifstream in(in_.root + "/proc/net/route");
		std::string line;
		std::getline(in, line); // the heading
		while (std::getline(in, line)) {
			std::istringstream words(line);
			IpRoute r;
			std::string destination, gateway, flags, refs, use, mask;
			if (!(words >> r.if_name >> destination >> gateway >> flags >> refs >>
			      use >> r.metric >> mask))
				continue;
			auto number = [](const std::string &s) {
				return ntohl(static_cast<std::uint32_t>(
					std::strtoul(s.c_str(), nullptr, 16)));
			};
			r.destination = number(destination);
			r.mask = number(mask);
			routes_.push_back(r);
		}
	}

	/// The way to an address: the longest prefix, then the smallest metric.
	[[nodiscard]] const IpRoute *route_to(std::uint32_t address) const
	{
		const IpRoute *best = nullptr;
		for (const IpRoute &r : routes_)
			if ((address & r.mask) == r.destination &&
			    (!best || r.mask > best->mask ||
			     (r.mask == best->mask && r.metric < best->metric)))
				best = &r;
		return best;
	}

	void check_nis()
	{
		if (in_.nis.empty()) {
			say(Level::error, "LNet has no network interface",
			    "add one: lnetctl net add --net tcp --if IFNAME");
			return;
		}
		for (const DoctorNi &ni : in_.nis) {
			auto state = read_line(sys(ni.if_name, "operstate"));
			if (!state)
				say(Level::error,
				    ni.nid + ": the interface " + ni.if_name + " is gone",
				    "bring the interface back, or: lnetctl net del --net " +
					    net_of(ni.nid) + " --if " + ni.if_name);
			else if (*state == "down")
				say(Level::error, ni.nid + ": " + ni.if_name + " has no link",
				    "check the cable and switch, or: ip link set " + ni.if_name +
					    " up");
			else if (!ni.up)
				say(Level::warning, ni.nid + " is announced to peers as down",
				    "look at its health: lnetctl net show --net " + net_of(ni.nid) +
					    " -v 2");
			else
				say(Level::ok, ni.nid + " on " + ni.if_name + " is up");
			if (ni.peer_credits > ni.credits && ni.credits > 0)
				say(Level::warning,
				    ni.nid + ": one peer may take all of the credits",
				    "set credits above peer_credits");
		}
	}

	void check_mtus()
	{
		for (const DoctorNi &a : in_.nis) {
			auto mtu = read_number(sys(a.if_name, "mtu"));
			if (!mtu)
				continue;
			for (const DoctorNi &b : in_.nis) {
				auto other = read_number(sys(b.if_name, "mtu"));
				if (&a < &b && other && *other != *mtu &&
				    net_of(a.nid) == net_of(b.nid))
					say(Level::warning,
					    a.if_name + " and " + b.if_name + " are on " +
						    net_of(a.nid) + " with different MTUs, " +
						    std::to_string(*mtu) + " and " +
						    std::to_string(*other),
					    "give both the MTU that the whole network has: ip link "
					    "set IFNAME mtu N");
			}
			auto speed = read_number(sys(a.if_name, "speed"));
			if (speed && *speed >= 10000 && *mtu < 9000)
				say(Level::note,
				    a.if_name + " is fast (" + std::to_string(*speed) +
					    " Mbit/s) and has an MTU of " + std::to_string(*mtu),
				    "jumbo frames help if every switch and host has them: ip link "
				    "set " + a.if_name +
					    " mtu 9000");
		}
	}

	/// Two interfaces that the same peers reach: Linux must answer for each on itself.
	void check_multi_rail()
	{
		for (const DoctorNi &ni : in_.nis) {
			if (!is_tcp(ni.nid) || !shares_subnet(ni))
				continue;
			auto sysctl = [&](const char *key, const char *value) {
				return "sysctl -w net.ipv4.conf." + ni.if_name + "." + key + "=" +
				       value;
			};
			auto why = [&](const char *text) {
				return ni.if_name +
				       " shares a subnet with another interface of LNet, and " +
				       text;
			};
			if (conf(ni.if_name, "rp_filter").value_or(0) == 1)
				say(Level::error, why("strict rp_filter drops what comes in on it"),
				    sysctl("rp_filter", "2") + " (and all.rp_filter not 1)");
			if (conf(ni.if_name, "arp_ignore").value_or(1) == 0)
				say(Level::warning, why("others may answer ARP for its address"),
				    sysctl("arp_ignore", "1"));
			if (conf(ni.if_name, "arp_announce").value_or(2) < 2)
				say(Level::warning, why("it may announce another's address"),
				    sysctl("arp_announce", "2"));
		}
	}

	[[nodiscard]] bool shares_subnet(const DoctorNi &ni) const
	{
		auto mask = mask_of(ni);
		auto address = ipv4_of(ni.nid);
		return address &&
		       std::any_of(in_.nis.begin(), in_.nis.end(), [&](const DoctorNi &o) {
			       return o.if_name != ni.if_name && ipv4_of(o.nid) &&
				      (ipv4_of(o.nid) & mask) == (address & mask);
		       });
	}

	/// Of the subnet that an interface is on, from the routes; /32 when there is none.
	[[nodiscard]] std::uint32_t mask_of(const DoctorNi &ni) const
	{
		for (const IpRoute &r : routes_)
			if (r.mask && (ipv4_of(ni.nid) & r.mask) == r.destination)
				return r.mask;
		return 0xffffffff;
	}

	/// A peer's packets come to one interface; do ours to it leave by the same?
	void check_return_paths()
	{
		for (const DoctorPeer &p : in_.peers) {
			auto address = ipv4_of(p.nid);
			const IpRoute *r = address ? route_to(address) : nullptr;
			if (!address || !is_tcp(p.nid))
				continue;
			bool on_net = false, fits = false;
			std::string ours;
			for (const DoctorNi &ni : in_.nis) {
				if (net_of(ni.nid) != net_of(p.nid))
					continue;
				on_net = true;
				fits = fits || (r && r->if_name == ni.if_name);
				ours += (ours.empty() ? "" : ", ") + ni.if_name;
			}
			if (!on_net)
				continue;
			if (!r)
				say(Level::error, "there is no route to " + p.nid,
				    "add one: ip route add " + address_of(p.nid) + " via GATEWAY");
			else if (!fits)
				say(Level::error,
				    "packets to " + p.nid + " leave by " + r->if_name +
					    ", but LNet's network " + net_of(p.nid) + " is on " +
					    ours + ": the path back differs",
				    "correct the route: ip route add " + address_of(p.nid) +
					    " dev " + ours.substr(0, ours.find(',')));
		}
	}

	void check_listener()
	{
		if (in_.accept == "none") {
			say(Level::warning,
			    "LNet accepts no connections (accept=none): servers cannot connect "
			    "back",
			    "set accept=secure for the module lnet");
			return;
		}
		char wanted[16];
		snprintf(wanted, sizeof(wanted), ":%04X", in_.port);
		bool listens = false, readable = false;
		for (const char *file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
			std::ifstream in(in_.root + file);
			std::string line;
			while (std::getline(in, line)) {
				readable = true;
				std::istringstream words(line);
				std::string n, local, remote, state;
				if (words >> n >> local >> remote >> state)
					listens = listens ||
						  (state == "0A" && local.ends_with(wanted));
			}
		}
		auto port = std::to_string(in_.port);
		bool tcp = std::any_of(in_.nis.begin(), in_.nis.end(),
				       [](auto &ni) { return is_tcp(ni.nid); });
		if (tcp && readable && !listens)
			say(Level::error, "nobody listens on TCP port " + port,
			    "see dmesg why LNet could not; another service may have had the port");
		else if (listens)
			say(Level::ok, "TCP port " + port + " is listened on");
	}

	void check_peers()
	{
		for (const DoctorPeer &p : in_.peers) {
			int rc = 0;
			if (in_.connect && is_tcp(p.nid))
				rc = in_.connect(address_of(p.nid), in_.port);
			auto port = std::to_string(in_.port);
			if (rc == ECONNREFUSED)
				say(Level::error,
				    p.nid + " refuses connections to TCP port " + port,
				    "start LNet there (lnetctl lnet configure), or look at its "
				    "accept_port");
			else if (rc)
				say(Level::error,
				    "TCP port " + port + " of " + p.nid +
					    " cannot be reached: " + strerror(rc),
				    "let firewalls pass TCP port " + port + " both ways");
			else if (p.asked && !p.answered)
				say(Level::error, p.nid + " does not answer pings: " + p.error,
				    "check that it has this NID: lnetctl net show there");
			else if (p.asked && !p.multi_rail)
				say(Level::note,
				    p.nid + " knows nothing of multi-rail: it is older than 2.10, "
					    "or "
					    "was told so",
				    "name all its NIDs by hand if it has several: lnetctl peer add "
				    "--non_mr");
			else if (p.asked)
				say(Level::ok, p.nid + " answers");
		}
	}

	const DoctorInput &in_;
	std::vector<IpRoute> routes_;
	std::vector<Finding> out_;
};

/// Connects within some seconds, and hangs up.
int try_connect(const std::string &address, unsigned port)
{
	constexpr int kPatienceMs = 3000;
	sockaddr_in to{};
	to.sin_family = AF_INET;
	to.sin_port = htons(static_cast<std::uint16_t>(port));
	if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1)
		return 0; // names and IPv6 are for LNet's own ping
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int rc = connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof(to)) ? errno : 0;
	if (rc == EINPROGRESS) {
		pollfd p{fd, POLLOUT, 0};
		socklen_t size = sizeof(rc);
		if (poll(&p, 1, kPatienceMs) == 0)
			rc = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &size))
			rc = errno;
	}
	close(fd);
	return rc;
}

long number_in(const Node &n, const char *map, const char *key)
{
	const Node *m = n.find(map);
	return m ? std::strtol(m->get(key).c_str(), nullptr, 10) : 0;
}

Outcome read_nis(Shell &sh, DoctorInput &in)
{
	Answer nets;
	auto done = ask(sh, lnet::nl::Command::nets, 0, 1, "net", Node(), nets);
	for (const Node &net : nets.entries()) {
		const Node *list = net.find("local NI(s)");
		if (net.get("net type") == "lo" || !list)
			continue;
		for (const Node &n : list->items()) {
			const Node *ifs = n.find("interfaces");
			in.nis.push_back({n.get("nid"), ifs ? ifs->get("0") : "",
					  n.get("status") == "up",
					  number_in(n, "tunables", "credits"),
					  number_in(n, "tunables", "peer_credits")});
		}
	}
	return done;
}

DoctorPeer ask_peer(Shell &sh, const std::string &nid)
{
	DoctorPeer p;
	p.nid = nid;
	p.asked = true;
	Node query = Node::map();
	query.set("timeout", Node::number(5000));
	query.set("nids", Node::list()).add(Node(nid));
	Answer answer;
	auto done = ask(sh, lnet::nl::Command::ping, 0, 0, "ping", query, answer);
	if (!done || answer.documents().empty()) {
		p.error = done.message.empty() ? strerror(-done.rc) : done.message;
		return p;
	}
	const Node &d = answer.documents().back();
	const Node *good = d.find("ping"), *bad = d.find("manage");
	if (bad && !bad->items().empty()) {
		p.error = strerror(-std::atoi(bad->items()[0].get("errno").c_str()));
	} else if (good && !good->items().empty()) {
		p.answered = true;
		p.multi_rail = good->items()[0].get("Multi-Rail") == "true";
	}
	return p;
}

std::string param(Shell &sh, const char *name, const char *otherwise)
{
	std::string v;
	if (sh.sys.read_param(name, v))
		return otherwise;
	while (!v.empty() && v.back() == '\n')
		v.pop_back();
	return v;
}

} // namespace

std::vector<Finding> examine(const DoctorInput &in)
{
	return Doctor(in).run();
}

int doctor_command(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 1, {{"peer", 'p', true}, {"root", 'r', true}, {"offline", 'o', false}}))
		return usage(sh, "doctor");
	DoctorInput in;
	if (o.has("root"))
		in.root = o.get("root");
	auto done = read_nis(sh, in);
	if (!done)
		return complain(sh, "doctor", "net", done);
	in.accept = param(sh, "accept", "secure");
	in.port = static_cast<unsigned>(std::atoi(param(sh, "accept_port", "988").c_str()));
	std::vector<std::string> nids = split(o.get("peer"), ',');
	nids.insert(nids.end(), o.operands().begin(), o.operands().end());
	for (const auto &nid : nids)
		if (o.has("offline"))
			in.peers.push_back({.nid = nid, .error = ""});
		else
			in.peers.push_back(ask_peer(sh, nid));
	if (!o.has("offline"))
		in.connect = try_connect;
	static constexpr const char *kNames[] = {"ok", "note", "warning", "error"};
	int rc = 0;
	for (const Finding &f : examine(in)) {
		sh.out << kNames[static_cast<unsigned>(f.level)] << ": " << f.what << '\n';
		if (!f.change.empty())
			sh.out << "    do: " << f.change << '\n';
		if (f.level == Level::error)
			rc = -1;
	}
	return rc;
}

} // namespace lnetctl
