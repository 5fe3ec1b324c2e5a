// SPDX-License-Identifier: GPL-2.0
//
// lfs path2fid, fid2path, rmfid, data_version and flushctx.

#include <fcntl.h>
#include <getopt.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "lfs/cmd.hpp"
#include "lfs/kernel.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

/// Names of an object that fid2path and path2fid show at most: what a link attribute can hold.
constexpr std::uint32_t kLinksMax = 4096;

/// "parent/name" of each hard link, with tabs between.
int show_parents(const std::string &path, const std::string &prefix)
{
	Fd fd;
	if (int rc = fd.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW))
		return rc;
	std::string out;
	for (std::uint32_t n = 0; n < kLinksMax; n++) {
		wire::Fid parent;
		std::string name;
		int rc = parent_of(fd.get(), n, parent, name);
		if (rc == -ENODATA && n > 0)
			break;
		if (rc)
			return rc;
		out += (n ? "\t" : "") + fid_text(parent) + "/" + name;
	}
	printf("%s%s\n", prefix.c_str(), out.c_str());
	return 0;
}

struct PathRequest {
	bool name_only = false, print_fid = false, print_link = false;
	char end = '\n';
	std::optional<std::uint32_t> link;
};

constexpr option kPathOptions[] = {
	{"cur", no_argument, nullptr, 'c'},
	{"link", required_argument, nullptr, 'l'},
	{"name", no_argument, nullptr, 'n'},
	{"print-fid", no_argument, nullptr, 'f'},
	{"print-link", no_argument, nullptr, 'c'},
	{"print0", no_argument, nullptr, '0'},
	{nullptr, 0, nullptr, 0},
};

/// False: wrong usage, and it has been said why.
bool parse(int argc, char **argv, PathRequest &r)
{
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "0cfl:n", kPathOptions, nullptr)) != -1;) {
		switch (c) {
		case '0':
			r.end = '\0';
			break;
		case 'c':
			r.print_link = true;
			break;
		case 'f':
			r.print_fid = true;
			break;
		case 'l': {
			auto n = parse_int(optarg);
			if (!n || *n < 0 || *n > UINT32_MAX) {
				fprintf(stderr, "lfs fid2path: invalid linkno '%s'\n", optarg);
				return false;
			}
			r.link = static_cast<std::uint32_t>(*n);
			break;
		}
		case 'n':
			r.name_only = true;
			break;
		default:
			tool::unrecognized("lfs", argv);
			return false;
		}
	}
	return true;
}

/// The mount that an operand means: a file system's name, or a path inside it.
int find_root(const char *operand, Mount &m, std::string &prefix)
{
	for (const Mount &each : mounts())
		if (each.fsname == operand) {
			m = each;
			return 0;
		}
	if (!strchr(operand, '/'))
		return -ENODEV;
	if (int rc = mount_of(operand, m))
		return rc;
	prefix = m.dir.ends_with('/') ? m.dir : m.dir + "/";
	return 0;
}

/// All paths of one FID, or the one of the given link.
int show_paths(int root_fd, const PathRequest &r, const std::string &prefix, const wire::Fid &fid)
{
	std::string first;
	std::uint32_t link = r.link.value_or(0);
	for (std::uint32_t n = 0; n < kLinksMax; n++) {
		std::uint32_t next = link;
		std::string path;
		int rc = path_of_fid(root_fd, fid, next, path);
		if (rc)
			return n ? 0 : rc; // a name went away meanwhile
		if (n == 0)
			first = path;
		else if (path == first)
			return 0; // numbers past the last begin anew
		std::string shown = prefix + path;
		if (r.name_only)
			shown = path.substr(path.rfind('/') + 1);
		else if (shown.empty())
			shown = "/";
		if (r.print_fid)
			printf("%s ", fid_text(fid).c_str());
		if (r.print_link)
			printf("%u ", link);
		printf("%s%c", shown.c_str(), r.end);
		if (r.link || next == link)
			return 0;
		link = next;
	}
	return 0;
}

} // namespace

int cmd_path2fid(int argc, char **argv)
{
	constexpr option kOptions[] = {{"parents", no_argument, nullptr, 'p'},
				       {nullptr, 0, nullptr, 0}};
	bool parents = false;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "p", kOptions, nullptr)) != -1;) {
		if (c != 'p')
			return tool::unrecognized("lfs", argv);
		parents = true;
	}
	if (optind == argc) {
		fprintf(stderr, "lfs path2fid: FILE... must be specified\n");
		return tool::kHelp;
	}
	bool many = argc - optind > 1;
	int rc = 0;
	for (; optind < argc; optind++) {
		std::string path = argv[optind], prefix = many ? path + ": " : "";
		wire::Fid fid;
		int rc2 = parents ? show_parents(path, prefix) : fid_of(path, false, fid);
		if (rc2)
			fprintf(stderr, "lfs path2fid: cannot get %s for '%s': %s\n",
				parents ? "parent fid" : "fid", path.c_str(), strerror(-rc2));
		else if (!parents)
			printf("%s%s\n", prefix.c_str(), fid_text(fid).c_str());
		rc = rc ? rc : rc2;
	}
	return rc;
}

int cmd_fid2path(int argc, char **argv)
{
	PathRequest r;
	if (!parse(argc, argv, r) || argc - optind < 2)
		return tool::kHelp;
	const char *operand = argv[optind++];
	Mount m;
	std::string prefix;
	int rc = find_root(operand, m, prefix);
	Fd root;
	if (!rc)
		rc = root.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	if (rc) {
		fprintf(stderr, "lfs fid2path: cannot resolve mount point for '%s': %s\n", operand,
			strerror(-rc));
		return rc;
	}
	for (; optind < argc; optind++) {
		auto fid = parse_fid(argv[optind]);
		int rc2 = -EINVAL;
		if (!fid) {
			fprintf(stderr, "lfs fid2path: invalid FID '%s'\n", argv[optind]);
		} else if (rc2 = show_paths(root.get(), r, prefix, *fid); rc2) {
			fprintf(stderr, "lfs fid2path: cannot find %s %s: %s\n", operand,
				argv[optind], strerror(-rc2));
		}
		rc = rc ? rc : rc2;
	}
	return rc;
}

int cmd_rmfid(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "lfs rmfid: missing dirname\n");
		return tool::kHelp;
	}
	if (argc < 3) {
		fprintf(stderr, "lfs rmfid: missing fid\n");
		return tool::kHelp;
	}
	Mount m;
	std::string prefix;
	Fd root;
	int rc = find_root(argv[1], m, prefix);
	if (!rc)
		rc = root.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	if (rc) {
		fprintf(stderr, "lfs rmfid: cannot open '%s': %s\n", argv[1], strerror(-rc));
		return rc;
	}
	for (int i = 2; i < argc; i++) {
		auto fid = parse_fid(argv[i]);
		struct {
			wire::FidArray head;
			wire::Fid fid;
		} call{};
		int rc2 = -EINVAL;
		if (fid) {
			call.head.nr = 1;
			call.fid = *fid;
			rc2 = ioctl(root.get(), wire::LL_IOC_RMFID, &call) < 0 ? -errno : 0;
			// What became of each comes back in its last field.
			if (!rc2)
				rc2 = -std::abs(static_cast<int>(call.fid.ver.get()));
		}
		if (rc2)
			fprintf(stderr, "lfs rmfid: cannot remove %s: %s\n", argv[i],
				strerror(-rc2));
		rc = rc ? rc : rc2;
	}
	return rc;
}

int cmd_data_version(int argc, char **argv)
{
	std::uint32_t flags = wire::LL_DV_RD_FLUSH;
	opterr = 0;
	for (int c; (c = getopt(argc, argv, "nrws")) != -1;) {
		switch (c) {
		case 'n':
			flags = 0;
			break;
		case 'r':
			flags = wire::LL_DV_RD_FLUSH;
			break;
		case 'w':
			flags = wire::LL_DV_WR_FLUSH;
			break;
		case 's':
			fprintf(stderr, "error: lfs data_version: -s is not built yet\n");
			return -EOPNOTSUPP;
		default:
			return tool::unrecognized("lfs", argv);
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "lfs: FILE must be specified\n");
		return tool::kHelp;
	}
	const char *path = argv[optind];
	Fd fd;
	std::uint64_t version = 0;
	int rc = fd.open(path, O_RDONLY | O_NONBLOCK);
	if (rc) {
		fprintf(stderr, "lfs data_version: cannot open file '%s': %s\n", path,
			strerror(-rc));
		return rc;
	}
	rc = data_version(fd.get(), flags, version);
	if (rc) {
		fprintf(stderr, "lfs data_version: cannot get version for '%s': %s\n", path,
			strerror(-rc));
		return rc;
	}
	printf("%llu\n", static_cast<unsigned long long>(version));
	return 0;
}

int cmd_flushctx(int argc, char **argv)
{
	opterr = 0;
	for (int c; (c = getopt(argc, argv, "kr")) != -1;)
		if (c == '?')
			return tool::unrecognized("lfs", argv);
	std::vector<std::string> dirs(argv + optind, argv + argc);
	if (dirs.empty())
		for (const Mount &m : mounts())
			dirs.push_back(m.dir);
	int rc = 0;
	for (const std::string &dir : dirs) {
		Fd fd;
		int rc2 = fd.open(dir, O_RDONLY | O_NONBLOCK);
		if (!rc2 && ioctl(fd.get(), wire::LL_IOC_FLUSHCTX, nullptr) < 0)
			rc2 = -errno;
		if (rc2)
			fprintf(stderr, "error: flushctx: '%s': %s\n", dir.c_str(), strerror(-rc2));
		rc = rc ? rc : rc2;
	}
	return rc;
}

} // namespace lfs
