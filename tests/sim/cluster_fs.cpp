// SPDX-License-Identifier: GPL-2.0
//
// Whole file systems in the simulator; see cluster_fs.hpp.
#include "tests/sim/cluster_fs.hpp"

#include "libcfs/host/params.hpp"
#include "mount/options.hpp"
#include "osd/local.hpp"
#include "tests/sim/fs_check.hpp"

namespace cluster
{

namespace s = cfs::sim;

namespace
{

constexpr s::Nanos kPoll = 100 * s::kMillisecond;
/// Within this time servers evict clients that are gone, and the MDT tells the OSTs what to remove.
constexpr s::Nanos kSettled = 400 * s::kSecond;

template <typename T>
T done(mkfs::Outcome<T> r, std::string_view what)
{
	check(r.has_value(), std::string(what) + ": " + (r ? "" : r.error().message));
	return std::move(*r);
}

std::string text_of(const lnet::Nid &nid)
{
	char buf[64];
	return std::string(cfs::format_to(buf, "{}", nid));
}

mkfs::Request request()
{
	mkfs::Request r;
	r.fsname = "tfs";
	r.index = 0;
	return r;
}

/// What an OSP of the MDT on this node says of itself.
std::uint64_t osp_number(unsigned ost, std::string_view what)
{
	std::string path = "fs/lustre/osp/" + ost_name(ost) + "-osc-MDT0000/";
	auto text = cfs::host::param_get(nullptr, CFS_PTREE_SYSFS, path + std::string(what));
	return std::stoull(must(std::move(text), path));
}

/// Everything a server node mounts.
std::vector<std::unique_ptr<MountedTarget>> mount_targets(Stack &stack, Fs &fs, unsigned n)
{
	std::vector<std::unique_ptr<MountedTarget>> targets;
	if (n == 0)
		targets.push_back(
			std::make_unique<MountedTarget>(stack, *fs.mdt_disk, "tfs-MDT0000"));
	if (n < fs.spec.osts)
		targets.push_back(
			std::make_unique<MountedTarget>(stack, *fs.ost_disks[n], ost_name(n)));
	return targets;
}

void run_server(Stack &stack, Fs &fs, unsigned n)
{
	auto targets = mount_targets(stack, fs, n);
	if (n == 0 && !fs.ready) {
		while (targets[0]->mount().osps() < fs.spec.osts)
			s::sleep_for(kPoll);
		for (unsigned i = 0; i < fs.spec.osts; i++)
			while (osp_number(i, "prealloc_last_id") <=
			       osp_number(i, "prealloc_last_used"))
				s::sleep_for(kPoll);
		fs.ready = true;
	}
	s::wait_stop();
	while (!targets.empty())
		targets.pop_back();
}

/// On the bench.
void at_bench(Fs &fs, const std::function<void()> &work)
{
	fs.bench->start([work] {
		check(cfs_core_start() == 0, "libcfs");
		work();
		cfs_core_stop();
	});
	fs.bench->wait_down();
}

void stop_servers(Fs &fs)
{
	auto servers = fs.servers;
	while (!servers.empty()) {
		auto i = static_cast<std::ptrdiff_t>(s::this_world().rng().below(servers.size()));
		s::Node *n = servers[static_cast<std::size_t>(i)];
		servers.erase(servers.begin() + i);
		while (!n->up())
			s::sleep_for(kPoll);
		n->stop();
		n->wait_down();
	}
}

/// From the first disk to the last check.
void run_fs(const FsPtr &fs)
{
	at_bench(*fs, [fs] {
		fs->mdt_disk = make_target_disk(mdt_request());
		lnet::Nid mgs = lnet::sim::nid_of(*fs->servers[0]);
		for (unsigned i = 0; i < fs->spec.osts; i++)
			fs->ost_disks.push_back(make_target_disk(ost_request(i, mgs)));
	});
	for (unsigned n = 0; n < fs->servers.size(); n++)
		start(*fs->servers[n], [fs, n](Stack &stack) { run_server(stack, *fs, n); });
	while (fs->clients_done < fs->spec.clients)
		s::sleep_for(kPoll);
	for (s::Node *c : fs->clients)
		c->wait_down();
	s::sleep_for(kSettled);
	stop_servers(*fs);
	at_bench(*fs, [fs] { check_disks(*fs); });
}

} // namespace

// ---- targets ----

mkfs::Request mdt_request()
{
	auto r = request();
	r.mgs = r.mdt = true;
	return r;
}

mkfs::Request ost_request(unsigned index, const lnet::Nid &mgs)
{
	auto r = request();
	r.ost = true;
	r.index = index;
	r.params.push_back({mkfs::ParamChange::Kind::append, "mgsnode", text_of(mgs)});
	return r;
}

DiskPtr make_target_disk(const mkfs::Request &request)
{
	std::string warnings;
	auto data = done(mkfs::new_target(request, warnings), "mkfs.lustre");
	std::string bytes = done(mkfs::encode(data), "mountdata");
	auto disk = make_disk(data.server_name());
	auto device = mount(*disk, data.server_name());
	osd::CreateSpec dir;
	dir.attr.valid = osd::kAttrMode | osd::kAttrType;
	dir.attr.mode = osd::kTypeDir | 0755;
	auto root = device->root();
	dir.parent = root.get();
	auto configs = must(
		osd::find_or_create_named(*root, wire::MOUNT_CONFIGS_DIR, dir, osd::kConfigsFid),
		"CONFIGS");
	auto spec = osd::local_file_spec();
	spec.parent = configs.get();
	auto file = must(osd::find_or_create_named(*configs, wire::CONFIGS_FILE, spec,
						   wire::make_fid(wire::FID_SEQ_LOCAL_NAME, 0x77)),
			 "mountdata");
	auto *body = must(file->body(), "mountdata");
	auto tx = must(device->begin(), "transaction");
	must(body->declare_write(*tx, 0, bytes.size()), "declare");
	must(tx->start(), "start");
	must(body->write(*tx, 0, cfs::as_bytes(bytes)), "write");
	must(tx->stop(), "stop");
	return disk;
}

mkfs::DiskData mount_data(osd::Device &device)
{
	auto raw = std::make_unique<wire::LustreDiskData>();
	must(osd::read_mount_data(device, *raw), "mountdata");
	std::string_view bytes(reinterpret_cast<const char *>(raw.get()), sizeof(*raw));
	return done(mkfs::decode(bytes), "mountdata");
}

MountedTarget::MountedTarget(Stack &stack, osd::mem::Disk &disk, std::string_view name)
{
	auto device = cluster::mount(disk, name);
	text_ = done(mounting::server_options({}, mount_data(*device), "mem"), "mount.lustre");
	std::string_view bad;
	must(server::TargetOptions::parse(text_, options_, &bad), "options " + text_);
	auto node = must(cfs::Node::get(stack.node), "node");
	must(mount_.start(*node, std::move(device), options_), "mount of " + text_);
}

// ---- the whole ----

std::string Fs::mount_text() const
{
	return spec.mount_options + "device=" + text_of(lnet::sim::nid_of(*servers[0])) + ":/tfs";
}

FsPtr make_fs(s::World &w, const FsSpec &spec)
{
	auto fs = std::make_shared<Fs>();
	fs->spec = spec;
	fs->servers = lnet::sim::add_nodes(w, std::max(1u, spec.osts), "s");
	fs->clients = lnet::sim::add_nodes(w, spec.clients, "c");
	fs->bench = &w.add_node("bench");
	w.spawn("file system", [fs] { run_fs(fs); });
	return fs;
}

void lose_power(Fs &fs)
{
	auto &rng = s::this_world().rng();
	std::size_t n = rng.below(fs.servers.size());
	fs.servers[n]->crash(s::CrashKind::power);
	// The MDT forgets what it was still to remove.
	fs.spec.may_leave_objects |= n == 0;
	s::sleep_for(rng.below(30 * s::kSecond));
	fs.servers[n]->restart();
}

void on_client(const FsPtr &fs, unsigned n, std::function<void(ClientNode &)> main,
	       std::function<bool()> may)
{
	start(*fs->clients[n], [fs, main = std::move(main), may = std::move(may)](Stack &stack) {
		while (!fs->ready || (may && !may()))
			s::sleep_for(kPoll);
		ClientNode c{stack,
			     must(client::host::Vfs::mount(stack.node, fs->mount_text()), "mount")};
		main(c);
		if (c.vfs)
			must(c.vfs->unmount(), "unmount");
		c.vfs.reset();
		fs->clients_done++;
	});
}

} // namespace cluster
