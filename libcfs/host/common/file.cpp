// SPDX-License-Identifier: GPL-2.0
//
// Files that a node writes for its administrator: plain files of the host.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcfs/host/common/task.hpp"
#include "libcfs/plat/file.h"

namespace
{

// A cfs_file is a descriptor, kept in the pointer: 0 would be a null handle.
int fd_of(cfs_file *f)
{
	return static_cast<int>(reinterpret_cast<std::intptr_t>(f)) - 1;
}

} // namespace

int cfs_file_create(const char *path, cfs_file **out) noexcept
{
	cfs::hosted::may_block("cfs_file_create");
	if (path[0] != '/')
		return -EINVAL;
	if (cfs::hosted::inject_failure())
		return -ENOMEM;
	int fd = open(path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	struct stat st{};
	int rc = fstat(fd, &st) ? -errno : 0;
	if (!rc && !S_ISREG(st.st_mode))
		rc = -EINVAL;
	if (!rc && (st.st_uid != geteuid() || st.st_nlink != 1))
		rc = -EPERM;
	if (!rc && ftruncate(fd, 0))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	*out = reinterpret_cast<cfs_file *>(static_cast<std::intptr_t>(fd) + 1);
	return 0;
}

int cfs_file_write(cfs_file *f, std::uint64_t offset, const void *p, std::size_t n) noexcept
{
	cfs::hosted::may_block("cfs_file_write");
	const char *from = static_cast<const char *>(p);
	while (n > 0) {
		ssize_t done = pwrite(fd_of(f), from, n, static_cast<off_t>(offset));
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		from += done;
		offset += static_cast<std::uint64_t>(done);
		n -= static_cast<std::size_t>(done);
	}
	return 0;
}

int cfs_file_close(cfs_file *f) noexcept
{
	cfs::hosted::may_block("cfs_file_close");
	return close(fd_of(f)) < 0 ? -errno : 0;
}
