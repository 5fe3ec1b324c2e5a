// SPDX-License-Identifier: GPL-2.0
//
// MDT layouts of directories; see dir_text.hpp.

#include "lfs/dir_text.hpp"

#include <getopt.h>

#include <cerrno>
#include <cstring>

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

using Error = std::unexpected<Refusal>;

constexpr const char *kHashes[] = {"none", "all_char", "fnv_1a_64", "crush", "crush2"};

struct HashFlag {
	std::uint32_t bit;
	const char *name;
};
constexpr HashFlag kHashFlags[] = {
	{wire::LMV_HASH_FLAG_MIGRATION, "migrating"},
	{wire::LMV_HASH_FLAG_BAD_TYPE, "bad_type"},
	{wire::LMV_HASH_FLAG_LOST_LMV, "lost_lmv"},
	{wire::LMV_HASH_FLAG_FIXED, "fixed"},
	{wire::LMV_HASH_FLAG_OVERSTRIPED, "overstriped"},
};

enum { kInheritRr = 256, kForeign, kForeignFlags };

constexpr option kOptions[] = {
	{"count", required_argument, nullptr, 'c'},
	{"default", no_argument, nullptr, 'D'},
	{"delete", no_argument, nullptr, 'd'},
	{"flags", required_argument, nullptr, kForeignFlags},
	{"foreign", optional_argument, nullptr, kForeign},
	{"hash-type", required_argument, nullptr, 'H'},
	{"help", no_argument, nullptr, 'h'},
	{"index", required_argument, nullptr, 'i'},
	{"max-inherit", required_argument, nullptr, 'X'},
	{"max-inherit-rr", required_argument, nullptr, kInheritRr},
	{"mdt", required_argument, nullptr, 'i'},
	{"mdt-count", required_argument, nullptr, 'c'},
	{"mdt-hash", required_argument, nullptr, 'H'},
	{"mdt-index", required_argument, nullptr, 'i'},
	{"mdt-overcount", required_argument, nullptr, 'C'},
	{"mode", required_argument, nullptr, 'o'},
	{"overstripe-count", required_argument, nullptr, 'C'},
	{"xattr", required_argument, nullptr, 'x'},
	{nullptr, 0, nullptr, 0},
};

enum { kHexIndex = 512 };

constexpr option kGetOptions[] = {
	{"default", no_argument, nullptr, 'D'},
	{"default-stripe", no_argument, nullptr, 'D'},
	{"fid", no_argument, nullptr, 'F'},
	{"help", no_argument, nullptr, 'h'},
	{"hex-idx", no_argument, nullptr, kHexIndex},
	{"max-inherit", no_argument, nullptr, 'X'},
	{"max-inherit-rr", no_argument, nullptr, kInheritRr},
	{"mdt-count", no_argument, nullptr, 'c'},
	{"mdt-hash", no_argument, nullptr, 'H'},
	{"mdt-index", no_argument, nullptr, 'i'},
	{"obd", required_argument, nullptr, 'O'},
	{"raw", no_argument, nullptr, 'R'},
	{"recursive", no_argument, nullptr, 'r'},
	{"verbose", no_argument, nullptr, 'v'},
	{"yaml", no_argument, nullptr, 'y'},
	{nullptr, 0, nullptr, 0},
};

std::string index_text(std::uint32_t i, bool hex)
{
	if (i == wire::LMV_OFFSET_DEFAULT)
		return "-1";
	return text(hex ? "%#x" : "%u", i);
}

void show_table(std::string &out, const DirLayout &l, const wire::Fid &fid, const DirShow &o)
{
	if (o.yaml) {
		out += "lmv_objects:\n";
		auto object = [&](std::uint32_t mdt, const wire::Fid &f) {
			add(out, "      - l_mdt_idx: %s\n        l_fid:     %s\n",
			    index_text(mdt, o.hex_index).c_str(), bare_fid_text(f).c_str());
		};
		for (const auto &s : l.stripes)
			object(s.mds, s.fid);
		if (l.stripes.empty() && !o.defaults)
			object(l.head.stripe_offset, fid);
		return;
	}
	if (l.stripes.empty())
		return;
	out += "mdtidx\t\t FID[seq:oid:ver]\n";
	for (const auto &s : l.stripes)
		add(out, "%6s\t\t %s\t\t\n", index_text(s.mds, o.hex_index).c_str(),
		    fid_text(s.fid).c_str());
}

bool parse_index_list(const char *arg, std::vector<std::uint32_t> &out)
{
	for (const std::string &part : split(arg, ',')) {
		auto dash = part.find('-', 1);
		auto first = parse_int(part.substr(0, dash));
		auto last = dash == part.npos ? first : parse_int(part.substr(dash + 1));
		if (first && *first == -1 && out.empty() && dash == part.npos)
			continue; // any
		if (!first || !last || *first < 0 || *last < *first || *last > 65535)
			return false;
		for (auto i = *first; i <= *last; i++)
			out.push_back(static_cast<std::uint32_t>(i));
		if (out.size() > wire::LMV_MAX_STRIPE_COUNT)
			return false;
	}
	return true;
}

class Parser
{
public:
	explicit Parser(const char *command) : command_(command) {}
	std::expected<DirRequest, Refusal> run(int argc, char **argv);

private:
	bool option(int c);
	bool number(std::int64_t low, std::int64_t high, std::int64_t &out)
	{
		auto n = parse_int(optarg);
		if (!n || *n < low || *n > high)
			return bad("bad number");
		out = *n;
		return true;
	}
	bool bad(const char *what)
	{
		error_ = text("lfs %s: %s '%s'", command_, what, optarg ? optarg : "");
		return false;
	}

	const char *command_;
	DirRequest r_;
	std::string error_;
};

bool Parser::option(int c)
{
	std::int64_t n;
	switch (c) {
	case 'c':
	case 'C':
		if (!number(c == 'C' ? -5 : -1, wire::LMV_MAX_STRIPE_COUNT, n))
			return bad("invalid stripe count");
		r_.count = static_cast<std::uint32_t>(n);
		r_.overstriped = c == 'C';
		return true;
	case 'D':
		r_.defaults = true;
		return true;
	case 'd':
		r_.remove = true;
		return true;
	case 'i':
		return parse_index_list(optarg, r_.mdts) || bad("invalid MDT target(s)");
	case 'H':
		if (auto h = parse_hash(optarg)) {
			r_.hash = *h;
			return true;
		}
		return bad("bad directory hash type");
	case 'o': {
		auto mode = parse_int("0" + std::string(optarg));
		if (!mode || *mode < 0 || *mode > 07777)
			return bad("bad mode");
		r_.mode = static_cast<unsigned>(*mode);
		return true;
	}
	case 'X':
	case kInheritRr:
		if (!number(-1, wire::LMV_INHERIT_MAX, n))
			return bad(c == 'X' ? "invalid max-inherit" : "invalid max-inherit-rr");
		(c == 'X' ? r_.inherit : r_.inherit_rr) = static_cast<int>(n);
		return true;
	case kForeign:
		r_.foreign = true;
		if (optarg && !strcmp(optarg, "symlink"))
			r_.foreign_type = wire::LU_FOREIGN_TYPE_SYMLINK;
		else if (optarg && strcmp(optarg, "none") != 0)
			return bad("unrecognized foreign type");
		return true;
	case kForeignFlags: {
		std::string hex = optarg;
		auto f = parse_int(hex.starts_with("0x") ? hex : "0x" + hex);
		if (!f || *f < 0 || *f > UINT32_MAX)
			return bad("invalid flags");
		r_.foreign_flags = static_cast<std::uint32_t>(*f);
		return true;
	}
	case 'x':
		r_.foreign_value = optarg;
		return true;
	default:
		return false;
	}
}

std::expected<DirRequest, Refusal> Parser::run(int argc, char **argv)
{
	opterr = 0;
	for (int c;
	     (c = getopt_long(argc, argv, "c:C:dDhH:i:m:o:x:X:", kOptions, nullptr)) != -1;) {
		if (c == 'h')
			return Error(Refusal{4, "", true});
		if (c == 'm')
			c = 'i';
		if (option(c))
			continue;
		if (error_.empty())
			error_ = text("lfs %s: unrecognized option '%s'", command_,
				      argv[optind - 1]);
		return Error(Refusal{4, error_, true});
	}
	for (int i = optind; i < argc; i++)
		r_.operands.emplace_back(argv[i]);
	if (r_.operands.empty())
		return Error(Refusal{4, text("lfs %s: DIR must be specified", command_), true});
	if (r_.remove && !r_.defaults)
		return Error(Refusal{4, text("lfs %s: -d goes with -D", command_), true});
	if (r_.mdts.size() > 1 && r_.count > 0 &&
	    r_.count < static_cast<std::uint32_t>(r_.mdts.size()))
		return Error(
			Refusal{4,
				text("lfs %s: stripe count %u doesn't match the number of MDTs %zu",
				     command_, r_.count, r_.mdts.size()),
				true});
	return std::move(r_);
}

} // namespace

std::string hash_text(std::uint32_t hash)
{
	auto type = hash & wire::LMV_HASH_TYPE_MASK;
	std::string s = type < std::size(kHashes) ? kHashes[type] : text("%#x", type);
	for (const HashFlag &f : kHashFlags)
		if (hash & f.bit)
			s += text(",%s", f.name);
	return s;
}

std::optional<std::uint32_t> parse_hash(const std::string &s)
{
	for (std::uint32_t i = 1; i < std::size(kHashes); i++)
		if (s == kHashes[i])
			return i;
	auto n = parse_int(s);
	if (!n || *n <= 0 || *n >= static_cast<std::int64_t>(std::size(kHashes)))
		return {};
	return static_cast<std::uint32_t>(*n);
}

int inherit_shown(std::uint8_t stored)
{
	return stored == wire::LMV_INHERIT_UNLIMITED ? -1
	       : stored == wire::LMV_INHERIT_NONE    ? 0
						     : stored;
}

int inherit_rr_shown(std::uint8_t stored)
{
	return stored == wire::LMV_INHERIT_RR_UNLIMITED ? -1 : stored;
}

std::string show_dir(const DirLayout &l, const wire::Fid &fid, const DirShow &o)
{
	if (l.is_foreign)
		return text("lfm_value:     '%s'\n\n", l.foreign.c_str());
	const wire::LmvUserMdV1 &h = l.head;
	std::string out;
	std::string index = index_text(h.stripe_offset, o.hex_index);
	auto count = static_cast<std::int32_t>(h.stripe_count.get());
	if (o.selected()) {
		if (o.count)
			add(out, "%d\n", count);
		if (o.index)
			out += index + "\n";
		if (o.hash)
			out += hash_text(h.hash_type) + "\n";
		if (o.fid)
			out += fid_text(fid) + "\n";
		if (o.inherit)
			out += (o.defaults ? text("%d", inherit_shown(h.max_inherit)) : "") + "\n";
		if (o.inherit_rr)
			out += (o.defaults ? text("%d", inherit_rr_shown(h.max_inherit_rr)) : "") +
			       "\n";
		return out;
	}
	const char *sep = o.yaml ? "\n" : " ";
	if (o.verbose)
		add(out, "lmv_fid: %s%slmv_magic: %#x%s", bare_fid_text(fid).c_str(), sep,
		    h.magic.get(), sep);
	if (o.yaml)
		add(out, "lmv_stripe_count:  %d\nlmv_stripe_offset: %s\nlmv_hash_type:     %s",
		    count, index.c_str(), hash_text(h.hash_type).c_str());
	else
		add(out, "lmv_stripe_count: %d lmv_stripe_offset: %s lmv_hash_type: %s", count,
		    index.c_str(), hash_text(h.hash_type).c_str());
	if (o.defaults)
		add(out, "%slmv_max_inherit: %d%slmv_max_inherit_rr: %d", sep,
		    inherit_shown(h.max_inherit), sep, inherit_rr_shown(h.max_inherit_rr));
	out += "\n";
	show_table(out, l, fid, o);
	return out;
}

std::expected<DirRequest, Refusal> parse_setdirstripe(const char *command, int argc, char **argv)
{
	return Parser(command).run(argc, argv);
}

bool parse_getdirstripe(int argc, char **argv, GetDirRequest &r)
{
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "cDFhHimrRvXy", kGetOptions, nullptr)) != -1;) {
		switch (c) {
		case 'c':
			r.count = true;
			break;
		case 'D':
			r.defaults = true;
			break;
		case 'F':
			r.fid = true;
			break;
		case 'H':
			r.hash = true;
			break;
		case 'i':
		case 'm':
			r.index = true;
			break;
		case 'r':
			r.recursive = true;
			break;
		case 'R':
			r.raw = true;
			break;
		case 'v':
			r.verbose = true;
			break;
		case 'X':
			r.inherit = true;
			break;
		case 'y':
			r.yaml = true;
			break;
		case kHexIndex:
			r.hex_index = true;
			break;
		case kInheritRr:
			r.inherit_rr = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

wire::LmvUserMdV1 dir_head(const DirRequest &r)
{
	wire::LmvUserMdV1 h{};
	h.magic = r.mdts.size() > 1 ? wire::LMV_USER_MAGIC_SPECIFIC : wire::LMV_USER_MAGIC;
	h.stripe_count = r.count;
	if (r.mdts.size() > 1 && r.count == 0)
		h.stripe_count = static_cast<std::uint32_t>(r.mdts.size());
	h.stripe_offset = r.mdts.empty() ? wire::LMV_OFFSET_DEFAULT : r.mdts.front();
	h.hash_type = r.hash | (r.overstriped ? wire::LMV_HASH_FLAG_OVERSTRIPED : 0u);
	if (!r.defaults || r.remove)
		return h;
	auto stored = [](int shown, std::uint32_t unlimited, std::uint32_t none) {
		return static_cast<std::uint8_t>(shown < 0    ? unlimited
						 : shown == 0 ? none
							      : static_cast<std::uint32_t>(shown));
	};
	h.max_inherit =
		r.inherit ? stored(*r.inherit, wire::LMV_INHERIT_UNLIMITED, wire::LMV_INHERIT_NONE)
		: r.count > 1 ? static_cast<std::uint8_t>(wire::LMV_INHERIT_DEFAULT_STRIPED)
			      : static_cast<std::uint8_t>(wire::LMV_INHERIT_DEFAULT_PLAIN);
	h.max_inherit_rr = stored(r.inherit_rr.value_or(0), wire::LMV_INHERIT_RR_UNLIMITED,
				  wire::LMV_INHERIT_RR_NONE);
	return h;
}

std::vector<wire::LmvUserMdsData> dir_mdts(const DirRequest &r)
{
	std::vector<wire::LmvUserMdsData> out;
	if (r.mdts.size() > 1)
		for (auto mdt : r.mdts) {
			wire::LmvUserMdsData d{};
			d.mds = mdt;
			out.push_back(d);
		}
	return out;
}

std::vector<std::byte> encode_dir(const DirRequest &r)
{
	std::vector<std::byte> out;
	auto put = [&](cfs::Bytes b) { out.insert(out.end(), b.begin(), b.end()); };
	if (r.foreign) {
		wire::LmvForeignMd md{};
		md.magic = wire::LMV_MAGIC_FOREIGN;
		md.length = static_cast<std::uint32_t>(r.foreign_value.size());
		md.type = r.foreign_type;
		md.flags = r.foreign_flags;
		put(cfs::bytes_of(md));
		put(cfs::as_bytes(r.foreign_value));
		return out;
	}
	auto head = dir_head(r);
	put(cfs::bytes_of(head));
	for (const auto &d : dir_mdts(r))
		put(cfs::bytes_of(d));
	return out;
}

} // namespace lfs
