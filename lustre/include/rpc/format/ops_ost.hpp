// SPDX-License-Identifier: GPL-2.0
//
// Formats of object storage targets, and of Data-on-MDT I/O, which is the same (02 6.5, 05).
#pragma once

#include "rpc/format/ops_common.hpp"

namespace rpc::op
{

/// Most operations: an obdo there, an obdo back.
struct OstBodyBuffers {
	using Request = Fields<fld::OstBody, fld::Capa>;
	using Reply = Fields<fld::OstBody>;
};
struct OstGetattr : OstBodyBuffers {
	static constexpr FormatInfo info{"OST_GETATTR", Opcode::OST_GETATTR,
					 wire::LUSTRE_OST_VERSION};
};
struct OstSetattr : OstBodyBuffers {
	static constexpr FormatInfo info{"OST_SETATTR", Opcode::OST_SETATTR,
					 wire::LUSTRE_OST_VERSION};
};
struct OstPunch : OstBodyBuffers {
	static constexpr FormatInfo info{"OST_PUNCH", Opcode::OST_PUNCH, wire::LUSTRE_OST_VERSION};
};
struct OstSync : OstBodyBuffers {
	static constexpr FormatInfo info{"OST_SYNC", Opcode::OST_SYNC, wire::LUSTRE_OST_VERSION};
};
struct OstFallocate : OstBodyBuffers {
	static constexpr FormatInfo info{"OST_FALLOCATE", Opcode::OST_FALLOCATE,
					 wire::LUSTRE_OST_VERSION};
};

struct OstCreate {
	static constexpr FormatInfo info{"OST_CREATE", Opcode::OST_CREATE,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::OstBody>;
	using Reply = Fields<fld::OstBody>;
};

struct OstSeek {
	static constexpr FormatInfo info{"OST_SEEK", Opcode::OST_SEEK, wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::OstBody>;
	using Reply = Fields<fld::OstBody>;
};

struct OstDestroy {
	static constexpr FormatInfo info{"OST_DESTROY", Opcode::OST_DESTROY,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::OstBody, Opt<fld::DlmReq>, fld::Capa>;
	using Reply = Fields<fld::OstBody>;
};

/// Data comes as bulk, or in short_io with OBD_FL_SHORT_IO; pb_status is the number of bytes.
struct OstRead {
	static constexpr FormatInfo info{"OST_READ", Opcode::OST_READ, wire::LUSTRE_OST_VERSION,
					 Bulk::to_client};
	using Request =
		Fields<fld::OstBody, fld::IoObj, fld::Niobufs, fld::Capa, Opt<fld::ShortIo>>;
	using Reply = Fields<fld::OstBody, Opt<fld::ShortIo>>;
};

struct OstWrite {
	static constexpr FormatInfo info{"OST_WRITE", Opcode::OST_WRITE, wire::LUSTRE_OST_VERSION,
					 Bulk::from_client};
	using Request =
		Fields<fld::OstBody, fld::IoObj, fld::Niobufs, fld::Capa, Opt<fld::ShortIo>>;
	using Reply = Fields<fld::OstBody, fld::Rcs>;
};

struct OstStatfs {
	static constexpr FormatInfo info{"OST_STATFS", Opcode::OST_STATFS,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<>;
	using Reply = Fields<fld::ObdStatfs>;
};

/// The reply's second buffer is 2.17's.
struct OstQuotactl {
	static constexpr FormatInfo info{"OST_QUOTACTL", Opcode::OST_QUOTACTL,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::ObdQuotactl>;
	using Reply = Fields<fld::ObdQuotactl, Tail<fld::QuotaIter>>;
};

struct OstLadvise {
	static constexpr FormatInfo info{"OST_LADVISE", Opcode::OST_LADVISE,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::OstBody, fld::LadviseHdr, fld::Ladvise>;
	using Reply = Fields<fld::OstBody>;
};

struct OstGetInfoLastId {
	static constexpr FormatInfo info{"OST_GET_INFO last_id", Opcode::OST_GET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key>;
	using Reply = Fields<fld::ObjectId>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "last_id"); }
};

struct OstGetInfoLastFid {
	static constexpr FormatInfo info{"OST_GET_INFO last_fid", Opcode::OST_GET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key, fld::Fid>;
	using Reply = Fields<fld::Fid>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "last_fid"); }
};

struct OstGetInfoFiemap {
	static constexpr FormatInfo info{"OST_GET_INFO fiemap", Opcode::OST_GET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::FiemapKey, fld::Fiemap>;
	using Reply = Fields<fld::Fiemap>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "fiemap"); }
};

/// 2.17.
struct OstGetInfoFid2path {
	static constexpr FormatInfo info{"OST_GET_INFO fid2path", Opcode::OST_GET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::OstFid2pathKey, fld::ValLength>;
	using Reply = Fields<fld::Fid2path>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "fid2path"); }
};

/// Any other key, to be refused by name.
struct OstGetInfo {
	static constexpr FormatInfo info{"OST_GET_INFO", Opcode::OST_GET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key, Tail<fld::Val>>;
	using Reply = Fields<Tail<fld::Val>>;
};

struct OstSetInfoGrantShrink {
	static constexpr FormatInfo info{"OST_SET_INFO grant_shrink", Opcode::OST_SET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key, fld::OstBody>;
	using Reply = Fields<fld::OstBody>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "grant_shrink"); }
};

struct OstSetInfoEvictByNid {
	static constexpr FormatInfo info{"OST_SET_INFO evict_by_nid", Opcode::OST_SET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key, fld::ValText>;
	using Reply = Fields<>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "evict_by_nid"); }
};

/// Any other key, to be refused by name.
struct OstSetInfo {
	static constexpr FormatInfo info{"OST_SET_INFO", Opcode::OST_SET_INFO,
					 wire::LUSTRE_OST_VERSION};
	using Request = Fields<fld::Key, Tail<fld::Val>>;
	using Reply = Fields<>;
};

} // namespace rpc::op
