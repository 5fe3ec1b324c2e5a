// SPDX-License-Identifier: GPL-2.0
//
// The connection to an OST: what is asked for and settled when connecting, grants, whose turn it is
// to be sent, statfs, parameters.
#include "client/osc.hpp"

#include <algorithm>

#include "client/text.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

/// The longest transfer before the server has said anything, bytes.
constexpr u32 kBrwMax = 64 << 20;
/// What we announce ourselves as.
constexpr u32 kVersion = LUSTRE_VERSION_CODE;
/// How long a writer waits for room for all that it wants to write at once.
constexpr auto kRoomWait = cfs::Duration::seconds(2);

constexpr u64 kWanted =
	OBD_CONNECT_GRANT | OBD_CONNECT_SRVLOCK | OBD_CONNECT_VERSION | OBD_CONNECT_BRW_SIZE |
	OBD_CONNECT_OSS_CAPA | OBD_CONNECT_CANCELSET | OBD_CONNECT_AT | OBD_CONNECT_LRU_RESIZE |
	OBD_CONNECT_CKSUM | OBD_CONNECT_FID | OBD_CONNECT_VBR | OBD_CONNECT_GRANT_SHRINK |
	OBD_CONNECT_FULL20 | OBD_CONNECT_LAYOUTLOCK | OBD_CONNECT_64BITHASH | OBD_CONNECT_MAXBYTES |
	OBD_CONNECT_JOBSTATS | OBD_CONNECT_EINPROGRESS | OBD_CONNECT_GRANT_PARAM |
	OBD_CONNECT_LVB_TYPE | OBD_CONNECT_SHORTIO | OBD_CONNECT_PINGLESS | OBD_CONNECT_LFSCK |
	OBD_CONNECT_BULK_MBITS | OBD_CONNECT_FLAGS2;
static_assert(kWanted == 0xa0465af2e3640038);
constexpr u64 kWanted2 = OBD_CONNECT2_LOCKAHEAD | OBD_CONNECT2_INC_XID | OBD_CONNECT2_LSEEK |
			 OBD_CONNECT2_REP_MBITS | OBD_CONNECT2_UNALIGNED_DIO;

} // namespace

struct OscParams {
	static const cfs::ParamInfo kInfo[];
};

constinit const cfs::ParamInfo OscParams::kInfo[] = {
	cfs::param_int<&Osc::rpcs_max_>(
		{.name = "max_rpcs_in_flight",
		 .doc = "Reads and writes that may be under way to this OST at once.",
		 .unit = "RPCs",
		 .by_default = Osc::kRpcsDefault,
		 .min = 1,
		 .max = 256}),
	cfs::param_int<&Osc::pages_max_>(
		{.name = "max_pages_per_rpc",
		 .doc = "Pages of one read or write at most; 0: as many as the server takes.",
		 .unit = "pages",
		 .max = 16384}),
	cfs::param_int<&Osc::dirty_mb_>(
		{.name = "max_dirty_mb",
		 .doc = "Data of this OST that may wait in memory to be written.",
		 .unit = "MiB",
		 .by_default = 64,
		 .min = 1,
		 .max = 2047}),
	cfs::param_int<&Osc::dirty_bytes>(
		{.name = "cur_dirty_grant_bytes",
		 .doc = "Grant that dirty pages and writes under way have claimed.",
		 .unit = "bytes"}),
	cfs::param_int<&Osc::grant_avail>({.name = "cur_grant_bytes",
					   .doc = "Grant that is left to be claimed.",
					   .unit = "bytes"}),
	cfs::param_text<&Osc::show_import>({.name = "import",
					    .doc = "The connection: target, state, counters.",
					    .tree = CFS_PTREE_DEBUGFS}),
	cfs::param_text<&Osc::show_state>({.name = "state",
					   .doc = "State of the connection, and its history.",
					   .tree = CFS_PTREE_DEBUGFS}),
};

// ---- life ----

Result<> Osc::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, std::string_view device,
		   std::string_view target, const DataSpaceSpec &spec,
		   cfs::ParamGroup *params) noexcept
{
	TRY(copy_text(name_, device));
	checksums_ = spec.checksum;
	rpc::ImportSpec s = rpc::ost_import();
	s.device = name_;
	s.target = target;
	s.client_uuid = spec.client_uuid;
	s.wanted.connect_flags = kWanted | (spec.read_only ? OBD_CONNECT_RDONLY : 0);
	s.wanted.connect_flags2 = kWanted2;
	s.wanted.version = kVersion;
	s.wanted.brw_size = kBrwMax;
	s.wanted.grant = 2 * kBrwMax;
	s.wanted.grant_blkbits = CFS_PAGE_SHIFT;
	s.wanted.cksum_types = rpc::checksum_bits();
	s.required = OBD_CONNECT_FULL20 | OBD_CONNECT_FID;
	s.user = this;
	import_ = TRY(rpc.new_import(s));
	TRY(locks_.open(ldlm, *import_, name_, *this));
	if (params) {
		TRY(params_.open(*params, device));
		TRY(params_.add(OscParams::kInfo, this));
	}
	return {};
}

Osc::~Osc()
{
	CFS_ASSERT(objects_.empty() && urgent_.empty() && waiting_.empty() && brws_ == 0);
}

void Osc::stop(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	params_.close();
	// The disconnect gives the locks back at the server, and ends whoever still waits.
	if (import_)
		(void)import_->disconnect(mode, deadline);
	{
		// What was kept for a replay is let go.
		cfs::SpinGuard g(lock_);
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
				  [this]() CFS_NO_TSA { return brws_ == 0; });
	}
	(void)locks_.close(false, cfs::WaitMode::idle, cfs::Instant::never());
	import_.reset();
}

OscNumbers Osc::numbers() noexcept
{
	u32 limit = pages_max_.load(std::memory_order_relaxed);
	cfs::SpinGuard g(lock_);
	OscNumbers n = numbers_;
	if (limit && limit < n.max_pages)
		n.max_pages = limit;
	return n;
}

Result<> Osc::param(std::string_view key, std::string_view value) noexcept
{
	for (const cfs::ParamInfo &p : OscParams::kInfo)
		if (key == p.spec.name)
			return p.store ? p.store(p, this, value) : Result<>(cfs::fail(PERM));
	return cfs::fail(NOENT);
}

// ---- connecting ----

void Osc::on_connecting(rpc::Import &, ObdConnectData &wanted) noexcept
{
	cfs::SpinGuard g(lock_);
	if (numbers_.settled)
		wanted.brw_size = numbers_.max_pages * CFS_PAGE_SIZE;
	wanted.grant = static_cast<u32>(
		std::min<u64>(grant_.to_ask(wanted.brw_size.get() / CFS_PAGE_SIZE), OBD_MAX_GRANT));
}

void Osc::pick_checksum(const ObdConnectData &granted, OscNumbers &n) noexcept
{
	using enum rpc::ChecksumType;
	n.checksum = adler;
	if (!(granted.connect_flags.get() & OBD_CONNECT_CKSUM))
		return;
	u32 offered = granted.cksum_types.get() & rpc::checksum_bits();
	for (auto t : {crc32c, t10ip4k, t10crc4k, adler, crc32, t10ip512, t10crc512})
		if (offered & rpc::checksum_bit(t)) {
			n.checksum = t;
			return;
		}
}

Result<> Osc::on_connected(rpc::Import &, const ObdConnectData &granted, bool first) noexcept
{
	u64 flags = granted.connect_flags.get();
	OscNumbers n;
	GrantTerms terms;

	n.settled = true;
	n.max_pages = kBrwMax / CFS_PAGE_SIZE;
	if (flags & OBD_CONNECT_BRW_SIZE) {
		u32 bytes = std::min(granted.brw_size.get(), kBrwMax);
		if (bytes < CFS_PAGE_SIZE) {
			LCONSOLE_ERROR(CFS_S_OSC,
				       "{}: {} offers transfers of {} bytes, less than a page",
				       name_, import_->target(), bytes);
			return cfs::fail(PROTO);
		}
		n.max_pages = bytes / CFS_PAGE_SIZE;
	}
	pick_checksum(granted, n);
	n.short_io = flags & OBD_CONNECT_SHORTIO;
	n.server_locks = flags & OBD_CONNECT_SRVLOCK;
	n.seeks = granted.connect_flags2.get() & OBD_CONNECT2_LSEEK;
	terms.enabled = flags & OBD_CONNECT_GRANT;
	if (flags & OBD_CONNECT_GRANT_PARAM) {
		u32 shift = std::max<u32>(granted.grant_blkbits, CFS_PAGE_SHIFT);
		terms.tax = u32{granted.grant_tax_kb.get()} << 10;
		u64 bytes = u64{granted.grant_max_blks.get()} << std::min<u32>(shift, 30);
		terms.extent_pages = static_cast<u32>(
			std::max<u64>(std::min<u64>(bytes >> CFS_PAGE_SHIFT, ~u32{0}), 1));
	}
	cfs::SpinGuard g(lock_);
	numbers_ = n;
	grant_.connected(terms.enabled ? granted.grant.get() : 0, first, terms);
	waitq_.wake_all();
	return {};
}

bool Osc::replay_locks(rpc::Import &) noexcept
{
	return ns().replay();
}

void Osc::on_evicted(rpc::Import &) noexcept
{
	ns().on_evicted();
}

void Osc::on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept
{
	ns().on_reply(slv, limit);
}

// ---- objects and their locks ----

cfs::RefPtr<OscObject> Osc::find_object(const ldlm::ResName &name) noexcept
{
	cfs::SpinGuard g(table_lock_);
	auto [from, to] = objects_.equal_range(name, ByName{});
	for (; from != to; ++from)
		if (from->try_get())
			return cfs::RefPtr<OscObject>::adopt(&*from);
	return nullptr;
}

Result<cfs::RefPtr<OscObject>> Osc::object(const ldlm::ResName &name) noexcept
{
	if (auto o = find_object(name))
		return o;
	auto made = TRY(cfs::try_make_ref<OscObject>(*this, name));
	cfs::SpinGuard g(table_lock_);
	auto [from, to] = objects_.equal_range(name, ByName{});
	for (; from != to; ++from)
		if (from->try_get()) {
			auto other = cfs::RefPtr<OscObject>::adopt(&*from);
			g.unlock(); // `made` ends below, which takes the lock
			return other;
		}
	(void)objects_.insert(*made);
	return made;
}

void Osc::forget(OscObject &o) noexcept
{
	cfs::SpinGuard g(table_lock_);
	if (o.in_table.is_linked())
		objects_.erase(objects_.iterator_to(o));
}

void Osc::on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept
{
	if (auto o = find_object(lock.desc().name))
		o->cancelled(lock, info);
}

void Osc::on_granted(ldlm::ClientLock &lock, cfs::Bytes lvb) noexcept
{
	if (auto o = object(lock.desc().name))
		(*o)->granted(lock, lvb);
}

Result<std::size_t> Osc::on_glimpse(ldlm::ClientLock &lock, cfs::Bytes, cfs::MutBytes lvb) noexcept
{
	auto o = find_object(lock.desc().name);
	if (!o)
		return cfs::fail(NODATA);
	return o->glimpsed(lvb);
}

bool Osc::may_drop(ldlm::ClientLock &lock, ldlm::CancelReason why) noexcept
{
	if (why != ldlm::CancelReason::recovery)
		return true;
	// What is not written could not be written any more.
	auto *rec = static_cast<LockRecord *>(lock.user_data());
	return rec && rec->object->all_written();
}

// ---- grants ----

bool Osc::grant_take(u64 bytes) noexcept
{
	cfs::SpinGuard g(lock_);
	grant_.set_limit(u64{dirty_mb_.load(std::memory_order_relaxed)} << (20 - CFS_PAGE_SHIFT));
	bool got = false;
	// Writes under way bring grant, and they end by themselves.
	auto r = waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(),
			     [&]() CFS_NO_TSA {
				     got = got || grant_.take(bytes);
				     return got || writes_in_flight_ == 0;
			     });
	return r && got;
}

void Osc::grant_give_back(u64 bytes, u64 pages) noexcept
{
	cfs::SpinGuard g(lock_);
	grant_.give_back(bytes, pages);
	waitq_.wake_all();
}

void Osc::grant_received(u64 bytes) noexcept
{
	cfs::SpinGuard g(lock_);
	grant_.received(bytes);
	waitq_.wake_all();
}

GrantTerms Osc::grant_terms() noexcept
{
	cfs::SpinGuard g(lock_);
	return grant_.terms();
}

bool Osc::grant_room_for(u64 pages) noexcept
{
	cfs::SpinGuard g(lock_);
	return grant_.room_for(pages);
}

Result<> Osc::grant_wait_for(u64 pages) noexcept
{
	cfs::SpinGuard g(lock_);
	auto r = waitq_.wait(
		lock_, cfs::WaitMode::killable, cfs::after(kRoomWait),
		[&]() CFS_NO_TSA { return grant_.room_for(pages) || writes_in_flight_ == 0; });
	// There may never be as much while others write: then it goes page by page.
	return r || r.error() == TIMEDOUT ? Result<>{} : r;
}

void Osc::grant_pack(Obdo &oa, u64 used) noexcept
{
	u32 rpcs = rpcs_max_.load(std::memory_order_relaxed);
	cfs::SpinGuard g(lock_);
	grant_.pack(oa, used, numbers_.max_pages, rpcs);
}

u64 Osc::grant_avail() noexcept
{
	cfs::SpinGuard g(lock_);
	return grant_.avail();
}

u64 Osc::dirty_bytes() noexcept
{
	cfs::SpinGuard g(lock_);
	return grant_.dirty();
}

// ---- the queue ----

void Osc::count_brw(int n) noexcept
{
	cfs::SpinGuard g(lock_);
	brws_ += static_cast<u64>(static_cast<std::int64_t>(n));
	if (brws_ == 0)
		waitq_.wake_all();
}

cfs::RefPtr<Brw> Osc::next_turn() noexcept
{
	Queue &q = urgent_.empty() ? waiting_ : urgent_;
	if (q.empty() || in_flight_ >= rpcs_max_.load(std::memory_order_relaxed))
		return nullptr;
	Brw &b = q.front();
	q.pop_front();
	in_flight_++;
	writes_in_flight_ += b.is_write() ? 1 : 0;
	return cfs::RefPtr<Brw>::adopt(&b);
}

void Osc::pump() noexcept
{
	for (;;) {
		cfs::RefPtr<Brw> b;
		{
			cfs::SpinGuard g(lock_);
			b = next_turn();
		}
		if (!b)
			return;
		// finish() gives back the queue's reference.
		b.release()->start();
	}
}

void Osc::submit(cfs::RefPtr<Brw> brw) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		Brw *b = brw.release();
		(b->urgent ? urgent_ : waiting_).push_back(*b);
	}
	pump();
}

void Osc::withdraw(Brw &brw) noexcept
{
	bool unsent = false;
	{
		cfs::SpinGuard g(lock_);
		unsent = brw.in_queue.is_linked();
		if (unsent) {
			Queue &q = brw.urgent ? urgent_ : waiting_;
			q.erase(q.iterator_to(brw));
			in_flight_++;
			writes_in_flight_ += brw.is_write() ? 1 : 0;
		}
	}
	if (unsent)
		brw.drop();
	else
		brw.interrupt();
}

void Osc::finished(bool write, u64 used, u64 pages, u64 granted) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		in_flight_--;
		writes_in_flight_ -= write ? 1 : 0;
		grant_.used(used, pages);
		grant_.received(granted);
		waitq_.wake_all();
	}
	pump();
}

// ---- statfs ----

Result<ObdStatfs> Osc::statfs(cfs::Duration age, bool lazy) noexcept
{
	cfs::MutexGuard g(statfs_lock_);
	if (statfs_known_ && cfs::Instant::now() - statfs_at_ < age)
		return statfs_;
	auto req = TRY(rpc::Request<rpc::op::OstStatfs>::make(*import_));
	req->options.request_portal = Portal::OST_CREATE_PORTAL;
	req->options.no_delay = lazy;
	req->options.no_resend = lazy;
	(void)TRY(req.send_wait());
	auto reply = TRY(req.reply());
	statfs_ = reply.get<rpc::fld::ObdStatfs>();
	statfs_at_ = cfs::Instant::now();
	statfs_known_ = true;
	return statfs_;
}

} // namespace client
