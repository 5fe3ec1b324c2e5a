// SPDX-License-Identifier: GPL-2.0
#include "mdt/open_files.hpp"

#include "libcfs/lock.hpp"

namespace mdt
{

cfs::Result<> OpenFiles::make_files(rpc::Export &e) noexcept
{
	if (ClientFiles::of(e))
		return {};
	auto made = TRY(cfs::try_make<ClientFiles>());
	if (e.set_data(rpc::ExportSlot::upper, made.get()))
		(void)made.release();
	return {};
}

OpenObject *OpenFiles::find_object(const Fid &fid) noexcept
{
	auto i = objects_.find(fid, ByFid{});
	return i == objects_.end() ? nullptr : &*i;
}

void ClientFiles::remove(OpenFile &f) noexcept
{
	files_.erase(files_.iterator_to(f));
	xids_.erase(xids_.iterator_to(f));
}

cfs::Result<> OpenFiles::enter(rpc::Export &e, OpenFile &f,
			       cfs::UniquePtr<OpenObject> &fresh) noexcept
{
	ClientFiles &files = *ClientFiles::of(e);
	bool write = f.flags & wire::MDS_FMODE_WRITE;
	bool exec = f.flags & kOpenExec;
	// Under the lock: take_any() has not looked yet, or the client is known to be gone.
	if (e.gone())
		return cfs::fail(cfs::err::NOTCONN);
	if (files.files_.size() >= ClientFiles::kMax)
		return cfs::fail(cfs::err::NFILE);
	OpenObject *o = find_object(fresh->fid);
	if (o && ((write && o->executers) || (exec && o->writers)))
		return cfs::fail(cfs::err::TXTBSY);
	if (!o) {
		o = fresh.release();
		objects_.insert(*o);
	}
	o->handles++;
	o->writers += write ? 1u : 0u;
	o->executers += exec ? 1u : 0u;
	f.of = o;
	files.files_.insert(f);
	files.xids_.insert(f);
	return {};
}

cfs::Result<> OpenFiles::open(rpc::Export &e, osd::ObjectRef object, wire::OpenHandle handle,
			      u64 flags, wire::Xid xid) noexcept
{
	TRY(make_files(e));
	auto f = TRY(cfs::try_make<OpenFile>());
	auto o = TRY(cfs::try_make<OpenObject>());
	f->handle = handle;
	f->flags = flags;
	f->xid = xid;
	o->fid = object->fid();
	o->object = std::move(object);
	cfs::SpinGuard g(lock_);
	auto done = enter(e, *f, o);
	if (done)
		(void)f.release();
	return done;
}

OpenFile *OpenFiles::take(rpc::Export &e, wire::OpenHandle handle) noexcept
{
	ClientFiles *files = ClientFiles::of(e);
	if (!files)
		return nullptr;
	cfs::SpinGuard g(lock_);
	auto i = files->files_.find(handle, ClientFiles::ByHandle{});
	if (i == files->files_.end())
		return nullptr;
	OpenFile *f = &*i;
	files->remove(*f);
	return f;
}

wire::OpenHandle OpenFiles::find(rpc::Export &e, wire::Xid xid, osd::ObjectRef &object) noexcept
{
	ClientFiles *files = ClientFiles::of(e);
	if (!files)
		return {};
	cfs::SpinGuard g(lock_);
	auto i = files->xids_.find(xid, ClientFiles::ByXid{});
	if (i == files->xids_.end())
		return {};
	object = i->of->object;
	return i->handle;
}

OpenFile *OpenFiles::take_any(rpc::Export &e) noexcept
{
	cfs::SpinGuard g(lock_);
	ClientFiles *files = ClientFiles::of(e);
	if (!files || files->files_.empty())
		return nullptr;
	OpenFile *f = &*files->files_.begin();
	files->remove(*f);
	return f;
}

bool OpenFiles::drop(OpenFile *f) noexcept
{
	cfs::UniquePtr<OpenFile> file(f);
	cfs::UniquePtr<OpenObject> last;
	{
		cfs::SpinGuard g(lock_);
		OpenObject &o = *f->of;
		o.writers -= f->flags & wire::MDS_FMODE_WRITE ? 1u : 0u;
		o.executers -= f->flags & kOpenExec ? 1u : 0u;
		if (--o.handles == 0) {
			objects_.erase(objects_.iterator_to(o));
			last = cfs::UniquePtr<OpenObject>(&o);
		}
	}
	return static_cast<bool>(last);
}

u32 OpenFiles::handles(const Fid &fid) noexcept
{
	cfs::SpinGuard g(lock_);
	OpenObject *o = find_object(fid);
	return o ? o->handles : 0;
}

cfs::Result<> OpenFiles::may_write(const Fid &fid) noexcept
{
	cfs::SpinGuard g(lock_);
	OpenObject *o = find_object(fid);
	if (o && o->executers)
		return cfs::fail(cfs::err::TXTBSY);
	return {};
}

void OpenFiles::note_atime(const Fid &fid, std::int64_t atime) noexcept
{
	cfs::SpinGuard g(lock_);
	if (OpenObject *o = find_object(fid))
		o->atime_set = atime;
}

std::int64_t OpenFiles::noted_atime(const Fid &fid) noexcept
{
	cfs::SpinGuard g(lock_);
	OpenObject *o = find_object(fid);
	return o ? o->atime_set : 0;
}

} // namespace mdt
