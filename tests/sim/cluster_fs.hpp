// SPDX-License-Identifier: GPL-2.0
//
// A whole file system in the simulator, brought up as in the field: mkfs.lustre's description on
// each disk, mounts of targets with the options that mount.lustre makes of it, clients that mount
// by the name of the MGS. The server "s0" has MGS, MDT0000 and OST0000, each further OST a server
// of its own; clients are "c0", "c1" and so on. Any node may crash and boot again.
//
//     run_seeds(20, [](World &w) {
//             auto fs = cluster::make_fs(w, {.osts = 2, .clients = 2});
//             cluster::on_client(fs, 0, [](cluster::ClientNode &c) {
//                     must(c.vfs->mkdir("/d"), "mkdir");
//             });
//             cluster::on_client(fs, 1, [](cluster::ClientNode &c) { ... });
//     });
//
// When every client has ended, servers stop in any order, and the disks are checked (fs_check.hpp).
#pragma once

#include "client/host/vfs.hpp"
#include "mkfs/options.hpp"
#include "server/mount.hpp"
#include "tests/sim/cluster.hpp"

namespace cluster
{

[[nodiscard]] inline std::string ost_name(unsigned n)
{
	return "tfs-OST000" + std::to_string(n);
}

/// What mkfs.lustre is asked for: an MDT with the MGS, or an OST of this MGS.
[[nodiscard]] mkfs::Request mdt_request();
[[nodiscard]] mkfs::Request ost_request(unsigned index, const lnet::Nid &mgs);
/// A disk that it was done to. On a node.
[[nodiscard]] DiskPtr make_target_disk(const mkfs::Request &request);
/// CONFIGS/mountdata.
[[nodiscard]] mkfs::DiskData mount_data(osd::Device &device);

/// `mount -t lustre DEVICE DIR`, and umount.
class MountedTarget
{
	std::string text_;
	server::TargetOptions options_;
	server::TargetMount mount_;

public:
	MountedTarget(Stack &stack, osd::mem::Disk &disk, std::string_view name);
	~MountedTarget() { mount_.stop(target::StopKind::failover); }
	MountedTarget(const MountedTarget &) = delete;
	MountedTarget &operator=(const MountedTarget &) = delete;
	server::TargetMount &mount() { return mount_; }
};

struct FsSpec {
	unsigned osts = 2;
	unsigned clients = 2;
	/// Further options of clients' mounts, each with a comma behind.
	std::string mount_options{};
	/// Objects of removed files may be left on the OSTs: the MDT loses its power, and with it
	/// what it was still to tell them. Until the end.
	bool may_leave_objects = false;
};

/// What outlives nodes.
struct Fs {
	FsSpec spec;
	std::vector<cfs::sim::Node *> servers, clients;
	/// Formats and checks disks while nobody uses them.
	cfs::sim::Node *bench = nullptr;
	DiskPtr mdt_disk;
	std::vector<DiskPtr> ost_disks;
	/// The servers have come up for the first time, and the MDT has objects of every OST.
	bool ready = false;
	/// Clients that are not expected to do anything any more.
	unsigned clients_done = 0;

	/// "device=10.0.0.1@tcp:/tfs", with the options.
	[[nodiscard]] std::string mount_text() const;
};
using FsPtr = std::shared_ptr<Fs>;

/// A client that has mounted.
struct ClientNode {
	Stack &stack;
	client::host::VfsPtr vfs;
};

/// Makes the nodes, boots the servers, and ends everything when clients are done.
[[nodiscard]] FsPtr make_fs(cfs::sim::World &w, const FsSpec &spec = {});
/// Boots a client: when the servers are there it mounts, runs main, and unmounts (unless main did);
/// all again at each boot. It does not mount before it `may`.
void on_client(const FsPtr &fs, unsigned n, std::function<void(ClientNode &)> main,
	       std::function<bool()> may = {});

/// Any of the servers loses its power, for some time. In a driver.
void lose_power(Fs &fs);

} // namespace cluster
