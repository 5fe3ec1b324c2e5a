// SPDX-License-Identifier: GPL-2.0
//
// Whole file systems in the simulator; see cluster_fs.hpp.
#include "tests/sim/cluster_fs.hpp"

#include "osd/local.hpp"
#include "wire/mgs.hpp"

namespace cluster
{

namespace s = cfs::sim;

namespace
{

std::string text_of(const lnet::Nid &nid)
{
	char buf[64];
	return std::string(cfs::format_to(buf, "{}", nid));
}

std::string ost_name(unsigned n)
{
	return "tfs-OST000" + std::to_string(n);
}

/// A mounted target, from a device that is formatted when it is mounted for the first time.
class MountedTarget
{
	std::string text_;
	server::TargetOptions options_;
	server::TargetMount mount_;

public:
	MountedTarget(Stack &stack, osd::mem::Disk &disk, std::string_view name,
		      const std::string &more)
	{
		auto device = cluster::mount(disk, name);
		auto data = std::make_unique<wire::LustreDiskData>();
		bool fresh = !osd::read_mount_data(*device, *data);
		if (fresh) {
			format(*device, name, wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE);
			must(device->sync(), "sync");
		}
		bool virgin = fresh || data->flags & wire::LDD_F_VIRGIN;
		text_ = "osd=osd-ldiskfs," + more + (virgin ? ",virgin" : "") +
			",svname=" + std::string(name) + ",device=mem";
		std::string_view bad;
		must(server::TargetOptions::parse(text_, options_, &bad), "options " + text_);
		auto node = must(cfs::Node::get(stack.node), "node");
		must(mount_.start(*node, std::move(device), options_), "mount of " + text_);
	}
	~MountedTarget() { mount_.stop(target::StopKind::failover); }
	MountedTarget(const MountedTarget &) = delete;
	MountedTarget &operator=(const MountedTarget &) = delete;
	server::TargetMount &mount() { return mount_; }
};

void run_mds(Stack &stack, Fs &fs)
{
	MountedTarget t(stack, *fs.mdt_disk, "tfs-MDT0000", "mgs");
	while (t.mount().osps() < fs.spec.osts && fs.osts_known < fs.spec.osts)
		s::sleep_for(100 * s::kMillisecond);
	fs.osts_known = fs.spec.osts;
	s::wait_stop();
}

} // namespace

void format(osd::Device &device, std::string_view svname, std::uint32_t ldd_flags)
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
	data->flags = ldd_flags;
	check(data->fsname.set("tfs") && data->svname.set(svname), "names");
	auto *body = must(file->body(), "body");
	auto tx = must(device.begin(), "transaction");
	must(body->declare_write(*tx, 0, sizeof(*data)), "declare");
	must(tx->start(), "start");
	must(body->write(*tx, 0, cfs::bytes_of(*data)), "write");
	must(tx->stop(), "stop");
}

std::string Fs::mount_text() const
{
	return spec.mount_options + "device=" + text_of(lnet::sim::nid_of(*mds)) + ":/tfs";
}

FsPtr make_fs(s::World &w, const FsSpec &spec)
{
	auto fs = std::make_shared<Fs>();
	fs->spec = spec;
	fs->mds = lnet::sim::add_nodes(w, 1, "mds").front();
	fs->oss = lnet::sim::add_nodes(w, spec.osts, "oss");
	fs->clients = lnet::sim::add_nodes(w, spec.clients, "c");
	fs->mdt_disk = make_disk("tfs-MDT0000");
	start(*fs->mds, [fs](Stack &stack) { run_mds(stack, *fs); });
	std::string mgs = "mgsnode=" + text_of(lnet::sim::nid_of(*fs->mds));
	for (unsigned n = 0; n < spec.osts; n++) {
		fs->ost_disks.push_back(make_disk(ost_name(n)));
		start(*fs->oss[n], [fs, n, mgs, first = true](Stack &stack) mutable {
			MountedTarget t(stack, *fs->ost_disks[n], ost_name(n), mgs);
			fs->osts_up += std::exchange(first, false);
			s::wait_stop();
		});
	}
	return fs;
}

void on_client(const FsPtr &fs, unsigned n, std::function<void(ClientNode &)> main)
{
	start(*fs->clients[n], [fs, main = std::move(main)](Stack &stack) {
		while (fs->osts_up < fs->spec.osts || fs->osts_known < fs->spec.osts)
			s::sleep_for(100 * s::kMillisecond);
		ClientNode c{stack,
			     must(client::host::Vfs::mount(stack.node, fs->mount_text()), "mount")};
		main(c);
		if (c.vfs)
			must(c.vfs->unmount(), "unmount");
		c.vfs.reset();
		fs->clients_done++;
	});
}

void end_with_clients(s::World &w, const FsPtr &fs)
{
	w.spawn("end of the file system", [fs] {
		while (fs->clients_done < fs->spec.clients)
			s::sleep_for(s::kSecond);
		for (s::Node *c : fs->clients)
			c->wait_down();
		for (s::Node *o : fs->oss)
			o->stop();
		for (s::Node *o : fs->oss)
			o->wait_down();
		fs->mds->stop();
	});
}

} // namespace cluster
