// SPDX-License-Identifier: GPL-2.0
//
// LNet on simulated nodes: boots it, and is the back end that lnet_core asks for its configuration
// and its drivers (lnet/plat_driver.h).

#include "lnet/simlnd/world.hpp"

#include <map>

#include "libcfs/plat/core.h"
#include "lnet/plat_driver.h"
#include "lnet/simlnd/lnd.hpp"
#include "lnet/simlnd/state.hpp"

namespace lnet::sim
{

namespace
{

namespace s = cfs::sim;

/// By address of the node. Entries of an earlier world stay until a node with that address is
/// started; nobody looks at them.
std::map<std::uint32_t, std::shared_ptr<NodeState>> &states()
{
	static std::map<std::uint32_t, std::shared_ptr<NodeState>> all;
	return all;
}

/// The driver of the simulated network, under the type of socklnd.
class SimDriver final : public Driver
{
public:
	[[nodiscard]] LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<Lnd *> start(cfs::Node &node, const lnet_config &) noexcept override
	{
		auto lnd = TRY(cfs::try_make<SimLnd>(node_state()));
		TRY(lnd->start(node));
		return lnd.release();
	}
	void stop(Lnd *lnd) noexcept override
	{
		cfs::UniquePtr<SimLnd>(static_cast<SimLnd *>(lnd)).reset();
	}
};

void must(int rc, const char *what)
{
	if (rc)
		s::this_world().fail(std::string(what) + " failed on " +
				     std::string(s::this_node().name()) + ": error " +
				     std::to_string(rc));
}

std::shared_ptr<NodeState> make_state(const NodeConfig &config)
{
	auto st = std::make_shared<NodeState>();
	st->config = config;
	lnet_config &c = st->parsed;
	c.networks = st->config.networks.c_str();
	c.accept = "secure";
	c.accept_port = 988;
	c.accept_backlog = 127;
	c.accept_timeout = 5;
	c.ip2nets = st->config.ip2nets.c_str();
	c.routes = st->config.routes.c_str();
	return st;
}

} // namespace

NodeState &node_state()
{
	return *states().at(s::this_node().address());
}

std::vector<s::Node *> add_nodes(s::World &w, unsigned count, const std::string &prefix)
{
	std::vector<s::Node *> out;
	for (unsigned i = 0; i < count; i++)
		out.push_back(&w.add_node(prefix + std::to_string(i)));
	return out;
}

void start_core(s::Node &n, std::function<void()> main, const NodeConfig &config)
{
	states()[n.address()] = make_state(config);
	n.start([main = std::move(main)] {
		must(cfs_core_start(), "libcfs");
		lnet_core *core = nullptr;
		must(lnet_core_start(cfs_node_current(), &core), "LNet");
		main();
		lnet_core_stop(core);
		cfs_core_stop();
	});
}

void start(s::Node &n, std::function<void(Network &)> main, const NodeConfig &config)
{
	auto with_lnet = [main = std::move(main)] {
		auto node = cfs::Node::get(cfs_node_current());
		must(to_rc(node), "the node's object");
		lnet_network *net = nullptr;
		must(lnet_network_hold(cfs_node_current(), &net), "bringing LNet up");
		main(static_cast<Network &>(*net));
		lnet_network_release(cfs_node_current());
	};
	start_core(n, with_lnet, config);
}

Nid nid_of(const s::Node &n, Net net, unsigned interface)
{
	return Nid::ipv4(net, 10u << 24 | interface << 16 | n.address());
}

Control &control()
{
	lnet_control *c = nullptr;
	must(lnet_control_get(cfs_node_current(), &c), "LNet's control");
	return *static_cast<Control *>(c);
}

void set_interface(s::Node &n, unsigned interface, bool up)
{
	auto &mask = states().at(n.address())->interfaces_down;
	mask = up ? mask & ~(1u << interface) : mask | 1u << interface;
	s::this_world().note(std::string(n.name()) + ": eth" + std::to_string(interface) +
			     (up ? " is plugged in" : " is pulled"));
}

} // namespace lnet::sim

lnet_driver *lnet_driver_get(unsigned type) noexcept
{
	static lnet::sim::SimDriver driver;
	return type == static_cast<unsigned>(driver.type()) ? &driver : nullptr;
}

void lnet_driver_put(unsigned) noexcept {}

const lnet_config *lnet_config_get() noexcept
{
	return &lnet::sim::node_state().parsed;
}

int lnet_addresses_get(cfs_node *, std::uint32_t *out, unsigned max) noexcept
{
	unsigned n = std::min(max, lnet::sim::kInterfacesMax);
	auto address = cfs::sim::this_node().address();
	for (unsigned i = 0; i < n; i++)
		out[i] = 10u << 24 | i << 16 | address;
	return static_cast<int>(n);
}
