// SPDX-License-Identifier: GPL-2.0
#include "mdt/sequence.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "wire/disk_index.hpp"
#include "wire/print.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

constexpr osd::IndexSpec kFldSpec{8, sizeof(wire::FldRecord)};

/// An entry of the FLD; its first field is the key too.
wire::FldRecord fld_record(const wire::SeqRange &r) noexcept
{
	wire::FldRecord e{};
	e.start = r.start.get();
	e.end = r.end.get();
	e.index = r.index.get();
	e.flags = r.flags.get();
	return e;
}
cfs::Result<> insert_fld(osd::Index &index, osd::Transaction &tx, const wire::SeqRange &r) noexcept
{
	wire::FldRecord e = fld_record(r);
	return index.insert(tx, cfs::bytes_of(e.start), cfs::bytes_of(e));
}

wire::SeqRange make_range(u64 start, u64 end, u32 index, u32 flags) noexcept
{
	wire::SeqRange r{};
	r.start = start;
	r.end = end;
	r.index = index;
	r.flags = flags;
	return r;
}

/// What every file system has on MDT0 from the start.
struct FirstRange {
	u64 start, end;
};
constexpr FirstRange kFirstRanges[] = {
	{wire::FID_SEQ_IGIF, wire::FID_SEQ_IDIF},
	{wire::FID_SEQ_DOT_LUSTRE, wire::FID_SEQ_DOT_LUSTRE + 1},
	{wire::FID_SEQ_ROOT, wire::FID_SEQ_ROOT + 1},
};

} // namespace

cfs::Result<> Sequences::open_file(osd::Device &device, wire::LocalOid oid, osd::ObjectRef &file,
				   wire::SeqRange &range) noexcept
{
	osd::CreateSpec spec = osd::local_file_spec();
	spec.attr.mode = osd::kTypeFile | 0666;
	file = TRY(osd::find_or_create(device, osd::local_fid(oid), spec));
	osd::Body *body = TRY(file->body());
	wire::SeqRange stored{};
	std::size_t n =
		TRY(body->read(0, {reinterpret_cast<std::byte *>(&stored), sizeof(stored)}));
	if (n == 0)
		return {}; // fresh: range stays as the caller initialised it
	if (n != sizeof(stored) || stored.start > stored.end) {
		CERROR(kSubsys, "{}: the sequence file {} makes no sense",
		       static_cast<const char *>(device.info().name), osd::root_name(file->fid()));
		return cfs::fail(UCLEAN);
	}
	range = stored;
	return {};
}

cfs::Result<> Sequences::add_to_fld(const wire::SeqRange &range) noexcept
{
	osd::Index *index = TRY(fld_->index());
	auto tx = TRY(fld_->device().begin());
	TRY(index->declare_insert(*tx));
	TRY(tx->start());
	auto done = insert_fld(*index, *tx, range);
	return osd::stop(*tx, done);
}

cfs::Result<> Sequences::open_fld(osd::Device &device) noexcept
{
	osd::CreateSpec spec = osd::local_file_spec();
	spec.attr.mode = osd::kTypeFile | 0666;
	spec.index = kFldSpec;
	fld_ = TRY(
		osd::find_or_create(device, osd::local_fid(wire::LocalOid::FLD_INDEX_OID), spec));
	for (const FirstRange &r : kFirstRanges) {
		auto added = add_to_fld(make_range(r.start, r.end, 0, wire::LU_SEQ_RANGE_MDT));
		if (!added && added.error() != EXIST)
			return added;
	}
	return {};
}

cfs::Result<> Sequences::open(osd::Device &device, u32 mdt_index) noexcept
{
	index_ = mdt_index;
	TRY(open_fld(device));
	cfs::MutexGuard g(lock_);
	free_ = make_range(wire::FID_SEQ_NORMAL, ~u64{0}, 0, 0);
	TRY(open_file(device, wire::LocalOid::FID_SEQ_CTL_OID, control_, free_));
	TRY(open_file(device, wire::LocalOid::FID_SEQ_SRV_OID, server_, own_));
	next_ = own_.start;
	return {};
}

void Sequences::close() noexcept
{
	control_.reset();
	server_.reset();
	fld_.reset();
}

cfs::Result<> Sequences::store(osd::Object &file, const wire::SeqRange &range,
			       const wire::SeqRange *granted) noexcept
{
	osd::Body *body = TRY(file.body());
	osd::Index *index = TRY(fld_->index());
	auto tx = TRY(file.device().begin());
	TRY(body->declare_write(*tx, 0, sizeof(range)));
	if (granted)
		TRY(index->declare_insert(*tx));
	tx->set_sync();
	TRY(tx->start());
	auto done = body->write(*tx, 0, cfs::bytes_of(range));
	if (done && granted)
		done = insert_fld(*index, *tx, *granted);
	return osd::stop(*tx, done);
}

cfs::Result<> Sequences::super(wire::SeqRange &range) noexcept
{
	if (free_.end - free_.start < wire::LUSTRE_SEQ_SUPER_WIDTH)
		return cfs::fail(NOSPC);
	wire::SeqRange rest = free_;
	range.start = free_.start.get();
	range.end = free_.start + wire::LUSTRE_SEQ_SUPER_WIDTH;
	rest.start = range.end.get();
	TRY(store(*control_, rest, &range));
	free_ = rest;
	return {};
}

cfs::Result<> Sequences::allocate_super(wire::SeqRange &range) noexcept
{
	cfs::MutexGuard g(lock_);
	return super(range);
}

/// Moves the mark on, so that there is something to give out; a used-up range is followed by
/// another one.
cfs::Result<> Sequences::set_aside() noexcept
{
	wire::SeqRange own = own_;
	if (own.start >= own.end) {
		own = make_range(0, 0, index_, wire::LU_SEQ_RANGE_MDT);
		TRY(super(own));
		next_ = own.start;
	}
	// Two batches at first, as stock does: the second is there when the first is used up.
	u64 batches = own_.end == 0 ? 2 : 1;
	own.start = std::min(own.start + batches * wire::LUSTRE_SEQ_BATCH_WIDTH, own.end.get());
	TRY(store(*server_, own, nullptr));
	own_ = own;
	return {};
}

cfs::Result<> Sequences::allocate_meta(wire::SeqRange &range) noexcept
{
	cfs::MutexGuard g(lock_);
	if (next_ >= own_.start)
		TRY(set_aside());
	range = make_range(next_, next_ + wire::LUSTRE_SEQ_META_WIDTH, index_,
			   wire::LU_SEQ_RANGE_MDT);
	next_++;
	return {};
}

cfs::Result<> Sequences::look_up(wire::SeqRange &range) noexcept
{
	u64 wanted = range.start;
	osd::Index *index = TRY(fld_->index());
	auto cursor = TRY(index->open());
	// Ranges do not overlap, and there are few: two per server.
	for (;;) {
		auto pair = TRY(cursor->next());
		if (!pair)
			return cfs::fail(NOENT);
		const auto &e = *reinterpret_cast<const wire::FldRecord *>(pair.record.data());
		if (wanted < e.start || wanted >= e.end)
			continue;
		range = make_range(e.start, e.end, e.index, e.flags);
		return {};
	}
}

} // namespace mdt
