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

constexpr const char *kHead =
	"usage: %s <target type> --backfstype=ldiskfs --fsname=<filesystem name>\n"
	"\t--index=<target index> [options] <device>\n"
	"\n\n"
	"\ttarget types:\n"
	"\t\t--mgs: configuration management service\n"
	"\t\t--nomgs: turn off MGS service on this MDT\n";

constexpr const char *kMkfsTypes =
	"\t\t--mdt: metadata storage, mutually exclusive with ost\n"
	"\t\t--ost: object storage, mutually exclusive with mdt, mgs\n\n";

constexpr const char *kCommon =
	"\toptions (in order of popularity):\n"
	"\t\t--index=#N: numerical target index (0..N)\n"
	"\t\t\trequired for all targets other than the MGS,\n"
	"\t\t\ttarget index may either be a decimal number or\n"
	"\t\t\thexadecimal number starting with '0x'\n"
	"\t\t--fsname=<8_char_filesystem_name>: fs targets belong to\n"
	"\t\t\trequired for all targets other than MGS\n"
	"\t\t--mgsnode=<nid>[,<...>]: NID(s) of remote MGS\n"
	"\t\t\trequired for all targets other than MGS\n"
	"\t\t--mountfsoptions=<opts>: permanent Lustre mount options\n"
	"\t\t--backfs-mount-opts=<opts>: backing fs mount options\n"
	"\t\t--failnode=<nid>[,<...>]: NID(s) of backup failover node\n"
	"\t\t\tmutually exclusive with --servicenode\n"
	"\t\t--servicenode=<nid>[,<...>]: NID(s) of service partners\n"
	"\t\t\ttreat nodes as equal service node, mutually exclusive with --failnode\n"
	"\t\t--param <key>=<value>: set a permanent parameter\n"
	"\t\t\te.g. --param sys.timeout=40\n"
	"\t\t\t     --param lov.stripesize=2M\n"
	"\t\t--network=<net>[,<...>]: restrict OST/MDT to network(s)\n";

constexpr const char *kMkfsOnly = "\t\t--backfstype=<fstype>: backing fs type (ldiskfs, zfs)\n"
				  "\t\t--device-size=#N(KB): device size for loop devices\n"
				  "\t\t--mkfsoptions=<opts>: format options\n"
				  "\t\t--reformat: overwrite an existing disk\n"
				  "\t\t--stripe-count-hint=#N: for optimizing MDT inode size\n";

constexpr const char *kTunefsOnly =
	"\t\t--erase-param <key>: erase all instances of a parameter\n"
	"\t\t--erase-params: erase all old parameter settings\n"
	"\t\t--writeconf: erase all config logs for this fs.\n"
	"\t\t--nolocallogs: use logs from MGS, not local ones.\n"
	"\t\t--quota: enable space accounting on old 2.x device.\n"
	"\t\t--rename: rename the filesystem name\n"
	"\t\t--mountdata-reset-from=<dev|file>: reset CONFIGS/mountdata file.\n";

constexpr const char *kTail = "\t\t--replace: replace an old target with the same index\n"
			      "\t\t--comment=<user comment>: arbitrary string (824 bytes)\n"
			      "\t\t--dryrun: report what we would do; don't write to disk\n"
			      "\t\t--verbose: e.g. show mkfs progress\n"
			      "\t\t--force-nohostid: Ignore hostid requirement for ZFS import\n"
			      "\t\t-V|--version: output build version of the utility and\n"
			      "\t\t\texit\n"
			      "\t\t--quiet\n";

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
