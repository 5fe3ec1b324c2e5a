// SPDX-License-Identifier: GPL-2.0
//
// Making layouts; see layout_make.hpp. An option belongs to the component whose -E stands before
// it; a component takes over count, size and pool of the one before where it says nothing.

#include "lfs/layout_make.hpp"

#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lfs/layout_text.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

using Error = std::unexpected<Refusal>;
using Done = std::expected<void, Refusal>;

/// Less is not worth a request to the MDS each time.
constexpr std::uint64_t kExtensionMin = 64 << 20;

enum Option {
	kAdd = 256,
	kDel,
	kSet,
	kFlagsOption,
	kCopy,
	kModeOption,
	kForeign,
	kForeignFlags,
};

constexpr option kOptions[] = {
	{"component-add", no_argument, nullptr, kAdd},
	{"comp-add", no_argument, nullptr, kAdd},
	{"component-del", no_argument, nullptr, kDel},
	{"comp-del", no_argument, nullptr, kDel},
	{"component-set", no_argument, nullptr, kSet},
	{"comp-set", no_argument, nullptr, kSet},
	{"component-flags", required_argument, nullptr, kFlagsOption},
	{"comp-flags", required_argument, nullptr, kFlagsOption},
	{"component-id", required_argument, nullptr, 'I'},
	{"comp-id", required_argument, nullptr, 'I'},
	{"component-end", required_argument, nullptr, 'E'},
	{"comp-end", required_argument, nullptr, 'E'},
	{"copy", required_argument, nullptr, kCopy},
	{"delete", no_argument, nullptr, 'd'},
	{"extension-size", required_argument, nullptr, 'z'},
	{"ext-size", required_argument, nullptr, 'z'},
	{"flags", required_argument, nullptr, kForeignFlags},
	{"foreign", optional_argument, nullptr, kForeign},
	{"help", no_argument, nullptr, 'h'},
	{"index", required_argument, nullptr, 'i'},
	{"layout", required_argument, nullptr, 'L'},
	{"mirror-count", optional_argument, nullptr, 'N'},
	{"mode", required_argument, nullptr, kModeOption},
	{"ost", required_argument, nullptr, 'o'},
	{"ost-list", required_argument, nullptr, 'o'},
	{"overstripe-count", required_argument, nullptr, 'C'},
	{"pool", required_argument, nullptr, 'p'},
	{"stripe-count", required_argument, nullptr, 'c'},
	{"stripe-index", required_argument, nullptr, 'i'},
	{"stripe-size", required_argument, nullptr, 'S'},
	{"xattr", required_argument, nullptr, 'x'},
	{"yaml", required_argument, nullptr, 'y'},
	{nullptr, 0, nullptr, 0},
};

class Parser
{
public:
	explicit Parser(const char *command) : command_(command) {}
	std::expected<LayoutRequest, Refusal> run(int argc, char **argv);

private:
	[[nodiscard]] Error usage(const char *what, const char *value) const
	{
		return Error(Refusal{
			4, text("lfs %s %s: invalid %s '%s'", command_, command_, what, value),
			true});
	}
	[[nodiscard]] Error refuse(int status, std::string message) const
	{
		return Error(Refusal{status, std::move(message)});
	}

	Done option(int c, const char *arg);
	Done count(const char *arg, bool overstriped);
	Done size(const char *arg);
	Done index(const char *arg);
	Done ost_list(const char *arg);
	Done pool(const char *arg);
	Done component_end(const char *arg);
	Done pattern(const char *arg);
	Done mirror(const char *arg);
	Done flags(const char *arg);
	Done foreign_option(int c, const char *arg);
	Done close_component();
	Done finish();

	const char *command_;
	LayoutRequest r_;
	ComponentRequest now_;
	bool open_ = false; ///< a component was begun by -E and is not in the list yet
	bool mirrored_ = false;
	unsigned group_ = 0; ///< copies of the mirror being described; 0: none
	std::size_t group_first_ = 0;
	std::uint64_t next_start_ = 0;
	const char *yaml_ = nullptr;
};

Done Parser::count(const char *arg, bool overstriped)
{
	auto n = parse_int(arg);
	std::int64_t lowest = overstriped ? -32 : -1;
	if (!n || *n < lowest || *n > static_cast<std::int64_t>(wire::LOV_MAX_STRIPE_COUNT))
		return usage("stripe count", arg);
	now_.count = *n;
	now_.overstriped = overstriped;
	return {};
}

Done Parser::size(const char *arg)
{
	auto n = parse_size(arg);
	if (!n || n->bytes % wire::LOV_MIN_STRIPE_SIZE)
		return usage("stripe size", arg);
	if (n->bytes > UINT32_MAX)
		return refuse(EINVAL,
			      text("lfs %s: error: stripe size '%llu' over 4GB limit: %s (%d)",
				   command_, static_cast<unsigned long long>(n->bytes),
				   strerror(EINVAL), EINVAL));
	now_.size = n->bytes;
	return {};
}

Done Parser::index(const char *arg)
{
	auto n = parse_int(arg);
	if (!n || *n < -1 || *n > 65535)
		return usage("stripe offset", arg);
	now_.index = *n;
	return {};
}

Done Parser::ost_list(const char *arg)
{
	for (const std::string &part : split(arg, ',')) {
		auto dash = part.find('-');
		auto first = parse_int(part.substr(0, dash));
		auto last = dash == part.npos ? first : parse_int(part.substr(dash + 1));
		if (!first || !last || *first < 0 || *last < *first || *last > 65535)
			return usage("OST target(s)", arg);
		for (auto i = *first; i <= *last; i++)
			now_.osts.push_back(static_cast<std::uint32_t>(i));
		if (now_.osts.size() > wire::LOV_MAX_STRIPE_COUNT)
			return usage("OST target(s)", arg);
	}
	return {};
}

Done Parser::pool(const char *arg)
{
	std::string_view name = arg;
	if (auto dot = name.find('.'); dot != name.npos)
		name.remove_prefix(dot + 1);
	if (name.size() > wire::LOV_MAXPOOLNAME)
		return usage("pool name", arg);
	now_.pool = name == wire::LOV_POOL_NONE ? std::string_view() : name;
	return {};
}

Done Parser::pattern(const char *arg)
{
	if (!strcmp(arg, "mdt"))
		now_.on_mdt = true;
	else if (strcmp(arg, "raid0") != 0)
		return refuse(EINVAL,
			      text("error: layout '%s' is unknown, supported layouts are: 'mdt', "
				   "'raid0'",
				   arg));
	return {};
}

/// Puts the component begun by the last -E into the list.
Done Parser::close_component()
{
	if (!open_)
		return {};
	open_ = false;
	if (now_.end <= now_.start)
		return refuse(EINVAL,
			      text("Set extent [%llu, %llu) failed. %s\nerror: lfs %s: invalid "
				   "layout",
				   static_cast<unsigned long long>(now_.start),
				   static_cast<unsigned long long>(now_.end), strerror(EINVAL),
				   command_));
	if (now_.extension && *now_.extension < kExtensionMin)
		return refuse(EINVAL,
			      text("Set stripe size %llu failed: %s\nerror: lfs %s: invalid layout",
				   static_cast<unsigned long long>(*now_.extension),
				   strerror(EINVAL), command_));
	next_start_ = now_.end;
	r_.components.push_back(now_);
	if (now_.extension && !now_.on_mdt) {
		// What grows, empty, and the room for it to grow into.
		ComponentRequest &base = r_.components.back();
		ComponentRequest room = base;
		auto step = base.start + *now_.extension;
		base.end = base.start ? base.start : std::min(step, now_.end);
		base.extension.reset();
		room.start = base.end;
		room.flags |= wire::LCME_FL_EXTENSION;
		r_.components.push_back(room);
	}
	return {};
}

Done Parser::component_end(const char *arg)
{
	auto n = !strcmp(arg, "-1") || !strcasecmp(arg, "eof")
			 ? std::optional<Size>(Size{wire::LUSTRE_EOF, 1})
			 : parse_size(arg);
	if (!n || (n->bytes != wire::LUSTRE_EOF && n->bytes % wire::LOV_MIN_STRIPE_SIZE))
		return usage("component end", arg);
	ComponentRequest fresh;
	if (open_) {
		ComponentRequest before = now_;
		if (auto done = close_component(); !done)
			return done;
		if (!before.on_mdt) {
			fresh.count = before.count;
			fresh.overstriped = before.overstriped;
			fresh.size = before.size;
			fresh.pool = before.pool;
		}
	} else {
		fresh = now_; // options before the first -E
	}
	now_ = fresh;
	now_.start = next_start_;
	now_.end = n->bytes;
	open_ = true;
	r_.composite = true;
	return {};
}

/// -N[n]: what follows describes n mirrors alike. They are numbered by the server.
Done Parser::mirror(const char *arg)
{
	auto n = arg ? parse_int(arg) : std::optional<std::int64_t>(1);
	if (!n || *n < 1 || *n > static_cast<std::int64_t>(wire::LUSTRE_MIRROR_COUNT_MAX))
		return usage("mirror count", arg);
	if (group_) {
		if (!open_)
			open_ = true; // no -E: the mirror is one component
		if (auto done = close_component(); !done)
			return done;
		auto last = r_.components.size();
		for (unsigned copy = 1; copy < group_; copy++)
			for (auto i = group_first_; i < last; i++)
				r_.components.push_back(ComponentRequest(r_.components[i]));
	}
	mirrored_ = true;
	r_.composite = true;
	r_.mirrors = group_ ? r_.mirrors + static_cast<unsigned>(*n) : static_cast<unsigned>(*n);
	group_ = static_cast<unsigned>(*n);
	group_first_ = r_.components.size();
	next_start_ = 0;
	now_ = {};
	if (r_.mirrors > wire::LUSTRE_MIRROR_COUNT_MAX)
		return usage("mirror count", arg ? arg : "1");
	return {};
}

Done Parser::flags(const char *arg)
{
	if (!parse_component_flags(arg, r_.set_flags, r_.cleared_flags))
		return usage("component flags", arg);
	if (open_)
		now_.flags |= r_.set_flags;
	return {};
}

Done Parser::foreign_option(int c, const char *arg)
{
	if (c == 'x') {
		r_.foreign_value = arg;
		return {};
	}
	if (c == kForeign) {
		r_.foreign = true;
		std::string_view type = arg ? arg : "none";
		if (type == "symlink")
			r_.foreign_type = wire::LU_FOREIGN_TYPE_SYMLINK;
		else if (type == "none")
			r_.foreign_type = wire::LU_FOREIGN_TYPE_NONE;
		else if (auto n = parse_int(type); n && *n >= 0 && *n <= UINT32_MAX)
			r_.foreign_type = static_cast<std::uint32_t>(*n);
		else
			return usage("foreign type", arg);
		return {};
	}
	std::string hex = strncmp(arg, "0x", 2) != 0 ? "0x" + std::string(arg) : arg;
	auto n = parse_int(hex);
	if (!n || *n < 0 || *n > UINT32_MAX)
		return usage("flags", arg);
	r_.foreign_flags = static_cast<std::uint32_t>(*n);
	return {};
}

Done Parser::option(int c, const char *arg)
{
	switch (c) {
	case 'c':
	case 'C':
		return count(arg, c == 'C');
	case 'S':
		return size(arg);
	case 'i':
		return index(arg);
	case 'o':
		return ost_list(arg);
	case 'p':
		return pool(arg);
	case 'E':
		return component_end(arg);
	case 'L':
		return pattern(arg);
	case 'N':
		return mirror(arg);
	case kFlagsOption:
		return flags(arg);
	case kForeign:
	case kForeignFlags:
	case 'x':
		return foreign_option(c, arg);
	case 'd':
		r_.remove = true;
		return {};
	case 'y':
		yaml_ = arg;
		return {};
	case kCopy:
		r_.copy_from = arg;
		return {};
	case kAdd:
		r_.change = LayoutRequest::Change::add;
		return {};
	case kDel:
		r_.change = LayoutRequest::Change::remove;
		return {};
	case kSet:
		r_.change = LayoutRequest::Change::flags;
		return {};
	default:
		break;
	}
	auto n = c == 'z' ? std::nullopt
			  : parse_int(c == kModeOption ? "0" + std::string(arg) : arg);
	if (c == 'z') {
		auto size = parse_size(arg);
		if (!size || size->bytes % wire::LOV_MIN_STRIPE_SIZE || !size->bytes)
			return usage("extension size", arg);
		now_.extension = size->bytes;
		return {};
	}
	if (!n || *n < 0 || *n > UINT32_MAX)
		return usage(c == 'I' ? "component id" : "mode", arg);
	if (c == 'I')
		r_.change_id = static_cast<std::uint32_t>(*n);
	else
		r_.mode = static_cast<unsigned>(*n);
	return {};
}

Done Parser::finish()
{
	using Change = LayoutRequest::Change;
	if (mirrored_ && !open_)
		open_ = true;
	if (now_.on_mdt && !r_.composite)
		return refuse(EINVAL, text("lfs %s: Invalid pattern: '-L mdt', must be specified "
					   "with -E: %s (%d)",
					   command_, strerror(EINVAL), EINVAL));
	if (!r_.composite)
		r_.components.push_back(now_);
	else if (auto done = close_component(); !done)
		return done;
	if (mirrored_) {
		auto last = r_.components.size();
		for (unsigned copy = 1; copy < group_; copy++)
			for (auto i = group_first_; i < last; i++)
				r_.components.push_back(ComponentRequest(r_.components[i]));
	}
	for (ComponentRequest &c : r_.components) {
		if (c.osts.empty())
			continue;
		auto wanted = static_cast<std::int64_t>(c.osts.size());
		if (c.count && *c.count > 0 && *c.count < wanted)
			return usage("stripe count",
				     text("%lld", static_cast<long long>(*c.count)).c_str());
		if (c.index && *c.index >= 0 &&
		    std::find(c.osts.begin(), c.osts.end(), *c.index) == c.osts.end())
			return usage("stripe offset",
				     text("%lld", static_cast<long long>(*c.index)).c_str());
	}
	if (yaml_)
		return refuse(EOPNOTSUPP,
			      text("error: lfs %s: --yaml is not built yet; --copy takes the "
				   "layout of a file",
				   command_));
	if (r_.change == Change::add && !r_.composite)
		return refuse(EINVAL, text("lfs %s: component-add needs -E", command_));
	if ((r_.change == Change::remove && !r_.change_id && !r_.set_flags && !r_.cleared_flags) ||
	    (r_.change == Change::flags && !r_.set_flags && !r_.cleared_flags))
		return refuse(EINVAL, text("lfs %s: which component, or which flags?", command_));
	return {};
}

std::expected<LayoutRequest, Refusal> Parser::run(int argc, char **argv)
{
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "c:C:dE:hi:I:L:N::o:p:S:x:y:z:", kOptions,
				     nullptr)) != -1;) {
		if (c == 'h')
			return Error(Refusal{4, "", true});
		if (c == '?')
			return Error(Refusal{4,
					     text("lfs %s: unrecognized option '%s'", command_,
						  argv[optind - 1]),
					     true});
		if (auto done = option(c, optarg); !done)
			return Error(done.error());
	}
	for (int i = optind; i < argc; i++)
		r_.operands.emplace_back(argv[i]);
	if (r_.operands.empty())
		return Error(Refusal{
			4, text("lfs %s %s: FILE must be specified", command_, command_), true});
	if (auto done = finish(); !done)
		return Error(done.error());
	return std::move(r_);
}

template <typename T>
void append(std::vector<std::byte> &out, const T &t)
{
	auto b = cfs::bytes_of(t);
	out.insert(out.end(), b.begin(), b.end());
}

/// A plain layout, or a component's: V1, or V3 where a pool is named, or with the OSTs given.
void append_plain(std::vector<std::byte> &out, const ComponentRequest &c, bool in_composite)
{
	wire::LovUserMdV3 md{};
	md.magic = !c.osts.empty()   ? wire::LOV_USER_MAGIC_SPECIFIC
		   : !c.pool.empty() ? wire::LOV_USER_MAGIC_V3
				     : wire::LOV_USER_MAGIC_V1;
	auto osts = c.osts;
	auto count = static_cast<std::uint16_t>(c.count.value_or(0));
	auto size = c.size.value_or(0);
	md.pattern = c.on_mdt	     ? wire::LOV_PATTERN_MDT
		     : c.overstriped ? wire::LOV_PATTERN_RAID0 | wire::LOV_PATTERN_OVERSTRIPING
		     : in_composite  ? wire::LOV_PATTERN_RAID0
				     : wire::LOV_PATTERN_NONE;
	if (c.on_mdt) {
		size = c.end == wire::LUSTRE_EOF ? 0 : c.end;
		count = 0;
	}
	if (c.flags & wire::LCME_FL_EXTENSION) {
		size = c.extension.value_or(0) / wire::SEL_UNIT_SIZE;
		count = 0;
	}
	md.stripe_offset = static_cast<std::uint16_t>(c.index && *c.index >= 0
							      ? static_cast<std::uint64_t>(*c.index)
							      : wire::LOV_OFFSET_DEFAULT);
	if (!osts.empty()) {
		if (!c.count || *c.count <= 0)
			count = static_cast<std::uint16_t>(osts.size());
		if (!c.index || *c.index < 0)
			md.stripe_offset = static_cast<std::uint16_t>(osts.front());
		auto sorted = osts;
		std::sort(sorted.begin(), sorted.end());
		if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
			md.pattern = wire::LOV_PATTERN_RAID0 | wire::LOV_PATTERN_OVERSTRIPING;
	}
	md.stripe_size = static_cast<std::uint32_t>(size);
	md.stripe_count = count;
	(void)md.pool_name.set(c.pool);
	auto b = cfs::bytes_of(md);
	if (md.magic.get() == wire::LOV_USER_MAGIC_V1)
		b = b.first(sizeof(wire::LovUserMdV1));
	out.insert(out.end(), b.begin(), b.end());
	for (auto ost : osts) {
		wire::LovUserOstData o{};
		o.ost_idx = ost;
		append(out, o);
	}
}

std::vector<std::byte> encode_change(const LayoutRequest &r)
{
	wire::LovCompMdV1 head{};
	head.magic = wire::LOV_USER_MAGIC_COMP_V1;
	head.entry_count = 1;
	head.size = sizeof(head) + sizeof(wire::LovCompMdEntryV1);
	wire::LovCompMdEntryV1 entry{};
	entry.id = r.change_id.value_or(wire::LCME_ID_INVAL);
	entry.flags = r.cleared_flags ? r.cleared_flags | wire::LCME_FL_NEG : r.set_flags;
	std::vector<std::byte> out;
	append(out, head);
	append(out, entry);
	return out;
}

std::vector<std::byte> encode_composite(const LayoutRequest &r)
{
	std::vector<std::byte> entries, bodies, out;
	auto bodies_at =
		sizeof(wire::LovCompMdV1) + r.components.size() * sizeof(wire::LovCompMdEntryV1);
	bool extended = false;
	for (const ComponentRequest &c : r.components) {
		std::vector<std::byte> body;
		append_plain(body, c, true);
		wire::LovCompMdEntryV1 e{};
		e.id = c.id;
		e.flags = c.flags;
		e.extent.start = c.start;
		e.extent.end = c.end;
		e.offset = static_cast<std::uint32_t>(bodies_at + bodies.size());
		e.size = static_cast<std::uint32_t>(body.size());
		append(entries, e);
		bodies.insert(bodies.end(), body.begin(), body.end());
		extended |= (c.flags & wire::LCME_FL_EXTENSION) != 0;
	}
	wire::LovCompMdV1 head{};
	head.magic = extended ? wire::LOV_USER_MAGIC_SEL : wire::LOV_USER_MAGIC_COMP_V1;
	head.size = static_cast<std::uint32_t>(bodies_at + bodies.size());
	head.entry_count = static_cast<std::uint16_t>(r.components.size());
	head.mirror_count = static_cast<std::uint16_t>(r.mirrors - 1);
	head.flags = r.mirrors > 1 ? wire::LCM_FL_RDONLY : wire::LCM_FL_NONE;
	append(out, head);
	out.insert(out.end(), entries.begin(), entries.end());
	out.insert(out.end(), bodies.begin(), bodies.end());
	return out;
}

} // namespace

std::expected<LayoutRequest, Refusal> parse_setstripe(const char *command, int argc, char **argv)
{
	return Parser(command).run(argc, argv);
}

std::vector<std::byte> encode_layout(const LayoutRequest &r)
{
	using Change = LayoutRequest::Change;
	if (r.change == Change::remove || r.change == Change::flags)
		return encode_change(r);
	if (r.composite)
		return encode_composite(r);
	std::vector<std::byte> out;
	if (r.foreign) {
		wire::LovForeignMd md{};
		md.magic = wire::LOV_USER_MAGIC_FOREIGN;
		md.length = static_cast<std::uint32_t>(r.foreign_value.size());
		md.type = r.foreign_type;
		md.flags = r.foreign_flags;
		append(out, md);
		auto value = cfs::as_bytes(r.foreign_value);
		out.insert(out.end(), value.begin(), value.end());
		return out;
	}
	append_plain(out, r.remove ? ComponentRequest{} : r.components.front(), false);
	return out;
}

LayoutRequest request_like(const Layout &l)
{
	LayoutRequest r;
	r.composite = l.kind == Layout::Kind::composite;
	r.mirrors = l.mirrors;
	r.foreign = l.kind == Layout::Kind::foreign;
	r.foreign_type = l.foreign_type;
	r.foreign_flags = l.foreign_flags;
	r.foreign_value = l.foreign_value;
	for (const Component &c : l.components) {
		ComponentRequest q;
		q.start = c.start;
		q.end = c.end;
		q.count = stripe_count(c);
		if (!c.extension())
			q.size = stripe_size(c);
		else
			q.extension = stripe_size(c);
		q.pool = c.pool;
		q.on_mdt = c.on_mdt();
		q.overstriped = (c.pattern & wire::LOV_PATTERN_OVERSTRIPING) != 0;
		q.flags = c.flags &
			  (wire::LCME_FL_EXTENSION | wire::LCME_FL_PREF_RW | wire::LCME_FL_NOSYNC);
		if (!c.instantiated() && c.generation != wire::LOV_OFFSET_DEFAULT)
			q.index = c.generation;
		r.components.push_back(std::move(q));
	}
	return r;
}

} // namespace lfs
