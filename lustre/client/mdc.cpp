// SPDX-License-Identifier: GPL-2.0
//
// Life of the connection to an MDT: what it asks for, what it insists on, recovery, and FIDs for
// new objects.
#include "client/mdc.hpp"

#include "libcfs/log.hpp"
#include "rpc/format/ops_common.hpp"

namespace client
{

using namespace cfs::err;

namespace
{

using namespace wire;

constexpr u64 kWanted = OBD_CONNECT_IBITS | OBD_CONNECT_NODEVOH | OBD_CONNECT_ATTRFID |
			OBD_CONNECT_VERSION | OBD_CONNECT_BRW_SIZE | OBD_CONNECT_CANCELSET |
			OBD_CONNECT_FID | OBD_CONNECT_AT | OBD_CONNECT_LOV_V3 | OBD_CONNECT_VBR |
			OBD_CONNECT_FULL20 | OBD_CONNECT_64BITHASH | OBD_CONNECT_EINPROGRESS |
			OBD_CONNECT_JOBSTATS | OBD_CONNECT_LVB_TYPE | OBD_CONNECT_LAYOUTLOCK |
			OBD_CONNECT_PINGLESS | OBD_CONNECT_MAX_EASIZE | OBD_CONNECT_FLOCK_DEAD |
			OBD_CONNECT_DISP_STRIPE | OBD_CONNECT_OPEN_BY_FID | OBD_CONNECT_BULK_MBITS |
			OBD_CONNECT_SUBTREE | OBD_CONNECT_MULTIMODRPCS | OBD_CONNECT_FLAGS2 |
			OBD_CONNECT_ACL | OBD_CONNECT_LARGE_ACL | OBD_CONNECT_UMASK |
			OBD_CONNECT_LRU_RESIZE;
constexpr u64 kWanted2 = OBD_CONNECT2_SUM_STATFS | OBD_CONNECT2_OVERSTRIPING |
			 OBD_CONNECT2_LOCK_CONVERT | OBD_CONNECT2_INC_XID | OBD_CONNECT2_LSOM |
			 OBD_CONNECT2_REP_MBITS;
constexpr u32 kReaddirBytes = 1u << 20;

ObdConnectData wanted(const MdcSpec &spec) noexcept
{
	ObdConnectData d{};
	d.connect_flags = kWanted | (spec.user_xattr ? OBD_CONNECT_XATTR : 0) |
			  (spec.read_only ? OBD_CONNECT_RDONLY : 0);
	d.connect_flags2 = kWanted2;
	d.version = LUSTRE_VERSION_CODE;
	d.ibits_known = MDS_INODELOCK_FULL;
	d.brw_size = kReaddirBytes;
	return d;
}

} // namespace

// ---- who asks ----

Caller Caller::here(u32 gid1, u32 gid2) noexcept
{
	Caller c;
	vfs_cred(&c.cred);
	if (gid1 != MDT_INVALID_GID && vfs_in_group(gid1))
		c.group1 = gid1;
	if (gid2 != MDT_INVALID_GID && vfs_in_group(gid2))
		c.group2 = gid2;
	return c;
}

void put_caller(MdtBody &b, const Caller &who) noexcept
{
	b.fsuid = who.cred.fsuid;
	b.fsgid = who.cred.fsgid;
	b.capability = static_cast<u32>(who.cred.caps);
	b.uid = who.cred.uid;
	b.gid = who.cred.gid;
	b.suppgid = who.group1;
}

void put_ids(rpc::ClientRequest &req, const Caller &who) noexcept
{
	req.options.has_ids = true;
	req.options.uid = who.cred.uid;
	req.options.gid = who.cred.gid;
}

void Early::add(const Fid &fid, u64 bits) noexcept
{
	ldlm::DropSpec d;
	d.type = ldlm::LDLM_IBITS;
	d.name = ldlm::ResName::of_fid(fid);
	d.bits = bits;
	n_ += ns_.collect(d, {handles_ + n_, std::size(handles_) - n_});
}

// ---- life ----

Result<cfs::UniquePtr<Mdc>> Mdc::make(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const MdcSpec &spec) noexcept
{
	auto mdc = TRY(cfs::try_make<Mdc>(rpc));
	rpc::ImportSpec is = rpc::mdt_import();
	is.device = spec.device;
	is.target = spec.target;
	is.client_uuid = spec.client_uuid;
	is.wanted = wanted(spec);
	is.required = wire::CLIENT_CONNECT_MDT_REQD;
	is.user = mdc.get();
	mdc->import_ = TRY(rpc.new_import(is));
	mdc->link_.emplace(*mdc->import_, ldlm.enqueue_min());
	mdc->ns_ = TRY(ldlm.open_client({spec.device, spec.locks, &*mdc->link_}));
	mdc->ldlm_ = &ldlm;
	TRY(ldlm.serve_callbacks(*mdc->import_, *mdc->ns_));
	mdc->serving_ = true;
	return mdc;
}

Result<> Mdc::connect(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	TRY(import_->start());
	return import_->wait_full(mode, deadline);
}

void Mdc::abort() noexcept
{
	import_->set_active(false);
	ns_->on_evicted(); // whoever waits for a lock hears nothing of the connection
}

void Mdc::close(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	closed_ = true;
	if (ns_)
		while (!ns_->close(false, cfs::WaitMode::idle, cfs::Instant::never()))
			;
	if (import_)
		(void)import_->disconnect(mode, deadline);
}

void Mdc::destroy() noexcept
{
	// One that was made and not connected.
	if (!closed_)
		close(cfs::WaitMode::idle, cfs::Instant::now());
	if (serving_)
		ldlm_->end_callbacks(*import_);
	ns_.reset();
	link_.reset();
	import_.reset();
	this->~Mdc();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- ImportUser ----

Result<> Mdc::on_connected(rpc::Import &import, const ObdConnectData &granted, bool first) noexcept
{
	if (first && !(granted.connect_flags.get() & OBD_CONNECT_LAYOUTLOCK))
		CWARN(CFS_S_MDC, "{}: the server gives no layout locks: layouts must not change",
		      import.device());
	return {};
}

bool Mdc::replay_locks(rpc::Import &) noexcept
{
	return ns_->replay();
}

void Mdc::on_evicted(rpc::Import &import) noexcept
{
	ns_->on_evicted();
	LCONSOLE_WARN(CFS_S_MDC,
		      "{}: evicted by {}: cached names and open files of this target are lost",
		      import.device(), import.target());
}

void Mdc::on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept
{
	ns_->on_reply(slv, limit);
}

// ---- FIDs ----

Result<Fid> Mdc::new_fid() noexcept
{
	cfs::MutexGuard g(fid_lock_);
	if (seq_ == 0 || next_oid_ > LUSTRE_METADATA_SEQ_MAX_WIDTH) {
		using Format = rpc::op::SeqQuery;
		auto req = TRY(rpc::Request<Format>::make(*import_));
		req.get<rpc::fld::SeqOp>() = SeqOp::SEQ_ALLOC_META;
		req->options.request_portal = Portal::SEQ_METADATA_PORTAL;
		req->options.during_recovery = true;
		TRY(req.send_wait());
		auto reply = TRY(req.reply());
		const SeqRange &r = reply.get<rpc::fld::SeqRange>();
		if (r.start.get() >= r.end.get() || r.start.get() < FID_SEQ_NORMAL) {
			CERROR(CFS_S_FID, "{}: bad sequence [{:#x}, {:#x})", import_->device(),
			       r.start, r.end);
			return cfs::fail(INVAL);
		}
		seq_ = r.start.get();
		next_oid_ = LUSTRE_FID_INIT_OID;
	}
	return make_fid(seq_, next_oid_++);
}

} // namespace client
