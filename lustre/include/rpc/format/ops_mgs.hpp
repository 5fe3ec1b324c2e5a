// SPDX-License-Identifier: GPL-2.0
//
// Formats of the MGS, and of reading logs, which MDTs serve too (02 6.3, 9).
#pragma once

#include "rpc/format/ops_common.hpp"

namespace rpc::op
{

/// The NID list is there with OBD_CONNECT_MGS_NIDLIST (2.17); it may also be fetched as bulk.
struct MgsTargetReg {
	static constexpr FormatInfo info{"MGS_TARGET_REG", Opcode::MGS_TARGET_REG,
					 wire::LUSTRE_MGS_VERSION, Bulk::from_client};
	using Request = Fields<fld::MgsTargetInfo, Tail<fld::MgsTargetNidlist>>;
	using Reply = Fields<fld::MgsTargetInfo>;
};

struct MgsSetInfo {
	static constexpr FormatInfo info{"MGS_SET_INFO", Opcode::MGS_SET_INFO,
					 wire::LUSTRE_MGS_VERSION};
	using Request = Fields<fld::MgsSendParam>;
	using Reply = Fields<fld::MgsSendParam>;
};

struct MgsConfigRead {
	static constexpr FormatInfo info{"MGS_CONFIG_READ", Opcode::MGS_CONFIG_READ,
					 wire::LUSTRE_MGS_VERSION, Bulk::to_client};
	using Request = Fields<fld::MgsConfigBody>;
	using Reply = Fields<fld::MgsConfigRes>;
};

/// Opens a log. By name it has all three buffers, by id only the first.
struct LlogCreate {
	static constexpr FormatInfo info{"LLOG_ORIGIN_HANDLE_CREATE",
					 Opcode::LLOG_ORIGIN_HANDLE_CREATE,
					 wire::LUSTRE_LOG_VERSION};
	using Request = Fields<fld::LlogdBody, Tail<fld::Name>, Tail<fld::MdtBody>>;
	using Reply = Fields<fld::LlogdBody>;
};

struct LlogNextBlock {
	static constexpr FormatInfo info{"LLOG_ORIGIN_HANDLE_NEXT_BLOCK",
					 Opcode::LLOG_ORIGIN_HANDLE_NEXT_BLOCK,
					 wire::LUSTRE_LOG_VERSION};
	using Request = Fields<fld::LlogdBody>;
	using Reply = Fields<fld::LlogdBody, fld::LlogBlock>;
};

struct LlogReadHeader {
	static constexpr FormatInfo info{"LLOG_ORIGIN_HANDLE_READ_HEADER",
					 Opcode::LLOG_ORIGIN_HANDLE_READ_HEADER,
					 wire::LUSTRE_LOG_VERSION};
	using Request = Fields<fld::LlogdBody>;
	using Reply = Fields<fld::LlogHeader>;
};

struct LlogPrevBlock {
	static constexpr FormatInfo info{"LLOG_ORIGIN_HANDLE_PREV_BLOCK",
					 Opcode::LLOG_ORIGIN_HANDLE_PREV_BLOCK,
					 wire::LUSTRE_LOG_VERSION};
	using Request = Fields<fld::LlogdBody>;
	using Reply = Fields<fld::LlogdBody, fld::LlogBlock>;
};

} // namespace rpc::op
