// SPDX-License-Identifier: GPL-2.0
//
// The core's half of client/plat_vfs.h: C functions over the classes of this folder.
#include "client/ioctl.hpp"
#include "client/mount_impl.hpp"
#include "client/namei.hpp"
#include "client/xattr.hpp"
#include "libcfs/log.hpp"

using namespace client;
using cfs::to_rc;
using std::string_view;
using namespace cfs::err;

namespace
{

/// A length, or the negative errno.
template <typename T>
long length_or(const Result<T> &r) noexcept
{
	return r ? static_cast<long>(*r) : to_rc(r);
}

cfs::MutBytes room(void *buf, std::size_t n) noexcept
{
	return {static_cast<std::byte *>(buf), n};
}

FileData *data_of(lustre_inode *i) noexcept
{
	Inode &in = Inode::of(i);
	return in.is_regular() ? &in.data() : nullptr;
}

FileData *data_of(lustre_open *o) noexcept
{
	return data_of(&OpenFile::of(o).inode);
}

} // namespace

// ---- mount ----

int lustre_mount(cfs_node *node, vfs_super *sb, const char *options, bool read_only,
		 struct lustre_mount **out, lustre_mount_info *info) noexcept
{
	auto m = cfs::try_make<Mount>(sb);
	if (!m)
		return to_rc(m);
	auto r = (*m)->bring_up(node, options, read_only, *info);
	if (!r)
		return to_rc(r);
	*out = m->release();
	return 0;
}

int lustre_mount_root(struct lustre_mount *m, vfs_inode **out) noexcept
{
	auto r = Mount::of(m).root_inode();
	if (r)
		*out = *r;
	return to_rc(r);
}

void lustre_umount_begin(struct lustre_mount *m) noexcept
{
	Mount::of(m).force();
}

void lustre_umount_prepare(struct lustre_mount *m) noexcept
{
	Mount::of(m).release_inodes();
}

void lustre_umount(struct lustre_mount *m) noexcept
{
	cfs::UniquePtr<Mount>(&Mount::of(m)).reset();
}

int lustre_remount(struct lustre_mount *m, bool) noexcept
{
	CWARN(CFS_S_LLITE, "{}: a remount that changes ro or rw is not supported",
	      Mount::of(m).fsname());
	return to_rc(OPNOTSUPP);
}

void lustre_core_stop() noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::client);
}

size_t lustre_show_options(struct lustre_mount *m, char *buf, size_t n) noexcept
{
	cfs::FormatSink out(std::span<char>(buf, n));
	Mount::of(m).options().show(out);
	return out.size();
}

int lustre_statfs(struct lustre_mount *m, struct lustre_statfs *out) noexcept
{
	return to_rc(Mount::of(m).statfs(*out));
}

// ---- inodes ----

int lustre_inode_make(struct lustre_mount *m, vfs_inode *vi, const lustre_fid *fid, uint32_t mode,
		      lustre_inode **out) noexcept
{
	auto r = Mount::of(m).inode_make(vi, fid_of(*fid), mode);
	if (r)
		*out = *r;
	return to_rc(r);
}

void lustre_inode_evict(lustre_inode *i) noexcept
{
	Inode &in = Inode::of(i);
	in.mount().inode_evict(in);
}

uint64_t lustre_ino(const lustre_fid *fid) noexcept
{
	return ino_of(fid_of(*fid));
}

uint32_t lustre_ino32(const lustre_fid *fid) noexcept
{
	return ino32_of(fid_of(*fid));
}

uint32_t lustre_generation(const lustre_fid *fid) noexcept
{
	return generation_of(fid_of(*fid));
}

void lustre_inode_fid(const lustre_inode *i, lustre_fid *out) noexcept
{
	*out = plat_fid(static_cast<const Inode *>(i)->fid());
}

// ---- names ----

int lustre_lookup(lustre_inode *dir, const char *name, size_t n, uint32_t flags,
		  lustre_found *out) noexcept
{
	return to_rc(lookup(Inode::of(dir), string_view(name, n), flags, *out));
}

int lustre_lookup_fid(struct lustre_mount *m, const lustre_fid *fid, lustre_found *out) noexcept
{
	return to_rc(lookup_fid(Mount::of(m), fid_of(*fid), *out));
}

bool lustre_name_valid(const lustre_inode *i, uint32_t stamp, bool negative) noexcept
{
	const Inode &in = *static_cast<const Inode *>(i);
	return negative ? in.missing_valid(stamp) : in.name_valid(stamp);
}

int lustre_create(lustre_inode *dir, const char *name, size_t n, uint32_t mode,
		  lustre_found *out) noexcept
{
	constexpr uint32_t kRegular = 0100000;
	return to_rc(make_name(Inode::of(dir), string_view(name, n), kRegular | (mode & 07777), 0,
			       {}, *out));
}

int lustre_mkdir(lustre_inode *dir, const char *name, size_t n, uint32_t mode,
		 lustre_found *out) noexcept
{
	constexpr uint32_t kDirectory = 0040000;
	return to_rc(make_name(Inode::of(dir), string_view(name, n), kDirectory | (mode & 07777), 0,
			       {}, *out));
}

int lustre_mknod(lustre_inode *dir, const char *name, size_t n, uint32_t mode, uint64_t rdev,
		 lustre_found *out) noexcept
{
	return to_rc(make_name(Inode::of(dir), string_view(name, n), mode, rdev, {}, *out));
}

int lustre_symlink(lustre_inode *dir, const char *name, size_t n, const char *target,
		   size_t target_n, lustre_found *out) noexcept
{
	constexpr uint32_t kLink = 0120777;
	if (target_n == 0)
		return to_rc(NOENT);
	return to_rc(make_name(Inode::of(dir), string_view(name, n), kLink, 0,
			       string_view(target, target_n), *out));
}

int lustre_link(lustre_inode *i, lustre_inode *dir, const char *name, size_t n) noexcept
{
	return to_rc(client::link(Inode::of(i), Inode::of(dir), string_view(name, n)));
}

int lustre_unlink(lustre_inode *dir, const char *name, size_t n, lustre_inode *victim) noexcept
{
	return to_rc(
		client::unlink(Inode::of(dir), string_view(name, n), Inode::of(victim), false));
}

int lustre_rmdir(lustre_inode *dir, const char *name, size_t n, lustre_inode *victim) noexcept
{
	return to_rc(client::unlink(Inode::of(dir), string_view(name, n), Inode::of(victim), true));
}

int lustre_rename(lustre_inode *from, const char *name, size_t n, lustre_inode *i, lustre_inode *to,
		  const char *new_name, size_t new_n, lustre_inode *target) noexcept
{
	return to_rc(client::rename(Inode::of(from), string_view(name, n), Inode::of(i),
				    Inode::of(to), string_view(new_name, new_n),
				    target ? &Inode::of(target) : nullptr));
}

long lustre_readlink(lustre_inode *i, char *buf, size_t n) noexcept
{
	return length_or(Inode::of(i).readlink({buf, n}));
}

// ---- directories ----

int lustre_readdir(lustre_open *o, uint64_t *pos, bool narrow, lustre_dirent_fn emit,
		   void *ctx) noexcept
{
	OpenFile &f = OpenFile::of(o);
	return to_rc(f.inode.readdir(f.reader, pos, narrow, emit, ctx));
}

// ---- attributes ----

int lustre_getattr(lustre_inode *i, uint32_t want, uint32_t flags, lustre_attr *out) noexcept
{
	return to_rc(Inode::of(i).getattr(want, (flags & LUSTRE_GETATTR_CACHED) != 0, *out));
}

int lustre_setattr(lustre_inode *i, lustre_open *, const lustre_attr *attr) noexcept
{
	return to_rc(Inode::of(i).setattr(*attr));
}

int lustre_permission(lustre_inode *i) noexcept
{
	Inode &in = Inode::of(i);
	return in.permission_known() ? 0 : to_rc(in.refresh());
}

bool lustre_permission_cached(const lustre_inode *i) noexcept
{
	return static_cast<const Inode *>(i)->permission_known();
}

// ---- extended attributes ----

long lustre_getxattr(lustre_inode *i, const char *name, size_t name_n, void *buf, size_t n) noexcept
{
	return length_or(get_xattr(Inode::of(i), string_view(name, name_n), room(buf, n)));
}

int lustre_setxattr(lustre_inode *i, const char *name, size_t name_n, const void *value, size_t n,
		    bool create, bool replace) noexcept
{
	cfs::Bytes bytes(static_cast<const std::byte *>(value), n);
	return to_rc(set_xattr(Inode::of(i), string_view(name, name_n), bytes, create, replace));
}

int lustre_removexattr(lustre_inode *i, const char *name, size_t name_n) noexcept
{
	return to_rc(remove_xattr(Inode::of(i), string_view(name, name_n)));
}

long lustre_listxattr(lustre_inode *i, char *buf, size_t n) noexcept
{
	return length_or(list_xattr(Inode::of(i), {buf, n}));
}

long lustre_getacl(lustre_inode *i, bool dflt, void *buf, size_t n) noexcept
{
	Inode &in = Inode::of(i);
	string_view name = dflt ? "system.posix_acl_default" : "system.posix_acl_access";
	return length_or(get_xattr(in, name, room(buf, n)));
}

// ---- open files ----

int lustre_open_name(lustre_inode *dir, const char *name, size_t n, uint32_t flags, uint32_t mode,
		     lustre_found *out, lustre_open **o, bool *created) noexcept
{
	*o = nullptr;
	auto r = open_name(Inode::of(dir), string_view(name, n), flags, mode, *out, *created);
	if (r)
		*o = r->release();
	return to_rc(r);
}

int lustre_open_inode(lustre_inode *i, uint32_t flags, bool exec, lustre_open **o) noexcept
{
	auto r = open_inode(Inode::of(i), flags, 0, exec, {});
	if (r)
		*o = r->release();
	return to_rc(r);
}

void lustre_close(lustre_open *o) noexcept
{
	close_file(cfs::UniquePtr<OpenFile>(&OpenFile::of(o)));
}

int lustre_flush(lustre_open *o) noexcept
{
	FileData *d = data_of(o);
	return d ? to_rc(d->take_error()) : 0;
}

int lustre_fsync(lustre_open *o, uint64_t start, uint64_t end, bool data_only) noexcept
{
	Inode &i = OpenFile::of(o).inode;
	FileData *d = data_of(o);
	Result<> first;
	auto note = [&first](Result<> r) {
		if (first && !r)
			first = r;
	};
	if (d)
		note(d->take_error());
	if (!data_only)
		note(i.mount().mdc().sync(i.fid()));
	if (d)
		note(d->sync(start, end));
	return to_rc(first);
}

// ---- file data ----

int lustre_io_begin(lustre_open *o, lustre_io_kind kind, uint64_t pos, uint64_t len, bool nonblock,
		    lustre_io_range *got, lustre_io **io) noexcept
{
	OpenFile &f = OpenFile::of(o);
	FileData *d = data_of(o);
	if (!d)
		return to_rc(INVAL);
	auto r = d->io_begin(kind, pos, len, nonblock, *got);
	if (!r)
		return to_rc(r);
	if (kind != LUSTRE_IO_READ && kind != LUSTRE_IO_FAULT)
		f.written.store(true, std::memory_order_relaxed);
	*io = *r;
	return 0;
}

void lustre_io_end(lustre_io *io) noexcept
{
	FileData::io_end(io);
}

void lustre_read_pages(lustre_inode *i, uint64_t index, cfs_page *const *pages,
		       unsigned int n) noexcept
{
	data_of(i)->read_pages(index, {pages, n});
}

unsigned int lustre_readahead(lustre_open *o, uint64_t index, unsigned int asked) noexcept
{
	return data_of(o)->readahead(index, asked);
}

int lustre_page_dirty(lustre_io *io, uint64_t index, unsigned int from, unsigned int to) noexcept
{
	return to_rc(FileData::page_dirty(io, index, from, to));
}

int lustre_write_now(lustre_io *io, uint64_t index, cfs_page *page, unsigned int len) noexcept
{
	return to_rc(FileData::write_now(io, index, page, len));
}

void lustre_page_clean(lustre_inode *i, uint64_t index) noexcept
{
	data_of(i)->page_clean(index);
}

void lustre_size_grown(lustre_io *io, uint64_t size) noexcept
{
	FileData::size_grown(io, size);
}

void lustre_write_pages(lustre_inode *i, uint64_t index, cfs_page *const *pages, unsigned int n,
			uint64_t size, uint32_t flags) noexcept
{
	data_of(i)->write_pages(index, {pages, n}, size, flags);
}

void lustre_write_kick(lustre_inode *i) noexcept
{
	data_of(i)->write_kick();
}

long lustre_direct_io(lustre_open *o, bool write, uint64_t pos, const cfs_bvec *pieces,
		      unsigned int n, uint64_t len) noexcept
{
	FileData *d = data_of(o);
	if (!d)
		return to_rc(INVAL);
	if (write)
		OpenFile::of(o).written.store(true, std::memory_order_relaxed);
	return length_or(d->direct_io(write, pos, {pieces, n}, len));
}

// ---- the rest ----

namespace
{

constexpr uint8_t kUnlock = 2;

/// A lock of an application, as a request. err::NOSYS when the mount has none.
ldlm::EnqueueSpec flock_spec(const Inode &i, const struct ::lustre_flock &l) noexcept
{
	ldlm::EnqueueSpec s;
	s.type = ldlm::LDLM_FLOCK;
	s.name = ldlm::ResName::of_flock(i.fid());
	s.mode = l.type == 0 ? ldlm::LCK_PR : l.type == 1 ? ldlm::LCK_PW : ldlm::LCK_NL;
	s.policy = ldlm::FlockRange{l.start, l.end == ~uint64_t{0} ? ldlm::kFlockEof : l.end,
				    l.owner, l.pid};
	s.wait = cfs::WaitMode::interruptible;
	return s;
}

Result<> flock(Inode &i, const struct ::lustre_flock &l) noexcept
{
	switch (i.mount().options().flock()) {
	case FlockMode::none:
		return cfs::fail(NOSYS);
	case FlockMode::local:
		return {};
	case FlockMode::cluster:
		break;
	}
	auto spec = flock_spec(i, l);
	if (!l.wait && l.type != kUnlock)
		spec.flags |= wire::LDLM_FL_BLOCK_NOWAIT;
	(void)TRY(i.mount().mdc().locks().enqueue(spec, {}));
	return {};
}

Result<> flock_test(Inode &i, struct ::lustre_flock &l) noexcept
{
	if (i.mount().options().flock() != FlockMode::cluster)
		return cfs::fail(NOSYS);
	auto spec = flock_spec(i, l);
	spec.flags |= wire::LDLM_FL_TEST_LOCK;
	auto got = TRY(i.mount().mdc().locks().enqueue(spec, {}));
	ldlm::Mode held = got.desc.granted_mode == ldlm::LCK_MODE_MIN ? got.desc.req_mode
								      : got.desc.granted_mode;
	if (held != ldlm::LCK_PR && held != ldlm::LCK_PW) {
		l.type = kUnlock;
		return {};
	}
	l.type = held == ldlm::LCK_PR ? 0 : 1;
	l.start = got.desc.policy.flock.start;
	l.end = got.desc.policy.flock.end >= ldlm::kFlockEof ? ~uint64_t{0}
							     : got.desc.policy.flock.end;
	l.pid = got.desc.policy.flock.pid;
	return {};
}

} // namespace

int lustre_flock(lustre_open *o, const struct lustre_flock *lock) noexcept
{
	return to_rc(flock(OpenFile::of(o).inode, *lock));
}

int lustre_flock_test(lustre_open *o, struct lustre_flock *lock) noexcept
{
	return to_rc(flock_test(OpenFile::of(o).inode, *lock));
}

int lustre_fallocate(lustre_open *o, uint32_t mode, uint64_t pos, uint64_t len) noexcept
{
	FileData *d = data_of(o);
	if (!d)
		return to_rc(OPNOTSUPP);
	OpenFile::of(o).written.store(true, std::memory_order_relaxed);
	return to_rc(d->fallocate(mode, pos, len));
}

int64_t lustre_seek(lustre_open *o, uint64_t pos, bool hole) noexcept
{
	FileData *d = data_of(o);
	return d ? length_or(d->seek(pos, hole)) : to_rc(INVAL);
}

long lustre_ioctl(lustre_inode *i, lustre_open *o, unsigned int cmd, uint64_t arg) noexcept
{
	return length_or(do_ioctl(Inode::of(i), o ? &OpenFile::of(o) : nullptr, cmd, arg));
}
