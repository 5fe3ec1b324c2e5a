// SPDX-License-Identifier: GPL-2.0
//
// Closing (spec 04 section 8), and what becomes of objects that nobody can find any more: they are
// in PENDING as long as they are open, and destroyed with the last handle, when its client is gone,
// or after a restart.
#include <algorithm>

#include "libcfs/log.hpp"
#include "mdt/removal.hpp"
#include "mdt/target.hpp"
#include "wire/print.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// An access time is stored when it is so much newer, seconds: reads shall not cost writes.
constexpr std::int64_t kAtimeDiff = 60;

/// Which times of a client that closes a file count. Nothing goes back, and what a setattr said
/// meanwhile stays.
osd::Attr times_of_close(const wire::MdtRecSetattr &rec, const osd::Attr &now, u64 flags,
			 std::int64_t atime_set) noexcept
{
	constexpr u64 kUsed = wire::MDS_FMODE_READ | wire::MDS_FMODE_WRITE | kOpenExec;
	osd::Attr next;
	u64 valid = rec.valid;
	if (!(flags & kUsed))
		return next;
	if ((valid & wire::MDS_ATTR_CTIME) && rec.ctime > now.ctime.sec) {
		next.valid |= osd::kAttrCtime;
		next.ctime = seconds(rec.ctime);
		if ((valid & wire::MDS_ATTR_MTIME) && rec.mtime > now.mtime.sec) {
			next.valid |= osd::kAttrMtime;
			next.mtime = seconds(rec.mtime);
		}
	}
	if ((valid & wire::MDS_ATTR_ATIME) && rec.atime > now.atime.sec + kAtimeDiff &&
	    rec.atime > atime_set) {
		next.valid |= osd::kAttrAtime;
		next.atime = seconds(rec.atime);
	}
	return next;
}

} // namespace

cfs::Result<> MdtTarget::close(rpc::ServerRequest &req) noexcept
{
	auto in = TRY(req.as<op::MdsClose>());
	const wire::MdtRecSetattr &rec = in.get<fld::RecSetattr>();
	(void)TRY(req.reply<op::MdsClose>());
	if (saved_reply(req))
		return {};
	if (op::close_bias(req.message()) & op::kCloseIntents)
		CWARN(kSubsys, "{}: {} closes {} with an intent ({:#x}), which is not served yet",
		      name(), req.exp()->client_uuid(), rec.fid, rec.bias.get());
	OpenFile *f = opens_.take(*req.exp(), in.get<fld::IoEpoch>().open_handle);
	if (!f)
		return cfs::fail(STALE);
	// Whatever fails from here on, the handle is closed.
	osd::ObjectRef o = f->of->object;
	osd::Attr now, next;
	if (o->attr_get(now))
		next = times_of_close(rec, now, f->flags, opens_.noted_atime(o->fid()));
	auto done = change(
		*this, &req,
		[&](osd::Transaction &tx) -> cfs::Result<> {
			return next.valid ? o->declare_attr_set(tx, next) : cfs::Result<>{};
		},
		[&](Modification &m) -> cfs::Result<> {
			return next.valid ? o->attr_set(m.tx(), next) : cfs::Result<>{};
		});
	release(f);
	return done;
}

void MdtTarget::release(OpenFile *f) noexcept
{
	osd::ObjectRef o = f->of->object;
	osd::Attr a;
	bool orphan = false;
	{
		// Against an unlink: either it sees the handle, or we see what it did.
		osd::ObjectGuard g(*o);
		bool last = opens_.drop(f);
		orphan = last && o->exists() && o->attr_get(a) && is_orphan(a);
	}
	if (orphan)
		destroy_orphan(*o);
}

void MdtTarget::destroy_orphan(osd::Object &o) noexcept
{
	auto done = [&]() -> cfs::Result<> {
		osd::Attr a;
		TRY(o.attr_get(a));
		bool dir = is_dir(a);
		auto layout = is_file(a) ? TRY(read_layout(o)) : cfs::Array<std::byte>();
		// Its objects are destroyed with it: when their OSTs are here.
		if (!layout.empty() && !osts_.knows({layout.data(), layout.size()}))
			return {};
		osd::Directory *pending = TRY(pending_->directory());
		PendingName entry(o.fid());
		auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
			TRY(pending->declare_remove(tx, entry.view()));
			if (dir)
				TRY(pending_->declare_ref_del(tx));
			return o.declare_destroy(tx);
		};
		return change(*this, nullptr, declare, [&](Modification &m) -> cfs::Result<> {
			TRY(pending->remove(m.tx(), entry.view()));
			if (dir)
				TRY(pending_->ref_del(m.tx()));
			if (!layout.empty())
				osts_.destroy_objects(m.tx(), {layout.data(), layout.size()});
			return o.destroy(m.tx());
		});
	}();
	if (!done)
		CERROR(kSubsys,
		       "{}: {} has no name and stays in PENDING until the next start: "
		       "rc = {}",
		       name(), o.fid(), done);
}

void MdtTarget::client_left(rpc::Export &e, bool) noexcept
{
	while (OpenFile *f = opens_.take_any(e))
		release(f);
}

/// Whoever will come back has come.
void MdtTarget::ready() noexcept
{
	osts_.set_recovering(false);
	recovered_.store(true, std::memory_order_release);
	sweep_pending();
}

/// What is in PENDING and not open is nobody's.
void MdtTarget::sweep_pending() noexcept
{
	cfs::MutexGuard g(sweep_lock_);
	u32 destroyed = 0;
	auto done = [&]() -> cfs::Result<> {
		osd::Directory *pending = TRY(pending_->directory());
		auto cursor = TRY(pending->open());
		u64 at = 0;
		for (;;) {
			// The cursor does not go with transactions: it is put back for each entry.
			cursor->seek(at);
			const osd::DirItem *item = TRY(cursor->next());
			if (!item)
				return {};
			at = item->cookie + 1;
			if (item->name == "." || item->name == "..")
				continue;
			osd::ObjectRef o = TRY(Target::device().object(item->fid));
			if (o->exists() && opens_.handles(o->fid()) == 0) {
				destroy_orphan(*o);
				destroyed += o->exists() ? 0u : 1u;
			}
		}
	}();
	if (!done)
		CERROR(kSubsys, "{}: cannot read PENDING: rc = {}", name(), done);
	if (destroyed)
		LCONSOLE_INFO(kSubsys, "{}: {} files that were removed while open are destroyed",
			      name(), destroyed);
}

cfs::Result<> MdtTarget::reserve_layout(NewLayout &layout, osd::Object *dir,
					StripeWish wish) noexcept
{
	if (dir) {
		auto ea = TRY(read_layout(*dir));
		if (!ea.empty())
			if (auto by_default = parse_wish({ea.data(), ea.size()}))
				wish.fill_from(*by_default);
	}
	StripeWish ours;
	ours.count = config_.stripe_count;
	ours.bytes = config_.stripe_bytes;
	wish.fill_from(ours);
	// More would not fit into the attribute that names them.
	u32 room = std::max<u32>(Target::device().info().xattr_max, sizeof(wire::LovMdsMdV3));
	auto most = (room - sizeof(wire::LovMdsMdV3)) / sizeof(wire::LovOstData);
	wish.count = static_cast<u32>(std::min<u64>(wish.count, most));
	return layout.reserve(osts_, wish, cfs::after(config_.object_wait));
}

} // namespace mdt
