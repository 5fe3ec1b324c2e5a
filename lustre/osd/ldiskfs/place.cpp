// SPDX-License-Identifier: GPL-2.0

#include "place.hpp"

#include "libcfs/format.hpp"
#include "wire/xattr.hpp"

namespace osd::ldiskfs
{

using namespace wire;

namespace
{

/// Sequences whose objects have decimal names, by number.
bool is_decimal(u64 seq) noexcept
{
	return seq <= FID_SEQ_RSVD;
}

/// Whether objects of this sequence are an OST's, found by path.
bool is_ost_sequence(u64 seq, TargetType target) noexcept
{
	if (seq == FID_SEQ_OST_MDT0 || seq == FID_SEQ_ECHO)
		return true;
	return target == TargetType::ost && seq >= FID_SEQ_NORMAL;
}

bool is_virtual(const Fid &fid) noexcept
{
	if (fid.seq != FID_SEQ_LOCAL_FILE)
		return false;
	auto oid = static_cast<LocalOid>(fid.oid.get());
	return oid == LocalOid::ACCT_USER_OID || oid == LocalOid::ACCT_GROUP_OID ||
	       oid == LocalOid::ACCT_PROJECT_OID || oid == LocalOid::OTABLE_IT_OID;
}

Place in_sequence(u64 seq, u64 number, u32 compat) noexcept
{
	Place p;
	p.where = Where::sequence;
	p.seq = seq;
	p.subdir = static_cast<unsigned>(number % kSubdirs);
	auto text = is_decimal(seq) ? cfs::format_to(p.name_text, "{}", number)
				    : cfs::format_to(p.name_text, "{:x}", number);
	p.name_len = static_cast<std::uint8_t>(text.size());
	p.compat = compat;
	return p;
}

Place last_id_place(u64 seq, TargetType target) noexcept
{
	Place p;
	p.where = Where::sequence;
	p.last_id = true;
	p.seq = seq;
	p.name_len = static_cast<std::uint8_t>(cfs::format_to(p.name_text, "LAST_ID").size());
	p.compat = seq == FID_SEQ_LLOG || is_ost_sequence(seq, target) ? LMAC_FID_ON_OST : 0;
	return p;
}

} // namespace

Place place_of(const Fid &fid, TargetType target) noexcept
{
	u64 seq = fid.seq;
	u32 oid = fid.oid;
	Place p;
	if (fid.ver.get() || is_virtual(fid))
		return p;
	if (fid.is_idif()) {
		u64 number = (seq & 0xffff) << 32 | oid;
		return number ? in_sequence(FID_SEQ_OST_MDT0, number, LMAC_FID_ON_OST)
			      : last_id_place(FID_SEQ_OST_MDT0, target);
	}
	if (fid.is_igif()) {
		p.where = Where::inode;
		return p;
	}
	if (!oid && seq != FID_SEQ_UPDATE_LOG && seq != FID_SEQ_UPDATE_LOG_DIR)
		return last_id_place(seq, target);
	if (seq != FID_SEQ_OST_MDT0 && !fid.is_sane())
		return p;
	if (seq == FID_SEQ_LLOG)
		return in_sequence(seq, oid, 0);
	if (is_ost_sequence(seq, target))
		return in_sequence(seq, oid, LMAC_FID_ON_OST);
	if (seq == FID_SEQ_LOCAL_FILE && oid == static_cast<u32>(LocalOid::OSD_FS_ROOT_OID)) {
		p.where = Where::root;
		return p;
	}
	p.where = Where::index;
	return p;
}

std::string_view sequence_name(u64 seq, std::span<char, 24> buf) noexcept
{
	return is_decimal(seq) ? cfs::format_to(buf, "{}", seq) : cfs::format_to(buf, "{:x}", seq);
}

} // namespace osd::ldiskfs
