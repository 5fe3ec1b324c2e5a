// SPDX-License-Identifier: GPL-2.0
//
// The names of an OST object: ost_id on the wire, FID in the object store, resource in the lock
// manager, and the sequence whose LAST_ID counts it (spec 05 section 2). Pure arithmetic; what a
// peer sends is checked here.
#pragma once

#include "libcfs/result.hpp"
#include "wire/fid.hpp"
#include "wire/ldlm.hpp"

namespace ost
{

using wire::u16;
using wire::u32;
using wire::u64;

inline constexpr u64 kIdifIdBits = wire::IDIF_OID_MAX_BITS;

/// The FID of legacy object `id` on the OST with this index. err::BADF: it has none.
[[nodiscard]] constexpr cfs::Result<wire::Fid> idif_of(u64 id, u32 ost_index) noexcept
{
	if (id >> kIdifIdBits || ost_index > 0xffff)
		return cfs::fail(cfs::err::BADF);
	return wire::make_fid(wire::FID_SEQ_IDIF | u64{ost_index} << 16 | id >> 32,
			      static_cast<u32>(id));
}

/// The 48-bit id in an IDIF.
[[nodiscard]] constexpr u64 idif_id(const wire::Fid &fid) noexcept
{
	return u64{fid.ver.get()} << 48 | (fid.seq.get() & 0xffff) << 32 | fid.oid.get();
}

/// Whether a request may name objects of this sequence.
[[nodiscard]] constexpr bool sequence_allowed(u64 seq) noexcept
{
	return seq == wire::FID_SEQ_OST_MDT0 || seq == wire::FID_SEQ_ECHO ||
	       (seq >= wire::FID_SEQ_IDIF && seq <= wire::FID_SEQ_IDIF_MAX) ||
	       (seq >= wire::FID_SEQ_NORMAL && seq != wire::FID_SEQ_LOV_DEFAULT);
}

/// What a request names. err::PROTO: a sequence that has no OST objects; err::BADF: no id of such.
[[nodiscard]] constexpr cfs::Result<wire::Fid> fid_of(const wire::OstId &id, u32 ost_index) noexcept
{
	if (id.is_legacy())
		return idif_of(id.oi.oi_id.get(), ost_index);
	if (id.is_default() || !sequence_allowed(id.oi_fid.seq.get()))
		return cfs::fail(cfs::err::PROTO);
	if (id.oi_fid.ver.get() != 0)
		return cfs::fail(cfs::err::BADF);
	return id.oi_fid;
}

/// The form for the wire and for layouts. err::BADF: an inode's FID.
[[nodiscard]] constexpr cfs::Result<wire::OstId> ost_id_of(const wire::Fid &fid) noexcept
{
	wire::OstId id{};
	if (fid.is_igif())
		return cfs::fail(cfs::err::BADF);
	if (fid.is_idif()) {
		id.oi.oi_id = idif_id(fid);
		id.oi.oi_seq = 0;
	} else {
		id.oi_fid = fid;
	}
	return id;
}

/// The lock resource.
[[nodiscard]] constexpr wire::LdlmResId resource_of(const wire::Fid &fid) noexcept
{
	wire::LdlmResId r{};
	if (fid.is_idif()) {
		r.name[0] = idif_id(fid);
	} else {
		r.name[0] = fid.seq.get();
		r.name[1] = u64{fid.ver.get()} << 32 | fid.oid.get();
	}
	return r;
}

/// The object of a lock resource. err::BADF: it is of none.
[[nodiscard]] constexpr cfs::Result<wire::Fid> fid_of(const wire::LdlmResId &r,
						      u32 ost_index) noexcept
{
	if (r.name[1].get() == 0)
		return idif_of(r.name[0].get(), ost_index);
	if (!sequence_allowed(r.name[0].get()) || r.name[1].get() >> 32)
		return cfs::fail(cfs::err::BADF);
	return wire::make_fid(r.name[0].get(), static_cast<u32>(r.name[1].get()));
}

/// Where an object is counted: all IDIFs are of sequence 0.
[[nodiscard]] constexpr u64 counted_in(const wire::Fid &fid) noexcept
{
	return fid.is_idif() ? wire::FID_SEQ_OST_MDT0 : fid.seq.get();
}
/// Its number there.
[[nodiscard]] constexpr u64 number_of(const wire::Fid &fid) noexcept
{
	return fid.is_idif() ? idif_id(fid) : fid.oid.get();
}
/// The object of a number. err::BADF: there is none.
[[nodiscard]] constexpr cfs::Result<wire::Fid> numbered(u64 seq, u64 number, u32 ost_index) noexcept
{
	if (seq == wire::FID_SEQ_OST_MDT0)
		return idif_of(number, ost_index);
	if (number == 0 || number > wire::OBIF_MAX_OID)
		return cfs::fail(cfs::err::BADF);
	return wire::make_fid(seq, static_cast<u32>(number));
}
/// The most numbers a sequence has.
[[nodiscard]] constexpr u64 numbers_in(u64 seq) noexcept
{
	return seq == wire::FID_SEQ_OST_MDT0 ? wire::IDIF_MAX_OID : wire::OBIF_MAX_OID;
}

} // namespace ost
