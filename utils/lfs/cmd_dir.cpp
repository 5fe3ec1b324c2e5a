// SPDX-License-Identifier: GPL-2.0
//
// lfs mkdir, setdirstripe and getdirstripe.

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lfs/cmd.hpp"
#include "lfs/dir_text.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

constexpr unsigned kDepthMax = 4096;

int make_one(const char *command, const DirRequest &r, const std::string &path)
{
	PathParts parts = split_path(path);
	Fd parent;
	if (int rc = parent.open(parts.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY)) {
		fprintf(stderr, "lfs %s: unable to open '%s': %s (%d)\n", command,
			parts.dir.c_str(), strerror(-rc), -rc);
		return rc;
	}
	mode_t mask = umask(0);
	umask(mask);
	unsigned mode = r.mode.value_or(0777u & ~mask);
	int rc = make_striped_dir(parent.get(), parts.name, mode, encode_dir(r));
	if (!rc)
		return 0;
	fprintf(stderr, "lfs mkdir: dirstripe error on '%s': %s\n", path.c_str(),
		rc == -EEXIST ? "stripe already set" : strerror(-rc));
	fprintf(stderr, "lfs setdirstripe: cannot create dir '%s': %s\n", path.c_str(),
		strerror(-rc));
	return rc;
}

int set_default(const DirRequest &r, const std::string &path)
{
	Fd fd;
	int rc = fd.open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	if (!rc)
		rc = set_default_dir_layout(fd.get(), dir_head(r), dir_mdts(r));
	if (rc)
		fprintf(stderr, "lfs setdirstripe: cannot set default layout of '%s': %s\n",
			path.c_str(), strerror(-rc));
	return rc;
}

int set_all(const char *command, int argc, char **argv)
{
	auto request = parse_setdirstripe(command, argc, argv);
	if (!request) {
		if (!request.error().message.empty())
			fprintf(stderr, "%s\n", request.error().message.c_str());
		return tool::kHelp;
	}
	int rc = 0;
	for (const std::string &path : request->operands) {
		int rc2 = request->defaults ? set_default(*request, path)
					    : make_one(command, *request, path);
		rc = rc ? rc : rc2;
	}
	return rc;
}

int get_failed(const std::string &path, int rc)
{
	if (rc == -ENOTTY)
		fprintf(stderr, "lfs getdirstripe: '%s' not on a Lustre fs?: %s (%d)\n",
			path.c_str(), strerror(-rc), -rc);
	fprintf(stderr, "lfs: getdirstripe for '%s' failed: %s\n", path.c_str(), strerror(-rc));
	return rc;
}

/// What stands for a directory that has no layout of the kind.
int layout_or_plain(int fd, const GetDirRequest &r, DirLayout &l)
{
	auto magic = r.defaults ? wire::LMV_USER_MAGIC : wire::LMV_MAGIC_V1;
	int rc = dir_layout(fd, magic, l);
	std::uint32_t mdt;
	// A client that answers the second call but not the first knows no striped directories.
	if (rc == -ENOTTY && !mdt_of(fd, mdt))
		rc = -ENODATA;
	if (rc != -ENODATA)
		return rc;
	l = {};
	l.head.magic = magic;
	if (r.defaults) {
		l.head.stripe_offset = wire::LMV_OFFSET_DEFAULT;
		return 0;
	}
	if (rc = mdt_of(fd, mdt); rc)
		return rc;
	l.head.stripe_offset = mdt;
	return 0;
}

int get_one(const std::string &path, const GetDirRequest &r, unsigned depth)
{
	Fd fd;
	int rc = fd.open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | (depth ? O_NOFOLLOW : 0));
	if (rc == -ENOTDIR || (depth && rc == -ELOOP))
		return 0;
	if (rc)
		return get_failed(path, rc);
	DirLayout l;
	if (rc = layout_or_plain(fd.get(), r, l); rc < 0)
		return get_failed(path, rc);
	wire::Fid fid{};
	if (rc = fid_of(path, true, fid); rc)
		return get_failed(path, rc);
	if (r.recursive && !r.selected())
		printf("%s\n", path.c_str());
	fputs(show_dir(l, fid, r).c_str(), stdout);
	if (!r.recursive || depth >= kDepthMax)
		return 0;
	DIR *d = opendir(path.c_str());
	if (!d)
		return get_failed(path, -errno);
	int first = 0;
	while (dirent *e = readdir(d)) {
		std::string name = e->d_name;
		if (name == "." || name == ".." || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		rc = get_one(path.ends_with('/') ? path + name : path + "/" + name, r, depth + 1);
		first = first ? first : rc;
	}
	closedir(d);
	return first;
}

} // namespace

int cmd_mkdir(int argc, char **argv)
{
	return set_all("mkdir", argc, argv);
}

int cmd_setdirstripe(int argc, char **argv)
{
	return set_all("setdirstripe", argc, argv);
}

int cmd_getdirstripe(int argc, char **argv)
{
	GetDirRequest r;
	if (!parse_getdirstripe(argc, argv, r))
		return tool::unrecognized("lfs", argv);
	if (optind == argc) {
		fprintf(stderr, "error: getdirstripe: no filename|pathname\n");
		return tool::kHelp;
	}
	int rc = 0;
	for (; optind < argc; optind++) {
		int rc2 = get_one(argv[optind], r, 0);
		rc = rc ? rc : rc2;
	}
	return rc;
}

} // namespace lfs
