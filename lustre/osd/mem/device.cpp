// SPDX-License-Identifier: GPL-2.0
//
// A mount of a mem::Disk, and its journal.
#include "lustre/osd/mem/device.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/fail.hpp"
#include "libcfs/log.hpp"
#include "libcfs/parse.hpp"
#include "osd/local.hpp"
#include "wire/target_name.hpp"

namespace osd::mem
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;
using cfs::SpinGuard;

namespace
{

const char *name_of(const DeviceInfo &i) noexcept
{
	return i.name;
}

std::uint64_t random_number() noexcept
{
	std::uint64_t n = 0;
	cfs_random_bytes(&n, sizeof(n));
	return n;
}

void copy_text(std::span<char> to, std::string_view from) noexcept
{
	std::size_t n = std::min(from.size(), to.size() - 1);
	std::memcpy(to.data(), from.data(), n);
	to[n] = 0;
}

bool names_an_object(const Fid &fid) noexcept
{
	if (fid.ver != 0)
		return false;
	return fid.is_sane() || fid.seq == wire::FID_SEQ_OST_MDT0 ||
	       fid.oid == wire::LUSTRE_FID_LASTID_OID;
}

} // namespace

Result<DeviceRef> mount(cfs_node *node, Disk &disk, std::string_view svname,
			const MountOptions &options) noexcept
{
	auto d = TRY(cfs::try_make<MemDevice>(disk.image(), options));
	auto ref = cfs::RefPtr<MemDevice>::adopt(d.release());
	TRY(ref->open(node, svname));
	return DeviceRef(std::move(ref));
}

// ---- mounting ----

Result<> MemDevice::fill_info(std::string_view svname) noexcept
{
	if (svname != image_.options().svname) {
		CERROR(CFS_S_OSD, "this disk was formatted for {}, not for {}",
		       image_.options().svname.c_str(), svname);
		return fail(INVAL);
	}
	copy_text(info_.name, svname);
	copy_text(info_.label, svname);
	copy_text(info_.fstype, "mem");
	if (svname == "MGS") {
		info_.type = TargetType::mgs;
	} else {
		auto name = TRY(wire::parse_target_name(svname));
		info_.type = name.kind == wire::TargetKind::mdt ? TargetType::mdt : TargetType::ost;
		info_.index = name.index;
	}
	info_.object_max = std::uint64_t{16} << 40;
	info_.link_max = image_.options().link_max;
	info_.xattr_max = kXattrSizeMax;
	info_.inode_bytes = 28;
	info_.extent_blocks_max = 16384;
	info_.extent_tax_bytes = 24576;
	info_.bulk_bytes = 4 << 20;
	info_.project_quota = true;
	return {};
}

Result<> MemDevice::open(cfs_node *node, std::string_view svname) noexcept
{
	TRY(fill_info(svname));
	std::uint64_t seed = random_number();
	{
		cfs::MutexGuard g(disk_lock);
		mount_ = image_.mount(seed);
	}
	root_ = TRY(object(kBackingRootFid, 0));
	return thread_.start<&MemDevice::run>(node, "osd_mem", this);
}

MemDevice::~MemDevice()
{
	root_.reset();
	{
		SpinGuard g(state_lock_);
		stopping_ = true;
		work_.wake_all();
	}
	thread_.join();
	SpinGuard g(cache_lock_);
	CFS_ASSERT(cache_.empty()); // somebody still has an object
}

void MemDevice::put() const noexcept
{
	if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
		cfs::detail::destroy_object(const_cast<MemDevice *>(this));
}

Result<> MemDevice::mine() const noexcept
{
	if (image_.fenced(mount_))
		return fail(IO);
	return {};
}

Result<> MemDevice::writable() const noexcept
{
	if (int e = error_.load(std::memory_order_acquire))
		return fail(cfs::Errno{e});
	return {};
}

bool MemDevice::healthy() const noexcept
{
	return error_.load(std::memory_order_acquire) == 0;
}

void MemDevice::abort(cfs::Errno why) noexcept
{
	int none = 0;
	error_.compare_exchange_strong(none, static_cast<int>(why), std::memory_order_acq_rel);
}

void MemDevice::set_read_only() noexcept
{
	abort(ROFS);
}

void MemDevice::take_time(cfs::Duration min, cfs::Duration max) noexcept
{
	if (max <= cfs::Duration{})
		return;
	auto range = static_cast<std::uint64_t>((max - min).ns()) + 1;
	auto span = min + cfs::Duration::nanos(static_cast<std::int64_t>(random_number() % range));
	cfs_sleep_until(cfs::after(span).ns());
}

// ---- totals ----

Result<> MemDevice::statfs(wire::ObdStatfs &out) noexcept
{
	std::memset(&out, 0, sizeof(out));
	cfs::MutexGuard g(disk_lock);
	TRY(mine());
	std::uint64_t total = image_.pages_total();
	std::uint64_t free = image_.pages_free();
	// As a disk keeps something back (07 2.5), though not all of a small one.
	std::uint64_t kept = std::min(std::max<std::uint64_t>(2048, total / 128), total / 8);
	out.type = info_.statfs_type;
	out.blocks = total - kept;
	out.bfree = free > kept ? free - kept : 0;
	out.bavail = free > kept ? free - kept : 0;
	out.files = image_.options().inodes;
	out.ffree = image_.inodes_free();
	out.bsize = kPage;
	out.namelen = kNameMax;
	out.maxbytes = info_.object_max;
	out.state = wire::OS_STATFS_NONROT | (healthy() ? 0 : wire::OS_STATFS_READONLY) |
		    (out.bavail == 0 ? wire::OS_STATFS_ENOSPC : 0) |
		    (out.ffree == 0 ? wire::OS_STATFS_ENOINO : 0);
	return {};
}

Result<QuotaUsage> MemDevice::usage(QuotaType type, std::uint32_t id) noexcept
{
	cfs::MutexGuard g(disk_lock);
	TRY(mine());
	return image_.usage(type, id);
}

// ---- objects ----

void MemDevice::assert_no_transaction() noexcept
{
	const void *self = cfs_thread_self();
	SpinGuard g(state_lock_);
	for (const MemTx &t : transactions_)
		CFS_ASSERT(t.thread() != self); // it may have to wait for itself
}

Result<ObjectRef> MemDevice::object(const Fid &fid, unsigned flags) noexcept
{
	if (!names_an_object(fid))
		return fail(INVAL);
	if (!(flags & kNew)) {
		assert_no_transaction();
		if (cfs::fail_check(kFailLookupUnsure))
			return fail(INPROGRESS);
	}
	auto fresh = TRY(cfs::try_make<MemObject>(*this, fid));
	cfs::MutexGuard disk(disk_lock);
	TRY(mine());
	SpinGuard g(cache_lock_);
	auto at = cache_.find(fid, ByFid{});
	if (at != cache_.end()) {
		at->refs_++;
		return ObjectRef::adopt(&*at);
	}
	fresh->inode_ = image_.find(fid);
	cache_.insert(*fresh);
	return ObjectRef::adopt(fresh.release());
}

void MemObject::get() const noexcept
{
	SpinGuard g(device_.cache_lock_);
	CFS_ASSERT(refs_ != 0);
	refs_++;
}

void MemObject::put() const noexcept
{
	auto *self = const_cast<MemObject *>(this);
	{
		SpinGuard g(device_.cache_lock_);
		CFS_ASSERT(refs_ != 0);
		if (--refs_)
			return;
		device_.cache_.erase(device_.cache_.iterator_to(*self));
	}
	cfs::detail::destroy_object(self);
}

// ---- the journal ----

void MemDevice::run() noexcept
{
	for (;;) {
		{
			SpinGuard g(state_lock_);
			cfs::Instant until = deadline_;
			(void)work_.wait(
				state_lock_, cfs::WaitMode::idle, until, [&, this]() CFS_NO_TSA {
					return stopping_ || asked_ > durable_ || deadline_ != until;
				});
			if (used_ <= durable_ && stopping_)
				return;
			bool due =
				stopping_ || asked_ > durable_ || cfs::Instant::now() >= deadline_;
			if (!due)
				continue;
		}
		commit_group();
	}
}

/// Ends the running group, when all its transactions have stopped, and makes it durable.
void MemDevice::commit_group() noexcept
{
	Callbacks callbacks;
	journal_.lock();
	std::uint64_t group = running_++;
	{
		SpinGuard g(state_lock_);
		callbacks.splice(callbacks.end(), callbacks_);
		deadline_ = cfs::Instant::never();
	}
	journal_.unlock();
	auto done = commit_to_disk(group);
	while (!callbacks.empty()) {
		CommitCallback &cb = callbacks.front();
		callbacks.pop_front();
		cb.committed(done ? cfs::Errno{} : done.error());
	}
	SpinGuard g(state_lock_);
	durable_ = group;
	if (!done && group < lost_from_)
		lost_from_ = group;
	commits_.wake_all();
}

Result<> MemDevice::commit_to_disk(std::uint64_t group) noexcept
{
	take_time(options_.commit_min, options_.commit_max);
	if (cfs::fail_check(kFailCommit)) {
		CERROR(CFS_S_OSD, "{}: the journal cannot be written: aborted", name_of(info_));
		abort(IO);
	}
	cfs::MutexGuard g(disk_lock);
	TRY(mine());
	TRY(writable());
	image_.commit(group);
	return {};
}

void MemDevice::ask_commit(std::uint64_t group) noexcept
{
	SpinGuard g(state_lock_);
	asked_ = std::max(asked_, std::min(group, used_));
	work_.wake_all();
}

Result<> MemDevice::wait_committed(std::uint64_t group) noexcept
{
	SpinGuard g(state_lock_);
	TRY(commits_.wait(state_lock_, cfs::WaitMode::idle, cfs::Instant::never(),
			  [&, this]() CFS_NO_TSA { return durable_ >= group; }));
	if (group >= lost_from_)
		return fail(IO);
	return {};
}

Result<> MemDevice::sync() noexcept
{
	assert_no_transaction();
	std::uint64_t group = 0;
	{
		SpinGuard g(state_lock_);
		group = used_;
	}
	ask_commit(group);
	TRY(wait_committed(group));
	return writable();
}

void MemDevice::start_commit() noexcept
{
	ask_commit(~std::uint64_t{0});
}

Result<TransactionPtr> MemDevice::begin() noexcept
{
	assert_no_transaction();
	return TransactionPtr(TRY(cfs::try_make<MemTx>(*this)));
}

// ---- transactions ----

MemTx::~MemTx()
{
	release_bodies();
	declared_.clear_and_dispose([](Declared *d) {
		d->object->put();
		cfs::detail::destroy_object(d);
	});
}

void MemTx::destroy() noexcept
{
	if (phase_ == Phase::running) {
		auto r = stop();
		if (!r)
			CERROR(CFS_S_OSD, "{}: a transaction that was given up failed: {}",
			       name_of(device_.info()), r.error());
	}
	this->~MemTx();
	cfs_free(kSubsys, this, sizeof(*this));
}

Device &MemTx::device() noexcept
{
	return device_;
}

/// From start to stop a transaction holds the journal, which clang cannot follow.
Result<> MemTx::start() noexcept CFS_NO_TSA
{
	CFS_ASSERT(phase_ == Phase::declaring);
	device_.assert_no_transaction();
	if (cfs::fail_check(kFailTxnStart))
		return fail(IO);
	TRY(device_.writable());
	device_.journal_.lock_shared();
	group_ = device_.running_;
	thread_ = cfs_thread_self();
	phase_ = Phase::running;
	SpinGuard g(device_.state_lock_);
	device_.transactions_.push_back(*this);
	return {};
}

Result<> MemTx::stop() noexcept CFS_NO_TSA
{
	CFS_ASSERT(phase_ == Phase::running && thread_ == cfs_thread_self());
	phase_ = Phase::done;
	{
		SpinGuard g(device_.state_lock_);
		device_.transactions_.erase(device_.transactions_.iterator_to(*this));
		device_.callbacks_.splice(device_.callbacks_.end(), callbacks_);
		device_.used_ = group_;
		if (device_.deadline_.is_never()) {
			device_.deadline_ = cfs::after(device_.options().commit_interval);
			device_.work_.wake_all();
		}
	}
	device_.journal_.unlock_shared();
	release_bodies();
	if (sync_) {
		device_.ask_commit(group_);
		TRY(device_.wait_committed(group_));
	}
	if (data_error_ != cfs::Errno{})
		return fail(data_error_);
	return {};
}

void MemTx::on_commit(CommitCallback &cb) noexcept
{
	CFS_ASSERT(phase_ == Phase::running);
	callbacks_.push_back(cb);
}

void MemTx::release_bodies() noexcept CFS_NO_TSA
{
	for (auto d = declared_.rbegin(); d != declared_.rend(); ++d) {
		if (d->locked == Declared::Body::shared)
			d->object->body_lock().unlock_shared();
		else if (d->locked == Declared::Body::exclusive)
			d->object->body_lock().unlock();
		d->locked = Declared::Body::no;
	}
}

Result<> MemTx::declare(MemObject &o, Op op, std::uint64_t a, std::uint64_t b) noexcept
{
	CFS_ASSERT(phase_ == Phase::declaring);
	TRY(device_.writable());
	auto d = TRY(cfs::try_make<Declared>(&o, op, a, b));
	declarations_++;
	o.get();
	declared_.push_back(*d.release());
	return {};
}

Result<> MemTx::declare_locked(MemObject &o, Op op, bool exclusive) noexcept CFS_NO_TSA
{
	unsigned held = 0;
	bool have = false;
	for (const Declared &d : declared_) {
		if (d.locked == Declared::Body::no)
			continue;
		held++;
		if (d.object != &o)
			continue;
		have = true;
		CFS_ASSERT(!exclusive || d.locked == Declared::Body::exclusive);
	}
	TRY(declare(o, op));
	if (have)
		return {};
	unsigned nest = std::min(held, 7u);
	if (exclusive)
		o.body_lock().lock(nest);
	else
		o.body_lock().lock_shared(nest);
	declared_.back().locked = exclusive ? Declared::Body::exclusive : Declared::Body::shared;
	return {};
}

void MemTx::use(MemObject &o, Op op, std::uint64_t a, std::uint64_t b) noexcept
{
	CFS_ASSERT(phase_ == Phase::running && thread_ == cfs_thread_self());
	// Of the declarations that cover it, the one that covers least.
	Declared *best = nullptr;
	for (Declared &d : declared_) {
		if (d.used || d.object != &o || d.op != op)
			continue;
		if (op == Op::write && (b > d.b || (d.a != kEof && (a < d.a || a + b > d.a + d.b))))
			continue;
		if (op == Op::xattr_set && a > d.a)
			continue;
		if (!best || d.b < best->b || (d.b == best->b && best->a == kEof))
			best = &d;
	}
	if (best) {
		best->used = true;
		return;
	}
	CEMERG(CFS_S_OSD, "{}: operation {} on {:#x}:{:#x} was not declared",
	       name_of(device_.info()), static_cast<unsigned>(op), o.fid().seq.get(),
	       o.fid().oid.get());
	CFS_ASSERT(false);
}

} // namespace osd::mem
