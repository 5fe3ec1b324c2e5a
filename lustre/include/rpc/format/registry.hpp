// SPDX-License-Identifier: GPL-2.0
//
// All formats. What must treat every message alike (dispatch, traces, tests, fuzzing) goes through
// here; adding a format to kFormats makes it known to all of them.
#pragma once

#include "rpc/format/ops_common.hpp"
#include "rpc/format/ops_ldlm.hpp"
#include "rpc/format/ops_mds.hpp"
#include "rpc/format/ops_mgs.hpp"
#include "rpc/format/ops_ost.hpp"

namespace rpc
{

/// A list of types.
template <typename... F>
struct FormatList {
	static constexpr std::size_t size = sizeof...(F);

	/// Calls fn.template operator()<F>() for each.
	template <typename Fn>
	static void for_each(Fn &&fn)
	{
		(fn.template operator()<F>(), ...);
	}
};

/// By opcode; variants of one opcode in the order in which they are tried.
using Formats = FormatList<
	op::OstGetattr, op::OstSetattr, op::OstRead, op::OstWrite, op::OstCreate, op::OstDestroy,
	op::OstGetInfoLastId, op::OstGetInfoLastFid, op::OstGetInfoFiemap, op::OstGetInfoFid2path,
	op::OstGetInfo, op::OstConnect, op::OstDisconnect, op::OstPunch, op::OstStatfs, op::OstSync,
	op::OstSetInfoGrantShrink, op::OstSetInfoEvictByNid, op::OstSetInfo, op::OstQuotactl,
	op::OstLadvise, op::OstFallocate, op::OstSeek, op::MdsGetattr, op::MdsGetattrName,
	op::MdsCloseIntent, op::MdsClose, op::MdsReintSetattr, op::MdsReintCreate,
	op::MdsReintSymlink, op::MdsReintLink, op::MdsReintUnlink, op::MdsReintRename,
	op::MdsReintOpen, op::MdsReintSetxattr, op::MdsReintRmentry, op::MdsReintMigrate,
	op::MdsReintResync, op::MdsReadpage, op::MdsConnect, op::MdsDisconnect, op::MdsGetRoot,
	op::MdsStatfs, op::MdsSync, op::MdsSetInfoChangelogClear, op::MdsSetInfo, op::MdsQuotactl,
	op::MdsGetxattr, op::MdsGetInfoFid2path, op::MdsGetInfo, op::MdsHsmStateGet,
	op::MdsHsmStateSet, op::MdsHsmAction, op::MdsHsmProgress, op::MdsHsmRequest,
	op::MdsHsmCtRegister, op::MdsHsmCtUnregister, op::MdsSwapLayouts, op::MdsRmfid,
	op::MdsBatch, op::MdsHsmDataVersion, op::LdlmEnqueue, op::LdlmIntentOpen,
	op::LdlmIntentCreate, op::LdlmIntentGetattr, op::LdlmIntentGetxattr, op::LdlmIntentLayout,
	op::LdlmIntentQuota, op::LdlmIntentGlimpse, op::LdlmConvert, op::LdlmCancel,
	op::LdlmBlCallback, op::LdlmCpCallback, op::LdlmGlCallback, op::LdlmSetInfo, op::MgsConnect,
	op::MgsDisconnect, op::MgsTargetReg, op::MgsSetInfo, op::MgsConfigRead, op::ObdPing,
	op::ObdIdxRead, op::LlogCreate, op::LlogNextBlock, op::LlogReadHeader, op::LlogPrevBlock,
	op::QuotaDqacq, op::SeqQuery, op::FldQuery, op::FldRead, op::OutUpdate, op::LfsckNotify,
	op::LfsckQuery>;

/// Messages inside batches; their opcodes are BatchOp's.
using NestedFormats = FormatList<op::BatchGetattr>;

/// Descriptions of Formats, in the same order.
[[nodiscard]] std::span<const FormatDesc> all_formats() noexcept;

/// The format of a request by its opcode and, where there are variants, its contents; null and *why
/// (unknown_opcode) when there is none. The buffers are not checked yet. A reply has the format of
/// its request.
[[nodiscard]] const FormatDesc *find_format(const MessageView &request,
					    Defect *why = nullptr) noexcept;

/// Whether the protocol knows the opcode at all.
[[nodiscard]] bool known_opcode(wire::Opcode opcode) noexcept;

} // namespace rpc
