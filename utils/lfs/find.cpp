// SPDX-License-Identifier: GPL-2.0
//
// Tests of lfs find; see find.hpp.

#include "lfs/find.hpp"

#include <fnmatch.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "lfs/layout_text.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

using Error = std::unexpected<Refusal>;
using Done = std::expected<void, Refusal>;

enum {
	kBlocks = 'b',
	kComponentCount_ = 256,
	kComponentStart,
	kComponentFlags,
	kNewer,
	kPrintf,
	kLs,
	kPerm,
	kLinks,
	kPoolOption,
	kProjid,
	kThreads,
	kUnbuilt,
};

constexpr option kOptions[] = {
	{"atime", required_argument, nullptr, 'A'},
	{"attrs", required_argument, nullptr, kUnbuilt},
	{"blocks", required_argument, nullptr, kBlocks},
	{"btime", required_argument, nullptr, 'B'},
	{"component-count", required_argument, nullptr, kComponentCount_},
	{"comp-count", required_argument, nullptr, kComponentCount_},
	{"component-end", required_argument, nullptr, 'E'},
	{"comp-end", required_argument, nullptr, 'E'},
	{"component-flags", required_argument, nullptr, kComponentFlags},
	{"comp-flags", required_argument, nullptr, kComponentFlags},
	{"component-start", required_argument, nullptr, kComponentStart},
	{"comp-start", required_argument, nullptr, kComponentStart},
	{"ctime", required_argument, nullptr, 'C'},
	{"extension-size", required_argument, nullptr, 'z'},
	{"ext-size", required_argument, nullptr, 'z'},
	{"foreign", optional_argument, nullptr, kUnbuilt},
	{"gid", required_argument, nullptr, 'g'},
	{"group", required_argument, nullptr, 'g'},
	{"help", no_argument, nullptr, 'h'},
	{"layout", required_argument, nullptr, 'L'},
	{"lazy", no_argument, nullptr, 'l'},
	{"links", required_argument, nullptr, kLinks},
	{"ls", no_argument, nullptr, kLs},
	{"maxdepth", required_argument, nullptr, 'D'},
	{"mdt", required_argument, nullptr, 'm'},
	{"mdt-count", required_argument, nullptr, kUnbuilt},
	{"mdt-hash", required_argument, nullptr, kUnbuilt},
	{"mdt-index", required_argument, nullptr, 'm'},
	{"mindepth", required_argument, nullptr, 'd'},
	{"mirror-count", required_argument, nullptr, 'N'},
	{"mirror-state", required_argument, nullptr, kUnbuilt},
	{"mtime", required_argument, nullptr, 'M'},
	{"name", required_argument, nullptr, 'n'},
	{"newer", required_argument, nullptr, kNewer},
	{"newerXY", required_argument, nullptr, kNewer},
	{"ost", required_argument, nullptr, 'O'},
	{"perm", required_argument, nullptr, kPerm},
	{"pool", required_argument, nullptr, kPoolOption},
	{"print", no_argument, nullptr, 'P'},
	{"print0", no_argument, nullptr, '0'},
	{"printf", required_argument, nullptr, kPrintf},
	{"projid", required_argument, nullptr, kProjid},
	{"size", required_argument, nullptr, 's'},
	{"skip", required_argument, nullptr, kUnbuilt},
	{"stripe-count", required_argument, nullptr, 'c'},
	{"stripe-index", required_argument, nullptr, 'i'},
	{"stripe-size", required_argument, nullptr, 'S'},
	{"stripe_count", required_argument, nullptr, 'c'},
	{"stripe_index", required_argument, nullptr, 'i'},
	{"stripe_size", required_argument, nullptr, 'S'},
	{"threads", required_argument, nullptr, kThreads},
	{"type", required_argument, nullptr, 't'},
	{"uid", required_argument, nullptr, 'u'},
	{"user", required_argument, nullptr, 'u'},
	{"xattr", required_argument, nullptr, kUnbuilt},
	{nullptr, 0, nullptr, 0},
};

/// "[+-]N": more, less or equal.
struct Range {
	int sign = 0;
	std::uint64_t value = 0, unit = 1;
	/// Equal means: the same when rounded up to the unit.
	[[nodiscard]] bool holds(std::uint64_t v) const
	{
		if (sign < 0)
			return v < value;
		if (sign > 0)
			return v > value;
		return v <= value && (value < unit || v > value - unit || v == value);
	}
};

std::optional<Range> parse_range(const char *s, std::uint64_t unit = 1)
{
	Range r;
	if (*s == '+' || *s == '-')
		r.sign = *s++ == '+' ? 1 : -1;
	auto n = parse_size(s, unit);
	if (!n)
		return {};
	r.value = n->bytes;
	r.unit = n->unit;
	return r;
}

std::int64_t time_of(const Entry &e, char which)
{
	switch (which) {
	case 'a':
		return e.st.st_atime;
	case 'c':
		return e.st.st_ctime;
	case 'b':
		return e.birth;
	default:
		return e.st.st_mtime;
	}
}

class Parser
{
public:
	explicit Parser(std::int64_t now) : now_(now) {}
	std::expected<FindRequest, Refusal> run(int argc, char **argv);

private:
	void test(Test t)
	{
		bool want = !negate_;
		negate_ = false;
		r_.tests.push_back(
			[t = std::move(t), want](const Entry &e) { return t(e) == want; });
	}
	[[nodiscard]] static Error bad(const char *what, const char *value)
	{
		return Error(Refusal{EINVAL, text("error: bad %s '%s'", what, value)});
	}

	Done option(int c, const char *arg, const char *word);
	Done posix(int c, const char *arg);
	Done layout_number(int c, const char *arg);
	Done layout_word(int c, const char *arg);
	Done stripe_index(const char *arg);
	Done pool(const char *arg);
	Done component_flags(const char *arg);
	Done pattern(const char *arg);
	Done age(char which, const char *arg);
	Done type(const char *arg);
	Done permissions(const char *arg);
	Done newer(const char *word, const char *arg);
	Done id(bool user, const char *arg);
	Done targets(bool ost, const char *arg);
	/// A number of the representative component, or of all of them.
	template <typename F>
	Done layout_range(const char *what, const char *arg, F value);

	FindRequest r_;
	std::int64_t now_;
	bool negate_ = false;
};

Done Parser::age(char which, const char *arg)
{
	const char *s = arg;
	int sign = 0;
	if (*s == '+' || *s == '-')
		sign = *s++ == '+' ? 1 : -1;
	std::string digits = s;
	std::int64_t unit = 86400;
	if (!digits.empty()) {
		constexpr std::pair<char, std::int64_t> kUnits[] = {
			{'s', 1},     {'m', 60},	{'h', 3600},
			{'d', 86400}, {'w', 7 * 86400}, {'y', 365 * 86400}};
		for (auto [letter, seconds] : kUnits)
			if (digits.back() == letter) {
				unit = seconds;
				digits.pop_back();
				break;
			}
	}
	auto n = parse_int(digits);
	std::int64_t span;
	if (!n || *n < 0 || __builtin_mul_overflow(*n, unit, &span))
		return bad("time", arg);
	std::int64_t now = now_;
	test([=](const Entry &e) {
		std::int64_t old = now - time_of(e, which);
		return sign < 0	  ? old < span
		       : sign > 0 ? old > span
				  : old >= span && old < span + unit;
	});
	return {};
}

Done Parser::type(const char *arg)
{
	constexpr std::pair<char, mode_t> kTypes[] = {
		{'b', S_IFBLK}, {'c', S_IFCHR}, {'d', S_IFDIR}, {'f', S_IFREG},
		{'l', S_IFLNK}, {'p', S_IFIFO}, {'s', S_IFSOCK}};
	for (auto [letter, mode] : kTypes)
		if (arg[0] == letter && !arg[1]) {
			test([mode](const Entry &e) { return (e.st.st_mode & S_IFMT) == mode; });
			return {};
		}
	return bad("filetype", arg);
}

Done Parser::permissions(const char *arg)
{
	char how = *arg == '-' || *arg == '/' ? *arg : '=';
	const char *digits = how == '=' ? arg : arg + 1;
	char *end;
	auto bits = strtoul(digits, &end, 8);
	if (*end || end == digits || bits > 07777)
		return Error(Refusal{EINVAL, text("error: bad permission '%s'; only octal ones are "
						  "built yet",
						  arg)});
	auto mode = static_cast<mode_t>(bits);
	test([=](const Entry &e) {
		mode_t m = e.st.st_mode & 07777u;
		return how == '-'   ? (m & mode) == mode
		       : how == '/' ? mode == 0 || (m & mode) != 0
				    : m == mode;
	});
	return {};
}

/// -newer FILE, and -newerXY FILE: time X of the entry is later than time Y of the file.
Done Parser::newer(const char *word, const char *arg)
{
	char x = 'm', y = 'm';
	std::string_view w = word;
	w.remove_prefix(std::min(w.find_first_not_of('-'), w.size()));
	if (w.size() == 7 && w != "newerXY") {
		x = static_cast<char>(w[5] | 0x20);
		y = static_cast<char>(w[6] | 0x20);
	}
	struct stat st;
	if (stat(arg, &st))
		return Error(Refusal{errno, text("error: newer: '%s': %s", arg, strerror(errno))});
	std::int64_t reference = y == 'a' ? st.st_atime : y == 'c' ? st.st_ctime : st.st_mtime;
	test([=](const Entry &e) { return time_of(e, x) > reference; });
	return {};
}

Done Parser::id(bool user, const char *arg)
{
	const char *s = arg;
	int sign = 0;
	if (*s == '+' || *s == '-')
		sign = *s++ == '+' ? 1 : -1;
	std::uint64_t number = 0;
	if (auto n = parse_int(s); n && *n >= 0) {
		number = static_cast<std::uint64_t>(*n);
	} else if (user) {
		const passwd *p = getpwnam(arg);
		if (!p)
			return Error(Refusal{1, text("invalid username/UID '%s'", arg)});
		number = p->pw_uid;
	} else {
		const group *g = getgrnam(arg);
		if (!g)
			return Error(Refusal{1, text("invalid groupname/GID '%s'", arg)});
		number = g->gr_gid;
	}
	Range r{sign, number, 1};
	test([=](const Entry &e) { return r.holds(user ? e.st.st_uid : e.st.st_gid); });
	return {};
}

/// Indices or names, joined by commas; any of them.
Done Parser::targets(bool ost, const char *arg)
{
	std::vector<std::shared_ptr<std::uint32_t>> wanted;
	for (const std::string &word : split(arg, ',')) {
		auto index = std::make_shared<std::uint32_t>(~0u);
		if (auto n = parse_int(word); n && *n >= 0 && *n <= UINT32_MAX)
			*index = static_cast<std::uint32_t>(*n);
		else
			r_.names.push_back({ost, word, index});
		wanted.push_back(std::move(index));
	}
	auto any = [wanted](std::uint32_t i) {
		return std::any_of(wanted.begin(), wanted.end(), [i](auto &w) { return *w == i; });
	};
	if (!ost) {
		test([any](const Entry &e) {
			auto mdt = e.mdt();
			return mdt && any(*mdt);
		});
		return {};
	}
	test([any](const Entry &e) {
		const Layout *l = e.layout();
		for (const Component &c : l ? l->components : std::vector<Component>())
			for (const Object &o : c.objects)
				if (any(o.ost))
					return true;
		return false;
	});
	return {};
}

template <typename F>
Done Parser::layout_range(const char *what, const char *arg, F value)
{
	auto r = parse_range(arg);
	if (!r)
		return bad(what, arg);
	test([=, r = *r](const Entry &e) {
		const Layout *l = e.layout();
		return l && value(*l, r);
	});
	return {};
}

Done Parser::layout_number(int c, const char *arg)
{
	auto of_component = [](auto get) {
		return [get](const Layout &l, const Range &r) {
			const Component *c = l.representative();
			return c && r.holds(get(*c));
		};
	};
	auto of_any = [](auto get) {
		return [get](const Layout &l, const Range &r) {
			return l.kind == Layout::Kind::composite &&
			       std::any_of(l.components.begin(), l.components.end(),
					   [&](const Component &c) { return r.holds(get(c)); });
		};
	};
	switch (c) {
	case 'c':
		return layout_range("stripe count", strcmp(arg, "-1") ? arg : "0xffffffffffffffff",
				    of_component([](const Component &q) {
					    return static_cast<std::uint64_t>(stripe_count(q));
				    }));
	case 'S':
		return layout_range("stripe size", arg, of_component([](const Component &q) {
					    return stripe_size(q);
				    }));
	case 'z':
		return layout_range("extension size", arg, of_any([](const Component &q) {
					    return q.extension() ? stripe_size(q) : 0;
				    }));
	case 'E':
		return layout_range(
			"component end",
			!strcasecmp(arg, "eof") || !strcmp(arg, "-1") ? "0xffffffffffffffff" : arg,
			of_any([](const Component &q) { return q.end; }));
	case kComponentStart:
		return layout_range("component start", arg,
				    of_any([](const Component &q) { return q.start; }));
	case kComponentCount_:
		return layout_range("component count", arg, [](const Layout &l, const Range &r) {
			return r.holds(l.kind == Layout::Kind::composite ? l.components.size() : 0);
		});
	case 'N':
		return layout_range("mirror count", arg, [](const Layout &l, const Range &r) {
			return r.holds(l.kind == Layout::Kind::composite ? l.mirrors : 0u);
		});
	default:
		return layout_word(c, arg);
	}
}

Done Parser::stripe_index(const char *arg)
{
	std::vector<std::int64_t> wanted;
	for (const std::string &word : split(arg, ',')) {
		auto n = parse_int(word);
		if (!n)
			return bad("stripe index", arg);
		wanted.push_back(*n);
	}
	test([wanted](const Entry &e) {
		const Layout *l = e.layout();
		const Component *q = l ? l->representative() : nullptr;
		return q &&
		       std::find(wanted.begin(), wanted.end(), stripe_offset(*q)) != wanted.end();
	});
	return {};
}

Done Parser::pool(const char *arg)
{
	std::string pool = arg;
	test([pool](const Entry &e) {
		const Layout *l = e.layout();
		for (const Component &q : l ? l->components : std::vector<Component>())
			if (q.pool == pool)
				return true;
		return l && pool.empty() && l->components.empty();
	});
	return {};
}

Done Parser::component_flags(const char *arg)
{
	ComponentFilter f;
	if (!parse_component_flags(arg, f.flags, f.not_flags))
		return bad("component flags", arg);
	test([f](const Entry &e) {
		const Layout *l = e.layout();
		if (!l || l->kind != Layout::Kind::composite)
			return false;
		return std::any_of(l->components.begin(), l->components.end(),
				   [&](const Component &q) { return f.matches(q, 1); });
	});
	return {};
}

Done Parser::pattern(const char *arg)
{
	std::uint32_t pattern = 0;
	for (const std::string &word : split(arg, ',')) {
		if (word == "raid0")
			pattern |= wire::LOV_PATTERN_RAID0;
		else if (word == "mdt")
			pattern |= wire::LOV_PATTERN_MDT;
		else if (word == "overstriping" || word == "overstriped")
			pattern |= wire::LOV_PATTERN_OVERSTRIPING;
		else if (word == "released")
			pattern |= wire::LOV_PATTERN_F_RELEASED;
		else
			return bad("layout", arg);
	}
	test([pattern](const Entry &e) {
		const Layout *l = e.layout();
		for (const Component &q : l ? l->components : std::vector<Component>())
			if (q.pattern & pattern)
				return true;
		return false;
	});
	return {};
}

Done Parser::layout_word(int c, const char *arg)
{
	switch (c) {
	case 'i':
		return stripe_index(arg);
	case kPoolOption:
		return pool(arg);
	case kComponentFlags:
		return component_flags(arg);
	default:
		return pattern(arg);
	}
}

Done Parser::posix(int c, const char *arg)
{
	std::optional<Range> r;
	switch (c) {
	case 'n': {
		std::string pattern = arg;
		test([pattern](const Entry &e) {
			return !fnmatch(pattern.c_str(), e.name.c_str(), 0);
		});
		return {};
	}
	case 's':
		if (r = parse_range(arg); !r)
			return bad("file size", arg);
		r_.wants_sizes = true;
		test([r = *r](const Entry &e) {
			return r.holds(static_cast<std::uint64_t>(e.st.st_size));
		});
		return {};
	case kBlocks:
		if (r = parse_range(arg, 512); !r)
			return bad("blocks", arg);
		r_.wants_sizes = true;
		test([r = *r](const Entry &e) {
			return r.holds(static_cast<std::uint64_t>(e.st.st_blocks) * 512);
		});
		return {};
	case kLinks:
		if (r = parse_range(arg); !r)
			return bad("links", arg);
		test([r = *r](const Entry &e) { return r.holds(e.st.st_nlink); });
		return {};
	case kProjid:
		if (r = parse_range(arg); !r)
			return bad("projid", arg);
		test([r = *r](const Entry &e) {
			auto id = e.projid();
			return id && r.holds(*id);
		});
		return {};
	default:
		return type(arg);
	}
}

Done Parser::option(int c, const char *arg, const char *word)
{
	std::optional<std::int64_t> n;
	switch (c) {
	case 'A':
	case 'B':
	case 'C':
	case 'M':
		return age(static_cast<char>(c | 0x20), arg);
	case 'D':
	case 'd':
		if (n = parse_int(arg); !n || *n < 0 || *n > UINT32_MAX)
			return bad(c == 'D' ? "maxdepth" : "mindepth", arg);
		(c == 'D' ? r_.max_depth : r_.min_depth) = static_cast<unsigned>(*n);
		return {};
	case 'P':
		r_.output = FindRequest::Output::print;
		return {};
	case '0':
		r_.output = FindRequest::Output::print0;
		return {};
	case kLs:
		r_.output = FindRequest::Output::ls;
		r_.wants_sizes = true;
		return {};
	case kPrintf:
		r_.output = FindRequest::Output::printf;
		r_.format = arg;
		r_.wants_sizes = true;
		return {};
	case 'l':
		r_.lazy = true;
		return {};
	case kThreads:
		return {}; // one is always enough
	case 'm':
	case 'O':
		return targets(c == 'O', arg);
	case 'u':
	case 'g':
		return id(c == 'u', arg);
	case kNewer:
		return newer(word, arg);
	case kPerm:
		return permissions(arg);
	case kUnbuilt:
		return Error(
			Refusal{EOPNOTSUPP, text("error: lfs find: %s is not built yet", word)});
	case 'n':
	case 's':
	case kBlocks:
	case kLinks:
	case kProjid:
	case 't':
		return posix(c, arg);
	default:
		return layout_number(c, arg);
	}
}

std::expected<FindRequest, Refusal> Parser::run(int argc, char **argv)
{
	opterr = 0;
	// -newerXY: one option to getopt, its letters are read from the word itself.
	std::vector<std::string> words(argv, argv + argc), original = words;
	for (std::string &w : words)
		if (w.size() >= 8 && w.size() <= 9 && w.find("newer") == w.size() - 7 &&
		    w[0] == '-')
			w = "--newerXY";
	std::vector<char *> args;
	for (std::string &w : words)
		args.push_back(w.data());
	args.push_back(nullptr);
	optind = 0;
	for (int c; (c = getopt_long_only(argc, args.data(),
					  "-0A:b:B:c:C:D:d:E:g:hi:L:lm:M:n:N:oO:Ps:S:t:u:z:",
					  kOptions, nullptr)) != -1;) {
		auto at = static_cast<std::size_t>(std::clamp(optind - 1, 0, argc - 1));
		if (c == 1) {
			if (!strcmp(optarg, "!"))
				negate_ = true;
			else if (r_.tests.empty())
				r_.paths.emplace_back(optarg);
			else
				return Error(Refusal{
					4, text("lfs: unrecognized option '%s'", optarg), true});
			continue;
		}
		if (c == 'h')
			return Error(Refusal{4, "", true});
		if (c == '?' || c == 'o')
			return Error(Refusal{
				4, text("lfs: unrecognized option '%s'", original[at].c_str()),
				true});
		if (c == kNewer && at > 0)
			at--; // its argument stands behind it
		if (auto done = option(c, optarg, original[at].c_str()); !done)
			return Error(done.error());
	}
	for (; optind < argc; optind++)
		r_.paths.emplace_back(args[static_cast<std::size_t>(optind)]);
	if (r_.paths.empty())
		return Error(Refusal{4, "error: find: no filename|pathname", true});
	return std::move(r_);
}

char type_letter(mode_t m)
{
	switch (m & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFBLK:
		return 'b';
	case S_IFCHR:
		return 'c';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	default:
		return 'f';
	}
}

std::string date(std::int64_t seconds)
{
	auto t = static_cast<std::time_t>(seconds);
	struct tm tm{};
	char buf[64];
	if (!localtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%a %b %e %H:%M:%S %Y", &tm))
		return "?";
	return buf;
}

std::string owner(uid_t uid)
{
	const passwd *p = getpwuid(uid);
	return p ? p->pw_name : text("%u", uid);
}

std::string owning_group(gid_t gid)
{
	const group *g = getgrgid(gid);
	return g ? g->gr_name : text("%u", gid);
}

std::string lustre_directive(char c, const Entry &e)
{
	const Layout *l =
		c == 'F' || c == 'P' || c == 'h' || c == 'a' || c == 'A' ? nullptr : e.layout();
	const Component *q = l ? l->representative() : nullptr;
	switch (c) {
	case 'c':
		return q ? text("%lld", static_cast<long long>(stripe_count(*q))) : "";
	case 'S':
		return q ? text("%llu", static_cast<unsigned long long>(stripe_size(*q))) : "";
	case 'i':
		return q ? text("%lld", static_cast<long long>(stripe_offset(*q))) : "";
	case 'p':
		return q ? q->pool : "";
	case 'F': {
		auto fid = e.fid();
		return fid ? bare_fid_text(*fid) : "";
	}
	case 'P': {
		auto id = e.projid();
		return id ? text("%u", *id) : "";
	}
	case 'o': {
		std::string s;
		for (const Component &each : l ? l->components : std::vector<Component>())
			for (const Object &o : each.objects)
				s += text(s.empty() ? "%u" : ",%u", o.ost);
		return "[" + s + "]";
	}
	case 'a':
	case 'A':
		return "---";
	case 'h':
		return "";
	default:
		return text("%%L%c", c);
	}
}

std::string directive(char c, const Entry &e)
{
	auto number = [](auto v) { return text("%lld", static_cast<long long>(v)); };
	const struct stat &s = e.st;
	switch (c) {
	case 'a':
		return date(s.st_atime);
	case 'A':
		return number(s.st_atime);
	case 'b':
		return number(s.st_blocks);
	case 'c':
		return date(s.st_ctime);
	case 'C':
		return number(s.st_ctime);
	case 'G':
		return number(s.st_gid);
	case 'i':
		return text("%llu", static_cast<unsigned long long>(s.st_ino));
	case 'k':
		return number((s.st_blocks + 1) / 2);
	case 'm':
		return text("%o", s.st_mode & 07777u);
	case 'n':
		return number(s.st_nlink);
	case 'p':
		return e.path;
	case 's':
		return number(s.st_size);
	case 't':
		return date(s.st_mtime);
	case 'T':
		return number(s.st_mtime);
	case 'u':
		return owner(s.st_uid);
	case 'g':
		return owning_group(s.st_gid);
	case 'U':
		return number(s.st_uid);
	case 'w':
		return date(e.birth);
	case 'W':
		return number(e.birth);
	case 'y':
		return std::string(1, type_letter(s.st_mode));
	case '%':
		return "%";
	default:
		return text("%%%c", c);
	}
}

char escaped(char c)
{
	constexpr std::string_view kFrom = "abfnrtv\\0",
				   kTo = std::string_view("\a\b\f\n\r\t\v\\\0", 9);
	auto at = kFrom.find(c);
	return at == kFrom.npos ? c : kTo[at];
}

} // namespace

std::expected<FindRequest, Refusal> parse_find(int argc, char **argv, std::int64_t now)
{
	return Parser(now).run(argc, argv);
}

bool matches(const FindRequest &r, const Entry &e)
{
	return std::all_of(r.tests.begin(), r.tests.end(), [&](const Test &t) { return t(e); });
}

std::string format_entry(const std::string &format, const Entry &e)
{
	std::string out;
	for (std::size_t i = 0; i < format.size(); i++) {
		char c = format[i];
		bool more = i + 1 < format.size();
		if (c == '\\' && more)
			out += escaped(format[++i]);
		else if (c == '%' && more && format[i + 1] == 'L' && i + 2 < format.size())
			out += lustre_directive(format[i += 2], e);
		else if (c == '%' && more)
			out += directive(format[++i], e);
		else
			out += c;
	}
	return out;
}

std::string ls_entry(const Entry &e)
{
	const struct stat &s = e.st;
	char t = type_letter(s.st_mode);
	std::string mode(1, t == 'f' ? '-' : t);
	for (unsigned shift : {6u, 3u, 0u}) {
		auto bits = s.st_mode >> shift;
		auto special = s.st_mode & (shift == 6 ? S_ISUID : shift == 3 ? S_ISGID : S_ISVTX);
		char set = shift ? 's' : 't', x = (bits & 1) ? 'x' : '-';
		mode += (bits & 4) ? 'r' : '-';
		mode += (bits & 2) ? 'w' : '-';
		mode += !special ? x : (bits & 1) ? set : static_cast<char>(set - 0x20);
	}
	return text("%llu\t%lld\t%s\t%lu\t%s\t%s\t%lld\t%s\t%s\n",
		    static_cast<unsigned long long>(s.st_ino),
		    static_cast<long long>((s.st_blocks + 1) / 2), mode.c_str(),
		    static_cast<unsigned long>(s.st_nlink), owner(s.st_uid).c_str(),
		    owning_group(s.st_gid).c_str(), static_cast<long long>(s.st_size),
		    date(s.st_mtime).c_str(), e.path.c_str());
}

} // namespace lfs
