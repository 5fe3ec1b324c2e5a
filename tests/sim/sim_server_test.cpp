// SPDX-License-Identifier: GPL-2.0
//
// Server mounts: targets of a device come up by their configuration, find each other through the
// MGS, and go.
#include <memory>

#include "osd/local.hpp"
#include "server/mount.hpp"
#include "tests/sim/cluster.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::must;

/// What mkfs.lustre leaves on a device.
void format(osd::Device &device, std::string_view svname, std::uint32_t flags)
{
	osd::CreateSpec dir;
	dir.attr.valid = osd::kAttrMode | osd::kAttrType;
	dir.attr.mode = osd::kTypeDir | 0755;
	auto root = device.root();
	dir.parent = root.get();
	auto configs = must(
		osd::find_or_create_named(*root, wire::MOUNT_CONFIGS_DIR, dir, osd::kConfigsFid),
		"no CONFIGS");
	auto spec = osd::local_file_spec();
	spec.parent = configs.get();
	auto file = must(osd::find_or_create_named(*configs, wire::CONFIGS_FILE, spec,
						   wire::make_fid(wire::FID_SEQ_LOCAL_NAME, 0x77)),
			 "no mountdata");
	auto data = std::make_unique<wire::LustreDiskData>();
	data->magic = wire::LDD_MAGIC;
	data->flags = flags;
	check(data->fsname.set("tfs") && data->svname.set(svname), "names");
	auto *body = must(file->body(), "body");
	auto tx = must(device.begin(), "transaction");
	must(body->declare_write(*tx, 0, sizeof(*data)), "declare");
	must(tx->start(), "start");
	must(body->write(*tx, 0, cfs::bytes_of(*data)), "write");
	must(tx->stop(), "stop");
}

std::uint32_t flags_on(osd::Device &device)
{
	auto data = std::make_unique<wire::LustreDiskData>();
	must(osd::read_mount_data(device, *data), "mountdata");
	return data->flags;
}

/// A mounted target, as the file system glue has it.
struct Mounted {
	std::string text;
	server::TargetOptions options;
	server::TargetMount mount;

	Mounted(cluster::Stack &s, cluster::DiskPtr disk, std::string_view name, std::string more)
	    : text("osd=osd-ldiskfs," + more + ",svname=" + std::string(name) + ",device=mem")
	{
		std::string_view bad;
		must(server::TargetOptions::parse(text, options, &bad), "options");
		auto device = cluster::mount(*disk, name);
		if (more.find("virgin") != std::string::npos)
			format(*device, name, wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE);
		auto node = must(cfs::Node::get(s.node), "node");
		must(mount.start(*node, std::move(device), options), "mount of " + text);
	}
	~Mounted() { mount.stop(target::StopKind::failover); }
};

std::string at(const lnet::Nid &nid)
{
	std::array<char, 64> buf{};
	return std::string(cfs::format_to(buf, "{}", nid));
}

TEST(SimServer, AnMdtFindsItsOstsWhenTheyCome)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 3);
		std::string mgs = "mgsnode=" + at(lnet::sim::nid_of(*nodes[0]));
		auto mdt = cluster::make_disk("tfs-MDT0000");
		auto osts = std::make_shared<std::size_t>(0);
		cluster::start(*nodes[0], [=](cluster::Stack &s) {
			Mounted m(s, mdt, "tfs-MDT0000", "mgs,virgin");
			check(!(flags_on(m.mount.device()) & wire::LDD_F_VIRGIN),
			      "mountdata is not rewritten");
			while (m.mount.osps() < 2)
				sleep_for(kSecond);
			*osts = m.mount.osps();
			wait_stop();
		});
		for (std::size_t i = 0; i < 2; i++) {
			std::string name = "tfs-OST000" + std::to_string(i);
			auto disk = cluster::make_disk(name);
			cluster::start(*nodes[1 + i], [=](cluster::Stack &s) {
				sleep_for(kSecond * (2 + 5 * i));
				Mounted m(s, disk, name, mgs + ",virgin");
				wait_stop();
			});
		}
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
		std::string mgs = "mgsnode=" + at(lnet::sim::nid_of(*nodes[0]));
		auto mdt = cluster::make_disk("tfs-MDT0000");
		auto ost = cluster::make_disk("tfs-OST0000");
		auto gone = std::make_shared<int>(0);
		cluster::start(*nodes[0], [=](cluster::Stack &s) {
			Mounted m(s, mdt, "tfs-MDT0000", "mgs,virgin");
			wait_stop();
		});
		cluster::start(*nodes[1], [=](cluster::Stack &s) {
			sleep_for(2 * kSecond);
			for (std::string more : {",virgin", ""}) {
				Mounted m(s, ost, "tfs-OST0000", mgs + more);
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
