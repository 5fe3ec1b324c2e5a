// SPDX-License-Identifier: GPL-2.0
//
// The hosted VFS: walking paths, and the system calls that take one. Names are believed as Linux's
// glue believes them: by their stamp, for as long as the core says so.
#include <fcntl.h>

#include <algorithm>

#include "client/host/vfs_impl.hpp"

namespace client::host
{

using namespace cfs::err;

// ---- names in memory ----

void VfsImpl::forget_locked(vfs_inode *dir, std::string_view name) noexcept
{
	auto it = dir->names.find(name);
	if (it == dir->names.end())
		return;
	if (vfs_inode *child = it->second.inode) {
		std::erase_if(child->aliases,
			      [&](const auto &a) { return a.first == dir && a.second == name; });
		child->refs--;
	}
	dir->names.erase(it);
}

void VfsImpl::forget(vfs_inode *dir, std::string_view name) noexcept
{
	cfs::SpinGuard g(lock_);
	forget_locked(dir, name);
}

void VfsImpl::remember(vfs_inode *dir, std::string_view name, const lustre_found &found) noexcept
{
	cfs::SpinGuard g(lock_);
	forget_locked(dir, name);
	if (!found.stamp)
		return;
	dir->names.emplace(std::string(name), Dentry{found.inode, found.stamp});
	if (found.inode) {
		found.inode->refs++;
		found.inode->aliases.emplace_back(dir, std::string(name));
	}
}

void VfsImpl::names_drop(vfs_inode *vi) noexcept
{
	cfs::SpinGuard g(lock_);
	while (!vi->aliases.empty()) {
		auto [dir, name] = vi->aliases.back();
		forget_locked(dir, name);
	}
}

std::optional<Ref> VfsImpl::cached(const Ref &dir, std::string_view name, bool creating) noexcept
{
	cfs::SpinGuard g(lock_);
	auto it = dir->names.find(name);
	if (it == dir->names.end())
		return std::nullopt;
	vfs_inode *child = it->second.inode;
	const lustre_inode *guard = child ? child->core : dir->core;
	if ((!child && creating) || !lustre_name_valid(guard, it->second.stamp, !child)) {
		forget_locked(dir.get(), name);
		return std::nullopt;
	}
	if (child)
		child->refs++;
	return Ref(child);
}

cfs::Result<Ref> VfsImpl::lookup(const Ref &dir, std::string_view name, uint32_t flags) noexcept
{
	if (auto known = cached(dir, name, (flags & LUSTRE_LOOKUP_CREATE) != 0))
		return std::move(*known);
	if (name.size() > info_.name_max)
		return cfs::fail(NAMETOOLONG);
	lustre_found found{};
	TRY(cfs::to_result(lustre_lookup(dir->core, name.data(), name.size(), flags, &found)));
	remember(dir.get(), name, found);
	return Ref(found.inode);
}

// ---- paths ----

namespace
{

constexpr unsigned kLinksMax = 40;

/// The parts of a path, last first.
std::vector<std::string> parts_of(std::string_view path)
{
	std::vector<std::string> out;
	while (!path.empty()) {
		std::size_t n = std::min(path.find('/'), path.size());
		std::string_view part = path.substr(0, n);
		if (!part.empty() && part != ".")
			out.emplace_back(part);
		path.remove_prefix(std::min(n + 1, path.size()));
	}
	std::reverse(out.begin(), out.end());
	return out;
}

cfs::Result<std::string> link_text(vfs_inode *vi)
{
	char buf[4096];
	long n = lustre_readlink(vi->core, buf, sizeof(buf));
	if (n < 0)
		return cfs::fail(cfs::Errno{static_cast<int>(-n)});
	return std::string(buf, static_cast<std::size_t>(n));
}

cfs::Result<> no_name(const Ref &r)
{
	return r ? cfs::Result<>{} : cfs::fail(NOENT);
}

} // namespace

/// Follows the parts (last first). With stop_at it ends before the last one, which it leaves there;
/// keep_last: what is there need not exist.
cfs::Result<Ref> VfsImpl::go(std::vector<std::string> parts, bool follow, Place *stop_at,
			     bool keep_last) noexcept
{
	std::vector<Ref> way;
	way.push_back(root_);
	unsigned links = 0;
	while (!parts.empty()) {
		Ref &dir = way.back();
		std::string name = parts.back();
		if (stop_at && parts.size() == 1) {
			TRY(cfs::to_result(lustre_permission(dir->core)));
			*stop_at = {dir, name};
			if (keep_last)
				return Ref();
		}
		parts.pop_back();
		if (!dir->is(kTypeDir))
			return cfs::fail(NOTDIR);
		TRY(cfs::to_result(lustre_permission(dir->core)));
		if (name == "..") {
			if (way.size() > 1)
				way.pop_back();
			continue;
		}
		Ref next = TRY(lookup(dir, name, parts.empty() ? 0 : LUSTRE_LOOKUP_PARENT));
		TRY(no_name(next));
		if (!next->is(kTypeLink) || (parts.empty() && !follow)) {
			way.push_back(std::move(next));
			continue;
		}
		if (++links > kLinksMax)
			return cfs::fail(LOOP);
		std::string text = TRY(link_text(next.get()));
		if (text.starts_with('/'))
			way.resize(1);
		for (auto &p : parts_of(text))
			parts.push_back(std::move(p));
		// parts_of() has the first part last, which is where it has to go.
	}
	return std::move(way.back());
}

cfs::Result<Ref> VfsImpl::walk(std::string_view path, bool follow) noexcept
{
	return go(parts_of(path), follow, nullptr, false);
}

cfs::Result<Place> VfsImpl::place(std::string_view path) noexcept
{
	auto parts = parts_of(path);
	if (parts.empty() || parts.front() == "..")
		return cfs::fail(parts.empty() ? EXIST : NOTEMPTY);
	Place at;
	(void)TRY(go(std::move(parts), false, &at, true));
	if (!at.dir->is(kTypeDir))
		return cfs::fail(NOTDIR);
	if (at.name.size() > info_.name_max)
		return cfs::fail(NAMETOOLONG);
	return at;
}

// ---- making, removing, moving ----

cfs::Result<> VfsImpl::make(std::string_view path, uint32_t mode, uint64_t rdev,
			    std::string_view target) noexcept
{
	Place at = TRY(place(path));
	Ref there = TRY(lookup(at.dir, at.name, LUSTRE_LOOKUP_CREATE | LUSTRE_LOOKUP_EXCL));
	if (there)
		return cfs::fail(EXIST);
	lustre_found found{};
	const char *name = at.name.data();
	std::size_t n = at.name.size();
	int rc = 0;
	switch (mode & 0170000) {
	case kTypeDir:
		rc = lustre_mkdir(at.dir->core, name, n, mode, &found);
		break;
	case kTypeLink:
		rc = lustre_symlink(at.dir->core, name, n, target.data(), target.size(), &found);
		break;
	default:
		rc = lustre_mknod(at.dir->core, name, n, mode, rdev, &found);
		break;
	}
	TRY(cfs::to_result(rc));
	remember(at.dir.get(), at.name, found);
	vfs_iput(found.inode);
	return {};
}

cfs::Result<> VfsImpl::mkdir(std::string_view path, uint32_t mode) noexcept
{
	return make(path, kTypeDir | (mode & 07777), 0, {});
}

cfs::Result<> VfsImpl::mknod(std::string_view path, uint32_t mode, uint64_t rdev) noexcept
{
	return make(path, mode, rdev, {});
}

cfs::Result<> VfsImpl::symlink(std::string_view target, std::string_view path) noexcept
{
	return make(path, kTypeLink | 0777, 0, target);
}

cfs::Result<> VfsImpl::create(std::string_view path, uint32_t mode) noexcept
{
	auto f = TRY(open(path, O_CREAT | O_EXCL | O_WRONLY, mode));
	return f->close();
}

cfs::Result<> VfsImpl::link(std::string_view from, std::string_view to) noexcept
{
	Ref i = TRY(walk(from, false));
	Place at = TRY(place(to));
	Ref there = TRY(lookup(at.dir, at.name, LUSTRE_LOOKUP_CREATE | LUSTRE_LOOKUP_EXCL));
	if (there)
		return cfs::fail(EXIST);
	TRY(cfs::to_result(lustre_link(i->core, at.dir->core, at.name.data(), at.name.size())));
	forget(at.dir.get(), at.name);
	return {};
}

cfs::Result<> VfsImpl::remove(std::string_view path, bool dir) noexcept
{
	{
		Place at = TRY(place(path));
		Ref victim = TRY(lookup(at.dir, at.name, 0));
		TRY(no_name(victim));
		if (victim->is(kTypeDir) != dir)
			return cfs::fail(dir ? NOTDIR : ISDIR);
		auto call = dir ? lustre_rmdir : lustre_unlink;
		TRY(cfs::to_result(
			call(at.dir->core, at.name.data(), at.name.size(), victim->core)));
		forget(at.dir.get(), at.name);
	}
	reap();
	return {};
}

cfs::Result<> VfsImpl::unlink(std::string_view path) noexcept
{
	return remove(path, false);
}

cfs::Result<> VfsImpl::rmdir(std::string_view path) noexcept
{
	return remove(path, true);
}

cfs::Result<> VfsImpl::rename(std::string_view from, std::string_view to) noexcept
{
	{
		Place a = TRY(place(from)), b = TRY(place(to));
		Ref i = TRY(lookup(a.dir, a.name, 0));
		TRY(no_name(i));
		Ref target = TRY(lookup(b.dir, b.name, LUSTRE_LOOKUP_CREATE));
		if (target && target.get() == i.get())
			return {};
		if (target && target->is(kTypeDir) != i->is(kTypeDir))
			return cfs::fail(i->is(kTypeDir) ? NOTDIR : ISDIR);
		TRY(cfs::to_result(lustre_rename(a.dir->core, a.name.data(), a.name.size(), i->core,
						 b.dir->core, b.name.data(), b.name.size(),
						 target ? target->core : nullptr)));
		forget(a.dir.get(), a.name);
		forget(b.dir.get(), b.name);
	}
	reap();
	return {};
}

cfs::Result<std::string> VfsImpl::readlink(std::string_view path) noexcept
{
	Ref i = TRY(walk(path, false));
	if (!i->is(kTypeLink))
		return cfs::fail(INVAL);
	return link_text(i.get());
}

// ---- attributes ----

Stat VfsImpl::to_stat(const vfs_inode &vi, const lustre_attr &a) const noexcept
{
	Stat s;
	s.fid = vi.fid;
	s.ino = lustre_ino(&vi.fid);
	s.dev = info_.dev;
	s.mode = a.mode;
	s.nlink = a.nlink;
	s.uid = a.uid;
	s.gid = a.gid;
	s.rdev = a.rdev;
	s.size = a.size;
	s.blocks = a.blocks;
	s.blksize = a.blksize;
	s.flags = a.flags;
	s.atime = a.atime;
	s.mtime = a.mtime;
	s.ctime = a.ctime;
	s.btime = a.btime;
	return s;
}

cfs::Result<Stat> VfsImpl::stat_of(vfs_inode *vi) noexcept
{
	lustre_attr a{};
	TRY(cfs::to_result(lustre_getattr(vi->core, ~0u, 0, &a)));
	return to_stat(*vi, a);
}

cfs::Result<Stat> VfsImpl::stat(std::string_view path) noexcept
{
	return stat_of(TRY(walk(path, true)).get());
}

cfs::Result<Stat> VfsImpl::lstat(std::string_view path) noexcept
{
	return stat_of(TRY(walk(path, false)).get());
}

cfs::Result<bool> VfsImpl::exists(std::string_view path) noexcept
{
	auto r = walk(path, true);
	if (!r && r.error() != NOENT)
		return cfs::fail(r.error());
	return r.has_value();
}

cfs::Result<> VfsImpl::change(std::string_view path, const lustre_attr &a) noexcept
{
	Ref i = TRY(walk(path, true));
	TRY(cfs::to_result(lustre_permission(i->core)));
	cfs::MutexGuard g(i->write_lock);
	return cfs::to_result(lustre_setattr(i->core, nullptr, &a));
}

cfs::Result<> VfsImpl::chmod(std::string_view path, uint32_t mode) noexcept
{
	Ref i = TRY(walk(path, true));
	lustre_attr a{};
	a.valid = LUSTRE_ATTR_MODE | LUSTRE_ATTR_CTIME;
	a.mode = (i->attr.mode & 0170000) | (mode & 07777);
	a.ctime = vfs_now();
	return change(path, a);
}

cfs::Result<> VfsImpl::chown(std::string_view path, uint32_t uid, uint32_t gid) noexcept
{
	lustre_attr a{};
	a.valid = (uid != ~0u ? uint32_t{LUSTRE_ATTR_UID} : 0u) |
		  (gid != ~0u ? uint32_t{LUSTRE_ATTR_GID} : 0u) | LUSTRE_ATTR_CTIME;
	a.uid = uid;
	a.gid = gid;
	a.ctime = vfs_now();
	return change(path, a);
}

cfs::Result<> VfsImpl::utimes(std::string_view path, std::int64_t atime,
			      std::int64_t mtime) noexcept
{
	lustre_attr a{};
	a.valid = LUSTRE_ATTR_ATIME | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME |
		  LUSTRE_ATTR_ATIME_SET | LUSTRE_ATTR_MTIME_SET;
	a.atime = atime;
	a.mtime = mtime;
	a.ctime = vfs_now();
	return change(path, a);
}

cfs::Result<> VfsImpl::truncate(std::string_view path, uint64_t size) noexcept
{
	lustre_attr a{};
	a.valid = LUSTRE_ATTR_SIZE | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME;
	a.size = size;
	a.mtime = a.ctime = vfs_now();
	return change(path, a);
}

cfs::Result<> VfsImpl::setxattr(std::string_view path, std::string_view name, cfs::Bytes value,
				bool create, bool replace) noexcept
{
	Ref i = TRY(walk(path, true));
	return cfs::to_result(lustre_setxattr(i->core, name.data(), name.size(), value.data(),
					      value.size(), create, replace));
}

cfs::Result<std::vector<std::byte>> VfsImpl::getxattr(std::string_view path,
						      std::string_view name) noexcept
{
	Ref i = TRY(walk(path, true));
	long n = lustre_getxattr(i->core, name.data(), name.size(), nullptr, 0);
	std::vector<std::byte> v(n > 0 ? static_cast<std::size_t>(n) : 0);
	if (n > 0)
		n = lustre_getxattr(i->core, name.data(), name.size(), v.data(), v.size());
	if (n < 0)
		return cfs::fail(cfs::Errno{static_cast<int>(-n)});
	return v;
}

cfs::Result<> VfsImpl::removexattr(std::string_view path, std::string_view name) noexcept
{
	Ref i = TRY(walk(path, true));
	return cfs::to_result(lustre_removexattr(i->core, name.data(), name.size()));
}

cfs::Result<std::vector<std::string>> VfsImpl::listxattr(std::string_view path) noexcept
{
	Ref i = TRY(walk(path, true));
	std::vector<char> buf(65536);
	long n = lustre_listxattr(i->core, buf.data(), buf.size());
	if (n < 0)
		return cfs::fail(cfs::Errno{static_cast<int>(-n)});
	std::vector<std::string> out;
	for (const char *p = buf.data(); p < buf.data() + n; p += out.back().size() + 1)
		out.emplace_back(p);
	return out;
}

cfs::Result<struct lustre_statfs> VfsImpl::statfs() noexcept
{
	struct lustre_statfs s{};
	TRY(cfs::to_result(::lustre_statfs(mount_, &s)));
	return s;
}

// ---- opening ----

cfs::Result<FilePtr> VfsImpl::opened(Ref inode, lustre_open *o, int flags, bool created) noexcept
{
	vfs_inode *vi = inode.get();
	auto file = make_file(*this, std::move(inode), o, flags);
	if ((flags & O_TRUNC) && !created && vi->is(kTypeFile)) {
		lustre_attr a{};
		a.valid =
			LUSTRE_ATTR_SIZE | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME | LUSTRE_ATTR_OPEN;
		a.mtime = a.ctime = vfs_now();
		cfs::MutexGuard g(vi->write_lock);
		TRY(cfs::to_result(lustre_setattr(vi->core, o, &a)));
	}
	return file;
}

cfs::Result<FilePtr> VfsImpl::open_at(Place at, int flags, uint32_t mode, unsigned depth) noexcept
{
	auto f = static_cast<uint32_t>(flags);
	bool creates = flags & O_CREAT, created = false;
	lustre_open *o = nullptr;
	Ref i;
	if (auto known = cached(at.dir, at.name, creates)) {
		i = std::move(*known);
		TRY(no_name(i));
		if (creates && (flags & O_EXCL))
			return cfs::fail(EXIST);
	} else {
		lustre_found found{};
		TRY(cfs::to_result(lustre_open_name(at.dir->core, at.name.data(), at.name.size(), f,
						    mode, &found, &o, &created)));
		remember(at.dir.get(), at.name, found);
		i = Ref(found.inode);
		TRY(no_name(i));
		if (o)
			return opened(std::move(i), o, flags, created);
	}
	if (i->is(kTypeLink)) {
		if ((flags & O_NOFOLLOW) || depth > kLinksMax)
			return cfs::fail(LOOP);
		std::string text = TRY(link_text(i.get()));
		auto parts = parts_of(text);
		// Relative targets begin where the link is; the walk back up is by name.
		if (!text.starts_with('/') && parts.size() == 1 && parts[0] != "..")
			return open_at({std::move(at.dir), parts[0]}, flags, mode, depth + 1);
		if (!text.starts_with('/'))
			return cfs::fail(OPNOTSUPP);
		return open_at(TRY(place(text)), flags, mode, depth + 1);
	}
	if ((flags & O_DIRECTORY) && !i->is(kTypeDir))
		return cfs::fail(NOTDIR);
	if (i->is(kTypeDir) && (creates || (flags & O_ACCMODE) != O_RDONLY))
		return cfs::fail(ISDIR);
	if (!i->is(kTypeDir) && !i->is(kTypeFile))
		return cfs::fail(NXIO);
	TRY(cfs::to_result(lustre_permission(i->core)));
	TRY(cfs::to_result(lustre_open_inode(i->core, f, false, &o)));
	return opened(std::move(i), o, flags, false);
}

cfs::Result<FilePtr> VfsImpl::open(std::string_view path, int flags, uint32_t mode) noexcept
{
	auto parts = parts_of(path);
	if (!parts.empty() && parts.front() != "..")
		return open_at(TRY(place(path)), flags, mode, 0);
	Ref dir = TRY(walk(path, true));
	lustre_open *o = nullptr;
	TRY(cfs::to_result(lustre_open_inode(dir->core, static_cast<uint32_t>(flags), false, &o)));
	return opened(std::move(dir), o, flags, false);
}

cfs::Result<std::vector<DirEntry>> VfsImpl::readdir(std::string_view path) noexcept
{
	auto f = TRY(open(path, O_RDONLY | O_DIRECTORY, 0));
	uint64_t pos = 0;
	auto list = TRY(f->readdir(&pos));
	TRY(f->close());
	return list;
}

cfs::Result<> VfsImpl::write_file(std::string_view path, cfs::Bytes data) noexcept
{
	auto f = TRY(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644));
	if (!data.empty())
		TRY(f->write(0, data));
	return f->close();
}

cfs::Result<std::vector<std::byte>> VfsImpl::read_file(std::string_view path) noexcept
{
	constexpr std::size_t kPiece = 1 << 20;
	auto f = TRY(open(path, O_RDONLY, 0));
	std::vector<std::byte> all;
	for (;;) {
		std::size_t at = all.size();
		all.resize(at + kPiece);
		std::size_t n = TRY(f->read(at, {all.data() + at, kPiece}));
		all.resize(at + n);
		if (n < kPiece)
			break;
	}
	TRY(f->close());
	return all;
}

} // namespace client::host
