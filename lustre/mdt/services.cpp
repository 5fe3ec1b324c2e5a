// SPDX-License-Identifier: GPL-2.0
//
// The services of an MDS node (spec 02 section 1.5). What ends waiting has threads of its own:
// closes and directory reads are not behind requests that wait for locks.
#include "mdt/mdt.hpp"

namespace mdt
{

namespace
{

struct ServiceRow {
	std::string_view name;
	std::string_view thread;
	wire::Portal portal;
	std::size_t request_max;
	std::size_t reply_max;
};

constexpr std::size_t kMdtBytes = 66560; // a value of 64 KiB and what is around it
constexpr std::size_t kIoBytes = 263168; // 16384 niobufs
constexpr std::size_t kSmallRequest = 160;
constexpr std::size_t kSmallReply = 152;

using enum wire::Portal;
constexpr ServiceRow kRows[Mds::kServices] = {
	{"mdt", "mdt", MDS_REQUEST_PORTAL, kMdtBytes, kMdtBytes},
	{"mdt_readpage", "mdt_rdpg", MDS_READPAGE_PORTAL, 5120, 9216},
	{"mdt_io", "mdt_io", MDS_IO_PORTAL, kIoBytes, 9216},
	{"mdt_seqs", "mdt_seqs", SEQ_CONTROLLER_PORTAL, kSmallRequest, kSmallReply},
	{"mdt_seqm", "mdt_seqm", SEQ_METADATA_PORTAL, kSmallRequest, kSmallReply},
	{"mdt_fld", "mdt_fld", FLD_REQUEST_PORTAL, kSmallRequest, kSmallReply},
};

} // namespace

cfs::Result<cfs::UniquePtr<Mds>> Mds::start(rpc::Rpc &rpc, cfs::ParamGroup *params) noexcept
{
	auto mds = TRY(cfs::try_make<Mds>());
	for (unsigned i = 0; i < kServices; i++) {
		const ServiceRow &row = kRows[i];
		rpc::ServiceSpec spec;
		spec.name = row.name;
		spec.thread_name = row.thread;
		spec.portals[0] = row.portal;
		spec.reply_portal = MDC_REPLY_PORTAL;
		spec.request_max = row.request_max;
		spec.reply_max = row.reply_max;
		spec.params = params;
		mds->services_[i] = TRY(rpc.start_service(spec));
	}
	return mds;
}

void Mds::stop() noexcept
{
	for (rpc::Service *&s : services_)
		if (s)
			std::exchange(s, nullptr)->stop();
}

} // namespace mdt
