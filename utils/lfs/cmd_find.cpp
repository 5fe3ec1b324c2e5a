// SPDX-License-Identifier: GPL-2.0
//
// lfs find: walks trees and fetches what the tests ask for, once per entry.

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "lfs/cmd.hpp"
#include "lfs/find.hpp"
#include "lfs/kernel.hpp"
#include "lfs/pools.hpp"

namespace lfs
{

namespace
{

constexpr unsigned kDepthMax = 4096;

/// statx, because it can do without the size, which object servers must be asked for.
int stat_entry(const std::string &path, const FindRequest &r, Entry &e)
{
	struct statx s;
	unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
	int flags = AT_SYMLINK_NOFOLLOW | (r.lazy ? AT_STATX_DONT_SYNC : 0);
	if (!r.wants_sizes)
		mask &= ~static_cast<unsigned>(STATX_SIZE | STATX_BLOCKS);
	if (statx(AT_FDCWD, path.c_str(), flags, mask, &s))
		return -errno;
	e.st.st_mode = s.stx_mode;
	e.st.st_uid = s.stx_uid;
	e.st.st_gid = s.stx_gid;
	e.st.st_nlink = s.stx_nlink;
	e.st.st_ino = s.stx_ino;
	e.st.st_dev = makedev(s.stx_dev_major, s.stx_dev_minor);
	e.st.st_size = static_cast<off_t>(s.stx_size);
	e.st.st_blocks = static_cast<blkcnt_t>(s.stx_blocks);
	e.st.st_atime = s.stx_atime.tv_sec;
	e.st.st_mtime = s.stx_mtime.tv_sec;
	e.st.st_ctime = s.stx_ctime.tv_sec;
	e.birth = (s.stx_mask & STATX_BTIME) ? s.stx_btime.tv_sec : 0;
	return 0;
}

/// What is fetched about an entry when a test wants it. Lives as long as the entry is looked at.
class Fetcher
{
public:
	explicit Fetcher(const Entry &e) : e_(e) {}

	const Layout *layout()
	{
		if (!asked_) {
			asked_ = true;
			fetch_layout();
		}
		return layout_ ? &*layout_ : nullptr;
	}
	[[nodiscard]] std::optional<wire::Fid> fid() const
	{
		wire::Fid f;
		if (fid_of(e_.path, false, f))
			return {};
		return f;
	}
	[[nodiscard]] std::optional<std::uint32_t> mdt() const
	{
		auto f = fid();
		Fd dir;
		std::uint32_t mdt;
		if (!f || open_near(dir) || mdt_of_fid(dir.get(), *f, mdt))
			return {};
		return mdt;
	}
	/// Through the entry's directory: devices and the like are not opened for this.
	[[nodiscard]] std::optional<std::uint32_t> projid() const
	{
		PathParts parts = split_path(e_.path);
		Fd dir;
		if (S_ISDIR(e_.st.st_mode)) {
			wire::FsXattr x{};
			if (dir.open(e_.path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW) ||
			    ioctl(dir.get(), wire::kIocFsGetXattr, &x) < 0)
				return {};
			return x.projid.get();
		}
		wire::LuProject p{};
		p.type = wire::LU_PROJECT_GET;
		if (dir.open(parts.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY) ||
		    !p.name.set(parts.name) || ioctl(dir.get(), wire::LL_IOC_PROJECT, &p) < 0)
			return {};
		return p.id.get();
	}

private:
	int open_near(Fd &fd) const
	{
		return fd.open(S_ISDIR(e_.st.st_mode) ? e_.path : split_path(e_.path).dir,
			       O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	}
	void fetch_layout()
	{
		bool is_dir = S_ISDIR(e_.st.st_mode);
		if (!is_dir && !S_ISREG(e_.st.st_mode))
			return;
		Fd dir;
		std::vector<std::byte> bytes;
		if (open_near(dir))
			return;
		int rc = is_dir ? directory_layout(dir.get(), bytes)
				: entry_layout(dir.get(), split_path(e_.path).name, bytes);
		if (rc < 0)
			return;
		if (auto l = decode_layout(bytes, is_dir ? Owner::directory : Owner::file))
			layout_ = std::move(*l);
	}

	const Entry &e_;
	bool asked_ = false;
	std::optional<Layout> layout_;
};

class Walk
{
public:
	explicit Walk(const FindRequest &r) : r_(r) {}
	int visit(const std::string &path, const std::string &name, unsigned depth);

private:
	void show(const Entry &e) const;
	int below(const std::string &path, unsigned depth);

	const FindRequest &r_;
};

void Walk::show(const Entry &e) const
{
	switch (r_.output) {
	case FindRequest::Output::print:
		printf("%s\n", e.path.c_str());
		break;
	case FindRequest::Output::print0:
		fwrite(e.path.c_str(), 1, e.path.size() + 1, stdout);
		break;
	case FindRequest::Output::printf: {
		std::string s = format_entry(r_.format, e);
		fwrite(s.data(), 1, s.size(), stdout);
		break;
	}
	case FindRequest::Output::ls:
		fputs(ls_entry(e).c_str(), stdout);
		break;
	}
}

int Walk::below(const std::string &path, unsigned depth)
{
	DIR *d = opendir(path.c_str());
	if (!d) {
		int rc = -errno;
		fprintf(stderr, "lfs find: cannot read '%s': %s\n", path.c_str(), strerror(-rc));
		return rc;
	}
	int first = 0;
	while (dirent *e = readdir(d)) {
		std::string name = e->d_name;
		if (name == "." || name == "..")
			continue;
		int rc = visit(path.ends_with('/') ? path + name : path + "/" + name, name,
			       depth + 1);
		first = first ? first : rc;
	}
	closedir(d);
	return first;
}

int Walk::visit(const std::string &path, const std::string &name, unsigned depth)
{
	Entry e;
	e.path = path;
	e.name = name;
	if (int rc = stat_entry(path, r_, e)) {
		if (depth > 0 && rc == -ENOENT)
			return 0; // removed while we walked
		fprintf(stderr, "lfs: failed for '%s': %s\n", path.c_str(), strerror(-rc));
		return rc;
	}
	Fetcher fetch(e);
	e.layout = [&] { return fetch.layout(); };
	e.fid = [&] { return fetch.fid(); };
	e.mdt = [&] { return fetch.mdt(); };
	e.projid = [&] { return fetch.projid(); };
	if ((!r_.min_depth || depth >= *r_.min_depth) && matches(r_, e))
		show(e);
	unsigned limit = r_.max_depth.value_or(kDepthMax);
	if (!S_ISDIR(e.st.st_mode) || depth >= limit)
		return 0;
	return below(path, depth);
}

/// Names of targets become indices, those of the file system that the first path is on.
int resolve(const FindRequest &r)
{
	if (r.names.empty())
		return 0;
	Fd fd;
	Mount m;
	int rc = mount_of(r.paths.front(), m);
	if (!rc)
		rc = fd.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	for (const auto &n : r.names) {
		std::vector<Target> all;
		if (!rc)
			rc = list_targets(fd.get(), n.ost ? TargetKind::ost : TargetKind::mdt, all);
		bool found = false;
		for (const Target &t : all)
			if (t.uuid == n.uuid || t.uuid == n.uuid + "_UUID") {
				*n.index = t.index;
				found = true;
			}
		if (!found) {
			fprintf(stderr, "error: find: unknown target '%s'\n", n.uuid.c_str());
			return rc ? rc : -ENODEV;
		}
	}
	return rc;
}

} // namespace

int cmd_find(int argc, char **argv)
{
	auto r = parse_find(argc, argv, std::time(nullptr));
	if (!r) {
		if (!r.error().message.empty())
			fprintf(stderr, "%s\n", r.error().message.c_str());
		return r.error().help ? tool::kHelp : r.error().status;
	}
	if (int rc = resolve(*r))
		return rc;
	Walk walk(*r);
	int rc = 0;
	for (const std::string &path : r->paths) {
		std::string name = split_path(path).name;
		int rc2 = walk.visit(path, name, 0);
		rc = rc ? rc : rc2;
	}
	return rc;
}

} // namespace lfs
