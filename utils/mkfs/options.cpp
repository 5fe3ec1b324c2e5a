// SPDX-License-Identifier: GPL-2.0
//
// getopt_long() rather than a library of ours: scripts rely on its abbreviations and its messages.

#include "mkfs/options.hpp"

#include <getopt.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "mkfs/nids.hpp"

namespace mkfs
{

using namespace wire;

namespace
{

// The first line is what scripts look for to tell a usage error from another.
constexpr const char *kHead =
	"usage: %s <target type> --backfstype=ldiskfs --fsname=<filesystem name>\n"
	"       --index=<target index> [options] <device>\n\n"
	"What the target is:\n"
	"  -G, --mgs               holds the configuration of all file systems (MGS)\n"
	"  -N, --nomgs             an MDT that was MGS too is so no longer\n";

constexpr const char *kMkfsTypes =
	"  -M, --mdt               holds names and attributes; may be the MGS too\n"
	"  -O, --ost               holds the data of files; never anything else\n";

constexpr const char *kCommon =
	"\nWhere it belongs:\n"
	"  -L, --fsname=NAME       name of the file system, 1 to 8 characters (not for an MGS "
	"alone)\n"
	"  -i, --index=N           number among targets of its type, decimal or 0x... (likewise)\n"
	"  -m, --mgsnode=NID[,NID] where the MGS runs, unless it is on this device; one option "
	"for\n"
	"                          each node, with all the NIDs of that node\n"
	"  -s, --servicenode=NID[,NID]  a node that may serve this target, none before another\n"
	"  -f, --failnode=NID[,NID]     a node that takes over; not together with --servicenode\n"
	"  -t, --network=NET[,NET] serve on these networks only\n"
	"\nWhat is kept with it:\n"
	"  -p, --param=KEY=VALUE   a parameter for good, as sys.timeout=40 or lov.stripesize=2M\n"
	"  -o, --mountfsoptions=O  how the backing file system is mounted\n"
	"  -u, --comment=TEXT      any text, shown by tunefs.lustre\n";

constexpr const char *kMkfsOnly =
	"\nHow it is formatted:\n"
	"  -b, --backfstype=TYPE   backing file system: ldiskfs\n"
	"  -d, --device-size=KB    size to use; needed for a file in place of a device\n"
	"  -k, --mkfsoptions=O     passed on to mke2fs\n"
	"  -c, --stripe-count-hint=N  usual stripes of a file: an MDT's inodes get room for them\n"
	"  -r, --reformat          even if the device holds a Lustre target\n";

constexpr const char *kTunefsOnly =
	"\nWhat is changed:\n"
	"  -E, --erase-param=KEY   forget this parameter, however often it was given\n"
	"  -e, --erase-params      forget all of them\n"
	"  -w, --writeconf         the MGS writes the configuration of this target anew\n"
	"  -l, --nolocallogs       trust the MGS's logs, never the copies here\n"
	"  -Q, --quota, --rename, --mountdata-reset-from=FILE   not built yet\n";

constexpr const char *kTail =
	"  -R, --replace           stands in for a lost target with the same index\n"
	"\nThe rest:\n"
	"  -n, --dryrun            show what would be written, write nothing\n"
	"  -v, --verbose           more output, of mke2fs too;  -q, --quiet  less\n"
	"  -B, --backfs-mount-opts=O, -U, --force-nohostid   taken and not needed\n"
	"  -V, --version           show the version;  -h, --help  show this\n";

// Letters of options that both tools have mean the same in both; the others are told apart by
// values behind the letters.
enum : int { kRename = 256, kResetFrom };

const option kMkfsLong[] = {
	{"backfstype", required_argument, nullptr, 'b'},
	{"backfs-mount-opts", required_argument, nullptr, 'B'},
	{"stripe-count-hint", required_argument, nullptr, 'c'},
	{"comment", required_argument, nullptr, 'u'},
	{"device-size", required_argument, nullptr, 'd'},
	{"dryrun", no_argument, nullptr, 'n'},
	{"failnode", required_argument, nullptr, 'f'},
	{"failover", required_argument, nullptr, 'f'},
	{"force-nohostid", no_argument, nullptr, 'U'},
	{"fsname", required_argument, nullptr, 'L'},
	{"help", no_argument, nullptr, 'h'},
	{"index", required_argument, nullptr, 'i'},
	{"mdt", no_argument, nullptr, 'M'},
	{"mgs", no_argument, nullptr, 'G'},
	{"mgsnid", required_argument, nullptr, 'm'},
	{"mgsnode", required_argument, nullptr, 'm'},
	{"mkfsoptions", required_argument, nullptr, 'k'},
	{"mountfsoptions", required_argument, nullptr, 'o'},
	{"network", required_argument, nullptr, 't'},
	{"nomgs", no_argument, nullptr, 'N'},
	{"ost", no_argument, nullptr, 'O'},
	{"param", required_argument, nullptr, 'p'},
	{"quiet", no_argument, nullptr, 'q'},
	{"reformat", no_argument, nullptr, 'r'},
	{"replace", no_argument, nullptr, 'R'},
	{"servicenode", required_argument, nullptr, 's'},
	{"verbose", no_argument, nullptr, 'v'},
	{"version", no_argument, nullptr, 'V'},
	{},
};
constexpr const char *kMkfsShort = "b:B:c:u:d:nf:UL:hi:MGm:k:o:t:NOp:qrRs:vV";

const option kTunefsLong[] = {
	{"backfs-mount-opts", required_argument, nullptr, 'B'},
	{"comment", required_argument, nullptr, 'u'},
	{"dryrun", no_argument, nullptr, 'n'},
	{"erase-param", required_argument, nullptr, 'E'},
	{"erase-params", no_argument, nullptr, 'e'},
	{"failnode", required_argument, nullptr, 'f'},
	{"failover", required_argument, nullptr, 'f'},
	{"force-nohostid", no_argument, nullptr, 'U'},
	{"fsname", required_argument, nullptr, 'L'},
	{"help", no_argument, nullptr, 'h'},
	{"index", required_argument, nullptr, 'i'},
	{"mgs", no_argument, nullptr, 'G'},
	{"mgsnid", required_argument, nullptr, 'm'},
	{"mgsnode", required_argument, nullptr, 'm'},
	{"mountdata-reset-from", required_argument, nullptr, kResetFrom},
	{"mountfsoptions", required_argument, nullptr, 'o'},
	{"network", required_argument, nullptr, 't'},
	{"nolocallogs", no_argument, nullptr, 'l'},
	{"nomgs", no_argument, nullptr, 'N'},
	{"param", required_argument, nullptr, 'p'},
	{"quiet", no_argument, nullptr, 'q'},
	{"quota", no_argument, nullptr, 'Q'},
	{"rename", optional_argument, nullptr, kRename},
	{"replace", no_argument, nullptr, 'R'},
	{"servicenode", required_argument, nullptr, 's'},
	{"verbose", no_argument, nullptr, 'v'},
	{"version", no_argument, nullptr, 'V'},
	{"writeconf", no_argument, nullptr, 'w'},
	{},
};
constexpr const char *kTunefsShort = "B:u:nE:ef:UL:hi:Gm:o:t:lNp:qQRs:vVw";

const char *name_of(Tool t)
{
	return t == Tool::mkfs ? "mkfs.lustre" : "tunefs.lustre";
}

void usage(Tool t, FILE *to)
{
	fprintf(to, kHead, name_of(t));
	bool m = t == Tool::mkfs;
	fprintf(to, "%s%s%s%s", m ? kMkfsTypes : "", kCommon, m ? kMkfsOnly : kTunefsOnly, kTail);
}

Outcome<> node_option(Request &r, const char *key, const char *nids, bool sets_update)
{
	auto list = TRY(resolve_nids(nids, name_of(r.tool)));
	r.params.push_back({ParamChange::Kind::append, key, list, sets_update});
	return {};
}

Outcome<> backfs_type(const std::string &type)
{
	if (type == "ldiskfs")
		return {};
	if (type == "zfs" || type == "wbcfs")
		return fatal(EINVAL, std::string("unhandled/unloaded OSD plugin ") +
					     (type == "zfs" ? "5" : "6") + " '" + type + "'");
	return failure(1, "invalid backend filesystem type " + type);
}

Outcome<> add_param(Request &r, const std::string &text)
{
	auto eq = text.find('=');
	if (text.find(' ') != std::string::npos)
		return failure(EINVAL, "parameter '" + text + "' has a blank in it");
	if (eq == std::string::npos)
		r.params.push_back({ParamChange::Kind::set, "", text});
	else
		r.params.push_back(
			{ParamChange::Kind::set, text.substr(0, eq), text.substr(eq + 1)});
	return {};
}

Outcome<> node_or_param(Request &r, int c, const char *arg)
{
	switch (c) {
	case 'f':
		if (r.servicenode)
			return failure(1, "failnode cannot use with --servicenode");
		r.failnode = true;
		return node_option(r, "failover.node", arg, true);
	case 's':
		if (r.failnode)
			return failure(1, "servicenode cannot use with --failnode");
		r.servicenode = true;
		return node_option(r, "failover.node", arg, true);
	case 'm':
		return node_option(r, "mgsnode", arg, false);
	case 't':
		r.params.push_back({ParamChange::Kind::append, "network", arg});
		return {};
	default:
		return add_param(r, arg);
	}
}

Outcome<> flag_option(Request &r, int c)
{
	bool Request::*const flag = c == 'n'   ? &Request::dryrun
				    : c == 'M' ? &Request::mdt
				    : c == 'G' ? &Request::mgs
				    : c == 'N' ? &Request::nomgs
				    : c == 'O' ? &Request::ost
				    : c == 'q' ? &Request::quiet
				    : c == 'r' ? &Request::reformat
				    : c == 'R' ? &Request::replace
				    : c == 'e' ? &Request::erase_params
				    : c == 'l' ? &Request::nolocallogs
				    : c == 'w' ? &Request::writeconf
					       : nullptr;
	if (!flag)
		return failure(EINVAL, "bad option");
	r.*flag = true;
	return {};
}

Outcome<> value_option(Request &r, int c, const char *arg)
{
	switch (c) {
	case 'b':
		return backfs_type(arg);
	case 'B': // no mount is needed to write mountdata, so there is nothing to mount with
	case 'U':
		return {};
	case 'c':
		if (!r.mdt)
			return fatal(EINVAL,
				     "--stripe-count-hint only applies to an MDT and has to "
				     "come behind --mdt");
		r.stripe_count_hint = static_cast<std::uint32_t>(strtoul(arg, nullptr, 0));
		return {};
	case 'u':
		r.comment = arg;
		return {};
	case 'd':
		r.device_kb = strtoull(arg, nullptr, 0);
		return {};
	case 'L':
		TRY(check_fsname(arg));
		r.fsname = arg;
		return {};
	case 'i':
		r.index = TRY(parse_index(arg));
		return {};
	case 'k':
		r.mkfs_options = arg;
		return {};
	case 'o':
		r.mount_opts = arg;
		return {};
	case 'E':
		r.erase.push_back(arg);
		return {};
	case 'v':
		r.verbose++;
		return {};
	case 'Q':
	case kRename:
	case kResetFrom:
		return fatal(EOPNOTSUPP,
			     "--quota, --rename and --mountdata-reset-from are not built "
			     "yet");
	default:
		return flag_option(r, c);
	}
}

Outcome<std::string> mount_options(const DiskData &d, const std::optional<std::string> &given)
{
	bool meta = d.is_mgs() || d.is_mdt();
	std::string s = given ? *given : meta ? "user_xattr" : "";
	if (meta && s.find("user_xattr") == std::string::npos)
		return fatal(EINVAL, "mandatory mount option 'user_xattr' is missing");
	if (s.find("errors=") == std::string::npos)
		s += ",errors=remount-ro";
	return s;
}

void apply_params(const Request &r, DiskData &d)
{
	for (const auto &p : r.params) {
		if (p.kind == ParamChange::Kind::append) {
			d.append_param(p.key, p.value);
		} else if (p.key.empty()) {
			d.params.push_back(p.value);
		} else {
			if (r.tool == Tool::tunefs)
				d.erase_param(p.key);
			d.params.push_back(p.key + "=" + p.value);
		}
		if (p.sets_update)
			d.flags |= LDD_F_UPDATE;
	}
	if (r.servicenode)
		d.flags |= LDD_F_NO_PRIMNODE;
}

Outcome<> check_mgs(const DiskData &d)
{
	if (d.is_mgs() || !d.values("mgsnode").empty())
		return {};
	return fatal(EINVAL,
		     d.is_ost() ? "Must specify --mgsnode" : "Must specify --mgs or --mgsnode");
}

} // namespace

Outcome<Request> parse_command_line(Tool tool, int argc, char **argv)
{
	Request r;
	r.tool = tool;
	bool m = tool == Tool::mkfs;
	optind = 0; // glibc: start anew, for tests
	for (int c; (c = getopt_long(argc, argv, m ? kMkfsShort : kTunefsShort,
				     m ? kMkfsLong : kTunefsLong, nullptr)) != -1;) {
		if (c == 'h' || c == 'V') {
			if (c == 'h')
				usage(tool, stdout);
			else
				printf("%s %s\n", name_of(tool), CFS_VERSION);
			r.done = true;
			return r;
		}
		if (c == '?')
			return failure(EINVAL, "");
		bool node = c == 'f' || c == 's' || c == 'm' || c == 't' || c == 'p';
		TRY(node ? node_or_param(r, c, optarg) : value_option(r, c, optarg));
	}
	if (optind + 1 != argc) {
		if (optind >= argc)
			usage(tool, stderr);
		else
			return fatal(EINVAL, std::string("Bad argument: ") + argv[optind + 1]);
		return failure(EINVAL, "");
	}
	r.device = argv[optind];
	return r;
}

Outcome<DiskData> new_target(const Request &r, std::string &warnings)
{
	DiskData d;
	d.flags = (r.mdt ? LDD_F_SV_TYPE_MDT : 0) | (r.ost ? LDD_F_SV_TYPE_OST : 0) |
		  (r.mgs && !r.nomgs ? LDD_F_SV_TYPE_MGS : 0) | LDD_F_UPDATE |
		  (r.replace ? 0 : LDD_F_VIRGIN);
	if (!r.mdt && !r.ost && !r.mgs)
		return fatal(EINVAL, "must set target type: MDT,OST,MGS");
	if (r.ost && (r.mdt || r.mgs))
		return fatal(EINVAL, "OST type is exclusive with MDT,MGS");
	d.fsname = r.fsname.value_or("");
	if (r.mdt || r.ost) {
		if (!r.index)
			warnings += "warning: " + r.device +
				    ": for Lustre 2.4 and later, the target index "
				    "must be specified with --index\n";
		if (r.ost && !r.index)
			d.flags |= LDD_F_NEED_INDEX;
		d.index = r.index ? *r.index : r.mdt ? 0 : kNoIndex;
		if (!r.fsname)
			return fatal(EINVAL, "Must specify --fsname for MDT/OST device");
	}
	apply_params(r, d);
	TRY(check_mgs(d));
	d.mount_opts = TRY(mount_options(d, r.mount_opts));
	d.comment = r.comment.value_or("");
	d.svname = d.make_label();
	return d;
}

Outcome<> change_target(const Request &r, DiskData &d)
{
	bool registered = !d.is(LDD_F_VIRGIN) && !d.is(LDD_F_WRITECONF) && !r.writeconf;
	if (r.index && *r.index != d.index && registered)
		return failure(1, "cannot change the index of a registered target");
	if (r.fsname && *r.fsname != d.fsname && registered)
		return failure(1, "cannot change the name of a registered target");
	if (r.nolocallogs && (d.is(LDD_F_VIRGIN | LDD_F_WRITECONF) || r.writeconf))
		return fatal(EINVAL,
			     "--nolocallogs: the target has no local logs to leave alone before "
			     "it was mounted");
	if (r.mgs)
		d.flags |= LDD_F_SV_TYPE_MGS;
	if (r.nomgs)
		d.flags &= ~LDD_F_SV_TYPE_MGS;
	if (!(d.flags & LDD_F_SV_TYPE_MASK))
		return fatal(EINVAL, "must set target type: MDT,OST,MGS");
	if (r.index) {
		d.index = *r.index;
		d.flags &= ~LDD_F_NEED_INDEX;
	}
	if (r.fsname)
		d.fsname = *r.fsname;
	if (r.comment)
		d.comment = *r.comment;
	if (r.erase_params) {
		d.params.clear();
		d.flags |= LDD_F_UPDATE;
	}
	for (const auto &key : r.erase) {
		d.erase_param(key);
		d.flags |= LDD_F_UPDATE;
	}
	apply_params(r, d);
	if (r.writeconf)
		d.flags |= LDD_F_WRITECONF;
	if (r.nolocallogs)
		d.flags |= LDD_F_NO_LOCAL_LOGS;
	if (r.replace)
		d.flags &= ~LDD_F_VIRGIN;
	if (r.mount_opts)
		d.mount_opts = TRY(mount_options(d, r.mount_opts));
	TRY(check_mgs(d));
	d.svname = d.make_label();
	return {};
}

void report_line(const char *tool, const Failure &f)
{
	fprintf(stderr, "%s%s%s%s\n", f.fatal ? "\n" : "", tool, f.fatal ? " FATAL: " : ": ",
		f.message.c_str());
}

int report(const char *tool, const Failure &f)
{
	fflush(stdout);
	if (!f.message.empty())
		report_line(tool, f);
	fprintf(stderr, "%s: exiting with %d (%s)\n", tool, f.status, strerror(f.status));
	return f.status;
}

} // namespace mkfs
