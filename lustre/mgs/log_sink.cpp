// SPDX-License-Identifier: GPL-2.0
#include "mgs/log_sink.hpp"

#include "llog/config.hpp"

namespace mgs
{

cfs::Result<> LogSink::append(std::string_view log, const ConfigRecord &record) noexcept
{
	if (records_.size() == kRecordsMax)
		return cfs::fail(cfs::err::NOSPC);
	auto p = TRY(cfs::try_make<Pending>());
	if (cfs::format_cstr(p->log, "{}", log) != log)
		return cfs::fail(cfs::err::NAMETOOLONG);
	p->body = TRY(cfs::Array<std::byte>::make(kSubsys, llog::cfg_bytes(record.buffers)));
	llog::write_cfg(p->body, record.command, record.num, record.nid, record.buffers);
	records_.push_back(*p.release());
	return {};
}

cfs::Result<> LogSink::open_logs() noexcept
{
	for (Pending &p : records_)
		p.to = TRY(logs_.make_log(p.log, llog::kConfigLog));
	return {};
}

cfs::Result<> LogSink::commit(osd::Device &device) noexcept
{
	if (records_.empty())
		return {};
	TRY(open_logs());
	auto tx = TRY(device.begin());
	for (Pending &p : records_)
		TRY(p.to->declare_append(*tx, p.body.size()));
	tx->set_sync();
	TRY(tx->start());
	cfs::Result<> done;
	for (Pending &p : records_) {
		cfs::Bytes body{p.body.data(), p.body.size()};
		auto index = p.to->append(*tx, wire::LlogRecType::OBD_CFG_REC, {&body, 1});
		if (!index) {
			done = cfs::fail(index.error());
			break;
		}
	}
	drop();
	return osd::stop(*tx, done);
}

void LogSink::drop() noexcept
{
	records_.clear_and_dispose([](Pending *p) { cfs::UniquePtr<Pending>(p).reset(); });
}

} // namespace mgs
