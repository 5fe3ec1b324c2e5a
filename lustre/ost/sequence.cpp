// SPDX-License-Identifier: GPL-2.0
#include "ost/sequence.hpp"

#include <algorithm>

#include "libcfs/log.hpp"

namespace ost
{

namespace
{

/// A precreated object: setuid, setgid and sticky say that its owners are not known yet, and times
/// of 0 lose every comparison.
osd::CreateSpec object_spec() noexcept
{
	osd::CreateSpec s;
	s.attr.valid = osd::kAttrMode | osd::kAttrType | osd::kAttrAtime | osd::kAttrMtime |
		       osd::kAttrCtime;
	s.attr.mode = osd::kTypeFile | 07666;
	return s;
}

} // namespace

cfs::Result<cfs::UniquePtr<Sequence>> Sequence::open(osd::Device &device, u32 ost_index,
						     u64 seq) noexcept
{
	auto s = TRY(cfs::try_make<Sequence>(device, ost_index, seq));
	// In the FID form no object has number 0, so a new sequence begins behind 1.
	TRY(s->ids_.open(device, seq, seq == wire::FID_SEQ_OST_MDT0 ? 0 : 1));
	return s;
}

cfs::Result<u64> Sequence::create_batch(u64 first, u64 last, Each *each) noexcept
{
	osd::CreateSpec spec = object_spec();
	osd::ObjectRef objects[kBatch];
	std::size_t n = 0;
	auto tx = TRY(device_.begin());
	TRY(ids_.declare(*tx));
	if (each)
		TRY(each->declare(*tx));
	do {
		objects[n] = TRY(device_.object(TRY(fid(first + n))));
		TRY(objects[n]->declare_create(*tx, spec));
		n++;
	} while (n < kBatch && first + n <= last && tx->room_to_declare());
	last = first + n - 1;
	TRY(tx->start());
	auto done = ids_.raise(*tx, last);
	for (std::size_t k = 0; done && k < n; k++) {
		done = objects[k]->create(*tx, spec);
		// Left over from a LAST_ID that was lost: as good as new ones.
		if (!done && done.error() == cfs::err::EXIST)
			done = {};
	}
	if (done && each)
		done = each->done(*tx);
	TRY(osd::stop(*tx, done));
	return last;
}

cfs::Result<u64> Sequence::create_from(u64 last, u64 wanted, cfs::Instant deadline,
				       Each *each) noexcept
{
	bool made = false;
	while (last < wanted && cfs::Instant::now() < deadline) {
		auto r = create_batch(last + 1, wanted, each);
		if (!r) {
			if (!made)
				return cfs::fail(r.error());
			break;
		}
		made = true;
		last = *r;
	}
	return ids_.last();
}

cfs::Result<u64> Sequence::create_to(u64 wanted, cfs::Instant deadline, Each *each) noexcept
{
	cfs::MutexGuard g(create_lock_);
	u64 last = ids_.last();
	if (wanted > numbers_in(seq_))
		return cfs::fail(cfs::err::NOSPC);
	if (wanted <= last)
		return last;
	if (wanted - last > kGapMax) {
		CWARN(kSubsys,
		      "{}: MDT asks for object {} of sequence {:#x} where {} is the last: OST "
		      "replaced?",
		      static_cast<const char *>(device_.info().name), wanted, seq_, last);
		last = wanted - wire::OST_MAX_PRECREATE;
	}
	making_from_.store(last + 1, std::memory_order_release);
	auto made = create_from(last, wanted, deadline, each);
	making_from_.store(kIdle, std::memory_order_release);
	return made;
}

cfs::Result<> Sequence::destroy_one(u64 number) noexcept
{
	auto o = TRY(device_.object(TRY(fid(number))));
	if (!o->exists())
		return {};
	auto tx = TRY(device_.begin());
	TRY(o->declare_destroy(*tx));
	TRY(tx->start());
	auto done = o->destroy(*tx);
	return osd::stop(*tx, done);
}

cfs::Result<u64> Sequence::destroy_above(u64 used, bool lower) noexcept
{
	cfs::MutexGuard g(create_lock_);
	u64 last = ids_.last();
	if (used >= last)
		return last;
	if (last - used > wire::OST_MAX_PRECREATE) {
		CWARN(kSubsys,
		      "{}: MDT has used {} of {} objects of sequence {:#x}: too many to be "
		      "orphans, "
		      "none is destroyed",
		      static_cast<const char *>(device_.info().name), used, last, seq_);
		return last + 1;
	}
	for (u64 k = last; k > used; k--)
		if (auto r = destroy_one(k); !r)
			CERROR(kSubsys, "{}: cannot destroy orphan {} of sequence {:#x}: rc = {}",
			       static_cast<const char *>(device_.info().name), k, seq_, r);
	if (lower) {
		auto tx = TRY(device_.begin());
		TRY(ids_.declare(*tx));
		TRY(tx->start());
		TRY(osd::stop(*tx, ids_.lower(*tx, used)));
	}
	// The MDT goes on from `last`, and will never ask for these to be destroyed again.
	TRY(device_.sync());
	return lower ? used : last;
}

Sequences::~Sequences()
{
	cfs::MutexGuard g(lock_);
	all_.clear_and_dispose([](Sequence *s) { cfs::UniquePtr<Sequence> end(s); });
}

cfs::Result<Sequence *> Sequences::find(u64 seq, Which which) noexcept
{
	if (!sequence_allowed(seq) || (seq >= wire::FID_SEQ_IDIF && seq <= wire::FID_SEQ_IDIF_MAX))
		return cfs::fail(cfs::err::INVAL);
	cfs::MutexGuard g(lock_);
	auto i = all_.find(seq, BySeq{});
	if (i != all_.end())
		return &*i;
	if (all_.size() >= kMax)
		return cfs::fail(cfs::err::NOSPC);
	bool fresh = !TRY(device_.object(osd::last_id_fid(seq)))->exists();
	if (fresh && which == Which::existing)
		return cfs::fail(cfs::err::NOENT);
	auto made = TRY(Sequence::open(device_, ost_index_, seq));
	// With its LAST_ID a crash would take the knowledge that there are objects to make anew.
	if (fresh)
		TRY(device_.sync());
	Sequence *s = made.release();
	all_.insert(*s);
	return s;
}

} // namespace ost
