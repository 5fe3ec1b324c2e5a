// SPDX-License-Identifier: GPL-2.0
//
// Formats of what every kind of target, or none in particular, serves: connections, pings, indices,
// sequences, FLD, updates, quota acquisition, LFSCK (02 6.2, 6.4).
#pragma once

#include "rpc/format/fields.hpp"
#include "rpc/format/format.hpp"

namespace rpc::op
{

using wire::Opcode;

/// Buffers of all *_CONNECT (02 7.1).
struct ConnectBuffers {
	using Request = Fields<fld::TgtUuid, fld::CluUuid, fld::Conn, fld::ConnectData,
			       Opt<fld::SelinuxPol>>;
	using Reply = Fields<fld::ConnectData>;
};
struct MgsConnect : ConnectBuffers {
	static constexpr FormatInfo info{"MGS_CONNECT", Opcode::MGS_CONNECT,
					 wire::LUSTRE_OBD_VERSION};
};
struct MdsConnect : ConnectBuffers {
	static constexpr FormatInfo info{"MDS_CONNECT", Opcode::MDS_CONNECT,
					 wire::LUSTRE_OBD_VERSION};
};
struct OstConnect : ConnectBuffers {
	static constexpr FormatInfo info{"OST_CONNECT", Opcode::OST_CONNECT,
					 wire::LUSTRE_OBD_VERSION};
};

/// Operations whose messages are the ptlrpc_body and nothing else.
struct NoBuffers {
	using Request = Fields<>;
	using Reply = Fields<>;
};
struct MgsDisconnect : NoBuffers {
	static constexpr FormatInfo info{"MGS_DISCONNECT", Opcode::MGS_DISCONNECT,
					 wire::LUSTRE_OBD_VERSION};
};
struct MdsDisconnect : NoBuffers {
	static constexpr FormatInfo info{"MDS_DISCONNECT", Opcode::MDS_DISCONNECT,
					 wire::LUSTRE_OBD_VERSION};
};
struct OstDisconnect : NoBuffers {
	static constexpr FormatInfo info{"OST_DISCONNECT", Opcode::OST_DISCONNECT,
					 wire::LUSTRE_OBD_VERSION};
};
struct ObdPing : NoBuffers {
	static constexpr FormatInfo info{"OBD_PING", Opcode::OBD_PING, wire::LUSTRE_OBD_VERSION};
};

/// Part of an index, as containers of LU_PAGE_SIZE.
struct ObdIdxRead {
	static constexpr FormatInfo info{"OBD_IDX_READ", Opcode::OBD_IDX_READ,
					 wire::LUSTRE_OBD_VERSION, Bulk::to_client};
	using Request = Fields<fld::IdxInfo>;
	using Reply = Fields<fld::IdxInfo>;
};

struct SeqQuery {
	static constexpr FormatInfo info{"SEQ_QUERY", Opcode::SEQ_QUERY, wire::LUSTRE_MDS_VERSION};
	using Request = Fields<fld::SeqOp, fld::SeqRange>;
	using Reply = Fields<fld::SeqRange>;
};

struct FldQuery {
	static constexpr FormatInfo info{"FLD_QUERY", Opcode::FLD_QUERY, wire::LUSTRE_MDS_VERSION};
	using Request = Fields<fld::FldOp, fld::SeqRange>;
	using Reply = Fields<fld::SeqRange>;
};

struct FldRead {
	static constexpr FormatInfo info{"FLD_READ", Opcode::FLD_READ, wire::LUSTRE_MDS_VERSION};
	using Request = Fields<fld::SeqRange>;
	using Reply = Fields<fld::SeqRanges>;
};

/// Updates of another MDT's objects. The bulk is used when inline_length is 0.
struct OutUpdate {
	static constexpr FormatInfo info{"OUT_UPDATE", Opcode::OUT_UPDATE, wire::LUSTRE_MDS_VERSION,
					 Bulk::from_client};
	using Request = Fields<fld::OutHeader, fld::OutBuffers>;
	using Reply = Fields<fld::OutReply>;
};

struct QuotaDqacq {
	static constexpr FormatInfo info{"QUOTA_DQACQ", Opcode::QUOTA_DQACQ,
					 wire::LUSTRE_MDS_VERSION};
	using Request = Fields<fld::QuotaBody>;
	using Reply = Fields<fld::QuotaBody>;
};

struct LfsckNotify {
	static constexpr FormatInfo info{"LFSCK_NOTIFY", Opcode::LFSCK_NOTIFY,
					 wire::LUSTRE_OBD_VERSION};
	using Request = Fields<fld::LfsckRequest>;
	using Reply = Fields<>;
};

struct LfsckQuery {
	static constexpr FormatInfo info{"LFSCK_QUERY", Opcode::LFSCK_QUERY,
					 wire::LUSTRE_OBD_VERSION};
	using Request = Fields<fld::LfsckRequest>;
	using Reply = Fields<fld::LfsckReply>;
};

/// Whether the info key in buffer `index` begins with `key`: keys come with and without a NUL.
[[nodiscard]] bool key_is(const MessageView &request, u32 index, std::string_view key) noexcept;

} // namespace rpc::op
