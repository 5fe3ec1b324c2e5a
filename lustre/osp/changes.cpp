// SPDX-License-Identifier: GPL-2.0
//
// Changes of objects that follow from what the MDT has committed: removal, owners (spec 05 sections
// 5.2 and 6.7). They are kept in memory: after a crash of the MDT what was not yet done stays
// undone, until there is a log of them.
#include "libcfs/log.hpp"
#include "osp/device.hpp"
#include "ost/object_id.hpp"
#include "wire/print.hpp"

namespace osp
{

using namespace cfs::err;

cfs::Result<> OspDevice::later(osd::Transaction &tx, cfs::UniquePtr<Change> c) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (closing_)
			return cfs::fail(SHUTDOWN);
		uncommitted_++;
	}
	tx.on_commit(*c.release());
	return {};
}

cfs::Result<> OspDevice::destroy_later(osd::Transaction &tx, const wire::Fid &object) noexcept
{
	auto c = TRY(cfs::try_make<Change>(*this));
	c->object = object;
	return later(tx, std::move(c));
}

cfs::Result<> OspDevice::set_owner_later(osd::Transaction &tx, const wire::Fid &object,
					 const OwnerChange &to) noexcept
{
	auto c = TRY(cfs::try_make<Change>(*this));
	c->object = object;
	c->is_destroy = false;
	c->owner = to;
	return later(tx, std::move(c));
}

/// In a thread of the device's: must be quick.
void OspDevice::committed(Change &c, cfs::Errno status) noexcept
{
	if (status != cfs::Errno{})
		cfs::UniquePtr<Change>(&c).reset();
	cfs::SpinGuard g(lock_);
	uncommitted_--;
	if (status == cfs::Errno{})
		changes_.push_back(c);
	wake_thread();
	objects_.wake_all();
}

void OspDevice::wait_committed() noexcept
{
	if (auto r = device_->sync(); !r)
		CDEBUG(kSubsys, CFS_D_HA, "{}: cannot sync: rc = {}",
		       static_cast<const char *>(name_), r);
	cfs::SpinGuard g(lock_);
	auto none = [this]() CFS_NO_TSA { return uncommitted_ == 0; };
	(void)objects_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
}

cfs::Result<cfs::RefPtr<rpc::ClientRequest>> OspDevice::compose(const Change &c) noexcept
{
	constexpr u64 kName = wire::OBD_MD_FLID | wire::OBD_MD_FLGROUP;
	wire::OstId id = TRY(ost::ost_id_of(c.object));
	if (c.is_destroy) {
		rpc::RequestLengths<op::OstDestroy> n;
		n.elements<fld::DlmReq>(0);
		auto req = TRY(rpc::Request<op::OstDestroy>::make(*import_, n));
		wire::Obdo &oa = req.get<fld::OstBody>().oa;
		oa.oi = id;
		oa.valid = kName | wire::OBD_MD_FLOBJCOUNT;
		oa.misc = 1;
		return req.ref();
	}
	auto req = TRY(rpc::Request<op::OstSetattr>::make(*import_));
	wire::Obdo &oa = req.get<fld::OstBody>().oa;
	oa.oi = id;
	oa.uid = c.owner.uid;
	oa.gid = c.owner.gid;
	oa.projid = c.owner.projid;
	oa.valid = kName | (c.owner.has_uid ? wire::OBD_MD_FLUID : 0) |
		   (c.owner.has_gid ? wire::OBD_MD_FLGID : 0) |
		   (c.owner.has_projid ? wire::OBD_MD_FLPROJID : 0);
	return req.ref();
}

/// The first one in the queue.
void OspDevice::send_change() noexcept
{
	Change *c = nullptr;
	{
		cfs::SpinGuard g(lock_);
		if (changes_.empty())
			return;
		c = &changes_.front();
		changes_.pop_front();
		in_flight_++;
		kept_++;
	}
	c->again = false;
	auto req = compose(*c);
	if (req) {
		(*req)->send(*c);
		return;
	}
	change_answered(*c, cfs::fail(req.error()));
	change_done(*c);
}

void OspDevice::change_answered(Change &c, cfs::Result<rpc::i32> r) noexcept
{
	if (r || r.error() == NOENT) {
		// The request stays until the OST has committed it, but the next one may go.
		cfs::SpinGuard g(lock_);
		in_flight_--;
		wake_thread();
		objects_.wake_all();
		return;
	}
	{
		cfs::SpinGuard g(lock_);
		c.again = true;
		if (closing_)
			return;
	}
	CWARN(kSubsys, "{}: cannot {} object {}: rc = {}; trying again",
	      static_cast<const char *>(name_), c.is_destroy ? "remove" : "change the owner of",
	      c.object, r.error());
}

void OspDevice::change_done(Change &c) noexcept
{
	bool again = c.again;
	if (again)
		c.not_before = cfs::after(kChangeRetry);
	else
		cfs::UniquePtr<Change>(&c).reset();
	cfs::SpinGuard g(lock_);
	if (again) {
		changes_.push_back(c);
		in_flight_--;
	}
	kept_--;
	wake_thread();
	objects_.wake_all();
}

cfs::Result<> OspDevice::drain(cfs::Instant deadline) noexcept
{
	cfs::SpinGuard g(lock_);
	wake_thread();
	auto none = [this]() CFS_NO_TSA {
		return closing_ || (changes_.empty() && in_flight_ == 0);
	};
	TRY(objects_.wait(lock_, cfs::WaitMode::idle, deadline, none));
	if (closing_)
		return cfs::fail(SHUTDOWN);
	return {};
}

} // namespace osp
