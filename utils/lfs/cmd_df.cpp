// SPDX-License-Identifier: GPL-2.0
//
// lfs df: space and inodes of each target.

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lfs/cmd.hpp"
#include "lfs/df.hpp"
#include "lfs/pools.hpp"
#include "lfs/text.hpp"

namespace lfs
{

namespace
{

/// More slots than any client has; the kernel ends the list long before.
constexpr std::uint32_t kSlotsMax = 65536;

/// All targets of a kind; returns the first error that is more than an inactive one.
int ask(int fd, TargetKind kind, const DfRequest &r, const Pool *pool,
	std::vector<TargetState> &out)
{
	auto one = kind == TargetKind::mdt ? r.mdt : r.ost;
	int first = 0;
	for (std::uint32_t i = one.value_or(0); i < kSlotsMax; i++) {
		TargetState t{kind, i, {}, 0, {}};
		int rc = target_statfs(fd, kind, i, r.lazy, t.stat, t.uuid);
		if (rc == -ENODEV)
			break;
		bool listed = rc != -EAGAIN && (!pool || pool->contains(t.uuid));
		if (listed) {
			t.error = -rc;
			if (rc && rc != -ENODATA && !first)
				first = rc;
			out.push_back(std::move(t));
		}
		if (one)
			break;
	}
	return first;
}

int show_mount(const Mount &m, const DfRequest &r)
{
	Fd fd;
	if (int rc = fd.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY)) {
		fprintf(stderr, "error: invalid path '%s': %s\n", m.dir.c_str(), strerror(-rc));
		return rc;
	}
	Pool pool;
	if (!r.pool.empty())
		(void)read_pool(m.fsname, r.pool, pool); // a missing one has no members
	std::vector<TargetState> targets;
	int rc = 0;
	if (r.mdts)
		rc = ask(fd.get(), TargetKind::mdt, r, nullptr, targets);
	if (r.osts) {
		int rc2 = ask(fd.get(), TargetKind::ost, r, r.pool.empty() ? nullptr : &pool,
			      targets);
		rc = rc ? rc : rc2;
	}
	fputs(df_table(targets, m.dir, r).c_str(), stdout);
	return rc;
}

} // namespace

int cmd_df(int argc, char **argv)
{
	DfRequest r;
	if (!parse_df(argc, argv, r))
		return tool::unrecognized("lfs", argv);
	if (optind < argc) {
		const char *path = argv[optind];
		Mount m;
		int rc = mount_of(path, m);
		if (rc == -ENODEV) {
			printf("df:%s Not a Lustre filesystem\n", path);
			return -EOPNOTSUPP;
		}
		if (rc) {
			fprintf(stderr, "error: invalid path '%s': %s\n", path, strerror(-rc));
			return rc;
		}
		return show_mount(m, r);
	}
	int rc = 0;
	for (const Mount &m : mounts()) {
		if (!r.fsname.empty() && m.fsname != r.fsname)
			continue;
		int rc2 = show_mount(m, r);
		rc = rc ? rc : rc2;
	}
	return rc;
}

} // namespace lfs
