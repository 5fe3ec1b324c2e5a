// SPDX-License-Identifier: GPL-2.0
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "osd/local.hpp"
#include "osp/device.hpp"
#include "ost/object_id.hpp"
#include "wire/print.hpp"

namespace osp
{

using namespace cfs::err;

namespace
{

constexpr u64 kWantedFlags =
	wire::OBD_CONNECT_INDEX | wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_FLAGS2 |
	wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_LRU_RESIZE |
	wire::OBD_CONNECT_MDS | wire::OBD_CONNECT_SKIP_ORPHAN | wire::OBD_CONNECT_FID |
	wire::OBD_CONNECT_LVB_TYPE | wire::OBD_CONNECT_PINGLESS | wire::OBD_CONNECT_BULK_MBITS;

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&OspDevice::used_now>(
		{.name = "prealloc_last_used", .doc = "Number of the object that was used last."}),
	cfs::param_int<&OspDevice::created_now>(
		{.name = "prealloc_last_id", .doc = "Highest number that the OST has created."}),
	cfs::param_int<&OspDevice::reserved_now>(
		{.name = "prealloc_reserved", .doc = "Objects reserved and not taken yet."}),
	cfs::param_int<&OspDevice::create_count>(
		{.name = "create_count", .doc = "Objects asked for at once."}),
	cfs::param_int<&OspDevice::changes_waiting>(
		{.name = "sync_changes",
		 .doc = "Removals and changes of owners that the OST has not made yet."}),
	cfs::param_bool<&OspDevice::active>(
		{.name = "active", .doc = "Whether new files get objects here."}),
	cfs::param_text<&OspDevice::show_import>(
		{.name = "import", .doc = "The connection to the OST.", .tree = CFS_PTREE_DEBUGFS}),
};

/// The number at `index` of an array in a file; 0 behind its end.
cfs::Result<u64> read_slot(osd::Object &file, u32 index) noexcept
{
	cfs::le64 v{};
	osd::Body *body = TRY(file.body());
	(void)TRY(body->read(u64{index} * sizeof(v), std::as_writable_bytes(std::span(&v, 1))));
	return v.get();
}

cfs::Result<> write_slot(osd::Transaction &tx, osd::Object &file, u32 index, u64 value) noexcept
{
	cfs::le64 v{};
	v = value;
	osd::Body *body = TRY(file.body());
	return body->write(tx, u64{index} * sizeof(v), cfs::bytes_of(v));
}

} // namespace

// ---- life ----

cfs::Result<cfs::UniquePtr<Osp>> Osp::create(rpc::Rpc &rpc, osd::Device &device,
					     const OspConfig &config) noexcept
{
	auto o = TRY(cfs::try_make<OspDevice>(rpc, device));
	TRY(o->init(config));
	return cfs::UniquePtr<Osp>(std::move(o));
}

cfs::Result<> OspDevice::init(const OspConfig &config) noexcept
{
	// Objects of other MDTs come from sequences of their own, which are not asked for yet.
	if (config.mdt_index != 0)
		return cfs::fail(OPNOTSUPP);
	std::string_view name = cfs::format_cstr(name_, "{}", config.device);
	ost_index_ = config.ost_index;
	objid_ = TRY(osd::find_or_create(*device_, osd::local_fid(wire::LocalOid::MDD_LOV_OBJ_OID),
					 osd::local_file_spec()));
	objseq_ =
		TRY(osd::find_or_create(*device_, osd::local_fid(wire::LocalOid::MDD_LOV_OBJ_OSEQ),
					osd::local_file_spec()));
	u64 used = TRY(read_slot(*objid_, ost_index_));
	u64 seq = TRY(read_slot(*objseq_, ost_index_));
	if (seq != 0) {
		CERROR(kSubsys,
		       "{}: the MDT has used objects of sequence {:#x} here, which this "
		       "release cannot continue",
		       name, seq);
		return cfs::fail(OPNOTSUPP);
	}
	{
		cfs::SpinGuard g(lock_);
		// Number 1 counts as used from the beginning.
		recovering_ = config.recovering;
		used_ = created_ = used ? used : 1;
		last_known_ = used > 1;
	}
	rpc::ImportSpec s = rpc::ost_import();
	s.device = name;
	s.target = config.target;
	s.client_uuid = config.client_uuid;
	s.part = wire::SecPart::LUSTRE_SP_MDT;
	s.wanted.connect_flags = kWantedFlags;
	s.wanted.version = wire::LUSTRE_VERSION_CODE;
	s.wanted.index = ost_index_;
	s.wanted.group = config.mdt_index;
	s.required =
		wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_MDS | wire::OBD_CONNECT_SKIP_ORPHAN;
	s.user = this;
	import_ = TRY(rpc_.new_import(s));
	if (config.params) {
		TRY(params_.open(*config.params, name));
		TRY(params_.add(kParams, this));
	}
	return {};
}

cfs::Result<> OspDevice::start() noexcept
{
	TRY(thread_.start<&OspDevice::run>(rpc_.node().plat(), "osp", this));
	return import_->start();
}

void OspDevice::stop() noexcept
{
	params_.close();
	if (thread_.started()) {
		wait_committed();
		bool reachable = false;
		{
			cfs::SpinGuard g(lock_);
			reachable = full_;
		}
		if (reachable)
			(void)drain(cfs::after(kStopDrain));
	}
	{
		cfs::SpinGuard g(lock_);
		closing_ = true;
		update_usable();
		wake_thread();
		objects_.wake_all();
	}
	(void)import_->disconnect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(5)));
	{
		// What was under way has been failed; its last calls are coming.
		cfs::SpinGuard g(lock_);
		auto none = [this]() CFS_NO_TSA {
			return !pool_busy_ && !statfs_busy_ && kept_ == 0;
		};
		(void)objects_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
		CFS_ASSERT(reserved_ == 0);
	}
	thread_.join();
	Changes left;
	{
		cfs::SpinGuard g(lock_);
		left.swap(changes_);
	}
	if (!left.empty())
		CWARN(kSubsys,
		      "{}: {} removed or changed objects are left as they are: the OST could not "
		      "be reached",
		      static_cast<const char *>(name_), left.size());
	left.clear_and_dispose([](Change *c) { cfs::UniquePtr<Change>(c).reset(); });
	import_.reset();
	objid_.reset();
	objseq_.reset();
	device_.reset();
}

void OspDevice::destroy() noexcept
{
	this->~OspDevice();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- the connection ----

void OspDevice::on_disconnected(rpc::Import &) noexcept
{
	cfs::SpinGuard g(lock_);
	full_ = clean_ = false;
	epoch_++;
	update_usable();
}

void OspDevice::on_full(rpc::Import &) noexcept
{
	cfs::SpinGuard g(lock_);
	full_ = true;
	clean_ = false;
	epoch_++;
	pool_retry_ = statfs_due_ = {};
	wake_thread();
}

void OspDevice::update_usable() noexcept
{
	constexpr u32 kUnfit = wire::OS_STATFS_READONLY | wire::OS_STATFS_NOCREATE |
			       wire::OS_STATFS_ENOSPC | wire::OS_STATFS_ENOINO;
	bool fit = !closing_ && full_ && clean_ && !no_space_ && !(statfs_.state & kUnfit);
	usable_.store(fit, std::memory_order_relaxed);
}

// ---- facts ----

u64 OspDevice::available() noexcept
{
	cfs::SpinGuard g(lock_);
	return available_locked();
}

cfs::Result<wire::ObdStatfs> OspDevice::statfs() noexcept
{
	cfs::SpinGuard g(lock_);
	if (statfs_.type == 0)
		return cfs::fail(AGAIN);
	if (!full_)
		return cfs::fail(NODEV);
	wire::ObdStatfs s = statfs_;
	s.fprecreated = static_cast<u32>(available_locked());
	return s;
}

u64 OspDevice::used_now() noexcept
{
	cfs::SpinGuard g(lock_);
	return used_;
}

u64 OspDevice::created_now() noexcept
{
	cfs::SpinGuard g(lock_);
	return created_;
}

u64 OspDevice::reserved_now() noexcept
{
	cfs::SpinGuard g(lock_);
	return reserved_;
}

u64 OspDevice::create_count() noexcept
{
	cfs::SpinGuard g(lock_);
	return create_count_;
}

u64 OspDevice::changes_waiting() noexcept
{
	cfs::SpinGuard g(lock_);
	return changes_.size() + in_flight_;
}

// ---- taking objects ----

cfs::Result<Reservation> OspDevice::reserve(cfs::Instant deadline) noexcept
{
	bool try_only = deadline <= cfs::Instant::now();
	cfs::SpinGuard g(lock_);
	auto decided = [this]() CFS_NO_TSA {
		return closing_ || (full_ && clean_ && (available_locked() > 0 || no_space_));
	};
	if (!decided()) {
		if (try_only)
			return cfs::fail(AGAIN);
		wake_thread();
		TRY(objects_.wait(lock_, cfs::WaitMode::idle, deadline, decided));
	}
	if (closing_)
		return cfs::fail(SHUTDOWN);
	if (available_locked() == 0)
		return cfs::fail(NOSPC);
	reserved_++;
	if (low())
		wake_thread();
	return make_reservation(this);
}

void OspDevice::unreserve() noexcept
{
	cfs::SpinGuard g(lock_);
	reserved_--;
	wake_thread(); // the clean-up of a new connection waits for the last one
	objects_.wake_all();
}

cfs::Result<> OspDevice::declare_take(osd::Transaction &tx) noexcept
{
	osd::Body *ids = TRY(objid_->body());
	osd::Body *seqs = TRY(objseq_->body());
	TRY(ids->declare_write(tx, u64{ost_index_} * sizeof(u64), sizeof(u64)));
	return seqs->declare_write(tx, u64{ost_index_} * sizeof(u64), sizeof(u64));
}

cfs::Result<wire::Fid> OspDevice::take(osd::Transaction &tx, Reservation &r) noexcept
{
	CFS_ASSERT(r.osp() == this);
	cfs::MutexGuard order(take_lock_);
	u64 number = 0;
	{
		cfs::SpinGuard g(lock_);
		number = used_ + 1;
	}
	auto fid = TRY(ost::idif_of(number, ost_index_));
	// If this fails the reservation stays, and the number is the next one's.
	TRY(write_slot(tx, *objid_, ost_index_, number));
	TRY(write_slot(tx, *objseq_, ost_index_, 0));
	cfs::SpinGuard g(lock_);
	used_ = number;
	reserved_--;
	forget(r);
	wake_thread();
	return fid;
}

cfs::Result<> OspDevice::note_used(osd::Transaction &tx, const wire::Fid &object) noexcept
{
	cfs::MutexGuard order(take_lock_);
	u64 number = ost::number_of(object), used = 0;
	{
		cfs::SpinGuard g(lock_);
		used = used_;
	}
	// The OST makes everything up to here, and numbers are not given back.
	if (!object.is_idif() || number > used + kReplayedMax) {
		CWARN(kSubsys, "{}: a replay names object {}, and {} is the last one used",
		      static_cast<const char *>(name_), object, used);
		return {};
	}
	if (number <= used)
		return {};
	TRY(write_slot(tx, *objid_, ost_index_, number));
	TRY(write_slot(tx, *objseq_, ost_index_, 0));
	cfs::SpinGuard g(lock_);
	used_ = number;
	return {};
}

void OspDevice::set_recovering(bool yes) noexcept
{
	cfs::SpinGuard g(lock_);
	recovering_ = yes;
	wake_thread();
}

} // namespace osp
