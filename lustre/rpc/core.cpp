// SPDX-License-Identifier: GPL-2.0
//
// RPC of one node; see core.hpp.

#include "lustre/rpc/core.hpp"

#include <algorithm>

#include "lustre/rpc/service_impl.hpp"

namespace rpc
{

using namespace cfs::err;

cfs::Result<> UuidText::set(std::string_view s) noexcept
{
	if (s.empty())
		return cfs::fail(INVAL);
	if (s.size() >= sizeof(c))
		return cfs::fail(NAMETOOLONG);
	std::fill(std::begin(c), std::end(c), '\0');
	std::copy(s.begin(), s.end(), c);
	return {};
}

/// What needs complete types.
struct Core::Tables {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	CookieTable<ExportImpl, &ExportImpl::by_cookie, &ExportImpl::cookie> exports{
		CFS_LOCK_CLASS("rpc exports")};
	CookieTable<ImportImpl, &ImportImpl::cookie_hook, &ImportImpl::cookie> imports{
		CFS_LOCK_CLASS("rpc imports")};
	cfs::RwSem targets_lock{CFS_LOCK_CLASS("rpc targets")};
	cfs::List<TargetImpl, &TargetImpl::in_core> targets;
	cfs::Mutex services_lock{CFS_LOCK_CLASS("rpc services")};
	cfs::List<ServiceImpl, &ServiceImpl::in_core> services;
};

cfs::Result<cfs::UniquePtr<Core>> Core::create(cfs::Node &node, lnet::Network &net,
					       Tunables *tunables, JobIds *jobids) noexcept
{
	auto core = TRY(cfs::try_make<Core>(node, net, tunables, jobids));
	TRY(core->init());
	return core;
}

cfs::Result<> Core::init() noexcept
{
	// XIDs of this life are above those of an earlier one (spec 02 3.1).
	u64 seconds = static_cast<u64>(cfs::real_seconds());
	u64 start = seconds << 20;
	if (seconds < 1072915200) { // before 2004 nobody set the clock
		cfs_random_bytes(&start, sizeof(start));
		start = (start >> 4) | u64{1} << 61;
	}
	xid_.store(start & ~(kXidStep - 1), std::memory_order_relaxed);
	u64 cookie = 0;
	cfs_random_bytes(&cookie, sizeof(cookie));
	cookie_.store(cookie | 1, std::memory_order_relaxed);
	TRY(completions_.create(node_.plat(), "ptlrpcd"));
	TRY(recovery_.create(node_.plat(), "ptlrpcd_rcv"));
	tables_ = TRY(cfs::try_make<Tables>()).release();
	TRY(tables_->exports.open(kSubsys, &completions_));
	TRY(tables_->imports.open(kSubsys, &completions_));
	TRY(timers_.start(node_.plat(), "ptlrpc_timer"));
	timers_started_ = true;
	return {};
}

void Core::object_gone() noexcept
{
	cfs::SpinGuard g(end_lock_);
	if (objects_.fetch_sub(1, std::memory_order_relaxed) == 1)
		end_waitq_.wake_all();
}

void Core::destroy() noexcept
{
	if (timers_started_) {
		cfs::SpinGuard g(end_lock_);
		auto none = [this] { return objects_.load(std::memory_order_relaxed) == 0; };
		(void)end_waitq_.wait(end_lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	if (tables_) {
		CFS_ASSERT(tables_->targets.empty() && tables_->services.empty());
		tables_->exports.close();
		tables_->imports.close();
		cfs::UniquePtr<Tables>(tables_).reset();
	}
	recovery_.destroy();
	completions_.destroy();
	if (timers_started_)
		timers_.stop();
	cfs_rcu_barrier(); // exports and imports are freed after a grace period
	{
		cfs::MutexGuard g(uuid_lock_);
		uuids_.clear_and_dispose([](UuidNids *u) { u->put(); });
	}
	this->~Core();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- imports ----

cfs::Result<cfs::RefPtr<Import>> Core::new_import(const ImportSpec &spec) noexcept
{
	auto imp = TRY(ImportImpl::make(*this, spec));
	if (!tables_->imports.insert(imp))
		return cfs::fail(EXIST);
	return cfs::RefPtr<Import>(std::move(imp));
}

cfs::RefPtr<Import> Core::find_import(wire::ExportHandle cookie) noexcept
{
	return cfs::RefPtr<Import>(tables_->imports.find(static_cast<u64>(cookie)));
}

void Core::forget_import(ImportImpl &i) noexcept
{
	(void)tables_->imports.erase(i);
}

// ---- uuids ----

cfs::Result<> Core::add_uuid(std::string_view uuid, const lnet::Nid &nid) noexcept
{
	UuidText u;
	TRY(u.set(uuid));
	auto fresh = TRY(cfs::try_make_ref<UuidNids>());
	fresh->uuid = u;
	fresh->nid[0] = nid;
	fresh->count = 1;
	cfs::MutexGuard g(uuid_lock_);
	for (UuidNids &have : uuids_) {
		if (!(have.uuid == u))
			continue;
		for (u32 i = 0; i < have.count; i++)
			if (have.nid[i] == nid)
				return {};
		if (have.count == kNidsPerUuid)
			return cfs::fail(NOSPC);
		have.nid[have.count++] = nid;
		return {};
	}
	if (uuid_count_ == kUuidsMax)
		return cfs::fail(NOSPC);
	uuid_count_++;
	uuids_.push_back(*fresh.release());
	return {};
}

cfs::Result<> Core::del_uuid(std::string_view uuid) noexcept
{
	cfs::MutexGuard g(uuid_lock_);
	for (UuidNids &have : uuids_) {
		if (have.uuid.view() != uuid)
			continue;
		uuids_.erase(uuids_.iterator_to(have));
		uuid_count_--;
		have.put();
		return {};
	}
	return cfs::fail(NOENT);
}

std::size_t Core::nids_of(std::string_view uuid, std::span<lnet::Nid> out) noexcept
{
	cfs::MutexGuard g(uuid_lock_);
	for (UuidNids &have : uuids_) {
		if (have.uuid.view() != uuid)
			continue;
		std::copy_n(have.nid, std::min<std::size_t>(have.count, out.size()), out.begin());
		return have.count;
	}
	return 0;
}

// ---- servers ----

cfs::Result<Service *> Core::start_service(const ServiceSpec &spec) noexcept
{
	ServiceImpl *s = TRY(ServiceImpl::make(*this, spec));
	cfs::MutexGuard g(tables_->services_lock);
	tables_->services.push_back(*s);
	return s;
}

void Core::remove_service(ServiceImpl &s) noexcept
{
	cfs::MutexGuard g(tables_->services_lock);
	if (s.in_core.is_linked())
		tables_->services.erase(tables_->services.iterator_to(s));
}

cfs::Result<Target *> Core::register_target(const TargetSpec &spec) noexcept
{
	auto t = TRY(TargetImpl::make(*this, spec));
	cfs::WriteGuard g(tables_->targets_lock);
	for (TargetImpl &have : tables_->targets)
		if (have.is(spec.name) || have.is(spec.uuid))
			return cfs::fail(EXIST);
	TargetImpl *raw = t.release();
	tables_->targets.push_back(*raw);
	return raw;
}

void Core::remove_target(TargetImpl &t) noexcept
{
	cfs::WriteGuard g(tables_->targets_lock);
	if (t.in_core.is_linked())
		tables_->targets.erase(tables_->targets.iterator_to(t));
}

TargetImpl *Core::enter_target(std::string_view name, cfs::Gate::Pass &pass) noexcept
{
	cfs::ReadGuard g(tables_->targets_lock);
	for (TargetImpl &t : tables_->targets) {
		if (!t.is(name))
			continue;
		pass = t.gate().enter();
		return pass ? &t : nullptr;
	}
	return nullptr;
}

cfs::RefPtr<ExportImpl> Core::export_of(u64 cookie) noexcept
{
	return tables_->exports.find(cookie);
}

cfs::RefPtr<Export> Core::find_export(wire::ExportHandle cookie) noexcept
{
	return cfs::RefPtr<Export>(export_of(static_cast<u64>(cookie)));
}

cfs::Result<> Core::add_export(const cfs::RefPtr<ExportImpl> &e) noexcept
{
	if (!tables_->exports.insert(e))
		return cfs::fail(EXIST);
	return {};
}

void Core::remove_export(ExportImpl &e) noexcept
{
	(void)tables_->exports.erase(e);
}

// ---- odds and ends ----

void Core::new_uuid(char (&out)[wire::UUID_MAX]) noexcept
{
	u8 b[16];
	cfs_random_bytes(b, sizeof(b));
	b[6] = static_cast<u8>((b[6] & 0x0f) | 0x40);
	b[8] = static_cast<u8>((b[8] & 0x3f) | 0x80);
	constexpr std::string_view kHex = "0123456789abcdef";
	std::size_t n = 0;
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		out[n++] = kHex[b[i] >> 4];
		out[n++] = kHex[b[i] & 15];
	}
	std::fill(out + n, out + sizeof(out), '\0');
}

} // namespace rpc
