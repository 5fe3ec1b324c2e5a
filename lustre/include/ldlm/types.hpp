// SPDX-License-Identifier: GPL-2.0
//
// What both sides of the lock manager speak of: names, modes, policies, descriptions (spec 03
// section 2), in host order, with their conversion to and from the wire. Header-only; every module
// that uses locks includes it.
//
// Invariants: a LockDesc that came out of from_wire() has a known type, modes of one bit each, and
// an interval that does not end before it starts; nothing else has to check that again.
#pragma once

#include <bit>
#include <cstdint>

#include "libcfs/format.hpp"
#include "libcfs/hash.hpp"
#include "libcfs/result.hpp"
#include "wire/ldlm.hpp"

namespace ldlm
{

using std::int32_t;
using wire::u32;
using wire::u64;

using LockType = wire::LockType;
using Mode = wire::LockMode;
using enum wire::LockType;
using enum wire::LockMode;

/// The end of every file: extents are closed intervals.
inline constexpr u64 kEof = ~u64{0};
/// Last byte that stock clients name in a flock "to the end of the file".
inline constexpr u64 kFlockEof = 0x7fffffffffffffff;
/// Word 3 of the name of a flock resource.
inline constexpr u64 kFlockResource = 12;
/// Bits of a PDO name hash.
inline constexpr u64 kPdoHashMask = 0x7fffffff;

// ---- modes ----

/// A set of modes.
using ModeMask = u32;
inline constexpr unsigned kModes = 9;

[[nodiscard]] constexpr ModeMask mode_bit(Mode m) noexcept
{
	return static_cast<ModeMask>(m);
}
template <typename... M>
[[nodiscard]] constexpr ModeMask modes(M... m) noexcept
{
	return (mode_bit(m) | ... | 0u);
}
inline constexpr ModeMask kModesAll = (1u << kModes) - 1;
/// What a peer may ask for: COS and TXN never leave a server.
inline constexpr ModeMask kModesWire =
	modes(LCK_EX, LCK_PW, LCK_PR, LCK_CW, LCK_CR, LCK_NL, LCK_GROUP);

/// The position of a mode, for tables. Not for LCK_MODE_MIN.
[[nodiscard]] constexpr unsigned mode_index(Mode m) noexcept
{
	return static_cast<unsigned>(std::countr_zero(mode_bit(m)));
}
[[nodiscard]] constexpr Mode mode_at(unsigned index) noexcept
{
	return static_cast<Mode>(1u << index);
}
/// Whether it is one known mode; LCK_MODE_MIN is not.
[[nodiscard]] constexpr bool is_mode(Mode m) noexcept
{
	// Not std::has_single_bit(), which calls into a library that kernels do not have.
	ModeMask b = mode_bit(m);
	return b != 0 && (b & (b - 1)) == 0 && (b & kModesAll);
}

namespace detail
{
inline constexpr ModeMask kCompat[kModes] = {
	wire::LCK_COMPAT_EX,	wire::LCK_COMPAT_PW,  wire::LCK_COMPAT_PR,
	wire::LCK_COMPAT_CW,	wire::LCK_COMPAT_CR,  wire::LCK_COMPAT_NL,
	wire::LCK_COMPAT_GROUP, wire::LCK_COMPAT_COS, wire::LCK_COMPAT_TXN,
};
} // namespace detail

/// The modes that may be granted beside `m` (03 2.3). GROUP with GROUP and COS with COS are in it
/// although they ask for more (the same gid, the same client).
[[nodiscard]] constexpr ModeMask compatible_modes(Mode m) noexcept
{
	return detail::kCompat[mode_index(m)];
}
[[nodiscard]] constexpr bool compatible(Mode a, Mode b) noexcept
{
	return (compatible_modes(a) & mode_bit(b)) != 0;
}
/// The modes of a lock under which what asks for `m` may be done: PW satisfies PR, EX everything.
[[nodiscard]] constexpr ModeMask satisfying_modes(Mode m) noexcept
{
	switch (m) {
	case LCK_CR:
		return modes(LCK_CR, LCK_CW, LCK_PR, LCK_PW, LCK_EX);
	case LCK_CW:
		return modes(LCK_CW, LCK_PW, LCK_EX);
	case LCK_PR:
		return modes(LCK_PR, LCK_PW, LCK_EX);
	case LCK_PW:
		return modes(LCK_PW, LCK_EX);
	default:
		return mode_bit(m);
	}
}

[[nodiscard]] constexpr std::string_view mode_name(Mode m) noexcept
{
	constexpr std::string_view names[kModes] = {"EX", "PW",	   "PR",  "CW", "CR",
						    "NL", "GROUP", "COS", "TXN"};
	return is_mode(m) ? names[mode_index(m)] : std::string_view("--");
}

// ---- names ----

/// Name of a resource (03 2.1), in host order.
struct ResName {
	u64 name[4] = {};

	bool operator==(const ResName &) const = default;

	/// An inode, or an OST object that is named by FID.
	[[nodiscard]] static constexpr ResName of_fid(const wire::Fid &f) noexcept
	{
		return {{f.seq.get(), u64{f.ver.get()} << 32 | f.oid.get(), 0, 0}};
	}
	/// The flocks of an inode.
	[[nodiscard]] static constexpr ResName of_flock(const wire::Fid &f) noexcept
	{
		ResName r = of_fid(f);
		r.name[3] = kFlockResource;
		return r;
	}
	/// The entries of a directory that share a name hash; inside and between MDTs only.
	[[nodiscard]] static constexpr ResName of_entry(const wire::Fid &dir, u32 hash) noexcept
	{
		ResName r = of_fid(dir);
		r.name[3] = hash & kPdoHashMask;
		return r;
	}
	/// An OST object, however it is written: legacy ids and IDIFs name it (id, 0), everything
	/// else is a FID. Both sides must name it like this or conflicts go unseen.
	[[nodiscard]] static constexpr ResName of_object(const wire::OstId &o) noexcept
	{
		if (o.is_legacy())
			return {{o.oi.oi_id.get(), 0, 0, 0}};
		if (o.oi_fid.is_idif())
			return {{(o.oi_fid.seq.get() & 0xffff) << 32 | o.oi_fid.oid.get(), 0, 0,
				 0}};
		return of_fid(o.oi_fid);
	}
	/// The renames of directories, on MDT0.
	[[nodiscard]] static constexpr ResName of_rename() noexcept
	{
		return {{wire::FID_SEQ_SPECIAL, wire::FID_OID_SPECIAL_BFL, 0, 0}};
	}
	/// A configuration log: `log` up to its last '-', at most eight characters; `type` as
	/// 03 2.1. err::INVAL.
	[[nodiscard]] static cfs::Result<ResName> of_config(std::string_view log, u32 type) noexcept
	{
		auto dash = log.rfind('-');
		std::size_t n = dash == std::string_view::npos ? log.size() : dash;
		if (n == 0 || n > 8)
			return cfs::fail(cfs::err::INVAL);
		ResName r{{0, type, 0, 0}};
		for (std::size_t i = n; i-- > 0;)
			r.name[0] = r.name[0] << 8 | static_cast<unsigned char>(log[i]);
		return r;
	}

	[[nodiscard]] constexpr u32 hash() const noexcept
	{
		return cfs::hash_add(cfs::hash_add(cfs::hash_u64(name[0]), name[1]),
				     name[2] ^ std::rotl(name[3], 32));
	}
};

inline void format_value(cfs::FormatSink &out, const ResName &r) noexcept
{
	out.print("[{:#x}:{:#x}:{:#x}].{:#x}", r.name[0], r.name[1], r.name[2], r.name[3]);
}

// ---- policies ----

/// Policy of LDLM_EXTENT: bytes [start, end].
struct Extent {
	u64 start = 0;
	u64 end = kEof;
	u64 gid = 0; ///< of a GROUP lock

	bool operator==(const Extent &) const = default;
	[[nodiscard]] constexpr bool covers(const Extent &o) const noexcept
	{
		return start <= o.start && end >= o.end;
	}
	[[nodiscard]] constexpr bool overlaps(const Extent &o) const noexcept
	{
		return start <= o.end && o.start <= end;
	}
};

/// Policy of LDLM_IBITS.
struct InodeBits {
	u64 bits = 0;	  ///< MDS_INODELOCK_*
	u64 try_bits = 0; ///< wanted if free; in callbacks cancel_bits
	u64 gid = 0;	  ///< of a GROUP lock on DOM
	u32 initiator = 0;

	bool operator==(const InodeBits &) const = default;
};

/// Policy of LDLM_FLOCK: bytes [start, end] for one owner.
struct FlockRange {
	u64 start = 0;
	u64 end = kEof;
	u64 owner = 0; ///< unique within a client
	u32 pid = 0;

	bool operator==(const FlockRange &) const = default;
};

/// The policy of a lock; the type of its resource says which member it is. LDLM_PLAIN has none.
union Policy {
	Extent extent;
	InodeBits ibits;
	FlockRange flock;

	constexpr Policy() noexcept : flock{0, 0, 0, 0} {}
	constexpr Policy(const Extent &e) noexcept : extent(e) {}
	constexpr Policy(const InodeBits &b) noexcept : ibits(b) {}
	constexpr Policy(const FlockRange &f) noexcept : flock(f) {}

	[[nodiscard]] static constexpr Policy of_bits(u64 bits, u64 try_bits = 0) noexcept
	{
		return InodeBits{bits, try_bits, 0, 0};
	}
	[[nodiscard]] static constexpr Policy of_extent(u64 start, u64 end, u64 gid = 0) noexcept
	{
		return Extent{start, end, gid};
	}
};

/// A lock as one side tells the other about it.
struct LockDesc {
	LockType type = LDLM_PLAIN;
	ResName name;
	Mode req_mode = LCK_MODE_MIN;
	Mode granted_mode = LCK_MODE_MIN;
	Policy policy;
};

[[nodiscard]] constexpr bool is_type(LockType t) noexcept
{
	return t >= LDLM_PLAIN && t <= LDLM_IBITS;
}

// ---- the wire ----

[[nodiscard]] inline wire::LdlmResId to_wire(const ResName &r) noexcept
{
	wire::LdlmResId w{};
	for (unsigned i = 0; i < 4; i++)
		w.name[i] = r.name[i];
	return w;
}
[[nodiscard]] inline ResName from_wire(const wire::LdlmResId &w) noexcept
{
	ResName r;
	for (unsigned i = 0; i < 4; i++)
		r.name[i] = w.name[i].get();
	return r;
}

[[nodiscard]] inline wire::LdlmPolicy to_wire(LockType type, const Policy &p) noexcept
{
	wire::LdlmPolicy w{};
	switch (type) {
	case LDLM_EXTENT:
		w.extent.start = p.extent.start;
		w.extent.end = p.extent.end;
		w.extent.gid = p.extent.gid;
		break;
	case LDLM_FLOCK:
		w.flock.start = p.flock.start;
		w.flock.end = p.flock.end;
		w.flock.owner = p.flock.owner;
		w.flock.pid = p.flock.pid;
		break;
	case LDLM_IBITS:
		w.inodebits.bits = p.ibits.bits;
		w.inodebits.try_bits = p.ibits.try_bits;
		w.inodebits.li_gid = p.ibits.gid;
		w.inodebits.li_initiator_id = p.ibits.initiator;
		break;
	case LDLM_PLAIN:
		break;
	}
	return w;
}
[[nodiscard]] inline Policy from_wire(LockType type, const wire::LdlmPolicy &w) noexcept
{
	switch (type) {
	case LDLM_EXTENT:
		return Extent{w.extent.start.get(), w.extent.end.get(), w.extent.gid.get()};
	case LDLM_FLOCK:
		return FlockRange{w.flock.start.get(), w.flock.end.get(), w.flock.owner.get(),
				  w.flock.pid.get()};
	case LDLM_IBITS:
		return InodeBits{w.inodebits.bits.get(), w.inodebits.try_bits.get(),
				 w.inodebits.li_gid.get(), w.inodebits.li_initiator_id.get()};
	case LDLM_PLAIN:
		break;
	}
	return {};
}

[[nodiscard]] inline wire::LdlmLockDesc to_wire(const LockDesc &d) noexcept
{
	wire::LdlmLockDesc w{};
	w.resource.type = d.type;
	w.resource.name = to_wire(d.name);
	w.req_mode = d.req_mode;
	w.granted_mode = d.granted_mode;
	w.policy_data = to_wire(d.type, d.policy);
	return w;
}
/// err::FAULT for an unknown type or mode (what stock answers), err::INVAL for an interval that
/// ends before it starts.
[[nodiscard]] inline cfs::Result<LockDesc> from_wire(const wire::LdlmLockDesc &w) noexcept
{
	LockDesc d;
	d.type = w.resource.type.get();
	d.name = from_wire(w.resource.name);
	d.req_mode = w.req_mode.get();
	d.granted_mode = w.granted_mode.get();
	if (!is_type(d.type) || !is_mode(d.req_mode) ||
	    (d.granted_mode != LCK_MODE_MIN && !is_mode(d.granted_mode)))
		return cfs::fail(cfs::err::FAULT);
	d.policy = from_wire(d.type, w.policy_data);
	if ((d.type == LDLM_EXTENT && d.policy.extent.start > d.policy.extent.end) ||
	    (d.type == LDLM_FLOCK && d.policy.flock.start > d.policy.flock.end))
		return cfs::fail(cfs::err::INVAL);
	return d;
}

/// Bytes of a DLM_REQ buffer with room for n handles; never less than two (03 1.2).
[[nodiscard]] constexpr std::size_t dlm_request_bytes(std::size_t n) noexcept
{
	std::size_t room = n < wire::LDLM_LOCKREQ_HANDLES ? wire::LDLM_LOCKREQ_HANDLES : n;
	return sizeof(wire::LdlmRequest) + room * sizeof(u64);
}
/// How many handles fit into one DLM_REQ buffer of a message that may be 5 KiB long (03 8.2).
inline constexpr std::size_t kHandlesPerMessage = 512;

inline void format_value(cfs::FormatSink &out, const LockDesc &d) noexcept
{
	out.print("{} {}/{}", d.name, mode_name(d.granted_mode), mode_name(d.req_mode));
	switch (d.type) {
	case LDLM_EXTENT:
		out.print(" extent [{}-{}]", d.policy.extent.start, d.policy.extent.end);
		if (d.policy.extent.gid)
			out.print(" gid {}", d.policy.extent.gid);
		break;
	case LDLM_FLOCK:
		out.print(" flock [{}-{}] owner {:#x} pid {}", d.policy.flock.start,
			  d.policy.flock.end, d.policy.flock.owner, d.policy.flock.pid);
		break;
	case LDLM_IBITS:
		out.print(" bits {:#x}/{:#x}", d.policy.ibits.bits, d.policy.ibits.try_bits);
		break;
	case LDLM_PLAIN:
		out.print(" plain");
		break;
	}
}

} // namespace ldlm
