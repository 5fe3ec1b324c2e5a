// SPDX-License-Identifier: GPL-2.0
//
// A file system in the simulator: one server node with MGS, MDT0000 and OSTs, and client nodes that
// mount it through the hosted VFS. For tests of the client; servers are started by hand, in the
// order in which their mounts would.
//
//     run_seeds(20, [](World &w) {
//             fsworld::run(w, {.osts = 2, .clients = 1}, [](fsworld::Client &c) {
//                     must(c.vfs->mkdir("/d"), "mkdir");
//             });
//     });
#pragma once

#include <fcntl.h>

#include "client/host/vfs.hpp"
#include "lustre/mdt/mdt.hpp"
#include "lustre/mgc/mgc.hpp"
#include "lustre/mgs/mgs.hpp"
#include "lustre/osp/osp.hpp"
#include "lustre/ost/ost.hpp"
#include "tests/sim/cluster.hpp"
#include "wire/mgs.hpp"

namespace fsworld
{

using cluster::check;
using cluster::must;

struct Options {
	unsigned osts = 1;
	unsigned clients = 1;
	unsigned stripes = 1;
	std::string mount_options{};
};

/// What is shared by the fibers of a run.
struct Shared {
	Options options;
	lnet::Nid server;
	cluster::DiskPtr mgs, mdt;
	std::vector<cluster::DiskPtr> osts;
	bool up = false; // servers serve
	unsigned left = 0;
};

/// A client that has mounted.
struct Client {
	unsigned number;
	cluster::Stack &stack;
	client::host::VfsPtr vfs;
	std::string device; ///< options to mount once more
	cfs::sim::Node &node;
	cfs::sim::Node &server;
};

inline std::string nid_text(const lnet::Nid &nid)
{
	char buf[64];
	return std::string(cfs::format_to(buf, "{}", nid));
}

inline void register_target(mgc::Mgc &mgc, const lnet::Nid &nid, bool mdt, unsigned index)
{
	char name[32];
	auto text = cfs::format_to(name, "tfs-{}{:04x}", mdt ? "MDT" : "OST", index);
	wire::MgsTargetInfo mti{};
	mti.lustre_ver = wire::LUSTRE_VERSION_CODE;
	mti.stripe_index = index;
	mti.flags = (mdt ? wire::LDD_F_SV_TYPE_MDT : wire::LDD_F_SV_TYPE_OST) | wire::LDD_F_VIRGIN |
		    wire::LDD_F_UPDATE | wire::LDD_F_OPC_REG;
	(void)mti.fsname.set("tfs");
	(void)mti.svname.set(text);
	must(mgc.register_target(mti, {&nid, 1}), "register");
}

/// Everything of the server node, from its start to its stop.
class Server
{
	Shared &shared_;
	cluster::Stack &stack_;
	cfs::UniquePtr<mgs::Mgs> mgs_;
	cfs::UniquePtr<mdt::Mds> mds_;
	cfs::UniquePtr<ost::Oss> oss_;
	std::vector<cfs::UniquePtr<ost::Ost>> osts_;
	std::vector<cfs::UniquePtr<osp::Osp>> osps_;
	cfs::UniquePtr<mdt::Mdt> mdt_;

	void register_all()
	{
		auto mgc = must(mgc::Mgc::create(*stack_.rpc, *stack_.ldlm,
						 {"MGC-server", "server-mgc-uuid"}),
				"mgc");
		must(mgc->add_node({&shared_.server, 1}), "mgs node");
		must(mgc->connect(cfs::WaitMode::idle, cfs::Instant::never()), "mgs");
		register_target(*mgc, shared_.server, true, 0);
		for (unsigned i = 0; i < shared_.options.osts; i++)
			register_target(*mgc, shared_.server, false, i);
		mgc->stop();
	}
	void start_ost(unsigned i)
	{
		std::string name = "tfs-OST000" + std::to_string(i);
		ost::OstConfig c;
		c.name = name;
		c.index = i;
		osts_.push_back(must(ost::Ost::start(*stack_.rpc, *stack_.ldlm,
						     cluster::mount(*shared_.osts[i], name), c),
				     "ost"));
	}
	void connect_ost(unsigned i)
	{
		std::string device = "tfs-OST000" + std::to_string(i) + "-osc-MDT0000";
		std::string target = "tfs-OST000" + std::to_string(i) + "_UUID";
		osp::OspConfig c;
		c.device = device;
		c.target = target;
		c.client_uuid = "tfs-MDT0000-mdtlov_UUID";
		c.ost_index = i;
		auto osp = must(osp::Osp::create(*stack_.rpc, mdt_->device(), c), "osp");
		must(osp->add_connection({&shared_.server, 1}), "osp node");
		must(osp->start(), "osp start");
		must(mdt_->add_ost(*osp), "add ost");
		osps_.push_back(std::move(osp));
	}

public:
	Server(Shared &shared, cluster::Stack &stack, bool first) : shared_(shared), stack_(stack)
	{
		mgs_ = must(mgs::Mgs::start(*stack.rpc, *stack.ldlm,
					    cluster::mount(*shared.mgs, "MGS"), {}),
			    "mgs");
		mds_ = must(mdt::Mds::start(*stack.rpc, nullptr), "mds");
		oss_ = must(ost::Oss::start(*stack.rpc, nullptr), "oss");
		if (first)
			register_all();
		for (unsigned i = 0; i < shared.options.osts; i++)
			start_ost(i);
		mdt::MdtConfig c;
		c.name = "tfs-MDT0000";
		c.stripe_count = shared.options.stripes;
		c.stripe_bytes = 1u << 20;
		c.without_osts = shared.options.osts == 0;
		mdt_ = must(mdt::Mdt::start(*stack.rpc, *stack.ldlm,
					    cluster::mount(*shared.mdt, "tfs-MDT0000"), c),
			    "mdt");
		for (unsigned i = 0; i < shared.options.osts; i++)
			connect_ost(i);
	}
	~Server()
	{
		mdt_->stop(target::StopKind::failover);
		mdt_.reset();
		for (auto &o : osps_)
			o->stop();
		osps_.clear();
		for (auto &o : osts_)
			o->stop(target::StopKind::failover);
		osts_.clear();
		oss_->stop();
		mds_->stop();
		oss_.reset();
		mds_.reset();
		mgs_->stop();
		mgs_.reset();
	}
};

/// Makes the nodes and runs `body` on each client, mounted; the world ends when all have returned.
inline void run(cfs::sim::World &w, const Options &options, std::function<void(Client &)> body)
{
	auto shared = std::make_shared<Shared>();
	shared->options = options;
	shared->left = options.clients;
	shared->mgs = cluster::make_disk("MGS");
	shared->mdt = cluster::make_disk("tfs-MDT0000");
	for (unsigned i = 0; i < options.osts; i++)
		shared->osts.push_back(cluster::make_disk("tfs-OST000" + std::to_string(i)));
	auto nodes = lnet::sim::add_nodes(w, 1 + options.clients);
	shared->server = lnet::sim::nid_of(*nodes[0]);
	cluster::start(*nodes[0], [shared, first = true](cluster::Stack &s) mutable {
		Server server(*shared, s, std::exchange(first, false));
		shared->up = true;
		cfs::sim::wait_stop();
	});
	for (unsigned c = 0; c < options.clients; c++)
		cluster::start(*nodes[1 + c], [shared, body, nodes, c](cluster::Stack &s) {
			while (!shared->up)
				cfs::sim::sleep_for(cfs::sim::kMillisecond * 100);
			std::string device = shared->options.mount_options +
					     "device=" + nid_text(shared->server) + ":/tfs";
			Client me{c,
				  s,
				  must(client::host::Vfs::mount(s.node, device), "mount"),
				  device,
				  *nodes[1 + c],
				  *nodes[0]};
			body(me);
			if (me.vfs)
				must(me.vfs->unmount(), "unmount");
			me.vfs.reset();
			if (--shared->left == 0)
				nodes[0]->stop();
		});
}

} // namespace fsworld
