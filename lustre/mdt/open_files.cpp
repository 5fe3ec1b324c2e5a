// SPDX-License-Identifier: GPL-2.0
#include "mdt/open_files.hpp"

#include "libcfs/lock.hpp"

namespace mdt
{

cfs::Result<ClientFiles *> OpenFiles::files_of(rpc::Export &e) noexcept
{
	if (ClientFiles *f = ClientFiles::of(e))
		return f;
	auto made = TRY(cfs::try_make<ClientFiles>());
	if (e.set_data(rpc::ExportSlot::upper, made.get()))
		return made.release();
	return ClientFiles::of(e);
}

OpenObject *OpenFiles::find_object(const Fid &fid) noexcept
{
	auto i = objects_.find(fid, ByFid{});
	return i == objects_.end() ? nullptr : &*i;
}

cfs::Result<> OpenFiles::enter(ClientFiles &files, OpenFile &f,
			       cfs::UniquePtr<OpenObject> &fresh) noexcept
{
	bool write = f.flags & wire::MDS_FMODE_WRITE;
	bool exec = f.flags & kOpenExec;
	if (files.gone_)
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
	return {};
}

cfs::Result<OpenFile *> OpenFiles::open(rpc::Export &e, osd::ObjectRef object,
					wire::OpenHandle handle, u64 flags, wire::Xid xid) noexcept
{
	ClientFiles *files = TRY(files_of(e));
	auto f = TRY(cfs::try_make<OpenFile>());
	auto o = TRY(cfs::try_make<OpenObject>());
	f->handle = handle;
	f->flags = flags;
	f->xid = xid;
	o->fid = object->fid();
	o->object = std::move(object);
	cfs::Result<> done;
	{
		cfs::SpinGuard g(lock_);
		done = enter(*files, *f, o);
	}
	if (!done)
		return cfs::fail(done.error());
	return f.release();
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
	files->files_.erase(i);
	return f;
}

wire::OpenHandle OpenFiles::find(rpc::Export &e, wire::Xid xid) noexcept
{
	ClientFiles *files = ClientFiles::of(e);
	if (!files)
		return {};
	cfs::SpinGuard g(lock_);
	for (const OpenFile &f : files->files_)
		if (f.xid == xid)
			return f.handle;
	return {};
}

OpenFile *OpenFiles::take_any(rpc::Export &e) noexcept
{
	ClientFiles *files = ClientFiles::of(e);
	if (!files)
		return nullptr;
	cfs::SpinGuard g(lock_);
	files->gone_ = true;
	if (files->files_.empty())
		return nullptr;
	OpenFile *f = &*files->files_.begin();
	files->files_.erase(files->files_.begin());
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
