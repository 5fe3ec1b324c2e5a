// SPDX-License-Identifier: GPL-2.0
//
// A whole file system in the simulator, each part on a node of its own: MGS and MDT0000 on "mds0",
// OST n on "oss<n>", clients on "c<n>" with the hosted VFS. Servers come up as by mount(2): they
// register with the MGS, and find each other by its logs. Any node may crash and boot again.
//
//     run_seeds(20, [](World &w) {
//             auto fs = cluster::make_fs(w, {.osts = 2, .clients = 2});
//             cluster::on_client(fs, 0, [](cluster::ClientNode &c) {
//                     must(c.vfs->mkdir("/d"), "mkdir");
//             });
//             cluster::on_client(fs, 1, [](cluster::ClientNode &c) { ... });
//             cluster::end_with_clients(w, fs);
//     });
#pragma once

#include "client/host/vfs.hpp"
#include "server/mount.hpp"
#include "tests/sim/cluster.hpp"

namespace cluster
{

struct FsSpec {
	unsigned osts = 2;
	unsigned clients = 2;
	/// Further options of clients' mounts, each with a comma behind.
	std::string mount_options{};
};

/// What outlives nodes.
struct Fs {
	FsSpec spec;
	cfs::sim::Node *mds = nullptr;
	std::vector<cfs::sim::Node *> oss;
	std::vector<cfs::sim::Node *> clients;
	DiskPtr mdt_disk;
	std::vector<DiskPtr> ost_disks;
	/// Servers that are up for the first time; and the OSTs that the MDT knows.
	unsigned osts_up = 0;
	std::size_t osts_known = 0;
	/// Clients whose main has returned.
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

/// Makes the nodes and boots the servers.
[[nodiscard]] FsPtr make_fs(cfs::sim::World &w, const FsSpec &spec = {});
/// Boots a client: when the servers are there it mounts, runs main, and unmounts (unless main did);
/// all again at each boot.
void on_client(const FsPtr &fs, unsigned n, std::function<void(ClientNode &)> main);
/// Stops the servers, OSTs first, when every client has ended.
void end_with_clients(cfs::sim::World &w, const FsPtr &fs);

/// What mkfs.lustre leaves on a device: CONFIGS/mountdata.
void format(osd::Device &device, std::string_view svname, std::uint32_t ldd_flags);

} // namespace cluster
