// SPDX-License-Identifier: GPL-2.0
//
// What a target tells the MGS of itself (spec 02 section 9.8): that it is there, and at each start
// that it takes connections. No MGS keeps the latter, so each gets it anew.
#include <algorithm>

#include "mgc/device.hpp"
#include "rpc/format/ops_mgs.hpp"

namespace mgc
{

using namespace cfs::err;
namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

void put_nids(wire::MgsTargetInfo &mti, std::span<const lnet::Nid> nids) noexcept
{
	u32 n = 0;
	for (const lnet::Nid &nid : nids)
		if (nid.is_nid4() && !nid.is_lo() && n < wire::MTI_NIDS_MAX)
			mti.nids[n++] = nid.nid4();
	mti.nid_count = n;
}

} // namespace

/// once: fails when the MGS is away, instead of waiting for it.
cfs::Result<> MgcDevice::send_info(wire::MgsTargetInfo &mti, bool once) noexcept
{
	rpc::RequestLengths<op::MgsTargetReg> lengths;
	lengths.elements<fld::MgsTargetInfo>(0);
	rpc::ReplyLengths<op::MgsTargetReg> room;
	room.elements<fld::MgsTargetInfo>(0);
	auto req = TRY(rpc::Request<op::MgsTargetReg>::make(*import_, lengths, room));
	*req.get<fld::MgsTargetInfo>() = mti;
	req->options.no_resend = req->options.no_delay = once;
	auto sent = req.send_wait();
	if (auto reply = req.reply()) {
		auto answer = reply->get<fld::MgsTargetInfo>();
		if (answer)
			mti = *answer;
	}
	if (!sent)
		return cfs::fail(sent.error());
	if (mti.flags & wire::LDD_F_ERROR)
		return cfs::fail(INVAL);
	return {};
}

cfs::Result<> MgcDevice::register_target(wire::MgsTargetInfo &mti,
					 std::span<const lnet::Nid> nids) noexcept
{
	put_nids(mti, nids);
	return send_info(mti, false);
}

cfs::Result<> MgcDevice::announce(wire::MgsTargetInfo &mti,
				  std::span<const lnet::Nid> nids) noexcept
{
	CFS_ASSERT(announced_.empty());
	announced_ = TRY(cfs::Array<wire::MgsTargetInfo>::make(kSubsys, 1));
	put_nids(mti, nids);
	announced_[0] = mti;
	{
		cfs::SpinGuard g(lock_);
		announcing_ = true;
	}
	auto r = send_ready(mti);
	if (!r && r.error() != OPNOTSUPP) {
		cfs::SpinGuard g(lock_);
		announce_at_ = std::min(announce_at_, cfs::after(kRequeue));
		news_ = true;
		waitq_.wake_all();
	}
	return r;
}

cfs::Result<> MgcDevice::send_ready(wire::MgsTargetInfo &mti) noexcept
{
	if (!has_table())
		return cfs::fail(OPNOTSUPP);
	return send_info(mti, true);
}

/// To an MGS that may not have heard of it; one that has does nothing.
void MgcDevice::announce_again() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		announce_at_ = cfs::Instant::never();
	}
	auto copy = cfs::Array<wire::MgsTargetInfo>::make(kSubsys, 1);
	cfs::Result<> r = cfs::fail(NOMEM);
	if (copy) {
		(*copy)[0] = announced_[0];
		r = send_ready((*copy)[0]);
	}
	// An MGS without such a table, or that does not know the target, is not asked again.
	if (r || r.error() == OPNOTSUPP || r.error() == NOENT || r.error() == INVAL)
		return;
	cfs::SpinGuard g(lock_);
	announce_at_ = std::min(announce_at_, cfs::after(kRequeue));
}

} // namespace mgc
