// SPDX-License-Identifier: GPL-2.0
//
// Configuration logs.
#include "llog/config.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/log.hpp"

namespace llog
{

using namespace cfs::err;
using cfs::fail;
using wire::LcfgCommand;

// ---- layout ----

namespace
{

constexpr std::size_t cfg_head(std::size_t buffers) noexcept
{
	return wire::round8(sizeof(wire::LustreCfg) + 4 * buffers);
}

} // namespace

Result<CfgView> parse_cfg(Bytes body) noexcept
{
	const wire::LustreCfg *h = TRY(cfs::view_at<wire::LustreCfg>(body, 0));
	if (h->version != wire::LUSTRE_CFG_VERSION || h->bufcount > wire::LUSTRE_CFG_MAX_BUFCOUNT)
		return fail(PROTO);
	CfgView c;
	c.command = h->command;
	c.num = h->num;
	c.flags = h->flags;
	c.nid = h->nid;
	c.count = h->bufcount;
	cfs::Reader r(body);
	TRY(r.skip(sizeof(*h)));
	auto lengths = TRY(r.array<wire::le32>(c.count));
	TRY(r.skip(cfg_head(c.count) - sizeof(*h) - 4 * c.count));
	for (std::uint32_t i = 0; i < c.count; i++) {
		std::size_t n = lengths[i];
		// The last one need not be padded.
		Bytes padded = TRY(r.take(std::min(wire::round8(n), std::max(r.left(), n))));
		c.buffers[i] = padded.first(n);
	}
	return c;
}

std::size_t cfg_bytes(std::span<const Bytes> buffers) noexcept
{
	std::size_t n = cfg_head(buffers.size());
	for (Bytes b : buffers)
		n += wire::round8(b.size());
	return n;
}

void write_cfg(MutBytes out, LcfgCommand command, std::uint32_t num, std::uint64_t nid,
	       std::span<const Bytes> buffers) noexcept
{
	CFS_ASSERT(buffers.size() <= wire::LUSTRE_CFG_MAX_BUFCOUNT &&
		   out.size() == cfg_bytes(buffers));
	std::memset(out.data(), 0, out.size());
	auto *h = reinterpret_cast<wire::LustreCfg *>(out.data());
	h->version = wire::LUSTRE_CFG_VERSION;
	h->command = command;
	h->num = num;
	h->nid = nid;
	h->bufcount = static_cast<std::uint32_t>(buffers.size());
	std::size_t at = cfg_head(buffers.size());
	for (std::size_t i = 0; i < buffers.size(); i++) {
		wire::le32 n = static_cast<std::uint32_t>(buffers[i].size());
		std::memcpy(out.data() + sizeof(*h) + 4 * i, &n, sizeof(n));
		if (!buffers[i].empty())
			std::memcpy(out.data() + at, buffers[i].data(), buffers[i].size());
		at += wire::round8(buffers[i].size());
	}
}

Result<> declare_append_cfg(Log &log, osd::Transaction &tx, std::span<const Bytes> buffers) noexcept
{
	return log.declare_append(tx, cfg_bytes(buffers));
}

Result<std::uint32_t> append_cfg(Log &log, osd::Transaction &tx, LcfgCommand command,
				 std::uint32_t num, std::uint64_t nid,
				 std::span<const Bytes> buffers) noexcept
{
	if (buffers.size() > wire::LUSTRE_CFG_MAX_BUFCOUNT)
		return fail(INVAL);
	auto body = TRY(cfs::Array<std::byte>::make(CFS_S_LOG, cfg_bytes(buffers)));
	write_cfg({body.data(), body.size()}, command, num, nid, buffers);
	Bytes b(body.data(), body.size());
	return log.append(tx, LlogRecType::OBD_CFG_REC, {&b, 1});
}

// ---- skipping groups ----

namespace
{

/// The marker in a record, or null.
const wire::CfgMarker *marker_of(const Record &r, std::size_t *at) noexcept
{
	if (r.type != LlogRecType::OBD_CFG_REC)
		return nullptr;
	auto c = parse_cfg(r.body);
	if (!c || c->command != LcfgCommand::LCFG_MARKER || c->count < 2 ||
	    c->buffers[1].size() < sizeof(wire::CfgMarker))
		return nullptr;
	*at = static_cast<std::size_t>(c->buffers[1].data() - r.body.data());
	return reinterpret_cast<const wire::CfgMarker *>(c->buffers[1].data());
}

/// Rewrites markers.
class Skipper final : public RecordVisitor
{
	Log &log_;
	std::string_view target_, comment_;
	std::int64_t now_;
	bool inside_ = false;

public:
	std::uint32_t groups = 0;

	Skipper(Log &log, std::string_view target, std::string_view comment,
		std::int64_t now) noexcept
	    : log_(log), target_(target), comment_(comment), now_(now)
	{
	}

	Result<Next> record(const Record &r) noexcept override
	{
		std::size_t at = 0;
		const wire::CfgMarker *m = marker_of(r, &at);
		if (!m || m->flags & wire::CM_SKIP || m->tgtname.view() != target_ ||
		    m->comment.view() != comment_)
			return Next::go_on;
		bool start = m->flags & wire::CM_START;
		if (!start && !inside_)
			return Next::go_on;
		inside_ = start;
		groups += start;
		TRY(rewrite(r, *m, at));
		return Next::go_on;
	}

private:
	Result<> rewrite(const Record &r, const wire::CfgMarker &old, std::size_t at) noexcept
	{
		auto body = TRY(cfs::Array<std::byte>::make(CFS_S_LOG, r.body.size()));
		std::memcpy(body.data(), r.body.data(), r.body.size());
		wire::CfgMarker m = old;
		m.flags |= wire::CM_SKIP;
		m.canceltime = now_;
		std::memcpy(body.data() + at, &m, sizeof(m));
		osd::TransactionPtr tx = TRY(log_.object().device().begin());
		TRY(log_.declare_rewrite(*tx, r));
		TRY(tx->start());
		auto done = log_.rewrite(*tx, r, {body.data(), body.size()});
		TRY(tx->stop());
		return done;
	}
};

} // namespace

Result<std::uint32_t> skip_groups(Log &log, std::string_view target, std::string_view comment,
				  std::int64_t now) noexcept
{
	Skipper s(log, target, comment, now);
	(void)TRY(process(log, log.name(), s));
	return s.groups;
}

// ---- the handler's defaults ----

Result<> ConfigHandler::attach(std::string_view, std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::setup(std::string_view, std::span<const Bytes>) noexcept
{
	return {};
}
Result<> ConfigHandler::detach(std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::cleanup(std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::add_uuid(std::string_view, std::uint64_t, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::del_uuid(std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::add_conn(std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::del_conn(std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::mount_opts(std::string_view, std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::add_ost(const Target &) noexcept
{
	return {};
}
Result<> ConfigHandler::del_ost(const Target &) noexcept
{
	return {};
}
Result<> ConfigHandler::add_mdt(const Target &) noexcept
{
	return {};
}
Result<> ConfigHandler::del_mdt(const Target &) noexcept
{
	return {};
}
Result<> ConfigHandler::param(std::string_view, std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::set_param(std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::set_timeout(std::uint32_t) noexcept
{
	return {};
}
Result<> ConfigHandler::set_ldlm_timeout(std::uint32_t) noexcept
{
	return {};
}
Result<> ConfigHandler::sptlrpc(std::string_view, std::string_view) noexcept
{
	return {};
}
Result<> ConfigHandler::pool(Pool, std::string_view, std::string_view, std::string_view,
			     std::string_view) noexcept
{
	return {};
}

// ---- the reader ----

namespace
{

/// A decimal or 0x number that is the whole text.
Result<std::uint32_t> number(std::string_view s) noexcept
{
	std::uint32_t base = 10;
	if (s.starts_with("0x")) {
		base = 16;
		s.remove_prefix(2);
	}
	if (s.empty())
		return fail(PROTO);
	std::uint32_t n = 0;
	for (char c : s) {
		std::uint32_t digit = c >= '0' && c <= '9' ? static_cast<std::uint32_t>(c - '0')
				      : c >= 'a' && c <= 'f'
					      ? static_cast<std::uint32_t>(c - 'a') + 10
					      : 99;
		if (digit >= base || __builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, digit, &n))
			return fail(PROTO);
	}
	return n;
}

std::string_view keep(std::span<char> to, std::string_view from) noexcept
{
	std::size_t n = std::min(from.size(), to.size());
	std::memcpy(to.data(), from.data(), n);
	return {to.data(), n};
}

} // namespace

Result<ProcessResult> ConfigReader::read(LogSource &log) noexcept
{
	ProcessResult r = TRY(process(log, name_, *this, last_index_ + 1));
	last_index_ = std::max(last_index_, r.last_index);
	return r;
}

Result<RecordVisitor::Next> ConfigReader::record(const Record &r) noexcept
{
	last_index_ = std::max(last_index_, r.index);
	auto c = r.type == LlogRecType::OBD_CFG_REC ? parse_cfg(r.body)
						    : Result<CfgView>(fail(PROTO));
	Result<> done;
	if (!c)
		done = fail(c.error());
	else if (c->command == LcfgCommand::LCFG_MARKER)
		done = marker(*c);
	else if (inside_ && !skipping_)
		done = command(*c);
	if (!done && done.error() == PROTO) {
		CERROR(CFS_S_LOG,
		       "configuration {:e}: passing over record {}, which makes no sense", name_,
		       r.index);
		return Next::go_on;
	}
	if (!done)
		return fail(done.error());
	return Next::go_on;
}

bool ConfigReader::is_excluded(std::string_view target) const noexcept
{
	std::string_view rest = excluded_;
	while (!rest.empty()) {
		std::size_t n = std::min(rest.find(':'), rest.size());
		if (rest.substr(0, n) == target)
			return true;
		rest.remove_prefix(std::min(n + 1, rest.size()));
	}
	return false;
}

Result<> ConfigReader::marker(const CfgView &c) noexcept
{
	if (c.count < 2 || c.buffers[1].size() < sizeof(wire::CfgMarker))
		return fail(PROTO);
	auto *m = reinterpret_cast<const wire::CfgMarker *>(c.buffers[1].data());
	if (m->flags & wire::CM_END) {
		inside_ = skipping_ = false;
		handler_.set_group({});
		return {};
	}
	if (!(m->flags & wire::CM_START))
		return fail(PROTO);
	inside_ = true;
	skipping_ = m->flags & wire::CM_SKIP;
	CfgGroup g;
	g.target = keep(target_, m->tgtname.view());
	g.comment = keep(comment_, m->comment.view());
	g.step = m->step;
	g.excluded = m->flags & wire::CM_EXCLUDE || is_excluded(g.target);
	handler_.set_group(g);
	return {};
}

Result<> ConfigReader::command(const CfgView &c) noexcept
{
	switch (c.command) {
	case LcfgCommand::LCFG_ATTACH:
		return handler_.attach(c.text(0), c.text(1), c.text(2));
	case LcfgCommand::LCFG_SETUP:
		if (c.count == 0)
			return fail(PROTO);
		return handler_.setup(c.text(0), std::span(c.buffers).subspan(1, c.count - 1));
	case LcfgCommand::LCFG_DETACH:
		return handler_.detach(c.text(0));
	case LcfgCommand::LCFG_CLEANUP:
	case LcfgCommand::LCFG_PRE_CLEANUP:
		return handler_.cleanup(c.text(0));
	case LcfgCommand::LCFG_ADD_UUID:
		return handler_.add_uuid(c.text(1), c.nid, c.text(2));
	case LcfgCommand::LCFG_DEL_UUID:
		return handler_.del_uuid(c.text(1));
	case LcfgCommand::LCFG_ADD_CONN:
		return handler_.add_conn(c.text(0), c.text(1));
	case LcfgCommand::LCFG_DEL_CONN:
		return handler_.del_conn(c.text(0), c.text(1));
	case LcfgCommand::LCFG_MOUNTOPT:
		return handler_.mount_opts(c.text(1), c.text(2), c.text(3));
	case LcfgCommand::LCFG_SET_TIMEOUT:
		return handler_.set_timeout(c.num);
	case LcfgCommand::LCFG_SET_LDLM_TIMEOUT:
		return handler_.set_ldlm_timeout(c.num);
	case LcfgCommand::LCFG_SPTLRPC_CONF:
		return handler_.sptlrpc(c.text(0), c.text(1));
	case LcfgCommand::LCFG_PARAM:
	case LcfgCommand::LCFG_SET_PARAM:
		return param_command(c);
	case LcfgCommand::LCFG_LOV_ADD_OBD:
	case LcfgCommand::LCFG_LOV_ADD_INA:
	case LcfgCommand::LCFG_LOV_DEL_OBD:
	case LcfgCommand::LCFG_ADD_MDC:
	case LcfgCommand::LCFG_DEL_MDC:
		return target_command(c);
	case LcfgCommand::LCFG_POOL_NEW:
	case LcfgCommand::LCFG_POOL_ADD:
	case LcfgCommand::LCFG_POOL_REM:
	case LcfgCommand::LCFG_POOL_DEL:
		return pool_command(c);
	default:
		break;
	}
	auto raw = static_cast<std::uint32_t>(c.command);
	if (raw & wire::LCFG_REQUIRED) {
		CERROR(CFS_S_LOG, "configuration {:e}: command {:#x} is not known here", name_,
		       raw);
		return fail(OPNOTSUPP);
	}
	return {};
}

Result<> ConfigReader::param_command(const CfgView &c) noexcept
{
	for (std::uint32_t i = 1; i < c.count; i++) {
		std::string_view text = c.text(i);
		std::size_t eq = text.find('=');
		// The last buffer of LCFG_SET_PARAM names a program.
		if (c.command == LcfgCommand::LCFG_SET_PARAM && i > 1)
			break;
		if (eq == std::string_view::npos)
			return fail(PROTO);
		auto key = text.substr(0, eq);
		std::string_view value = text;
		value.remove_prefix(eq + 1);
		TRY(c.command == LcfgCommand::LCFG_PARAM ? handler_.param(c.text(0), key, value)
							 : handler_.set_param(key, value));
	}
	return {};
}

Result<> ConfigReader::target_command(const CfgView &c) noexcept
{
	ConfigHandler::Target t;
	t.owner = c.text(0);
	t.uuid = c.text(1);
	t.index = TRY(number(c.text(2)));
	t.gen = TRY(number(c.text(3)));
	t.mdc_uuid = c.text(4);
	t.active = c.command != LcfgCommand::LCFG_LOV_ADD_INA && !handler_.group().excluded;
	switch (c.command) {
	case LcfgCommand::LCFG_LOV_DEL_OBD:
		return handler_.del_ost(t);
	case LcfgCommand::LCFG_ADD_MDC:
		return handler_.add_mdt(t);
	case LcfgCommand::LCFG_DEL_MDC:
		return handler_.del_mdt(t);
	default:
		return handler_.add_ost(t);
	}
}

Result<> ConfigReader::pool_command(const CfgView &c) noexcept
{
	using Pool = ConfigHandler::Pool;
	Pool what = c.command == LcfgCommand::LCFG_POOL_NEW   ? Pool::create
		    : c.command == LcfgCommand::LCFG_POOL_DEL ? Pool::destroy
		    : c.command == LcfgCommand::LCFG_POOL_ADD ? Pool::add
							      : Pool::remove;
	return handler_.pool(what, c.text(0), c.text(1), c.text(2), c.text(3));
}

} // namespace llog
