// SPDX-License-Identifier: GPL-2.0
//
// The OSTs of a mount, as its configuration log names them.
#include "client/data_space.hpp"
#include "client/text.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

Result<cfs::UniquePtr<DataSpace>> DataSpace::make(cfs::Node &, rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
						  const DataSpaceSpec &spec) noexcept
{
	auto s = TRY(cfs::try_make<DataSpaceImpl>(rpc, ldlm));
	TRY(s->open(spec));
	return cfs::UniquePtr<DataSpace>(std::move(s));
}

Result<> DataSpaceImpl::open(const DataSpaceSpec &spec) noexcept
{
	TRY(copy_text(fsname_, spec.fsname));
	TRY(copy_text(instance_, spec.instance));
	TRY(copy_text(client_uuid_, spec.client_uuid));
	spec_ = spec;
	spec_.fsname = fsname_;
	spec_.instance = instance_;
	spec_.client_uuid = client_uuid_;
	if (spec.params)
		TRY(params_.open(*spec.params, "osc"));
	return {};
}

void DataSpaceImpl::destroy() noexcept
{
	this->~DataSpaceImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- the log ----

Result<> DataSpaceImpl::setup_osc(std::string_view device, std::string_view target,
				  std::string_view node) noexcept
{
	if (by_device(device))
		return cfs::fail(EXIST);
	char name[Osc::kNameMax];
	cfs::FormatSink out(name);
	out.print("{}-{}", device, spec_.instance);
	if (out.size() >= sizeof(name))
		return cfs::fail(NAMETOOLONG);
	auto osc = TRY(cfs::try_make_ref<Osc>());
	auto r = osc->open(rpc_, ldlm_, out.text(), target, spec_,
			   spec_.params ? &params_ : nullptr);
	if (r)
		r = osc->import().add_connection(node);
	if (!r) {
		osc->stop(cfs::WaitMode::idle, cfs::Instant::now());
		return r;
	}
	cfs::SpinGuard g(lock_);
	oscs_.push_back(*osc.release());
	return {};
}

Result<> DataSpaceImpl::add_conn(std::string_view device, std::string_view node) noexcept
{
	auto osc = by_device(device);
	if (!osc)
		return cfs::fail(NOENT);
	return osc->import().add_connection(node);
}

Result<> DataSpaceImpl::add_ost(u32 index, std::string_view target, u32 gen, bool active) noexcept
{
	if (index >= kOstsMax)
		return cfs::fail(INVAL);
	auto osc = by_target(target);
	if (!osc)
		return cfs::fail(NOENT);
	if (ost(index) || osc->index != Osc::kNoIndex)
		return cfs::fail(EXIST);
	{
		cfs::SpinGuard g(lock_);
		osc->index = index;
		osc->gen = gen;
		osc->active = active;
		end_ = std::max(end_, index + 1);
	}
	if (!active)
		return {};
	return osc->start();
}

Result<> DataSpaceImpl::del_ost(u32 index) noexcept
{
	auto osc = ost(index);
	if (!osc)
		return cfs::fail(NOENT);
	{
		cfs::SpinGuard g(lock_);
		osc->active = false;
	}
	osc->import().set_active(false);
	return {};
}

Result<> DataSpaceImpl::param(std::string_view device, std::string_view key,
			      std::string_view value) noexcept
{
	auto osc = by_device(device);
	if (!osc)
		return cfs::fail(NOENT);
	if (auto dot = key.rfind('.'); dot != std::string_view::npos)
		key.remove_prefix(dot + 1);
	return osc->param(key, value);
}

void DataSpaceImpl::target_moved(u32 index, std::span<const lnet::Nid> nids, u32 instance) noexcept
{
	if (auto osc = ost(index))
		osc->import().target_moved(nids, instance);
}

// ---- finding ----

cfs::RefPtr<Osc> DataSpaceImpl::ost(u32 index) noexcept
{
	cfs::SpinGuard g(lock_);
	for (Osc &o : oscs_)
		if (o.index == index)
			return cfs::RefPtr<Osc>::share(&o);
	return nullptr;
}

cfs::RefPtr<Osc> DataSpaceImpl::nth(std::size_t n) noexcept
{
	cfs::SpinGuard g(lock_);
	for (Osc &o : oscs_)
		if (n-- == 0)
			return cfs::RefPtr<Osc>::share(&o);
	return nullptr;
}

cfs::RefPtr<Osc> DataSpaceImpl::by_device(std::string_view device) noexcept
{
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc)
			return nullptr;
		std::string_view name = osc->name();
		if (name.size() == device.size() + 1 + spec_.instance.size() &&
		    name.starts_with(device))
			return osc;
	}
}

cfs::RefPtr<Osc> DataSpaceImpl::by_target(std::string_view target) noexcept
{
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc || target == osc->import().target())
			return osc;
	}
}

// ---- life ----

Result<> DataSpaceImpl::wait_connected(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc)
			return {};
		if (osc->active)
			TRY(osc->import().wait_full(mode, deadline));
	}
}

void DataSpaceImpl::abort() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		aborted_ = true;
	}
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc)
			return;
		osc->import().set_active(false);
		osc->ns().on_evicted();
	}
}

void DataSpaceImpl::close(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	for (;;) {
		cfs::RefPtr<Osc> osc;
		{
			cfs::SpinGuard g(lock_);
			if (oscs_.empty())
				break;
			osc = cfs::RefPtr<Osc>::adopt(&oscs_.front());
			oscs_.pop_front();
		}
		osc->stop(mode, deadline);
	}
	params_.close();
}

// ---- facts ----

Result<> DataSpaceImpl::statfs(struct ::lustre_statfs &out) noexcept
{
	out = {};
	cfs::Errno why = IO;
	unsigned known = 0;
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc)
			break;
		if (!osc->active)
			continue;
		auto s = osc->statfs(kStatfsAge, spec_.lazystatfs);
		if (!s) {
			why = s.error();
			if (!spec_.lazystatfs)
				return cfs::fail(why);
			continue;
		}
		u32 bsize = s->bsize.get() ? s->bsize.get() : CFS_PAGE_SIZE;
		if (known++ == 0) {
			out.bsize = bsize;
			out.namelen = s->namelen.get();
		}
		// Everything in the unit of the first.
		auto scaled = [&](u64 n) {
			return bsize == out.bsize  ? n
			       : bsize > out.bsize ? n * (bsize / out.bsize)
						   : n / (out.bsize / bsize);
		};
		out.blocks += scaled(s->blocks.get());
		out.bfree += scaled(s->bfree.get());
		out.bavail += scaled(s->bavail.get());
		out.files += s->files.get();
		out.ffree += s->ffree.get();
	}
	return known ? Result<>{} : Result<>(cfs::fail(why));
}

Result<ObdStatfs> DataSpaceImpl::ost_statfs(u32 index, bool lazy) noexcept
{
	if (index >= ost_end())
		return cfs::fail(NODEV);
	auto osc = ost(index);
	if (!osc)
		return cfs::fail(AGAIN);
	if (!osc->active)
		return cfs::fail(NODATA);
	return osc->statfs(kStatfsAge, lazy);
}

Result<OstInfo> DataSpaceImpl::ost_info(u32 index) noexcept
{
	if (index >= ost_end())
		return cfs::fail(NODEV);
	auto osc = ost(index);
	if (!osc)
		return cfs::fail(AGAIN);
	OstInfo info;
	info.index = index;
	info.gen = osc->gen;
	info.active = osc->active;
	info.state = osc->import().state();
	TRY(copy_text(info.uuid, osc->import().target()));
	return info;
}

u32 DataSpaceImpl::ost_end() noexcept
{
	cfs::SpinGuard g(lock_);
	return end_;
}

unsigned DataSpaceImpl::rpc_pages() noexcept
{
	u32 least = 0;
	for (std::size_t i = 0;; i++) {
		auto osc = nth(i);
		if (!osc)
			return least ? least : 1024;
		OscNumbers n = osc->numbers();
		if (n.settled)
			least = least ? std::min(least, n.max_pages) : n.max_pages;
	}
}

} // namespace client
