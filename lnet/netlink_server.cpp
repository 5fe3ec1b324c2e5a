// SPDX-License-Identifier: GPL-2.0
//
// What administrators ask for through generic netlink is done here (spec 01 section 16.3): the
// request is read into a tree, and each object in it becomes a call of Control. Objects are handled
// in their order; the first failure ends the request, and what was done before stays.

#include "lnet/netlink_server.hpp"

#include <algorithm>

#include "libcfs/node.hpp"
#include "lnet/config_text.hpp"

namespace lnet::nl
{

using namespace cfs::err;

cfs::Result<Control *> control_of(cfs_node *node) noexcept
{
	lnet_control *c = nullptr;
	TRY(cfs::to_result(lnet_control_get(node, &c)));
	return static_cast<Control *>(c);
}

namespace
{

/// A request under way.
struct Request {
	Control &control;
	const Item &root;
	std::uint16_t flags;
	Complaint &complaint;

	[[nodiscard]] bool has(std::uint16_t f) const noexcept { return (flags & f) != 0; }
};

// ---- networks ----

struct NetObject {
	Net net{};
	const Item *interfaces = nullptr; ///< the local NIs: a sequence, or null
};

cfs::Result<NetObject> read_net(Request &r, const Item &mapping) noexcept
{
	NetObject o;
	auto name = text_of(mapping, "net type");
	if (!name)
		return r.complaint.say(INVAL, "the net type is missing");
	auto net = parse_net(*name);
	if (!net)
		return r.complaint.say(NOENT, "cannot parse net");
	o.net = *net;
	o.interfaces = mapping.find("local NI(s)");
	if (o.interfaces && !o.interfaces->is_list())
		return r.complaint.say(INVAL, "local NI(s) must be a list");
	return o;
}

/// The first interface that a local NI names; empty when it names none.
std::string_view if_name_of(const Item &ni) noexcept
{
	const Item *list = ni.find("interfaces");
	const Item *key = list ? list->first() : nullptr;
	const Item *value = key ? key->next() : nullptr;
	return value && value->is_text() ? value->text() : std::string_view{};
}

cfs::Result<NiWishes> read_wishes(Request &r, const Item &ni) noexcept
{
	NiWishes w;
	if (const Item *cpts = ni.find("CPT"))
		w.cpts = TRY(r.complaint.note(parse_cpts(cpts->text()),
					      "CPT is a list of CPU partitions such as [0,1]"));
	const Item *t = ni.find("tunables");
	if (!t)
		return w;
	auto read = [&](const char *key, std::int32_t &to) noexcept -> cfs::Result<> {
		to = static_cast<std::int32_t>(TRY(number_of(*t, key, -1, -1, INT32_MAX)));
		return {};
	};
	TRY(read("credits", w.credits));
	TRY(read("peer_credits", w.peer_credits));
	TRY(read("peer_buffer_credits", w.peer_buffer_credits));
	TRY(read("peer_timeout", w.peer_timeout));
	return w;
}

/// Finds one interface.
class FindNi final : public Listing<NiInfo>
{
public:
	FindNi(Net net, std::string_view if_name, const Nid *nid) noexcept
	    : net_(net), if_name_(if_name), nid_(nid)
	{
	}
	bool entry(const NiInfo &i) noexcept override
	{
		bool same = (net_ == Net::any || i.nid.net() == net_) &&
			    (if_name_.empty() || if_name_ == i.if_name) &&
			    (!nid_ || *nid_ == i.nid);
		if (same && !i.nid.is_lo()) {
			found = i;
			any = true;
		}
		return !any;
	}
	NiInfo found;
	bool any = false;

private:
	Net net_;
	std::string_view if_name_;
	const Nid *nid_;
};

/// Changes what "lnd tunables" of a local NI says.
cfs::Result<> set_lnd(Request &r, const Item &ni, const Nid &nid) noexcept
{
	static constexpr const char *kRanges = "conns_per_peer is from 0 (by the link's speed) to "
					       "127, timeout at least 1, tos from -1 to 255";
	const Item *t = ni.find("lnd tunables");
	if (!t)
		return {};
	LndWishes w;
	auto read = [&](const char *key, std::int32_t &to) noexcept -> cfs::Result<> {
		auto v = number_of(*t, key, LndWishes::kLeave, INT32_MIN, INT32_MAX);
		to = static_cast<std::int32_t>(TRY(r.complaint.note(v, kRanges)));
		return {};
	};
	TRY(read("conns_per_peer", w.conns_per_peer));
	TRY(read("timeout", w.timeout));
	TRY(read("tos", w.tos));
	auto done = r.control.set_ni_lnd(nid, w);
	if (!done && done.error() == OPNOTSUPP)
		return r.complaint.say(OPNOTSUPP, "the network's driver has no such tunable");
	return r.complaint.note(done, kRanges);
}

cfs::Result<> add_one_ni(Request &r, const NetObject &o, const Item &ni) noexcept
{
	static constexpr const char *kCannot = "cannot add LNet NI";
	auto wishes = TRY(r.complaint.note(read_wishes(r, ni), "bad value among the tunables"));
	auto name = if_name_of(ni);
	if (name.empty() && ni.find("nid"))
		return r.complaint.say(INVAL, "an interface is added by its name");
	auto nid = r.control.add_ni(o.net, name, wishes);
	if (!nid && nid.error() == NODEV && !name.empty())
		return r.complaint.say(NETDOWN, kCannot);
	if (!nid && nid.error() == RANGE)
		return r.complaint.say(RANGE, "there is no such CPU partition");
	TRY(r.complaint.note(nid, kCannot));
	auto set = set_lnd(r, ni, *nid);
	if (!set)
		(void)r.control.del_ni(*nid);
	return set;
}

cfs::Result<> add_net(Request &r, const Item &mapping) noexcept
{
	auto o = TRY(read_net(r, mapping));
	if (net_type(o.net) == LndType::lo)
		return {}; // always there
	if (!o.interfaces || !o.interfaces->first())
		return add_one_ni(r, o, Item{});
	return for_each_object(*o.interfaces, "",
			       [&](const Item &ni) noexcept { return add_one_ni(r, o, ni); });
}

/// The interface that a local NI of a request means.
cfs::Result<NiInfo> find_ni(Request &r, Net net, const Item &ni) noexcept
{
	Nid nid;
	auto text = text_of(ni, "nid");
	if (text)
		nid = TRY(r.complaint.note(parse_nid(*text), "cannot parse the NID"));
	FindNi find(net, if_name_of(ni), text ? &nid : nullptr);
	TRY(r.control.list_nis(find));
	if (!find.any)
		return cfs::fail(INVAL);
	return find.found;
}

cfs::Result<> del_net(Request &r, const Item &mapping) noexcept
{
	static constexpr const char *kCannot = "cannot del network";
	auto o = TRY(read_net(r, mapping));
	auto del = [&](const Item &ni) noexcept -> cfs::Result<> {
		auto info = TRY(r.complaint.note(find_ni(r, o.net, ni), kCannot));
		return r.complaint.note(r.control.del_ni(info.nid), kCannot);
	};
	if (o.interfaces && o.interfaces->first())
		return for_each_object(*o.interfaces, "", del);
	TRY(del(Item{}));
	// The rest of the network; each turn takes one away.
	for (auto more = find_ni(r, o.net, Item{}); more; more = find_ni(r, o.net, Item{}))
		TRY(r.complaint.note(r.control.del_ni(more->nid), kCannot));
	return {};
}

/// The health value in "health stats" of an NI; negative when there is none.
cfs::Result<int> health_of(Request &r, const Item &ni) noexcept
{
	const Item *stats = ni.find("health stats");
	if (!stats)
		return -1;
	auto v = number_of(*stats, "health value", -1, 0, 1000);
	return static_cast<int>(TRY(r.complaint.note(v, "a health value is from 0 to 1000")));
}

cfs::Result<> set_net(Request &r, const Item &mapping) noexcept
{
	Net net = Net::any;
	if (auto name = text_of(mapping, "net type"))
		net = TRY(r.complaint.note(parse_net(*name), "cannot parse net"));
	const Item *nis = mapping.find("local NI(s)");
	if (!nis || !nis->is_list())
		return r.complaint.say(INVAL, "local NI(s) are missing");
	return for_each_object(*nis, "", [&](const Item &ni) noexcept -> cfs::Result<> {
		auto info =
			TRY(r.complaint.note(find_ni(r, net, ni), "there is no such interface"));
		int health = TRY(health_of(r, ni));
		TRY(set_lnd(r, ni, info.nid));
		if (health < 0)
			return {};
		return r.complaint.note(r.control.set_ni_health(info.nid, health),
					"cannot set the health");
	});
}

cfs::Result<> do_nets(Request &r) noexcept
{
	return for_each_object(r.root, "net", [&](const Item &m) noexcept {
		return r.has(kFlagCreate)    ? add_net(r, m)
		       : r.has(kFlagReplace) ? set_net(r, m)
					     : del_net(r, m);
	});
}

// ---- peers ----

struct PeerObject {
	Nid primary;
	bool has_primary = false;
	bool multi_rail = true;
	cfs::Array<Nid> nids;
	std::size_t count = 0;
};

cfs::Result<> read_peer_nids(Request &r, PeerObject &o, const Item &list) noexcept
{
	o.nids = TRY(cfs::Array<Nid>::make(CFS_S_LNET, PingInfo::kNidsMax));
	return for_each_object(list, "", [&](const Item &ni) noexcept -> cfs::Result<> {
		auto text = TRY(r.complaint.note(text_of(ni, "nid"), "a peer NI has no nid"));
		if (o.count == o.nids.size())
			return r.complaint.say(NOSPC, "too many NIDs for one peer");
		o.nids[o.count++] = TRY(parse_nid(text));
		return {};
	});
}

cfs::Result<PeerObject> read_peer(Request &r, const Item &mapping) noexcept
{
	PeerObject o;
	if (auto text = text_of(mapping, "primary nid")) {
		o.primary = TRY(parse_nid(*text));
		o.has_primary = true;
	}
	o.multi_rail = TRY(number_of(mapping, "Multi-Rail", 1, 0, 1)) != 0;
	if (const Item *list = mapping.find("peer ni"))
		TRY(read_peer_nids(r, o, *list));
	if (!o.has_primary && o.count == 0)
		return r.complaint.say(INVAL, "the primary nid is missing");
	if (!o.has_primary)
		o.primary = o.nids[0];
	return o;
}

cfs::Result<> set_peer(Request &r, const Item &mapping) noexcept
{
	std::int64_t state = -1;
	if (mapping.find("peer state"))
		state = TRY(r.complaint.note(number_of(mapping, "peer state", 0, 0, UINT32_MAX),
					     "a peer's state is a number"));
	const Item *nis = mapping.find("peer ni");
	if (!nis || !nis->is_list())
		return r.complaint.say(INVAL, "the peer's NIDs are missing");
	return for_each_object(*nis, "", [&](const Item &ni) noexcept -> cfs::Result<> {
		auto text = TRY(r.complaint.note(text_of(ni, "nid"), "a peer NI has no nid"));
		int health = TRY(health_of(r, ni));
		Nid nid = TRY(parse_nid(text));
		if (state >= 0) {
			auto set = r.control.set_peer_state(nid, static_cast<std::uint32_t>(state));
			TRY(r.complaint.note(set,
					     !set && set.error() == NOENT
						     ? "there is no such peer"
						     : "the state has bits without a meaning"));
		}
		return health < 0 ? cfs::Result<>{} : r.control.set_peer_health(nid, health);
	});
}

cfs::Result<> do_peer(Request &r, const Item &m) noexcept
{
	if (!r.has(kFlagCreate) && r.has(kFlagReplace))
		return set_peer(r, m);
	auto o = TRY(read_peer(r, m));
	// Listings name the primary NID among the others, too.
	if (r.has(kFlagCreate))
		o.count = static_cast<std::size_t>(
			std::remove(o.nids.begin(), o.nids.begin() + o.count, o.primary) -
			o.nids.begin());
	std::span<const Nid> nids{o.nids.data(), o.count};
	if (r.has(kFlagCreate))
		return r.control.add_peer_nids(o.primary, nids, o.multi_rail, r.has(kFlagExcl));
	auto done = r.control.del_peer_nids(o.primary, nids);
	// Stock's answer for a peer that is not there.
	return !done && done.error() == NOENT ? cfs::fail(INVAL) : done;
}

cfs::Result<> do_peers(Request &r) noexcept
{
	return for_each_object(r.root, "peer",
			       [&](const Item &m) noexcept { return do_peer(r, m); });
}

// ---- routes ----

cfs::Result<RouteSpec> read_route(Request &r, const Item &m) noexcept
{
	RouteSpec s;
	auto net = text_of(m, "net"), gateway = text_of(m, "gateway");
	if (!net || !gateway)
		return r.complaint.say(INVAL, "a route needs net and gateway");
	s.net = TRY(r.complaint.note(parse_net(*net), "cannot parse net"));
	s.gateway = TRY(r.complaint.note(parse_nid(*gateway), "cannot parse gateway"));
	auto hops = number_of(m, "hop", -1, -1, 255);
	s.hops = static_cast<std::uint32_t>(
		TRY(r.complaint.note(hops, "invalid hop count: 1 to 255")));
	if (s.hops == 0)
		return r.complaint.say(RANGE, "invalid hop count: 1 to 255");
	auto priority = number_of(m, "priority", 0, 0, INT32_MAX);
	s.priority = static_cast<std::uint32_t>(
		TRY(r.complaint.note(priority, "invalid priority of a route")));
	return s;
}

cfs::Result<> do_route(Request &r, const Item &m) noexcept
{
	if (!r.has(kFlagCreate) && r.has(kFlagReplace))
		return r.complaint.say(OPNOTSUPP, "the state of a route cannot be set");
	auto s = TRY(read_route(r, m));
	if (!r.has(kFlagCreate))
		return r.complaint.note(r.control.del_route(s.net, s.gateway),
					"failed to delete route");
	auto added = r.control.add_route(s);
	if (!added && added.error() == EXIST)
		return r.complaint.say(EXIST,
				       "Route already exists or the specified network is local");
	if (!added && added.error() == HOSTUNREACH)
		return r.complaint.say(HOSTUNREACH,
				       "No interface configured on the same net as gateway");
	return r.complaint.note(added, "cannot add route");
}

cfs::Result<> do_routes(Request &r) noexcept
{
	return for_each_object(r.root, "route",
			       [&](const Item &m) noexcept { return do_route(r, m); });
}

cfs::Result<> do_routing(Request &r) noexcept
{
	return for_each_object(r.root, "routing", [&](const Item &m) noexcept -> cfs::Result<> {
		const Item *v = m.find("enable");
		if (!v)
			return r.complaint.say(INVAL, "enable is missing");
		return r.complaint.note(r.control.set_routing(TRY(v->number()) != 0),
					"cannot change routing");
	});
}

cfs::Result<> do_buffers(Request &r) noexcept
{
	return for_each_object(r.root, "buffers", [&](const Item &m) noexcept -> cfs::Result<> {
		std::uint32_t counts[3];
		static constexpr const char *kNames[] = {"tiny", "small", "large"};
		for (unsigned i = 0; i < 3; i++)
			counts[i] = static_cast<std::uint32_t>(
				TRY(number_of(m, kNames[i], 0, 0, INT32_MAX)));
		return r.complaint.note(
			r.control.set_router_buffers(counts[0], counts[1], counts[2]),
			"cannot change the router's buffers");
	});
}

cfs::Result<> do_numa(Request &r) noexcept
{
	return for_each_object(r.root, "numa", [&](const Item &m) noexcept -> cfs::Result<> {
		auto range = TRY(number_of(m, "range", 0, 0, UINT32_MAX));
		Settings s = r.control.settings();
		s.numa_range = static_cast<std::uint32_t>(range);
		return r.control.set_settings(s);
	});
}

cfs::Result<> do_configure(Control &c, std::uint16_t flags, Complaint &complaint) noexcept
{
	if (flags & kFlagCreate) {
		if (c.configured() && !(flags & kFlagExcl))
			return {};
		return complaint.note(c.configure(!(flags & kFlagExcl)), "LNet configure error");
	}
	auto r = c.unconfigure();
	return complaint.note(r, !r && r.error() == BUSY ? "LNet is in use"
							 : "LNet unconfigure error");
}

cfs::Result<> carry_out(const lnet_nl_request &q, Complaint &complaint) noexcept
{
	auto *control = TRY(control_of(q.node));
	auto command = static_cast<Command>(q.command);
	if (command == Command::configure)
		return do_configure(*control, q.flags, complaint);
	auto tree = Tree::read({static_cast<const std::byte *>(q.attrs), q.length});
	if (!tree)
		return complaint.say(tree.error(), tree.error() == NOMSG
							   ? "the request is empty"
							   : "the request cannot be understood");
	Request r{*control, tree->root(), q.flags, complaint};
	switch (command) {
	case Command::nets:
		return do_nets(r);
	case Command::peers:
		return do_peers(r);
	case Command::routes:
		return do_routes(r);
	case Command::routing:
		return do_routing(r);
	case Command::buffers:
		return do_buffers(r);
	case Command::numa:
		return do_numa(r);
	default:
		return complaint.say(OPNOTSUPP, "this command is not built");
	}
}

} // namespace

} // namespace lnet::nl

int lnet_nl_do(const lnet_nl_request *r, const char **message) noexcept
{
	lnet::nl::Complaint complaint(message);
	return to_rc(lnet::nl::carry_out(*r, complaint));
}
