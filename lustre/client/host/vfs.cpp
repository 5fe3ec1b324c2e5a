// SPDX-License-Identifier: GPL-2.0
//
// The hosted VFS: mounting, inodes and their life.
#include <mutex>

#include "client/host/vfs_impl.hpp"
#include "libcfs/log.hpp"

namespace client::host
{

using namespace cfs::err;

// ---- who calls ----

namespace
{

constexpr lustre_cred kRoot{0, 0, 0, 0, ~uint64_t{0}, 022};

/// Threads that are somebody else.
struct People {
	std::mutex lock;
	std::unordered_map<const void *, lustre_cred> who;
};
People &people()
{
	static People p;
	return p;
}

lustre_cred cred_now() noexcept
{
	std::lock_guard g(people().lock);
	auto it = people().who.find(cfs_thread_self());
	return it == people().who.end() ? kRoot : it->second;
}

void set_cred(const lustre_cred &c) noexcept
{
	std::lock_guard g(people().lock);
	people().who[cfs_thread_self()] = c;
}

} // namespace

As::As(uint32_t uid, uint32_t gid, uint64_t caps) noexcept : before_(cred_now())
{
	set_cred({uid, gid, uid, gid, caps, before_.umask});
}

As::~As()
{
	if (before_.uid == 0 && before_.caps == kRoot.caps) {
		std::lock_guard g(people().lock);
		people().who.erase(cfs_thread_self());
		return;
	}
	set_cred(before_);
}

// ---- life ----

cfs::Result<cfs::UniquePtr<Vfs>> Vfs::mount(cfs_node *node, std::string_view options,
					    bool read_only) noexcept
{
	auto v = TRY(cfs::try_make<VfsImpl>());
	TRY(v->start(node, options, read_only));
	return cfs::UniquePtr<Vfs>(v.release());
}

cfs::Result<> VfsImpl::start(cfs_node *node, std::string_view options, bool read_only) noexcept
{
	std::string text(options);
	TRY(cfs::to_result(lustre_mount(node, this, text.c_str(), read_only, &mount_, &info_)));
	mounted_ = true;
	vfs_inode *root = nullptr;
	auto r = cfs::to_result(lustre_mount_root(mount_, &root));
	if (!r) {
		(void)unmount();
		return r;
	}
	root_ = Ref(root);
	return {};
}

cfs::Result<> VfsImpl::unmount() noexcept
{
	if (!mounted_)
		return {};
	{
		cfs::SpinGuard g(lock_);
		if (open_files_)
			return cfs::fail(BUSY);
	}
	root_ = {};
	auto r = sync();
	lustre_umount_prepare(mount_);
	drop_caches();
	CFS_ASSERT(cached_inodes() == 0);
	mounted_ = false;
	lustre_umount(mount_);
	mount_ = nullptr;
	return r;
}

void VfsImpl::force() noexcept
{
	if (mounted_)
		lustre_umount_begin(mount_);
}

void VfsImpl::destroy() noexcept
{
	if (mounted_) {
		auto r = unmount();
		CFS_ASSERT(r || r.error() != BUSY);
	}
	this->~VfsImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- inodes ----

Ref::Ref(const Ref &o) noexcept : vi_(o.vi_)
{
	if (vi_)
		CFS_ASSERT(vfs_igrab(vi_));
}

int VfsImpl::iget(const lustre_fid &fid, const lustre_attr &attr,
		  vfs_inode **out) noexcept CFS_NO_TSA
{
	vfs_inode *vi = nullptr;
	{
		cfs::SpinGuard g(lock_);
		for (;;) {
			auto it = inodes_.find(key_of(fid));
			if (it == inodes_.end())
				break;
			vi = it->second.get();
			if (vi->fresh || vi->dying) {
				(void)changed_.wait(lock_, cfs::WaitMode::idle,
						    cfs::Instant::never(), [&]() CFS_NO_TSA {
							    auto at = inodes_.find(key_of(fid));
							    return at == inodes_.end() ||
								   (!at->second->fresh &&
								    !at->second->dying);
						    });
				continue;
			}
			if ((vi->attr.mode ^ attr.mode) & 0170000)
				return cfs::to_rc(STALE);
			vi->refs++;
			*out = vi;
			return 0;
		}
		auto made = std::make_unique<vfs_inode>();
		vi = made.get();
		vi->vfs = this;
		vi->fid = fid;
		vi->attr.mode = attr.mode;
		vi->attr.rdev = attr.rdev;
		vi->refs = 1;
		inodes_.emplace(key_of(fid), std::move(made));
	}
	int rc = lustre_inode_make(mount_, vi, &fid, attr.mode, &vi->core);
	if (!rc)
		vfs_inode_update(vi, &attr, true);
	cfs::SpinGuard g(lock_);
	vi->fresh = false;
	if (rc)
		inodes_.erase(key_of(fid));
	else
		*out = vi;
	changed_.wake_all();
	return rc;
}

void VfsImpl::iput(vfs_inode *vi) noexcept
{
	cfs::SpinGuard g(lock_);
	CFS_ASSERT(vi->refs > 0);
	vi->refs--;
}

bool VfsImpl::igrab(vfs_inode *vi) noexcept
{
	cfs::SpinGuard g(lock_);
	if (vi->dying)
		return false;
	vi->refs++;
	return true;
}

/// Nobody can find it any more; waits for what runs in it.
void VfsImpl::evict(vfs_inode *vi) noexcept
{
	if (vi->is(kTypeFile)) {
		if (vi->attr.nlink)
			(void)vfs_pages_flush(vi, 0, ~uint64_t{0});
		vfs_pages_drop(vi, 0, ~uint64_t{0});
	}
	lustre_inode_evict(vi->core);
	cfs::SpinGuard g(lock_);
	inodes_.erase(key_of(vi->fid));
	changed_.wake_all();
}

void VfsImpl::evict_idle(bool nameless_only) noexcept
{
	std::vector<vfs_inode *> out;
	{
		cfs::SpinGuard g(lock_);
		for (auto &[key, vi] : inodes_) {
			bool idle = vi->refs == 0 && !vi->fresh && !vi->dying;
			if (!idle || (nameless_only && vi->attr.nlink))
				continue;
			vi->dying = true;
			out.push_back(vi.get());
			while (!vi->names.empty())
				forget_locked(vi.get(), std::string(vi->names.begin()->first));
		}
	}
	for (vfs_inode *vi : out)
		evict(vi);
}

void VfsImpl::reap() noexcept
{
	evict_idle(true);
}

void VfsImpl::drop_caches() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		for (auto &[key, vi] : inodes_)
			while (!vi->names.empty())
				forget_locked(vi.get(), std::string(vi->names.begin()->first));
	}
	evict_idle(false);
}

cfs::Result<> VfsImpl::sync() noexcept
{
	std::vector<Ref> files;
	{
		cfs::SpinGuard g(lock_);
		for (auto &[key, vi] : inodes_)
			if (!vi->fresh && !vi->dying && vi->is(kTypeFile)) {
				vi->refs++;
				files.emplace_back(vi.get());
			}
	}
	cfs::Result<> first;
	for (Ref &r : files)
		if (auto w = cfs::to_result(vfs_pages_flush(r.get(), 0, ~uint64_t{0})); !w && first)
			first = w;
	return first;
}

std::size_t VfsImpl::cached_inodes() noexcept
{
	cfs::SpinGuard g(lock_);
	return inodes_.size();
}

std::size_t VfsImpl::cached_pages() noexcept
{
	cfs::SpinGuard g(lock_);
	std::size_t n = 0;
	for (auto &[key, vi] : inodes_) {
		cfs::SpinGuard p(vi->lock);
		n += vi->pages.size();
	}
	return n;
}

std::size_t VfsImpl::dirty_pages() noexcept
{
	cfs::SpinGuard g(lock_);
	std::size_t n = 0;
	for (auto &[key, vi] : inodes_) {
		cfs::SpinGuard p(vi->lock);
		for (auto &[index, page] : vi->pages)
			n += page.dirty ? 1 : 0;
	}
	return n;
}

void VfsImpl::file_opened() noexcept
{
	cfs::SpinGuard g(lock_);
	open_files_++;
}

void VfsImpl::file_closed() noexcept
{
	reap();
	cfs::SpinGuard g(lock_);
	open_files_--;
}

} // namespace client::host

// ---- what the core calls ----

using client::host::VfsImpl;

int vfs_iget(vfs_super *vs, const lustre_fid *fid, const lustre_attr *attr,
	     vfs_inode **out) noexcept
{
	return static_cast<VfsImpl *>(vs)->iget(*fid, *attr, out);
}

void vfs_iput(vfs_inode *vi) noexcept
{
	vi->vfs->iput(vi);
}

bool vfs_igrab(vfs_inode *vi) noexcept
{
	return vi->vfs->igrab(vi);
}

lustre_inode *vfs_inode_core(vfs_inode *vi) noexcept
{
	return vi->core;
}

void vfs_inode_update(vfs_inode *vi, const lustre_attr *a, bool size_too) noexcept
{
	cfs::SpinGuard g(vi->lock);
	lustre_attr &to = vi->attr;
	if (a->valid & LUSTRE_ATTR_MODE)
		to.mode = (to.mode & 0170000) | (a->mode & 07777);
	if (a->valid & LUSTRE_ATTR_UID)
		to.uid = a->uid;
	if (a->valid & LUSTRE_ATTR_GID)
		to.gid = a->gid;
	if (a->valid & LUSTRE_ATTR_NLINK)
		to.nlink = a->nlink;
	if (a->valid & LUSTRE_ATTR_FLAGS)
		to.flags = a->flags;
	if (a->valid & LUSTRE_ATTR_BLOCKS)
		to.blocks = a->blocks;
	if (a->valid & LUSTRE_ATTR_ATIME)
		to.atime = a->atime;
	if (a->valid & LUSTRE_ATTR_MTIME)
		to.mtime = a->mtime;
	if (a->valid & LUSTRE_ATTR_CTIME)
		to.ctime = a->ctime;
	if (size_too && (a->valid & LUSTRE_ATTR_SIZE))
		to.size = a->size;
}

void vfs_inode_attr(vfs_inode *vi, lustre_attr *out) noexcept
{
	cfs::SpinGuard g(vi->lock);
	*out = vi->attr;
	out->valid = LUSTRE_ATTR_TYPE | LUSTRE_ATTR_MODE | LUSTRE_ATTR_UID | LUSTRE_ATTR_GID |
		     LUSTRE_ATTR_NLINK | LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS | LUSTRE_ATTR_ATIME |
		     LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME;
}

void vfs_names_drop(vfs_inode *vi) noexcept
{
	vi->vfs->names_drop(vi);
}

void vfs_acl_drop(vfs_inode *) noexcept {}

void vfs_cred(lustre_cred *out) noexcept
{
	*out = client::host::cred_now();
}

bool vfs_in_group(uint32_t gid) noexcept
{
	return client::host::cred_now().fsgid == gid;
}

bool vfs_exiting(void) noexcept
{
	return false;
}

int64_t vfs_now(void) noexcept
{
	return cfs::real_seconds();
}

int vfs_copy_from_user(void *to, uint64_t from, size_t n) noexcept
{
	if (!from)
		return cfs::to_rc(cfs::err::FAULT);
	__builtin_memcpy(to, reinterpret_cast<const void *>(from), n);
	return 0;
}

int vfs_copy_to_user(uint64_t to, const void *from, size_t n) noexcept
{
	if (!to)
		return cfs::to_rc(cfs::err::FAULT);
	__builtin_memcpy(reinterpret_cast<void *>(to), from, n);
	return 0;
}
