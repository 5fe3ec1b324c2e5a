// SPDX-License-Identifier: GPL-2.0
//
// The target as a whole: space, keys (spec 05 sections 5.5, 5.9, 5.10 and 8.5).
#include "libcfs/log.hpp"
#include "ost/device.hpp"

namespace ost
{

using namespace cfs::err;
using rpc::ServerRequest;

cfs::Result<> OstTarget::statfs(ServerRequest &req, rpc::RequestView<op::OstStatfs>) noexcept
{
	auto out = TRY(req.reply<op::OstStatfs>());
	wire::ObdStatfs &st = out.get<fld::ObdStatfs>();
	TRY(dev_->statfs(st));
	auto t = grants_->all.totals();
	u64 promised = (t.dirty + t.pending + st.bsize - 1) / st.bsize;
	st.bavail = st.bavail > promised ? st.bavail - promised : 0;
	st.fprecreated = 0;
	st.granted = 0;
	return {};
}

cfs::Result<> OstTarget::get_info(ServerRequest &req) noexcept
{
	if (!op::OstGetInfoLastFid::matches(req.message())) {
		req.refuse_as_error();
		return cfs::fail(OPNOTSUPP);
	}
	auto in = TRY(req.as<op::OstGetInfoLastFid>());
	auto out = TRY(req.reply<op::OstGetInfoLastFid>());
	wire::Fid fid = in.get<fld::Fid>();
	Sequence *s = TRY(sequence_for(req, counted_in(fid)));
	out.get<fld::Fid>() = TRY(s->fid(s->last()));
	return {};
}

cfs::Result<> OstTarget::set_info(ServerRequest &req) noexcept
{
	if (op::OstSetInfoGrantShrink::matches(req.message())) {
		auto in = TRY(req.as<op::OstSetInfoGrantShrink>());
		auto out = TRY(req.reply<op::OstSetInfoGrantShrink>());
		wire::Obdo &oa = out.get<fld::OstBody>().oa;
		oa = in.get<fld::OstBody>().oa;
		bool asked =
			(oa.valid & wire::OBD_MD_FLFLAGS) && (oa.flags & wire::OBD_FL_SHRINK_GRANT);
		OstClient &c = client_of(req);
		if (req.has_flag(wire::MSG_RESENT) || !asked ||
		    !grants_->all.incoming(c.grant, oa)) {
			oa.valid = oa.valid & ~wire::OBD_MD_FLGRANT;
			return {};
		}
		// What is left in it the client keeps.
		if (grants_->all.shrink(c.grant, oa.grant, free_bytes()))
			oa.grant = 0;
		return {};
	}
	if (op::OstSetInfoEvictByNid::matches(req.message())) {
		auto in = TRY(req.as<op::OstSetInfoEvictByNid>());
		(void)TRY(req.reply<op::OstSetInfoEvictByNid>());
		if (!req.exp()->has_flag(wire::OBD_CONNECT_MDS))
			return cfs::fail(PERM);
		char whom[128];
		auto name = cfs::format_to(whom, "nid:{}", in.get<fld::ValText>());
		(void)registration()->evict(name);
		return {};
	}
	req.refuse_as_error();
	return cfs::fail(OPNOTSUPP);
}

} // namespace ost
