// SPDX-License-Identifier: GPL-2.0
//
// Every buffer the protocol has, by the name the specification gives it (02 6.1). Formats are lists
// of these. A buffer that means different things to different operations has a field for each.
#pragma once

#include "rpc/format/field.hpp"
#include "wire/changelog.hpp"
#include "wire/hsm.hpp"
#include "wire/ldlm.hpp"
#include "wire/lfsck.hpp"
#include "wire/llog.hpp"
#include "wire/mds.hpp"
#include "wire/mgs.hpp"
#include "wire/ost.hpp"
#include "wire/out.hpp"
#include "wire/page.hpp"
#include "wire/quota.hpp"

namespace rpc::fld
{

using wire::Le;
using wire::le32;
using wire::le64;
using wire::sle32;

/// A slot that once held a capability.
struct Capa : Empty<"capa"> {
};

// Connections (02 7).
struct TgtUuid : Text<"tgtuuid", TextRule::padded, kUuidCharactersMax> {
};
struct CluUuid : Text<"cluuid", TextRule::padded, kUuidCharactersMax> {
};
/// The client's DLM export: the server quotes it in callbacks.
struct Conn : Struct<"conn", Le<wire::ExportHandle>> {
};
struct ConnectData : Struct<"connect_data", wire::ObdConnectData> {
};

// Info keys and values (05 5.9, 04 17). The value of most keys is a type of its own.
struct Key : Text<"key", TextRule::bytes> {
};
struct Val : Blob<"val"> {
};
struct ValText : Text<"val", TextRule::exact> {
};
struct ValLength : Struct<"getinfo_vallen", le32> {
};
struct ObjectId : Struct<"obd_id", le64> {
};
struct Fid : Struct<"fid", wire::Fid> {
};
struct FiemapKey : Struct<"fiemap_key", wire::LlFiemapInfoKey> {
};
struct Fiemap : HeadTail<"fiemap", wire::Fiemap, wire::FiemapExtent> {
};
struct MdtFid2pathKey : Struct<"key", wire::Fid2pathKey> {
};
/// Behind the 16 bytes of key: GetinfoFid2path.
struct OstFid2pathKey : HeadTail<"key", wire::Chars<16>, std::byte> {
};
struct Fid2path : HeadTail<"getinfo_val", wire::GetinfoFid2path, std::byte> {
};
struct ChangelogClear : Struct<"val", wire::ChangelogSetinfo> {
};

// MGS and logs (02 9).
struct MgsTargetInfo : HeadTail<"mgs_target_info", wire::MgsTargetInfo, std::byte> {
};
struct MgsTargetNidlist
    : HeadTail<"mgs_target_nidlist", wire::MgsTargetNidlist, wire::MgsNidString> {
};
struct MgsSendParam : Struct<"mgs_send_param", wire::MgsSendParam> {
};
struct MgsConfigBody : Struct<"mgs_config_body", wire::MgsConfigBody> {
};
struct MgsConfigRes : Struct<"mgs_config_res", wire::MgsConfigRes> {
};
struct LlogdBody : Struct<"llogd_body", wire::LlogdBody> {
};
struct LlogHeader : Struct<"llog_log_hdr", wire::LlogLogHdr> {
};
/// A chunk of a log.
struct LlogBlock : Blob<"eadata"> {
};

// Sequences, FLD, indices, quota, updates (02 6.4).
struct SeqOp : Struct<"seq_op", Le<wire::SeqOp>> {
};
struct FldOp : Struct<"fld_op", Le<wire::FldOp>> {
};
struct SeqRange : Struct<"lu_seq_range", wire::SeqRange> {
};
struct SeqRanges : HeadTail<"lu_seq_range_array", wire::SeqRangeArray, wire::SeqRange> {
};
struct IdxInfo : Struct<"idx_info", wire::IdxInfo> {
};
struct QuotaBody : Struct<"quota_body", wire::QuotaBody> {
};
/// Pool commands have 16 bytes of pool name behind the structure.
struct ObdQuotactl : HeadTail<"obd_quotactl", wire::ObdQuotactl, std::byte> {
};
struct QuotaIter : Blob<"quota_iter"> {
};
struct OutHeader : HeadTail<"out_update_header", wire::OutUpdateHeader, std::byte> {
};
struct OutBuffers : Array<"out_update_buffer", wire::OutUpdateBuffer> {
};
struct OutReply : HeadTail<"object_update_reply", wire::ObjectUpdateReply, std::byte> {
};
struct ButHeader : HeadTail<"but_update_header", wire::ButUpdateHeader, std::byte> {
};
struct ButBuffers : Array<"but_update_buffer", wire::ButUpdateBuffer> {
};
struct ButReply : HeadTail<"batch_update_reply", wire::BatchUpdateReply, std::byte> {
};
struct LfsckRequest : Struct<"lfsck_request", wire::LfsckRequest> {
};
struct LfsckReply : Struct<"lfsck_reply", wire::LfsckReply> {
};

// Object storage (02 6.5).
struct OstBody : Struct<"ost_body", wire::OstBody> {
};
struct IoObj : Struct<"obd_ioobj", wire::ObdIoobj> {
};
struct Niobufs : Array<"niobuf_remote", wire::NiobufRemote> {
};
/// One result per niobuf.
struct Rcs : Array<"rcs", sle32> {
};
struct ShortIo : Blob<"short_io"> {
};
struct ObdStatfs : Struct<"obd_statfs", wire::ObdStatfs> {
};
struct LadviseHdr : Struct<"ladvise_hdr", wire::LadviseHdr> {
};
struct Ladvise : Array<"ladvise", wire::LuLadvise> {
};

// Locks (02 6.6, 03). Stock never sends fewer than two handles.
struct DlmReq
    : HeadTail<"dlm_req", wire::LdlmRequest, Le<wire::LockHandle>, wire::LDLM_LOCKREQ_HANDLES> {
};
struct DlmRep : Struct<"dlm_rep", wire::LdlmReply> {
};
/// An OstLvb, OstLvbV1, LquotaLvb, BarrierLvb or a layout, as the lock has it.
struct Lvb : Blob<"lvb"> {
};
struct GlDesc : Struct<"gl_desc", wire::LdlmGlDesc> {
};
struct Intent : Struct<"ldlm_intent", wire::LdlmIntent> {
};
struct LayoutIntent : Struct<"layout_intent", wire::LayoutIntent> {
};

// Metadata (02 6.7, 6.8, 04).
struct MdtBody : Struct<"mdt_body", wire::MdtBody> {
};
struct RecSetattr : Struct<"rec_reint", wire::MdtRecSetattr> {
};
struct RecCreate : Struct<"rec_reint", wire::MdtRecCreate> {
};
struct RecLink : Struct<"rec_reint", wire::MdtRecLink> {
};
struct RecUnlink : Struct<"rec_reint", wire::MdtRecUnlink> {
};
struct RecRename : Struct<"rec_reint", wire::MdtRecRename> {
};
struct RecSetxattr : Struct<"rec_reint", wire::MdtRecSetxattr> {
};
struct RecResync : Struct<"rec_reint", wire::MdtRecResync> {
};
struct IoEpoch : Struct<"mdt_ioepoch", wire::MdtIoepoch> {
};
struct CloseData : Struct<"close_data", wire::CloseData> {
};
/// Component ids that did not fit into close_data.
struct ResyncIds : Array<"resync_ids", le32> {
};
struct Name : Text<"name"> {
};
/// Target of a symlink; new name of a rename.
struct SymTgt : Text<"symtgt", TextRule::last> {
};
/// Layout, directory layout, ACL or value of an extended attribute, by operation.
struct EaData : Blob<"eadata"> {
};
struct EaVals : Blob<"eavals"> {
};
struct EaValsLens : Array<"eavals_lens", le32> {
};
struct MdtMd : Blob<"mdt_md"> {
};
struct DefaultMdtMd : Blob<"default_mdt_md"> {
};
struct Acl : Blob<"acl"> {
};
struct LogCookies : Blob<"logcookies"> {
};
struct SecCtxName : Text<"secctx_name"> {
};
struct SecCtx : Blob<"secctx"> {
};
struct EncCtx : Blob<"encctx"> {
};
struct SelinuxPol : Text<"selinux_pol"> {
};
/// Data that comes with an open: where it belongs, then the bytes.
struct NiobufInline : HeadTail<"niobuf_inline", wire::NiobufRemote, std::byte> {
};
struct SwapLayouts : Struct<"swap_layouts", wire::MdcSwapLayouts> {
};
struct FidArray : Array<"fid_array", wire::Fid> {
};
struct HsmUserState : HeadTail<"hsm_user_state", wire::HsmUserState, std::byte> {
};
struct HsmStateSet : Struct<"hsm_state_set", wire::HsmStateSet> {
};
struct HsmCurrentAction : Struct<"hsm_current_action", wire::HsmCurrentAction> {
};
struct HsmProgress : Struct<"hsm_progress", wire::HsmProgressKernel> {
};
struct HsmRequest : Struct<"hsm_request", wire::HsmRequest> {
};
struct HsmUserItems : Array<"hsm_user_item", wire::HsmUserItem> {
};
struct HsmData : Blob<"generic_data"> {
};
struct ArchiveIds : Array<"archive_ids", le32> {
};

} // namespace rpc::fld
