// SPDX-License-Identifier: GPL-2.0
//
// The layout of a file in use: which objects its bytes lie in, who is using it, how it changes, and
// what happens to pages when a lock of one of its objects goes.
#include "client/data_file.hpp"

#include "client/data_space.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

namespace
{

constexpr u64 page_of(u64 offset) noexcept
{
	return offset >> CFS_PAGE_SHIFT;
}

const char *refusal(const Layout &l) noexcept
{
	if (l.kind() == LayoutKind::foreign)
		return "its data are kept elsewhere";
	if (l.mirrors() > 1)
		return "it has mirrors";
	for (const Component &c : l.components()) {
		if (c.on_mdt())
			return "data on the MDT";
		if (c.released())
			return "it is archived";
		if (c.is_extension())
			return "it has extension components";
		if (c.pattern & LOV_PATTERN_F_HOLE)
			return "objects are missing";
		if (c.extent.start % CFS_PAGE_SIZE ||
		    (c.extent.end != kEof && c.extent.end % CFS_PAGE_SIZE))
			return "a component begins within a page";
	}
	return nullptr;
}

} // namespace

// ---- maps ----

ldlm::Extent Stripe::share() const noexcept
{
	auto r = comp->stripes.object_range(index, comp->extent);
	if (!r)
		return {0, 0, 0};
	return {r->start, r->end == kEof ? ldlm::kEof : r->end - 1, 0};
}

Place FileMap::at(u64 offset) const noexcept
{
	Place p;
	for (const Part &part : parts) {
		const Component &c = *part.comp;
		if (!c.extent.contains(offset))
			continue;
		p.inside = true;
		p.until = c.extent.end;
		if (!part.count)
			return p;
		u32 i = c.stripes.index(offset);
		p.exists = true;
		p.slot = part.first + i;
		p.offset = c.stripes.object_offset(offset);
		if (c.stripes.count > 1)
			p.until = std::min(p.until,
					   offset - offset % c.stripes.size + c.stripes.size);
		return p;
	}
	p.until = kEof;
	return p;
}

Result<cfs::RefPtr<FileMap>> FileDataImpl::make_map(cfs::RefPtr<const Layout> layout) noexcept
{
	auto m = TRY(cfs::try_make_ref<FileMap>());
	m->layout = layout;
	if (const char *why = refusal(*layout)) {
		CERROR(CFS_S_LOV,
		       "the data of file {} can not be reached, since {}: not supported by this "
		       "client",
		       fid_, why);
		m->unsupported = OPNOTSUPP;
		return m;
	}
	auto comps = layout->components();
	std::size_t n = 0;
	for (const Component &c : comps)
		n += c.instantiated() ? c.objects.size() : 0;
	m->parts = TRY(cfs::Array<FileMap::Part>::make(FileMap::kSubsys, comps.size()));
	m->stripes = TRY(cfs::Array<Stripe>::make(FileMap::kSubsys, n));
	u32 slot = 0;
	for (std::size_t i = 0; i < comps.size(); i++) {
		const Component &c = comps[i];
		FileMap::Part &part = m->parts[i];
		part.comp = &c;
		part.first = slot;
		if (!c.instantiated())
			continue;
		part.count = static_cast<u32>(c.objects.size());
		for (u32 k = 0; k < part.count; k++) {
			Stripe &s = m->stripes[slot++];
			s.comp = &c;
			s.id = c.objects[k];
			s.index = k;
			auto osc = s.id.missing() ? nullptr : space_.ost(s.id.ost);
			if (osc)
				s.object = TRY(osc->object(ldlm::ResName::of_object(s.id.id)));
		}
		if (part.count < c.stripes.count)
			m->unsupported = PROTO;
	}
	return m;
}

bool FileDataImpl::extends(const FileMap &old, const FileMap &fresh) noexcept
{
	for (const Stripe &s : old.stripes) {
		bool found = false;
		for (const Stripe &f : fresh.stripes)
			found = found || (f.object == s.object && f.index == s.index &&
					  f.comp->extent == s.comp->extent &&
					  f.comp->stripes.size == s.comp->stripes.size &&
					  f.comp->stripes.count == s.comp->stripes.count);
		if (!found)
			return false;
	}
	return true;
}

bool FileDataImpl::has_object(const FileMap *m, const OscObject *o) noexcept
{
	if (m)
		for (const Stripe &s : m->stripes)
			if (s.object.get() == o)
				return true;
	return false;
}

// ---- life, and changing ----

Result<cfs::UniquePtr<FileData>> FileData::make(DataSpace &space, const Fid &fid, vfs_inode *vi,
						FileOwner &owner) noexcept
{
	auto f = TRY(
		cfs::try_make<FileDataImpl>(static_cast<DataSpaceImpl &>(space), fid, vi, owner));
	return cfs::UniquePtr<FileData>(std::move(f));
}

void FileDataImpl::destroy() noexcept
{
	if (auto m = map())
		for (Stripe &s : m->stripes)
			if (s.object)
				s.object->detach(*this);
	this->~FileDataImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

/// Makes the objects of a layout this file's; all of them, or none that it did not have.
Result<> FileDataImpl::attach_all(FileMap *fresh, const FileMap *old) noexcept
{
	if (!fresh)
		return {};
	for (Stripe &s : fresh->stripes) {
		if (!s.object)
			continue;
		auto r = s.object->attach(*this);
		if (r)
			continue;
		CERROR(CFS_S_LOV, "file {}: object {} of OST {} belongs to another file: {}", fid_,
		       s.object->name, s.id.ost, r);
		for (Stripe &t : fresh->stripes) {
			if (&t == &s)
				break;
			if (t.object && !has_object(old, t.object.get()))
				t.object->detach(*this);
		}
		return r;
	}
	return {};
}

Result<> FileDataImpl::set_layout(cfs::RefPtr<const Layout> layout) noexcept
{
	cfs::RefPtr<FileMap> fresh, old;
	if (layout)
		fresh = TRY(make_map(std::move(layout)));
	{
		cfs::SpinGuard g(lock_);
		TRY(waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(),
				[this]() CFS_NO_TSA { return !changing_; }));
		changing_ = true;
		auto r = waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(),
				     [this]() CFS_NO_TSA { return inside_ == 0; });
		if (!r) {
			changing_ = false;
			waitq_.wake_all();
			return r;
		}
		old = map_;
	}
	bool moves = old && !(fresh && extends(*old, *fresh));
	if (moves)
		(void)vfs_pages_flush(vi_, 0, kLastPage); // recorded against the file
	if (auto r = attach_all(fresh.get(), old.get()); !r) {
		cfs::SpinGuard g(lock_);
		changing_ = false;
		waitq_.wake_all();
		return r;
	}
	{
		cfs::SpinGuard g(lock_);
		map_ = fresh;
	}
	if (moves)
		vfs_pages_drop(vi_, 0, kLastPage);
	if (old)
		for (Stripe &s : old->stripes)
			if (s.object && !has_object(fresh.get(), s.object.get()))
				s.object->detach(*this);
	cfs::SpinGuard g(lock_);
	changing_ = false;
	waitq_.wake_all();
	return {};
}

cfs::RefPtr<const Layout> FileDataImpl::layout() noexcept
{
	auto m = map();
	return m ? m->layout : nullptr;
}

cfs::RefPtr<FileMap> FileDataImpl::map() noexcept
{
	cfs::SpinGuard g(lock_);
	return map_;
}

Result<cfs::RefPtr<FileMap>> FileDataImpl::enter() noexcept
{
	cfs::SpinGuard g(lock_);
	TRY(waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(),
			[this]() CFS_NO_TSA { return !changing_; }));
	if (map_ && map_->unsupported != cfs::Errno{})
		return cfs::fail(map_->unsupported);
	inside_++;
	return map_;
}

void FileDataImpl::leave() noexcept
{
	cfs::SpinGuard g(lock_);
	if (--inside_ == 0)
		waitq_.wake_all();
}

Result<cfs::RefPtr<FileMap>> FileDataImpl::enter_for_write(Range r, bool truncate) noexcept
{
	for (unsigned i = 0; i < kLayoutTries; i++) {
		TRY(owner_.need_layout());
		auto m = TRY(enter());
		Range inside = r;
		if (m)
			inside.end = std::min(r.end, m->layout->end());
		if (m && (inside.empty() || m->layout->instantiated(inside)))
			return m;
		leave();
		TRY(owner_.need_objects(r, truncate));
	}
	CERROR(CFS_S_LOV, "file {}: the MDT gives it no objects for bytes {} to {}", fid_, r.start,
	       r.end);
	return cfs::fail(IO);
}

Result<> FileDataImpl::take_error() noexcept
{
	cfs::SpinGuard g(lock_);
	cfs::Errno e = error_;
	error_ = {};
	return e == cfs::Errno{} ? Result<>{} : Result<>(cfs::fail(e));
}

// ---- locks that go ----

Range FileDataImpl::file_range(const Stripe &s, ldlm::Extent bytes) noexcept
{
	const Component &c = *s.comp;
	Range r{c.stripes.file_offset(s.index, bytes.start), c.extent.end};
	if (bytes.end != ldlm::kEof)
		r.end = std::min(r.end, c.stripes.file_size(s.index, bytes.end + 1));
	r.start = std::max(r.start, c.extent.start);
	return r;
}

template <typename F>
void FileDataImpl::for_each_range(OscObject &object, ldlm::Extent bytes, F f) noexcept
{
	auto m = map();
	if (!m)
		return;
	for (const Stripe &s : m->stripes) {
		if (s.object.get() != &object)
			continue;
		Range r = file_range(s, bytes);
		if (!r.empty())
			f(s, page_of(r.start), page_of(r.end - 1));
	}
}

Result<> FileDataImpl::flush_object(OscObject &object, ldlm::Extent bytes) noexcept
{
	Result<> out;
	for_each_range(object, bytes, [&](const Stripe &, u64 first, u64 last) {
		// What lies between in other objects is written along; that does no harm.
		int rc = vfs_pages_flush(vi_, first, last);
		if (rc)
			out = cfs::to_result(rc);
	});
	return out;
}

void FileDataImpl::drop_object(OscObject &object, ldlm::Extent bytes) noexcept
{
	for_each_range(object, bytes, [this](const Stripe &s, u64 at, u64 last) {
		if (s.comp->stripes.count == 1) {
			vfs_pages_drop(vi_, at, last);
			return;
		}
		while (at <= last && vfs_page_next(vi_, &at, last, false)) {
			u64 offset = at << CFS_PAGE_SHIFT;
			u64 end = offset - offset % s.comp->stripes.size + s.comp->stripes.size;
			u64 chunk = std::min(page_of(end - 1), last);
			if (s.comp->stripes.index(offset) == s.index)
				vfs_pages_drop(vi_, at, chunk);
			at = chunk + 1;
		}
	});
}

void FileDataImpl::lost_data() noexcept
{
	LCONSOLE_ERROR(CFS_S_OSC, "data of file {} that had not been written are lost", fid_);
	{
		cfs::SpinGuard g(lock_);
		error_ = IO;
	}
	// Everybody who has it open is told.
	vfs_pages_written(vi_, nullptr, 0, cfs::to_rc(IO));
}

void FileDataImpl::inode_times(ObjectAttr &attr) noexcept
{
	lustre_attr a{};
	vfs_inode_attr(vi_, &a);
	attr.mtime = a.mtime;
	attr.atime = a.atime;
	attr.ctime = a.ctime;
}

} // namespace client
