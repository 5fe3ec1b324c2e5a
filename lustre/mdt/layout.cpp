// SPDX-License-Identifier: GPL-2.0
#include "mdt/layout.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "ost/object_id.hpp"
#include "wire/print.hpp"
#include "wire/xattr.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// The head of a plain layout; v3's longer one begins with it.
cfs::Result<const wire::LovMdsMdV1 *> plain_head(cfs::Bytes ea) noexcept
{
	const auto *v1 = TRY(cfs::view_at<wire::LovMdsMdV1>(ea, 0));
	if (v1->magic == wire::LOV_MAGIC_V3)
		(void)TRY(cfs::view_at<wire::LovMdsMdV3>(ea, 0));
	else if (v1->magic != wire::LOV_MAGIC_V1)
		return cfs::fail(OPNOTSUPP);
	return v1;
}

std::size_t plain_head_bytes(u32 magic) noexcept
{
	return magic == wire::LOV_MAGIC_V3 ? sizeof(wire::LovMdsMdV3) : sizeof(wire::LovMdsMdV1);
}

cfs::Result<> plain_objects(cfs::Bytes ea, LayoutVisitor &v) noexcept
{
	const auto *head = TRY(plain_head(ea));
	if (head->pattern & (wire::LOV_PATTERN_F_RELEASED | wire::LOV_PATTERN_MDT))
		return {};
	cfs::Reader r(ea);
	TRY(r.skip(plain_head_bytes(head->magic)));
	for (u32 i = 0; i < head->stripe_count; i++) {
		const auto *o = TRY(r.view<wire::LovOstData>());
		u32 ost = o->ost_idx;
		if (ost == ~u32{0})
			continue;
		TRY(v.object(TRY(ost::fid_of(o->ost_oi, ost)), ost));
	}
	return {};
}

cfs::Result<> composite_objects(cfs::Bytes ea, LayoutVisitor &v) noexcept
{
	cfs::Reader r(ea);
	const auto *head = TRY(r.view<wire::LovCompMdV1>());
	auto entries = TRY(r.array<wire::LovCompMdEntryV1>(head->entry_count));
	for (const auto &e : entries) {
		if (!(e.flags & wire::LCME_FL_INIT))
			continue;
		if (e.offset > ea.size() || e.size > ea.size() - e.offset)
			return cfs::fail(UCLEAN);
		TRY(plain_objects(ea.subspan(e.offset, e.size), v));
	}
	return {};
}

u32 magic_of(cfs::Bytes ea) noexcept
{
	auto magic = cfs::view_at<wire::le32>(ea, 0);
	return magic ? (*magic)->get() : 0;
}

} // namespace

void StripeWish::fill_from(const StripeWish &other) noexcept
{
	count = count ? count : other.count;
	bytes = bytes ? bytes : other.bytes;
	first = first != kAnyOst ? first : other.first;
	if (pool.view().empty())
		pool = other.pool;
}

cfs::Result<StripeWish> parse_wish(cfs::Bytes ea) noexcept
{
	StripeWish w;
	auto head = plain_head(ea);
	if (!head)
		return cfs::fail(head.error() == PROTO ? INVAL : head.error());
	const wire::LovMdsMdV1 &m = **head;
	if (m.pattern != 0 && m.pattern != wire::LOV_PATTERN_RAID0)
		return cfs::fail(OPNOTSUPP);
	w.count = m.stripe_count;
	w.bytes = m.stripe_size;
	if (w.bytes % wire::LOV_MIN_STRIPE_SIZE)
		return cfs::fail(INVAL);
	if (w.count > wire::LOV_MAX_STRIPE_COUNT && w.count != StripeWish::kAll)
		return cfs::fail(INVAL);
	if (m.layout_gen != wire::LOV_OFFSET_DEFAULT) // the place of the wanted OST
		w.first = m.layout_gen;
	if (m.magic == wire::LOV_MAGIC_V3)
		w.pool = reinterpret_cast<const wire::LovMdsMdV3 *>(ea.data())->pool_name;
	return w;
}

std::size_t layout_bytes(cfs::Bytes ea) noexcept
{
	u32 magic = magic_of(ea);
	std::size_t n = 0;
	if (magic == wire::LOV_MAGIC_COMP_V1) {
		auto c = cfs::view_at<wire::LovCompMdV1>(ea, 0);
		n = c ? (*c)->size.get() : 0;
	} else if (auto head = plain_head(ea)) {
		n = plain_head_bytes(magic) + (*head)->stripe_count * sizeof(wire::LovOstData);
	}
	return n <= ea.size() ? n : 0;
}

cfs::Result<> for_each_object(cfs::Bytes ea, LayoutVisitor &v) noexcept
{
	auto r = magic_of(ea) == wire::LOV_MAGIC_COMP_V1 ? composite_objects(ea, v)
							 : plain_objects(ea, v);
	return r || r.error() != PROTO ? r : cfs::fail(UCLEAN);
}

// ---- OSTs ----

cfs::Result<> OstSet::open() noexcept
{
	osts_ = TRY(cfs::Array<osp::Osp *>::make(kSubsys, kMax));
	return {};
}

cfs::Result<> OstSet::add(osp::Osp &osp) noexcept
{
	cfs::MutexGuard g(add_lock_);
	u32 n = count();
	if (find(osp.ost_index()))
		return cfs::fail(EXIST);
	if (n == osts_.size())
		return cfs::fail(NOSPC);
	osp.set_recovering(recovering_);
	osts_[n] = &osp;
	count_.store(n + 1, std::memory_order_release);
	return {};
}

void OstSet::set_recovering(bool yes) noexcept
{
	cfs::MutexGuard g(add_lock_);
	recovering_ = yes;
	for (u32 i = 0, n = count(); i < n; i++)
		osts_[i]->set_recovering(yes);
}

osp::Osp *OstSet::find(u32 index) noexcept
{
	for (u32 i = 0, n = count(); i < n; i++)
		if (osts_[i]->ost_index() == index)
			return osts_[i];
	return nullptr;
}

bool OstSet::knows(cfs::Bytes ea) noexcept
{
	struct Look final : LayoutVisitor {
		OstSet &osts;
		explicit Look(OstSet &o) noexcept : osts(o) {}
		cfs::Result<> object(const Fid &, u32 ost) noexcept override
		{
			return osts.find(ost) ? cfs::Result<>{} : cfs::fail(NODEV);
		}
	} look(*this);
	return for_each_object(ea, look).has_value();
}

namespace
{

/// Visitors of the objects of a layout. Not local to the functions: their names would get too long
/// for objtool.
class Destroy final : public LayoutVisitor
{
	OstSet &osts_;
	osd::Transaction &tx_;

public:
	Destroy(OstSet &o, osd::Transaction &t) noexcept : osts_(o), tx_(t) {}
	cfs::Result<> object(const Fid &object, u32 ost) noexcept override
	{
		osp::Osp *osp = osts_.find(ost);
		auto r = osp ? osp->destroy_later(tx_, object) : cfs::fail(NODEV);
		if (!r)
			CERROR(OstSet::kSubsys, "object {} of OST{:04x} is left behind: rc = {}",
			       object, ost, r);
		return {};
	}
};

class ChangeOwner final : public LayoutVisitor
{
	OstSet &osts_;
	osd::Transaction &tx_;
	const osp::OwnerChange &to_;

public:
	ChangeOwner(OstSet &o, osd::Transaction &t, const osp::OwnerChange &to) noexcept
	    : osts_(o), tx_(t), to_(to)
	{
	}
	cfs::Result<> object(const Fid &object, u32 ost) noexcept override
	{
		osp::Osp *osp = osts_.find(ost);
		auto r = osp ? osp->set_owner_later(tx_, object, to_) : cfs::fail(NODEV);
		if (!r)
			CERROR(OstSet::kSubsys,
			       "object {} of OST{:04x} keeps its former owner: rc = {}", object,
			       ost, r);
		return {};
	}
};

/// Only whether there is sense in the layout.
class Any final : public LayoutVisitor
{
public:
	cfs::Result<> object(const Fid &, u32) noexcept override { return {}; }
};

} // namespace

void OstSet::destroy_objects(osd::Transaction &tx, cfs::Bytes ea) noexcept
{
	Destroy d(*this, tx);
	if (auto r = for_each_object(ea, d); !r)
		CERROR(kSubsys, "a layout makes no sense, its objects are left behind: rc = {}", r);
}

void OstSet::set_owner(osd::Transaction &tx, cfs::Bytes ea, const osp::OwnerChange &to) noexcept
{
	ChangeOwner c(*this, tx, to);
	if (auto r = for_each_object(ea, c); !r)
		CERROR(kSubsys, "a layout makes no sense, its objects keep their owner: rc = {}",
		       r);
}

// ---- a new layout ----

std::size_t NewLayout::head_bytes() const noexcept
{
	return wish_.pool.view().empty() ? sizeof(wire::LovMdsMdV1) : sizeof(wire::LovMdsMdV3);
}

bool NewLayout::has_object_of(const osp::Osp &osp) const noexcept
{
	for (u32 i = 0; i < stripes_; i++)
		if (reserved_[i].osp() == &osp)
			return true;
	return false;
}

/// One object from each OST that has one in time, beginning with `start`. Who is away is waited for
/// only when there is nobody else.
cfs::Result<> NewLayout::collect(OstSet &osts, u32 start, cfs::Instant deadline) noexcept
{
	cfs::Errno why = NOSPC;
	u32 n = osts.count();
	bool waiting = deadline > cfs::Instant::now();
	for (u32 i = 0; i < n && stripes_ < reserved_.size(); i++) {
		osp::Osp &osp = osts.at((start + i) % n);
		if (has_object_of(osp) || (!osp.usable() && (!waiting || stripes_)))
			continue;
		auto r = osp.reserve(deadline);
		if (r)
			reserved_[stripes_++] = std::move(*r);
		else
			why = r.error();
	}
	return stripes_ ? cfs::Result<>{} : cfs::fail(why);
}

cfs::Result<> NewLayout::reserve(OstSet &osts, const StripeWish &wish,
				 cfs::Instant deadline) noexcept
{
	u32 n = osts.count();
	u32 count = std::max(std::min(wish.count, n), u32{1});
	u32 start = 0;
	wish_ = wish;
	if (n == 0)
		return cfs::fail(NOSPC);
	if (wish.first == StripeWish::kAnyOst) {
		start = osts.next();
	} else {
		while (start < n && osts.at(start).ost_index() != wish.first)
			start++;
		if (start == n)
			return cfs::fail(INVAL);
	}
	reserved_ = TRY(cfs::Array<osp::Reservation>::make(kSubsys, count));
	// First whoever has objects at hand, then whoever makes some in time.
	(void)collect(osts, start, cfs::Instant{});
	return stripes_ == count ? cfs::Result<>{} : collect(osts, start, deadline);
}

cfs::Result<> NewLayout::adopt(OstSet &osts, cfs::Bytes ea) noexcept
{
	Any any;
	if (!for_each_object(ea, any))
		return cfs::fail(INVAL);
	adopted_from_ = &osts;
	ea_ = TRY(cfs::Array<std::byte>::make(kSubsys, ea.size()));
	std::copy(ea.begin(), ea.end(), ea_.begin());
	// Clients replay it in the user's form, with a wish in the place of the generation.
	if (plain_head(ea))
		reinterpret_cast<wire::LovMdsMdV1 *>(ea_.data())->layout_gen = 0;
	return {};
}

cfs::Result<> NewLayout::declare(osd::Transaction &tx, osd::Object &file) noexcept
{
	std::size_t bytes = ea_.size();
	if (stripes_)
		bytes = head_bytes() + stripes_ * sizeof(wire::LovOstData);
	for (u32 i = 0; i < stripes_; i++)
		TRY(reserved_[i].osp()->declare_take(tx));
	for (u32 i = 0; adopted_from_ && i < adopted_from_->count(); i++)
		TRY(adopted_from_->at(i).declare_take(tx));
	ea_ = stripes_ ? TRY(cfs::Array<std::byte>::make(kSubsys, bytes)) : std::move(ea_);
	return file.declare_xattr_set(tx, wire::XATTR_NAME_LOV, bytes);
}

cfs::Result<> NewLayout::build(osd::Transaction &tx, const Fid &file) noexcept
{
	auto &head = *reinterpret_cast<wire::LovMdsMdV3 *>(ea_.data());
	bool pool = !wish_.pool.view().empty();
	head.magic = pool ? wire::LOV_MAGIC_V3 : wire::LOV_MAGIC_V1;
	head.pattern = wire::LOV_PATTERN_RAID0;
	head.oi.oi.oi_id = file.oid.get();
	head.oi.oi.oi_seq = file.seq.get();
	head.stripe_size = wish_.bytes;
	head.stripe_count = static_cast<u16>(stripes_);
	head.layout_gen = 0;
	if (pool)
		head.pool_name = wish_.pool;
	auto *o = reinterpret_cast<wire::LovOstData *>(ea_.data() + head_bytes());
	for (u32 i = 0; i < stripes_; i++, o++) {
		u32 ost = reserved_[i].osp()->ost_index();
		Fid fid = TRY(reserved_[i].osp()->take(tx, reserved_[i]));
		o->ost_oi = TRY(ost::ost_id_of(fid));
		o->ost_gen = 0;
		o->ost_idx = ost;
	}
	return {};
}

/// The OSTs must not take them for objects that nobody ever used.
cfs::Result<> NewLayout::note_used(osd::Transaction &tx) noexcept
{
	struct Note final : LayoutVisitor {
		OstSet &osts;
		osd::Transaction &tx;
		Note(OstSet &o, osd::Transaction &t) noexcept : osts(o), tx(t) {}
		cfs::Result<> object(const Fid &object, u32 ost) noexcept override
		{
			// An OST without a connection clears nothing away.
			osp::Osp *osp = osts.find(ost);
			return osp ? osp->note_used(tx, object) : cfs::Result<>{};
		}
	} note(*adopted_from_, tx);
	return for_each_object({ea_.data(), ea_.size()}, note);
}

cfs::Result<> NewLayout::make(osd::Transaction &tx, osd::Object &file) noexcept
{
	if (adopted_from_)
		TRY(note_used(tx));
	if (stripes_)
		TRY(build(tx, file.fid()));
	return file.xattr_set(tx, wire::XATTR_NAME_LOV, {ea_.data(), ea_.size()});
}

// ---- reading ----

cfs::Result<cfs::Array<std::byte>> read_xattr(osd::Object &o, std::string_view name) noexcept
{
	// It may grow between the two calls.
	for (unsigned tries = 0; tries < 4; tries++) {
		auto n = o.xattr_get(name, {});
		if (!n && n.error() == NODATA)
			return cfs::Array<std::byte>();
		auto value = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, TRY(n)));
		if (value.empty())
			return value;
		auto got = o.xattr_get(name, value);
		if (got && *got == value.size())
			return value;
		if (!got && got.error() != RANGE && got.error() != NODATA)
			return cfs::fail(got.error());
	}
	return cfs::fail(AGAIN);
}

cfs::Result<cfs::Array<std::byte>> read_layout(osd::Object &o) noexcept
{
	return read_xattr(o, wire::XATTR_NAME_LOV);
}

} // namespace mdt
