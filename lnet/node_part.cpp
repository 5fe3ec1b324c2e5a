// SPDX-License-Identifier: GPL-2.0
//
// LNet as a part of its node; see node_part.hpp.

#include "lnet/node_part.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "libcfs/parse.hpp"

/// What one load of the module has: the node whose parameter files it offers.
struct lnet_core {
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	cfs::RefPtr<cfs::Node> node;
};

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr auto kDebugfs = CFS_PTREE_DEBUGFS;

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_text<&LnetNode::show_nis>(
		{.name = "nis", .doc = "The interfaces of this node.", .tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_peers>(
		{.name = "peers", .doc = "The NIDs that this node knows.", .tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_stats>({.name = "stats",
						.doc = "Messages there are, at most were, errors; "
						       "sent, received, routed, dropped; "
						       "bytes sent, received, routed, dropped.",
						.tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_network, &LnetNode::set_network>(
		{.name = "network",
		 .doc = "Whether LNet is up; writing up or down changes that.",
		 .tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_sink, &LnetNode::write_sink>(
		{.name = "load_sink",
		 .doc = "Whether load of other nodes is taken; what has come of it.",
		 .tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_load, &LnetNode::write_load>(
		{.name = "load",
		 .doc = "Writing \"NID put|get|check SIZE CONCURRENCY SECONDS THREADS\" sends load "
			"to that node's sink; reading tells the last result.",
		 .tree = kDebugfs}),
	cfs::param_text<&LnetNode::show_ping, &LnetNode::write_ping>(
		{.name = "ping",
		 .doc = "Writing a NID asks that node for its NIDs; reading tells the last answer.",
		 .tree = kDebugfs}),
};

} // namespace

cfs::Result<cfs::UniquePtr<LnetNode>> LnetNode::make(cfs::Node &node) noexcept
{
	auto part = TRY(cfs::try_make<LnetNode>(node));
	part->take_config();
	TRY(part->params_.open_root(node.plat(), "lnet"));
	TRY(part->params_.add(kParams, part.get()));
	return part;
}

void LnetNode::take_config() noexcept
{
	const lnet_config *c = lnet_config_get();
	cfs::MutexGuard g(lock_);
	settings_ = configured_settings(*c);
	for (unsigned p = 0; p < Router::kPools; p++)
		if (c->router_buffers[p])
			buffers_[p] = c->router_buffers[p];
}

void LnetNode::destroy() noexcept
{
	params_.close(); // no handler runs any more
	drop_sink();
	{
		cfs::MutexGuard g(lock_);
		CFS_ASSERT(users_ == 0);
		take_down();
	}
	this->~LnetNode();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- up and down ----

cfs::Result<Lnd *> LnetNode::driver_for(LndType type) noexcept
{
	Slot *slot = nullptr;
	for (Slot &s : drivers_) {
		if (s.driver && s.driver->type() == type)
			return s.lnd;
		if (!s.driver && !slot)
			slot = &s;
	}
	if (!slot)
		return cfs::fail(NOSPC);
	auto number = static_cast<unsigned>(type);
	auto *driver = static_cast<Driver *>(lnet_driver_get(number));
	if (!driver) {
		LCONSOLE_ERROR(kSubsys, "network type {} has no driver; is its module installed?",
			       number);
		return cfs::fail(NODEV);
	}
	auto lnd = driver->start(node_, *lnet_config_get());
	if (!lnd) {
		lnet_driver_put(number);
		return lnd;
	}
	*slot = {driver, *lnd};
	return lnd;
}

cfs::Result<> LnetNode::start_ni(Core &core, const NetworkSpec &spec) noexcept
{
	auto lnd = driver_for(net_type(spec.net));
	cfs::Result<Nid> added = cfs::fail(NODEV);
	if (lnd)
		added = core.add_ni(**lnd, spec.net, spec.if_name(), {.cpts = spec.cpts});
	else
		added = cfs::fail(lnd.error());
	if (!added) {
		LCONSOLE_ERROR(kSubsys, "cannot start network {} on '{:e}': {}{}", spec.net,
			       spec.if_name(), added.error(),
			       added.error() == RANGE ? "; there is no such CPU partition" : "");
		return cfs::fail(added.error());
	}
	return {};
}

cfs::Result<> LnetNode::bring_up(bool with_parameters) noexcept
{
	if (core_)
		return {};
	core_ = TRY(Core::create(node_, cfs_real_ns()));
	cfs::Result<> r = core_->set_settings(settings_);
	if (r && with_parameters)
		r = apply_parameters(*core_);
	if (!r)
		take_down();
	return r;
}

cfs::Result<NetworksSpec> LnetNode::own_networks() noexcept
{
	const lnet_config *c = lnet_config_get();
	if (!c->ip2nets || !*c->ip2nets)
		return parse_networks(c->networks);
	constexpr unsigned kMax = 256;
	auto own = TRY(cfs::Array<std::uint32_t>::make(kSubsys, kMax));
	int n = lnet_addresses_get(node_.plat(), own.data(), kMax);
	TRY(cfs::to_result(n));
	return parse_ip2nets(c->ip2nets, {own.data(), static_cast<std::size_t>(n)});
}

cfs::Result<> LnetNode::apply_parameters(Core &core) noexcept
{
	const lnet_config *c = lnet_config_get();
	auto spec = TRY(own_networks());
	for (std::size_t i = 0; i < spec.count; i++)
		TRY(start_ni(core, spec.list[i]));
	auto routes = TRY(parse_routes(c->routes ? c->routes : ""));
	std::string_view forwarding = c->forwarding ? c->forwarding : "";
	bool routes_here = forwarding == "enabled";
	for (std::size_t i = 0; i < routes.count; i++) {
		const RouteSpec &r = routes.list[i];
		if (core.is_local(r.gateway)) {
			routes_here = routes_here || forwarding.empty();
			continue;
		}
		auto added = core.add_route(r);
		// The same text serves all nodes, so some of it is not for this one.
		if (!added && added.error() != EXIST && added.error() != HOSTUNREACH)
			return added;
	}
	return routes_here ? core.set_routing(true, buffers_) : cfs::Result<>{};
}

void LnetNode::take_down() noexcept
{
	core_.reset();
	for (Slot &s : drivers_) {
		if (!s.driver)
			continue;
		auto number = static_cast<unsigned>(s.driver->type());
		s.driver->stop(s.lnd);
		lnet_driver_put(number);
		s = {};
	}
}

cfs::Result<Core *> LnetNode::hold() noexcept
{
	cfs::MutexGuard g(lock_);
	TRY(bring_up(true));
	users_++;
	return core_.get();
}

Core *LnetNode::hold_if_up() noexcept
{
	cfs::MutexGuard g(lock_);
	if (!core_)
		return nullptr;
	users_++;
	return core_.get();
}

void LnetNode::release() noexcept
{
	cfs::MutexGuard g(lock_);
	CFS_ASSERT(users_ > 0);
	users_--;
}

// ---- parameters ----

cfs::Result<> LnetNode::set_network(std::string_view text) noexcept
{
	cfs::MutexGuard g(lock_);
	if (text == "up")
		return bring_up(true);
	if (text != "down")
		return cfs::fail(INVAL);
	if (users_ > 0)
		return cfs::fail(BUSY);
	take_down();
	return {};
}

void LnetNode::show_network(cfs::FormatSink &out) noexcept
{
	cfs::MutexGuard g(lock_);
	out.put(core_ ? "up" : "down");
}

void LnetNode::show_stats(cfs::FormatSink &out) noexcept
{
	Core *core = hold_if_up();
	if (!core) {
		out.put("0 0 0 0 0 0 0 0 0 0 0");
		return;
	}
	const Statistics &s = core->statistics();
	auto v = [](const std::atomic<std::uint64_t> &a) {
		return a.load(std::memory_order_relaxed);
	};
	out.print("{} {} {} {} {} {} {} {} {} {} {}", core->messages(), v(s.msgs_max), v(s.errors),
		  v(s.send_count), v(s.recv_count), v(s.route_count), v(s.drop_count),
		  v(s.send_length), v(s.recv_length), v(s.route_length), v(s.drop_length));
	release();
}

void LnetNode::show_nis(cfs::FormatSink &out) noexcept
{
	out.print("{:<24} {:>6} {:>5} {:>4} {:>4} {:>4} {:>5} {:>5} {:>5}\n", "nid", "status",
		  "alive", "refs", "peer", "rtr", "max", "tx", "min");
	Core *core = hold_if_up();
	if (!core)
		return;
	core->for_each_ni([&](Ni &ni) {
		char nid[LNET_NIDSTR_SIZE];
		cfs::format_cstr(nid, "{}", ni.nid());
		const NiTunables &t = ni.tunables();
		auto level = ni.level();
		out.print("{:<24} {:>6} {:>5} {:>4} {:>4} {:>4} {:>5} {:>5} {:>5}\n",
			  static_cast<const char *>(nid), ni.announced_up() ? "up" : "down", 0,
			  ni.refs() - 1, t.peer_credits, t.peer_buffer_credits, t.credits,
			  level.available, level.min);
	});
	release();
}

void LnetNode::show_peers(cfs::FormatSink &out) noexcept
{
	out.print("{:<24} {:>4} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {}\n", "nid", "refs",
		  "state", "last", "max", "rtr", "min", "tx", "min", "queue");
	Core *core = hold_if_up();
	if (!core)
		return;
	std::uint64_t now = cfs_now_ns();
	core->peers().for_each([&](PeerNi &p) {
		char nid[LNET_NIDSTR_SIZE];
		cfs::format_cstr(nid, "{}", p.nid());
		auto level = p.tx_credits.level();
		auto router = p.router_credits.level();
		std::uint64_t heard = p.last_heard_ns.load(std::memory_order_relaxed);
		std::int64_t last =
			heard ? static_cast<std::int64_t>((now - heard) / 1000000000) : -1;
		bool alive = p.alive.load(std::memory_order_relaxed);
		out.print("{:<24} {:>4} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {}\n",
			  static_cast<const char *>(nid), p.refs(), alive ? "up" : "down", last,
			  level.max, router.available, router.min, level.available, level.min,
			  std::max(0, -level.available));
	});
	release();
}

cfs::Result<> LnetNode::write_ping(std::string_view text) noexcept
{
	ProcessId target{TRY(parse_nid(text)), LNET_PID_LUSTRE};
	Core *core = TRY(hold());
	auto answer = core->ping(target, Nid{}, cfs::after(kPingTimeout));
	release();
	cfs::MutexGuard g(ping_lock_);
	pinged_ = target;
	ping_status_ = answer ? cfs::Errno{} : answer.error();
	ping_info_ = answer ? std::move(*answer) : PingInfo{};
	if (!answer)
		return cfs::fail(answer.error());
	return {};
}

cfs::Result<> LnetNode::write_sink(std::string_view text) noexcept
{
	bool on = TRY(cfs::parse_bool(text));
	if (!on) {
		drop_sink();
		return {};
	}
	cfs::MutexGuard g(load_lock_);
	if (sink_)
		return {};
	Core *core = TRY(hold());
	auto made = LoadSink::make(*core);
	if (!made) {
		release();
		return cfs::fail(made.error());
	}
	sink_ = std::move(*made);
	return {};
}

void LnetNode::drop_sink() noexcept
{
	cfs::MutexGuard g(load_lock_);
	if (!sink_)
		return;
	sink_.reset();
	release();
}

void LnetNode::show_sink(cfs::FormatSink &out) noexcept
{
	cfs::MutexGuard g(load_lock_);
	if (!sink_) {
		out.put("off");
		return;
	}
	auto v = [](const std::atomic<std::uint64_t> &a) {
		return a.load(std::memory_order_relaxed);
	};
	out.print("messages: {}\nbytes: {}\nfailed: {}\ncorrupt: {}\n", v(sink_->messages),
		  v(sink_->bytes), v(sink_->failed), v(sink_->corrupt));
}

cfs::Result<> LnetNode::write_load(std::string_view text) noexcept
{
	auto spec = TRY(parse_load(text));
	Core *core = TRY(hold());
	auto result = run_load(node_, *core, spec);
	release();
	LoadResult r = TRY(std::move(result));
	cfs::MutexGuard g(load_lock_);
	loaded_ = true;
	load_spec_ = spec;
	load_result_ = r;
	return {};
}

void LnetNode::show_load(cfs::FormatSink &out) noexcept
{
	cfs::MutexGuard g(load_lock_);
	if (loaded_)
		format_load(out, load_spec_, load_result_);
}

void LnetNode::show_ping(cfs::FormatSink &out) noexcept
{
	cfs::MutexGuard g(ping_lock_);
	if (ping_status_ == NODATA)
		return;
	if (ping_status_ != cfs::Errno{}) {
		out.print("failed {}: {}\n", pinged_, ping_status_);
		return;
	}
	out.print("answered {}\n", pinged_);
	for (const PingEntryInfo &e : ping_info_.nids)
		out.print("nid {} {}\n", e.nid,
			  e.status == wire::LNET_NI_STATUS_UP ? "up" : "down");
}

} // namespace lnet

// ---- what glue and other modules call ----

namespace lnet
{

namespace
{

/// Tells the console which parameter is wrong.
template <typename T>
cfs::Result<> understood(const char *name, const char *text, const cfs::Result<T> &r) noexcept
{
	if (r)
		return {};
	LCONSOLE_ERROR(CFS_S_LNET, "{}='{:e}' cannot be understood: {}", name,
		       std::string_view(text), r.error());
	return cfs::fail(r.error());
}

cfs::Result<> check_config(const lnet_config &c) noexcept
{
	TRY(understood("networks", c.networks, parse_networks(c.networks)));
	if (c.ip2nets && *c.ip2nets) {
		TRY(understood("ip2nets", c.ip2nets, parse_ip2nets(c.ip2nets, {})));
		if (*c.networks) {
			LCONSOLE_ERROR(CFS_S_LNET, "networks and ip2nets exclude each other");
			return cfs::fail(INVAL);
		}
	}
	if (c.routes)
		TRY(understood("routes", c.routes, parse_routes(c.routes)));
	std::string_view forwarding = c.forwarding ? c.forwarding : "";
	if (!forwarding.empty() && forwarding != "enabled" && forwarding != "disabled") {
		LCONSOLE_ERROR(CFS_S_LNET, "forwarding='{:e}' is none of enabled, disabled",
			       forwarding);
		return cfs::fail(INVAL);
	}
	auto good = check_settings(configured_settings(c));
	if (!good)
		LCONSOLE_ERROR(CFS_S_LNET, "module parameters contradict each other; the "
					   "transaction timeout must exceed the retry count");
	return good;
}

} // namespace

} // namespace lnet

int lnet_core_start(cfs_node *node, lnet_core **out) noexcept
{
	using namespace lnet;
	const lnet_config *c = lnet_config_get();
	std::string_view accept = c->accept;
	if (accept != "secure" && accept != "all" && accept != "none") {
		LCONSOLE_ERROR(CFS_S_LNET, "accept='{:e}' is none of secure, all, none", accept);
		return cfs::to_rc(cfs::err::INVAL);
	}
	if (auto good = check_config(*c); !good)
		return to_rc(good);
	auto made = cfs::try_make<lnet_core>();
	if (!made)
		return to_rc(made);
	auto n = cfs::Node::get(node);
	if (!n)
		return to_rc(n);
	auto part = (*n)->part<LnetNode>();
	if (!part)
		return to_rc(part);
	(*made)->node = std::move(*n);
	*out = made->release();
	return 0;
}

int lnet_tunable_set(lnet_core *c, unsigned which, std::int64_t value) noexcept
{
	using namespace lnet;
	auto set = [&]() noexcept -> cfs::Result<> {
		if (!c) {
			Settings any;
			return change_tunable(any, which, value);
		}
		auto *part = TRY(c->node->part<LnetNode>());
		Settings s = part->settings();
		TRY(change_tunable(s, which, value));
		return part->set_settings(s);
	};
	return to_rc(set());
}

std::int64_t lnet_tunable_get(lnet_core *c, unsigned which) noexcept
{
	using namespace lnet;
	auto *part = c ? c->node->find_part<LnetNode>() : nullptr;
	return read_tunable(part ? part->settings() : Settings{}, which);
}

void lnet_core_stop(lnet_core *c) noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::lnet);
	cfs::UniquePtr<lnet_core>(c).reset();
}

int lnet_control_get(cfs_node *node, lnet_control **out) noexcept
{
	auto get = [&]() noexcept -> cfs::Result<> {
		auto n = TRY(cfs::Node::get(node));
		*out = TRY(n->part<lnet::LnetNode>());
		return {};
	};
	return to_rc(get());
}

int lnet_network_hold(cfs_node *node, lnet_network **out) noexcept
{
	auto hold = [&]() noexcept -> cfs::Result<> {
		auto n = TRY(cfs::Node::get(node));
		auto *part = TRY(n->part<lnet::LnetNode>());
		*out = TRY(part->hold());
		return {};
	};
	return to_rc(hold());
}

void lnet_network_release(cfs_node *node) noexcept
{
	auto n = cfs::Node::find(node);
	CFS_ASSERT(n);
	auto *part = n->find_part<lnet::LnetNode>();
	CFS_ASSERT(part);
	part->release();
}
