// SPDX-License-Identifier: GPL-2.0
//
// Options of lfs getstripe; see getstripe_options.hpp.

#include "lfs/getstripe_options.hpp"

#include <getopt.h>

#include <cstring>

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

enum {
	kHexIndex = 256,
	kFlagsLong,
	kStartLong,
	kCountLong,
	kMirrorIndex,
	kMirrorIdLong,
	kNoFollow,
};

constexpr option kGetOptions[] = {
	{"component-count", no_argument, nullptr, kCountLong},
	{"comp-count", no_argument, nullptr, kCountLong},
	{"component-end", optional_argument, nullptr, 'E'},
	{"comp-end", optional_argument, nullptr, 'E'},
	{"component-flags", optional_argument, nullptr, kFlagsLong},
	{"comp-flags", optional_argument, nullptr, kFlagsLong},
	{"component-id", optional_argument, nullptr, 'I'},
	{"comp-id", optional_argument, nullptr, 'I'},
	{"component-start", optional_argument, nullptr, kStartLong},
	{"comp-start", optional_argument, nullptr, kStartLong},
	{"directory", no_argument, nullptr, 'd'},
	{"extension-size", no_argument, nullptr, 'z'},
	{"ext-size", no_argument, nullptr, 'z'},
	{"fid", no_argument, nullptr, 'F'},
	{"generation", no_argument, nullptr, 'g'},
	{"help", no_argument, nullptr, 'h'},
	{"hex-idx", no_argument, nullptr, kHexIndex},
	{"index", no_argument, nullptr, 'i'},
	{"layout", no_argument, nullptr, 'L'},
	{"mdt", no_argument, nullptr, 'm'},
	{"mdt-index", no_argument, nullptr, 'm'},
	{"mirror-count", no_argument, nullptr, 'N'},
	{"mirror-id", required_argument, nullptr, kMirrorIdLong},
	{"mirror-index", required_argument, nullptr, kMirrorIndex},
	{"no-follow", no_argument, nullptr, kNoFollow},
	{"ost", required_argument, nullptr, 'O'},
	{"obd", required_argument, nullptr, 'O'},
	{"pool", no_argument, nullptr, 'p'},
	{"quiet", no_argument, nullptr, 'q'},
	{"raw", no_argument, nullptr, 'R'},
	{"recursive", no_argument, nullptr, 'r'},
	{"stripe-count", no_argument, nullptr, 'c'},
	{"stripe-index", no_argument, nullptr, 'i'},
	{"stripe-size", no_argument, nullptr, 'S'},
	{"verbose", no_argument, nullptr, 'v'},
	{"yaml", no_argument, nullptr, 'y'},
	{nullptr, 0, nullptr, 0},
};

/// "[+-]N" with a size's letter.
bool parse_bound(const char *s, std::optional<Bound> &out)
{
	Bound b;
	if (*s == '+' || (*s == '-' && strcmp(s, "-1") != 0))
		b.sign = *s++ == '+' ? 1 : -1;
	if (!strcasecmp(s, "eof") || !strcmp(s, "-1")) {
		b.bytes = wire::LUSTRE_EOF;
	} else {
		auto n = parse_size(s);
		if (!n)
			return false;
		b.bytes = n->bytes;
	}
	out = b;
	return true;
}

/// The field that an option selects; 0: the option is another one.
unsigned field_of(int c)
{
	switch (c) {
	case 'c':
		return kCount;
	case 'S':
		return kSize;
	case 'i':
		return kOffset;
	case 'p':
		return kPool;
	case 'L':
		return kPattern;
	case 'g':
		return kGeneration;
	case 'F':
		return kFid;
	case 'z':
		return kExtension;
	case 'N':
		return kMirrorCount;
	case kCountLong:
		return kComponentCount;
	default:
		return 0;
	}
}

/// Options about components: with a value they choose some, without one they are fields.
bool component_option(int c, GetRequest &r, unsigned &selected, bool &negated)
{
	ComponentFilter &f = r.show.filter;
	bool flip = negated;
	negated = false;
	switch (c) {
	case 'I':
		if (!optarg) {
			selected |= kId;
			return true;
		}
		if (auto n = parse_int(optarg); n && *n > 0 && *n <= UINT32_MAX) {
			f.id = static_cast<std::uint32_t>(*n);
			return true;
		}
		return false;
	case kFlagsLong:
		if (!optarg)
			selected |= kFlags;
		return !optarg || parse_component_flags(optarg, f.flags, f.not_flags);
	case kStartLong:
		if (!optarg)
			selected |= kStart;
		return !optarg || parse_bound(optarg, f.start);
	case 'E':
		if (!optarg)
			selected |= kEnd;
		return !optarg || parse_bound(optarg, f.end);
	case kMirrorIdLong:
		f.not_mirror = flip;
		return parse_bound(optarg, f.mirror_id);
	case kMirrorIndex:
		f.not_mirror = flip;
		return parse_bound(optarg, f.mirror_index);
	default:
		return false;
	}
}

} // namespace

bool parse_getstripe(int argc, char **argv, GetRequest &r)
{
	unsigned selected = 0;
	bool quiet = false, negated = false;
	opterr = 0;
	// The leading '-' has operands come in order, because "!" stands before what it negates.
	for (int c; (c = getopt_long(argc, argv, "-cdE::FghI::iLmNO:pqRrSvyz", kGetOptions,
				     nullptr)) != -1;) {
		if (unsigned field = field_of(c)) {
			selected |= field;
			continue;
		}
		switch (c) {
		case 1:
			if (!strcmp(optarg, "!"))
				negated = true;
			else
				r.operands.emplace_back(optarg);
			break;
		case 'd':
			r.show.only_self = true;
			break;
		case 'm':
			r.mdt_index = true;
			break;
		case 'O':
			r.ost_name = optarg;
			break;
		case 'q':
			quiet = true;
			break;
		case 'R':
			r.show.raw = true;
			break;
		case 'r':
			r.recursive = true;
			break;
		case 'v':
			r.show.verbose = true;
			break;
		case 'y':
			r.show.yaml = true;
			break;
		case kHexIndex:
			r.show.hex_index = true;
			break;
		case kNoFollow:
			r.no_follow = true;
			break;
		default:
			if (!component_option(c, r, selected, negated))
				return false;
		}
	}
	for (; optind < argc; optind++)
		r.operands.emplace_back(argv[optind]);
	r.show.selected = selected != 0;
	r.show.fields = selected	 ? selected
			: r.show.verbose ? kVerboseFields
			: quiet		 ? kQuietFields
					 : kDefaultFields;
	return true;
}

} // namespace lfs
