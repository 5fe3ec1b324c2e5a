// SPDX-License-Identifier: GPL-2.0
//
// What the file system glue calls (plat_server.h): options, the device, and the mount over it.
#include <cstring>

#include "libcfs/log.hpp"
#include "osd/plat_driver.h"
#include "server/mount.hpp"

struct server_mount {
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	cfs::Array<char> text; ///< what the options are pieces of
	server::TargetOptions options;
	server::TargetMount mount;
};

namespace
{

using namespace cfs::err;

/// A piece of the options as the C functions of the object store want it.
cfs::Result<cfs::Array<char>> c_string(std::string_view s) noexcept
{
	auto a = TRY(cfs::Array<char>::make(CFS_S_CLASS, s.size() + 1));
	std::memcpy(a.data(), s.data(), s.size());
	a.data()[s.size()] = '\0';
	return a;
}

cfs::Result<osd::DeviceRef> open_device(cfs_node *node, const server::TargetOptions &o,
					bool read_only) noexcept
{
	if (!o.osd.empty() && o.osd != "osd-ldiskfs") {
		LCONSOLE_ERROR(CFS_S_CLASS, "{}: there is no object store {:e}", o.svname, o.osd);
		return cfs::fail(NODEV);
	}
	auto device = TRY(c_string(o.device));
	auto svname = TRY(c_string(o.svname));
	osd_mount m{};
	m.device = device.data();
	m.svname = svname.data();
	m.options = o.backing_length ? o.backing.data() : nullptr;
	m.read_only = read_only;
	m.no_scrub = o.no_scrub;
	osd_device *d = nullptr;
	TRY(cfs::to_result(osd_ldiskfs_mount(node, &m, &d)));
	return osd::adopt_device(d);
}

cfs::Result<> start(cfs_node *plat, struct server_mount &m, bool read_only) noexcept
{
	std::string_view bad;
	auto parsed = server::TargetOptions::parse({m.text.data()}, m.options, &bad);
	if (!parsed) {
		LCONSOLE_ERROR(CFS_S_CLASS, "server mount: option '{:e}' is not possible: rc = {}",
			       bad, parsed);
		return parsed;
	}
	auto node = TRY(cfs::Node::get(plat));
	auto device = TRY(open_device(plat, m.options, read_only));
	auto r = m.mount.start(*node, std::move(device), m.options);
	if (!r)
		m.mount.stop(target::StopKind::failover);
	else
		LCONSOLE_INFO(CFS_S_CLASS, "{}: mounted {}", m.options.svname, m.options.device);
	return r;
}

} // namespace

int server_mount(cfs_node *node, const char *options, bool read_only,
		 struct server_mount **out) noexcept
{
	auto m = cfs::try_make<struct server_mount>();
	if (!m)
		return cfs::to_rc(m);
	auto text = c_string(options);
	if (!text)
		return cfs::to_rc(text);
	(*m)->text = std::move(*text);
	auto r = start(node, **m, read_only);
	if (r)
		*out = m->release();
	return cfs::to_rc(r);
}

void server_umount(struct server_mount *m) noexcept
{
	m->mount.stop(target::StopKind::failover);
	LCONSOLE_INFO(CFS_S_CLASS, "server umount {} complete", m->options.svname);
	cfs::UniquePtr<struct server_mount>(m).reset();
}

int server_get_statfs(struct server_mount *m, lustre_statfs *out) noexcept
{
	wire::ObdStatfs s{};
	auto r = m->mount.device().statfs(s);
	if (!r)
		return cfs::to_rc(r);
	*out = {s.blocks, s.bfree, s.bavail, s.files, s.ffree, s.bsize, s.namelen, 0};
	return 0;
}

void server_show_options(struct server_mount *m, char *out, unsigned size) noexcept
{
	cfs::FormatSink sink(std::span<char>(out, size - 1));
	m->options.show(sink);
	out[sink.size() < size ? sink.size() : size - 1] = '\0';
}

void server_stop(void) noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::server);
}
