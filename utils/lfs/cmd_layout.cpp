// SPDX-License-Identifier: GPL-2.0
//
// lfs setstripe and getstripe.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "lfs/cmd.hpp"
#include "lfs/getstripe_options.hpp"
#include "lfs/kernel.hpp"
#include "lfs/layout_make.hpp"
#include "lfs/layout_text.hpp"
#include "lfs/pools.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

/// Deeper trees are not walked: a directory cannot be its own ancestor, but bind mounts exist.
constexpr unsigned kDepthMax = 4096;

int refuse(const Refusal &r)
{
	if (r.help)
		fflush(stdout);
	if (!r.message.empty())
		fprintf(stderr, "%s\n", r.message.c_str());
	return r.help ? tool::kHelp : r.status;
}

/// A directory's own default, or what stands in for it: that of the root, else nothing.
struct Defaults {
	std::uint32_t count = 1, size = 4 << 20;
	std::optional<Layout> root; ///< the root's, when it has one
	std::string mount;
};

void load_defaults(int fd, const std::string &path, Defaults &d)
{
	Mount m;
	Identity id;
	if (mount_of(path, m) || d.mount == m.dir)
		return;
	d = {};
	d.mount = m.dir;
	std::string value;
	if (!identity_of(fd, id)) {
		std::string lov = "lov." + id.fsname + "-clilov-" + id.instance;
		if (read_parameter(lov + ".stripecount", value))
			d.count = static_cast<std::uint32_t>(strtol(value.c_str(), nullptr, 0));
		if (read_parameter(lov + ".stripesize", value))
			d.size = static_cast<std::uint32_t>(strtoul(value.c_str(), nullptr, 0));
	}
	Fd root;
	std::vector<std::byte> bytes;
	if (root.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY) ||
	    directory_layout(root.get(), bytes) < 0)
		return;
	if (auto l = decode_layout(bytes, Owner::directory)) {
		d.root = *l;
		if (l->kind == Layout::Kind::plain) {
			const Component &c = l->components.front();
			d.count = c.stripe_count ? c.stripe_count : d.count;
			d.size = c.stripe_size ? c.stripe_size : d.size;
		}
	}
}

class GetStripe
{
public:
	explicit GetStripe(GetRequest r) : r_(std::move(r)) {}
	int operand(const std::string &path);

private:
	int walk(int dir_fd, const std::string &path, unsigned depth);
	int directory(int fd, const std::string &path);
	int file(const std::string &path, bool in_walk);
	int show(const std::vector<std::byte> &bytes, Subject &s);
	void print(const Layout &l, const Subject &s);
	int find_ost(int fd);
	int fail(const std::string &path, int rc) const;

	GetRequest r_;
	Defaults defaults_;
};

int GetStripe::fail(const std::string &path, int rc) const
{
	if (rc == -ENOTTY)
		fprintf(stderr, "lfs getstripe: cb_getstripe: '%s' not on a Lustre fs?: %s (%d)\n",
			path.c_str(), strerror(-rc), -rc);
	fprintf(stderr, "lfs: getstripe for '%s' failed: %s\n", path.c_str(), strerror(-rc));
	return rc;
}

/// The index of the OST that -O names: a whole name, or one without the _UUID.
int GetStripe::find_ost(int fd)
{
	if (r_.ost_name.empty() || r_.show.ost)
		return 0;
	std::vector<Target> all;
	if (int rc = list_targets(fd, TargetKind::ost, all))
		return rc;
	for (const Target &t : all)
		if (t.uuid == r_.ost_name || t.uuid == r_.ost_name + "_UUID")
			r_.show.ost = t.index;
	if (auto n = parse_int(r_.ost_name); n && *n >= 0 && *n <= UINT32_MAX)
		r_.show.ost = static_cast<std::uint32_t>(*n);
	if (r_.show.ost)
		return 0;
	fprintf(stderr, "error: getstripe: unknown obduuid: %s\n", r_.ost_name.c_str());
	return -EINVAL;
}

void GetStripe::print(const Layout &l, const Subject &s)
{
	if (r_.show.ost) {
		bool found = false;
		for (const Component &c : l.components)
			for (const Object &o : c.objects)
				found |= o.ost == *r_.show.ost;
		if (!found)
			return;
	}
	fputs(show_layout(l, s, r_.show).c_str(), stdout);
}

int GetStripe::show(const std::vector<std::byte> &bytes, Subject &s)
{
	auto l = decode_layout(bytes, s.directory ? Owner::directory : Owner::file);
	if (!l) {
		fprintf(stderr, "lfs getstripe: '%s': %s\n", s.path.c_str(), l.error().c_str());
		return -EPROTO;
	}
	print(*l, s);
	return 0;
}

int GetStripe::directory(int fd, const std::string &path)
{
	Subject s{path, true, true, {}, 0, 1, 1 << 20};
	if (int rc = find_ost(fd))
		return rc;
	if (r_.mdt_index) {
		if (int rc = mdt_of(fd, s.mdt))
			return fail(path, rc);
		printf("%d\n", static_cast<int>(s.mdt));
		return 0;
	}
	std::vector<std::byte> bytes;
	int rc = directory_layout(fd, bytes);
	if (rc < 0 && rc != -ENODATA)
		return fail(path, rc);
	if (r_.show.fields & kFid)
		(void)fid_of(path, true, s.fid);
	load_defaults(fd, path, defaults_);
	s.default_count = defaults_.count;
	s.default_size = defaults_.size;
	if (rc != -ENODATA)
		return show(bytes, s);
	s.own_default = false;
	if (defaults_.root && !r_.show.raw) {
		print(*defaults_.root, s);
		return 0;
	}
	Layout none;
	none.components.emplace_back();
	none.components.front().generation = wire::LOV_OFFSET_DEFAULT;
	print(none, s);
	return 0;
}

int GetStripe::file(const std::string &path, bool in_walk)
{
	Subject s{path, false, true, {}, 0, 1, 1 << 20};
	std::string real = path;
	struct stat st;
	if (lstat(path.c_str(), &st))
		return fail(path, -errno);
	if (in_walk && S_ISLNK(st.st_mode) && !r_.no_follow) {
		// A walk shows the file a link leads to.
		char *target = realpath(path.c_str(), nullptr);
		if (!target)
			return 0;
		real = target;
		free(target);
	}
	PathParts parts = split_path(real);
	Fd dir;
	if (int rc = dir.open(parts.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY))
		return fail(path, rc);
	if (int rc = find_ost(dir.get()))
		return rc;
	if (int rc = fid_of(real, false, s.fid); rc && rc != -ENOTTY && rc != -EOPNOTSUPP)
		return fail(path, rc);
	(void)mdt_of_fid(dir.get(), s.fid, s.mdt);
	if (r_.mdt_index) {
		printf("%d\n", static_cast<int>(s.mdt));
		return 0;
	}
	std::vector<std::byte> bytes;
	int rc = entry_layout(dir.get(), parts.name, bytes);
	if (rc == -ENODATA) {
		if (!r_.show.ost)
			printf("%s has no stripe info\n", path.c_str());
		return 0;
	}
	return rc < 0 ? fail(path, rc) : show(bytes, s);
}

/// The entries of a directory: all of them, or with those of the directories below.
int GetStripe::walk(int dir_fd, const std::string &path, unsigned depth)
{
	if (depth >= kDepthMax)
		return -ELOOP;
	int copy = dup(dir_fd);
	DIR *d = copy < 0 ? nullptr : fdopendir(copy);
	if (!d) {
		int rc = -errno;
		if (copy >= 0)
			close(copy);
		return fail(path, rc);
	}
	int first = 0;
	while (dirent *e = readdir(d)) {
		std::string name = e->d_name;
		if (name == "." || name == "..")
			continue;
		std::string below = path.ends_with('/') ? path + name : path + "/" + name;
		Fd sub;
		int rc = sub.open(below, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW);
		if (rc == -ENOTDIR || rc == -ELOOP)
			rc = file(below, true);
		else if (rc)
			rc = fail(below, rc);
		else if (rc = directory(sub.get(), below); !rc && r_.recursive)
			rc = walk(sub.get(), below, depth + 1);
		first = first ? first : rc;
	}
	closedir(d);
	return first;
}

int GetStripe::operand(const std::string &path)
{
	Fd fd;
	int rc = fd.open(path,
			 O_RDONLY | O_NONBLOCK | O_DIRECTORY | (r_.no_follow ? O_NOFOLLOW : 0));
	if (rc == -ENOTDIR || (rc == -ELOOP && r_.no_follow))
		return file(path, false);
	if (rc)
		return fail(path, rc);
	rc = directory(fd.get(), path);
	if (rc || r_.show.only_self)
		return rc;
	return walk(fd.get(), path, 0);
}

} // namespace

int cmd_getstripe(int argc, char **argv)
{
	GetRequest r;
	if (!parse_getstripe(argc, argv, r))
		return tool::unrecognized("lfs", argv);
	if (r.operands.empty()) {
		fprintf(stderr, "error: getstripe: no filename|pathname\n");
		return tool::kHelp;
	}
	GetStripe g(r);
	int rc = 0;
	for (const std::string &path : r.operands) {
		int rc2 = g.operand(path);
		rc = rc ? rc : rc2;
	}
	return rc;
}

namespace
{

int set_failed(const std::string &path, int rc)
{
	fprintf(stderr, "lfs setstripe: setstripe error for '%s': %s\n", path.c_str(),
		rc == -EEXIST ? "stripe already set" : strerror(-rc));
	return rc;
}

/// Pools are asked for by name; a name that nobody knows would silently mean any OST.
int check_pools(const LayoutRequest &r, const std::string &path)
{
	Mount m;
	PathParts parts = split_path(path);
	if (mount_of(parts.dir, m))
		return 0;
	for (const ComponentRequest &c : r.components) {
		if (c.pool.empty() || c.pool == wire::LOV_POOL_IGNORE ||
		    c.pool == wire::LOV_POOL_INHERIT)
			continue;
		Pool pool;
		if (read_pool(m.fsname, c.pool, pool) != -ENOENT)
			continue;
		fprintf(stderr, "lfs setstripe: pool '%s fsname %s' does not exist: %s (%d)\n",
			c.pool.c_str(), m.fsname.c_str(), strerror(ENOENT), ENOENT);
		return -EINVAL;
	}
	return 0;
}

int layout_of_path(const std::string &path, Layout &out)
{
	PathParts parts = split_path(path);
	Fd dir;
	std::vector<std::byte> bytes;
	if (int rc = dir.open(parts.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY))
		return rc;
	if (int rc = entry_layout(dir.get(), parts.name, bytes); rc < 0)
		return rc;
	auto l = decode_layout(bytes, Owner::file);
	if (!l)
		return -EPROTO;
	out = std::move(*l);
	return 0;
}

/// --component-add, -del and -set: through the attributes that mean so.
int change_one(const LayoutRequest &r, const std::string &path)
{
	using Change = LayoutRequest::Change;
	Layout now;
	int rc = layout_of_path(path, now);
	if (rc && rc != -ENODATA)
		return set_failed(path, rc);
	if (rc || now.kind != Layout::Kind::composite) {
		fprintf(stderr,
			"lfs setstripe setstripe: '%s' not a composite file\n"
			"error: lfs setstripe: invalid layout\n",
			path.c_str());
		return -EINVAL;
	}
	LayoutRequest mine = r;
	const char *name = r.change == Change::add	? "lustre.lov.add"
			   : r.change == Change::remove ? "lustre.lov.del"
							: "lustre.lov.set.flags";
	if (r.change == Change::add && !now.components.empty())
		mine.components.front().start = now.components.back().end;
	Fd fd;
	if (rc = fd.open(path, O_WRONLY | O_NONBLOCK); rc) {
		fprintf(stderr, "lfs setstripe: unable to open '%s': %s (%d)\n", path.c_str(),
			strerror(-rc), -rc);
		return rc;
	}
	rc = set_layout_xattr(fd.get(), name, encode_layout(mine));
	if (!rc)
		return 0;
	if (r.change == Change::add)
		return set_failed(path, rc);
	fprintf(stderr, "lfs setstripe setstripe: cannot %s component %#x %s '%s': %s\n",
		r.change == Change::remove ? "delete" : "change the flags of",
		r.change_id.value_or(0), r.change == Change::remove ? "from" : "of", path.c_str(),
		strerror(-rc));
	return r.change == Change::remove ? -1 : rc;
}

int set_one(const LayoutRequest &r, const std::vector<std::byte> &bytes, const std::string &path)
{
	if (int rc = check_pools(r, path))
		return rc;
	Fd fd;
	bool created = false;
	struct stat st;
	int rc;
	if (!stat(path.c_str(), &st) && S_ISDIR(st.st_mode)) {
		rc = fd.open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	} else {
		constexpr int kDelay = static_cast<int>(wire::O_LOV_DELAY_CREATE);
		rc = fd.open(path, O_CREAT | O_EXCL | O_WRONLY | kDelay, r.mode);
		created = rc == 0;
		if (rc == -EEXIST)
			rc = fd.open(path, O_WRONLY | O_NONBLOCK | kDelay);
	}
	if (rc) {
		fprintf(stderr, "lfs setstripe: unable to open '%s': %s (%d)\n", path.c_str(),
			strerror(-rc), -rc);
		return rc;
	}
	rc = r.composite || r.foreign ? set_layout_xattr(fd.get(), "lustre.lov", bytes)
				      : set_plain_layout(fd.get(), bytes);
	if (!rc)
		return 0;
	if (created)
		unlink(path.c_str());
	return set_failed(path, rc);
}

} // namespace

int cmd_setstripe(int argc, char **argv)
{
	auto request = parse_setstripe("setstripe", argc, argv);
	if (!request)
		return refuse(request.error());
	LayoutRequest &r = *request;
	if (!r.copy_from.empty()) {
		Layout source;
		if (int rc = layout_of_path(r.copy_from, source)) {
			fprintf(stderr, "lfs setstripe: cannot read the layout of '%s': %s\n",
				r.copy_from.c_str(), strerror(-rc));
			return rc;
		}
		LayoutRequest like = request_like(source);
		like.operands = r.operands;
		like.mode = r.mode;
		r = std::move(like);
	}
	auto bytes = encode_layout(r);
	int rc = 0;
	for (const std::string &path : r.operands) {
		int rc2 = r.change != LayoutRequest::Change::none ? change_one(r, path)
								  : set_one(r, bytes, path);
		rc = rc ? rc : rc2;
	}
	return rc;
}

} // namespace lfs
