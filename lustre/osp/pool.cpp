// SPDX-License-Identifier: GPL-2.0
//
// The pool: what is created ahead, and when (spec 05 sections 6.4 and 6.5). And the thread.
#include <algorithm>

#include "libcfs/log.hpp"
#include "osp/device.hpp"
#include "ost/object_id.hpp"

namespace osp
{

using namespace cfs::err;

// ---- the thread ----

bool OspDevice::low() noexcept
{
	u64 have = available_locked();
	u64 slack =
		std::min<u64>(1024, create_count_ > 1024 ? create_count_ / 4 : create_count_ / 2);
	return have < create_count_ && create_count_ - have > slack;
}

OspDevice::Act OspDevice::next_act(cfs::Instant now) noexcept
{
	if (closing_)
		return Act::end;
	if (!full_)
		return Act::nothing;
	if (!pool_busy_ && now >= pool_retry_) {
		if (!clean_ && !recovering_ && reserved_ == 0)
			return last_known_ ? Act::clean : Act::ask_last;
		if (clean_ && low() && !no_space_)
			return Act::create;
	}
	if (!statfs_busy_ && now >= statfs_due_)
		return Act::statfs;
	if (may_send_change() && now >= changes_.front().not_before)
		return Act::change;
	return Act::nothing;
}

/// When next_act() may have another answer although nothing happened.
cfs::Instant OspDevice::next_time() noexcept
{
	cfs::Instant t = cfs::Instant::never();
	if (!full_)
		return t;
	if (!pool_busy_ && !recovering_ && (!clean_ || low()))
		t = std::min(t, pool_retry_);
	if (!statfs_busy_)
		t = std::min(t, statfs_due_);
	if (may_send_change())
		t = std::min(t, changes_.front().not_before);
	// What has come due is waited for by events only.
	return t <= cfs::Instant::now() ? cfs::after(kRetry) : t;
}

void OspDevice::run() noexcept
{
	for (;;) {
		Act act = Act::nothing;
		{
			cfs::SpinGuard g(lock_);
			auto due = [this]() CFS_NO_TSA {
				return news_ || next_act(cfs::Instant::now()) != Act::nothing;
			};
			(void)work_.wait(lock_, cfs::WaitMode::idle, next_time(), due);
			news_ = false;
			act = next_act(cfs::Instant::now());
		}
		switch (act) {
		case Act::nothing:
			break;
		case Act::end:
			return;
		case Act::ask_last:
		case Act::clean:
		case Act::create:
			send_pool(act);
			break;
		case Act::statfs:
			send_statfs();
			break;
		case Act::change:
			send_change();
			break;
		}
	}
}

// ---- creation ----

void OspDevice::send_pool(Act act) noexcept
{
	u64 upto = 0;
	{
		cfs::SpinGuard g(lock_);
		pool_busy_ = true;
		pool_user_.act = act;
		pool_user_.epoch = epoch_;
		upto = act == Act::create ? created_ + create_count_ : used_;
	}
	auto sent = act == Act::ask_last ? send_ask_last() : send_create(act, upto);
	if (sent)
		return;
	{
		cfs::SpinGuard g(lock_);
		pool_failed(act, sent.error());
	}
	pool_done();
}

cfs::Result<> OspDevice::send_create(Act act, u64 upto) noexcept
{
	auto fid = TRY(ost::idif_of(upto, ost_index_));
	auto req = TRY(rpc::Request<op::OstCreate>::make(*import_));
	wire::Obdo &oa = req.get<fld::OstBody>().oa;
	oa.valid = wire::OBD_MD_FLGROUP;
	if (act == Act::clean) {
		oa.valid = oa.valid | wire::OBD_MD_FLFLAGS;
		oa.flags = wire::OBD_FL_DELORPHAN;
		req->options.no_resend = true;
	}
	oa.oi = TRY(ost::ost_id_of(fid));
	req->options.no_delay = true;
	req->options.no_replay = true;
	req->send(pool_user_);
	return {};
}

cfs::Result<> OspDevice::send_ask_last() noexcept
{
	constexpr std::string_view kKey("last_fid\0", 9);
	rpc::RequestLengths<op::OstGetInfoLastFid> n;
	n.bytes<fld::Key>(kKey.size());
	auto req = TRY(rpc::Request<op::OstGetInfoLastFid>::make(*import_, n));
	TRY(req.put<fld::Key>(kKey));
	req.get<fld::Fid>() = TRY(ost::idif_of(1, ost_index_));
	req->options.no_delay = true;
	req->send(pool_user_);
	return {};
}

/// The number that an answer is about.
cfs::Result<u64> OspDevice::number_in(Act act, rpc::ClientRequest &req) noexcept
{
	if (act == Act::ask_last) {
		auto reply = TRY(rpc::reply_of<op::OstGetInfoLastFid>(req));
		return ost::number_of(reply.get<fld::Fid>());
	}
	auto reply = TRY(rpc::reply_of<op::OstCreate>(req));
	auto fid = TRY(ost::fid_of(reply.get<fld::OstBody>().oa.oi, ost_index_));
	if (!fid.is_idif())
		return cfs::fail(PROTO);
	return ost::number_of(fid);
}

void OspDevice::pool_answered(Act act, u32 epoch, rpc::ClientRequest &req,
			      cfs::Result<rpc::i32> r) noexcept
{
	cfs::Result<u64> number = r ? number_in(act, req) : cfs::fail(r.error());
	cfs::SpinGuard g(lock_);
	if (epoch != epoch_)
		return;
	if (number)
		pool_news(act, *number);
	else
		pool_failed(act, number.error());
	update_usable();
	objects_.wake_all();
}

void OspDevice::pool_news(Act act, u64 number) noexcept
{
	switch (act) {
	case Act::ask_last:
		// An MDT that has lost its memory takes all there is as used.
		used_ = created_ = std::max(used_, number);
		last_known_ = true;
		break;
	case Act::clean:
		// Numbers up to here are gone for good, used or not.
		used_ = created_ = std::max(used_, number);
		clean_ = true;
		break;
	default: {
		if (number <= created_ || number - created_ > create_count_) {
			// The OST created nothing, or counts in another way: begin anew with a
			// clean-up when all that is reserved is taken.
			clean_ = number == created_;
			pool_retry_ = cfs::after(kRetry);
			break;
		}
		u64 got = number - created_;
		bool all = got >= create_count_;
		created_ = number;
		if (!all)
			create_count_ = std::max(got, kCreateMin);
		else if (available_locked() - got <= create_count_ / 4 + 1)
			create_count_ = std::min(create_count_ * 2, kCreateMax);
	}
	}
}

void OspDevice::pool_failed(Act act, cfs::Errno why) noexcept
{
	if (why == NOSPC && act == Act::create) {
		// Until statfs tells of space again.
		no_space_ = true;
		return;
	}
	pool_retry_ = cfs::after(kRetry);
	if (why != AGAIN && !closing_)
		CDEBUG(kSubsys, CFS_D_HA, "{}: cannot {} objects: rc = {}",
		       static_cast<const char *>(name_), act == Act::create ? "create" : "clean up",
		       why);
}

void OspDevice::pool_done() noexcept
{
	cfs::SpinGuard g(lock_);
	pool_busy_ = false;
	wake_thread();
	objects_.wake_all();
}

// ---- statfs ----

void OspDevice::send_statfs() noexcept
{
	auto req = rpc::Request<op::OstStatfs>::make(*import_);
	cfs::SpinGuard g(lock_);
	statfs_due_ = cfs::after(kStatfsInterval);
	if (!req)
		return;
	statfs_busy_ = true;
	g.unlock();
	(*req)->options.request_portal = wire::Portal::OST_CREATE_PORTAL;
	(*req)->options.no_resend = true;
	(*req)->options.no_delay = true;
	(*req)->send(statfs_user_);
}

void OspDevice::statfs_answered(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept
{
	if (!r)
		return;
	auto reply = rpc::reply_of<op::OstStatfs>(req);
	if (!reply)
		return;
	const wire::ObdStatfs &s = reply->get<fld::ObdStatfs>();
	if (s.type == 0 || s.bsize == 0)
		return; // not what a working OST says
	cfs::SpinGuard g(lock_);
	statfs_ = s;
	if (no_space_ && s.bavail > s.blocks / 500 && s.ffree > kCreateMin * 2) {
		no_space_ = false;
		wake_thread();
	}
	update_usable();
}

void OspDevice::statfs_done() noexcept
{
	cfs::SpinGuard g(lock_);
	statfs_busy_ = false;
	wake_thread();
	objects_.wake_all();
}

} // namespace osp
