// SPDX-License-Identifier: GPL-2.0
//
// The life of an OST, its clients, and the services of its node.
#include "ost/ost.hpp"

#include "libcfs/log.hpp"
#include "ost/device.hpp"
#include "rpc/data_checksum.hpp"

namespace ost
{

using namespace cfs::err;

namespace
{

/// What is not built is not offered: extent locks ahead of their use, compression, encryption,
/// LFSCK, and creates that are replayed instead of cleared away.
constexpr u64 kSupported = wire::OST_CONNECT_SUPPORTED & ~wire::OBD_CONNECT_LFSCK;
constexpr u64 kSupported2 = wire::OBD_CONNECT2_INC_XID | wire::OBD_CONNECT2_LSEEK |
			    wire::OBD_CONNECT2_REP_MBITS | wire::OBD_CONNECT2_UNALIGNED_DIO;

/// Longest I/O request: 64 MiB in pages that do not touch (spec 02 1.5).
constexpr std::size_t kIoRequestMax = 257 << 10;

constexpr auto kHandlers = target::with_locks<OstTarget>({
	rpc::handler<op::OstGetattr, &OstTarget::getattr>(),
	rpc::handler<op::OstSetattr, &OstTarget::setattr>(),
	rpc::handler<op::OstRead, &OstTarget::brw_read>(),
	{wire::Opcode::OST_WRITE, 0, rpc::handler<op::OstWrite, &OstTarget::brw_write>().run,
	 &OstTarget::waits_for_nobody},
	rpc::handler<op::OstCreate, &OstTarget::create>(),
	rpc::handler<op::OstDestroy, &OstTarget::destroy_objects>(),
	{wire::Opcode::OST_PUNCH, 0, rpc::handler<op::OstPunch, &OstTarget::punch>().run,
	 &OstTarget::waits_for_nobody},
	rpc::handler<op::OstStatfs, &OstTarget::statfs>(),
	rpc::handler<op::OstSync, &OstTarget::sync>(),
	rpc::handler<op::OstFallocate, &OstTarget::fallocate>(),
	rpc::handler<op::OstSeek, &OstTarget::seek>(),
	rpc::raw_handler<wire::Opcode::OST_GET_INFO, &OstTarget::get_info>(),
	rpc::raw_handler<wire::Opcode::OST_SET_INFO, &OstTarget::set_info>(),
});

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&OstTarget::total_granted>(
		{.name = "tot_granted", .doc = "Space promised to clients.", .unit = "bytes"}),
	cfs::param_int<&OstTarget::total_dirty>({.name = "tot_dirty",
						 .doc = "Of it, what clients have dirty pages for.",
						 .unit = "bytes"}),
	cfs::param_int<&OstTarget::total_pending>(
		{.name = "tot_pending",
		 .doc = "Of it, what writes have used that are not committed yet.",
		 .unit = "bytes"}),
	cfs::param_int<&OstTarget::exports_now>(
		{.name = "num_exports", .doc = "Clients, connected or waited for."}),
	cfs::param_text<&OstTarget::show_filesystem>(
		{.name = "fstype", .doc = "What the objects are stored in."}),
};

[[nodiscard]] wire::u8 log2_up(u32 n) noexcept
{
	wire::u8 bits = 0;
	while ((u64{1} << bits) < n)
		bits++;
	return bits;
}

} // namespace

// ---- life ----

cfs::Result<cfs::UniquePtr<Ost>> Ost::start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					    const OstConfig &config) noexcept
{
	auto t = TRY(cfs::try_make<OstTarget>());
	TRY(t->begin(rpc, ldlm, std::move(device), config));
	return cfs::UniquePtr<Ost>(std::move(t));
}

cfs::Result<> OstTarget::begin(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
			       const OstConfig &config) noexcept
{
	const osd::DeviceInfo &info = device->info();
	dev_ = device;
	std::string_view name = cfs::format_cstr(name_, "{}", config.name);
	index_ = config.index;
	brw_bytes_ = config.brw_bytes;
	object_max_ = info.object_max;
	grant_params_.block_bytes = info.block_bytes;
	if (info.extent_tax_bytes)
		grant_params_.extent_tax = info.extent_tax_bytes;
	if (info.extent_blocks_max)
		grant_params_.extent_blocks_max = info.extent_blocks_max;
	grants_ = TRY(cfs::try_make_ref<SharedGrants>(grant_params_));
	sequences_ = TRY(cfs::try_make<Sequences>(*dev_, index_));
	char uuid[80], locks[96];
	target::TargetConfig t;
	t.name = name;
	t.uuid = cfs::format_to(uuid, "{}_UUID", name);
	t.index = index_;
	t.supported = kSupported;
	t.supported2 = kSupported2;
	t.failout = config.failout;
	t.recovery_soft = config.recovery_soft;
	t.recovery_hard = config.recovery_hard;
	LockConfig l;
	l.name = cfs::format_to(locks, "filter-{}_UUID", name);
	l.lvb = this;
	auto started = CommonTarget::start(rpc, ldlm, std::move(device), t, l);
	if (started && config.params) {
		started = params_.open(*config.params, name);
		if (started)
			started = params_.add(kParams, this);
		if (started)
			started = add_params(params_);
		if (!started)
			stop(target::StopKind::failover);
	}
	if (!started) {
		sequences_.reset();
		dev_.reset();
	}
	return started;
}

void OstTarget::stop(target::StopKind kind) noexcept
{
	params_.close();
	CommonTarget::stop(kind);
	// Sequences hold objects of the device, and nobody creates any more.
	sequences_.reset();
	dev_.reset();
}

void OstTarget::destroy() noexcept
{
	this->~OstTarget();
	cfs_free(kSubsys, this, sizeof(*this));
}

std::span<const rpc::Handler> OstTarget::handlers() noexcept
{
	return kHandlers;
}

// ---- parameters ----

u32 OstTarget::exports_now() noexcept
{
	rpc::Target *t = registration();
	return t ? t->export_count() : 0;
}

cfs::Result<> OstTarget::show_filesystem(cfs::FormatSink &out) noexcept
{
	out.print("osd-{}", static_cast<const char *>(dev_->info().fstype));
	return {};
}

// ---- clients ----

/// What hangs on an export.
struct OstTarget::ExportOst final : rpc::ExportData {
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
	cfs::RefPtr<OstClient> client;
	void destroy() noexcept override
	{
		this->~ExportOst();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

OstClient &OstTarget::client_of(rpc::ServerRequest &req) noexcept
{
	// grant() has put it there: no request is served before its client has connected.
	return *static_cast<ExportOst *>(req.exp()->data(rpc::ExportSlot::upper))->client;
}

cfs::Result<> OstTarget::grant_space(OstClient &c, wire::ObdConnectData &d, bool fresh) noexcept
{
	u64 flags = d.connect_flags;
	c.grant.brw_bytes = flags & wire::OBD_CONNECT_BRW_SIZE ? d.brw_size.get() : 1u << 20;
	if (flags & wire::OBD_CONNECT_RDONLY)
		flags &= ~(wire::OBD_CONNECT_GRANT | wire::OBD_CONNECT_GRANT_PARAM);
	if (!(flags & wire::OBD_CONNECT_GRANT))
		flags &= ~wire::OBD_CONNECT_GRANT_PARAM;
	c.grant.params = flags & wire::OBD_CONNECT_GRANT_PARAM;
	d.connect_flags = flags;
	if (c.grant.params) {
		d.grant_blkbits = log2_up(grant_params_.block_bytes);
		d.grant_inobits = log2_up(dev_->info().inode_bytes);
		d.grant_tax_kb = static_cast<wire::u16>(grant_params_.extent_tax >> 10);
		d.grant_max_blks = grant_params_.extent_blocks_max;
	}
	if (flags & wire::OBD_CONNECT_GRANT)
		d.grant = static_cast<u32>(
			grants_->all.connect(c.grant, d.grant, free_bytes(), fresh));
	return {};
}

cfs::Result<> OstTarget::grant(rpc::Export &e, rpc::ConnectRequest &r) noexcept
{
	wire::ObdConnectData &d = r.data;
	u64 flags = d.connect_flags;
	u32 group = flags & wire::OBD_CONNECT_MDS ? d.group.get() : 0;
	if ((flags & wire::OBD_CONNECT_SKIP_ORPHAN) && !(flags & wire::OBD_CONNECT_MDS))
		return cfs::fail(PROTO);
	auto *x = static_cast<ExportOst *>(e.data(rpc::ExportSlot::upper));
	bool fresh = !x;
	if (!x) {
		auto made = TRY(cfs::try_make<ExportOst>());
		made->client = TRY(cfs::try_make_ref<OstClient>(grants_));
		made->client->group = group;
		x = made.get();
		if (!e.set_data(rpc::ExportSlot::upper, x))
			return cfs::fail(EXIST);
		(void)made.release();
	}
	if (x->client->group != group)
		return cfs::fail(PROTO);
	if ((flags & wire::OBD_CONNECT_INDEX) && d.index != index_) {
		LCONSOLE_ERROR(kSubsys, "{}: client {} (at {}) looks for index {}, and this is {}",
			       name_, r.client_uuid, r.nid, d.index.get(), index_);
		return cfs::fail(BADF);
	}
	if (flags & wire::OBD_CONNECT_BRW_SIZE) {
		if (d.brw_size == 0)
			return cfs::fail(PROTO);
		d.brw_size = std::min(d.brw_size.get(), brw_bytes_);
	}
	if (flags & wire::OBD_CONNECT_CKSUM) {
		d.cksum_types = d.cksum_types & rpc::checksum_bits();
		if (d.cksum_types == 0)
			return cfs::fail(PROTO);
	}
	if (flags & wire::OBD_CONNECT_MAXBYTES)
		d.maxbytes = object_max_;
	d.connect_flags = flags & ~wire::OBD_CONNECT_OSS_CAPA;
	return grant_space(*x->client, d, fresh);
}

void OstTarget::client_left(rpc::Export &e, bool) noexcept
{
	if (auto *x = static_cast<ExportOst *>(e.data(rpc::ExportSlot::upper)))
		grants_->all.release(x->client->grant);
}

// ---- services ----

cfs::Result<cfs::UniquePtr<Oss>> Oss::start(rpc::Rpc &rpc, cfs::ParamGroup *params) noexcept
{
	auto oss = TRY(cfs::try_make<Oss>());
	rpc::ServiceSpec s;
	s.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	s.params = params;
	s.threads_min = 3;
	s.threads_max = 512;
	s.name = "ost";
	s.thread_name = "ll_ost";
	s.portals[0] = wire::Portal::OST_REQUEST_PORTAL;
	oss->ost_ = TRY(rpc.start_service(s));
	s.name = "ost_create";
	s.thread_name = "ll_ost_create";
	s.portals[0] = wire::Portal::OST_CREATE_PORTAL;
	s.threads_min = 2;
	s.threads_max = 64;
	oss->create_ = TRY(rpc.start_service(s));
	s.name = "ost_io";
	s.thread_name = "ll_ost_io";
	s.portals[0] = wire::Portal::OST_IO_PORTAL;
	s.threads_min = 3;
	s.threads_max = 512;
	s.request_max = kIoRequestMax;
	oss->io_ = TRY(rpc.start_service(s));
	return oss;
}

void Oss::stop() noexcept
{
	for (rpc::Service **s : {&io_, &create_, &ost_})
		if (rpc::Service *running = std::exchange(*s, nullptr))
			running->stop();
}

} // namespace ost
