// SPDX-License-Identifier: GPL-2.0
//
// Server mounts: targets of a device come up by their configuration, find each other through the
// MGS, and go.
#include <memory>

#include "tests/sim/cluster_fs.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::MountedTarget;

TEST(SimServer, AnMdtFindsItsOstsWhenTheyCome)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 3);
		auto osts = std::make_shared<std::size_t>(0);
		cluster::start(*nodes[0], [=](cluster::Stack &s) {
			auto disk = cluster::make_target_disk(cluster::mdt_request());
			MountedTarget m(s, *disk, "tfs-MDT0000");
			check(!cluster::mount_data(m.mount().device()).is(wire::LDD_F_VIRGIN),
			      "mountdata is not rewritten");
			while (m.mount().osps() < 2)
				sleep_for(kSecond);
			*osts = m.mount().osps();
			wait_stop();
		});
		lnet::Nid mgs = lnet::sim::nid_of(*nodes[0]);
		for (unsigned i = 0; i < 2; i++)
			cluster::start(*nodes[1 + i], [=](cluster::Stack &s) {
				auto disk = cluster::make_target_disk(cluster::ost_request(i, mgs));
				sleep_for(kSecond * (2 + 5 * i));
				MountedTarget m(s, *disk, cluster::ost_name(i));
				wait_stop();
			});
		w.spawn("script", [=] {
			for (int i = 0; i < 200 && *osts < 2; i++)
				sleep_for(kSecond);
			check(*osts == 2, "the MDT does not know both OSTs");
			for (std::size_t i = nodes.size(); i-- > 0;)
				nodes[i]->stop();
		});
	});
}

/// A target that has rested goes and comes back; and it goes without its MGS, which is lost before
/// anybody can know.
TEST(SimServer, AnOstGoesWithItsMgsAndWithoutIt)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid mgs = lnet::sim::nid_of(*nodes[0]);
		auto gone = std::make_shared<int>(0);
		cluster::start(*nodes[0], [](cluster::Stack &s) {
			auto disk = cluster::make_target_disk(cluster::mdt_request());
			MountedTarget m(s, *disk, "tfs-MDT0000");
			wait_stop();
		});
		cluster::start(*nodes[1], [=](cluster::Stack &s) {
			auto disk = cluster::make_target_disk(cluster::ost_request(0, mgs));
			sleep_for(2 * kSecond);
			for (int times = 0; times < 2; times++) {
				MountedTarget m(s, *disk, "tfs-OST0000");
				sleep_for(20 * kSecond);
				if (*gone == 1)
					nodes[0]->crash(CrashKind::power);
				++*gone;
			}
			++*gone;
		});
		w.spawn("script", [=] {
			for (int i = 0; i < 300 && *gone < 3; i++)
				sleep_for(kSecond);
			check(*gone == 3, "the OST does not go");
		});
	});
}

} // namespace
