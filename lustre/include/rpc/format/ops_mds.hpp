// SPDX-License-Identifier: GPL-2.0
//
// Formats of metadata targets, but for connections (ops_common.hpp) and intents (ops_ldlm.hpp)
// (02 6.7, 6.8, 04).
#pragma once

#include "rpc/format/ops_common.hpp"

namespace rpc::op
{

/// An MDS operation without variants.
template <FieldName Name, Opcode Op, Bulk B = Bulk::none>
struct Mds {
	static constexpr FormatInfo info{Name.text, Op, wire::LUSTRE_MDS_VERSION, B};
};

/// Attributes with everything that may come along.
using GetattrReply =
	Fields<fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa, fld::Capa, Opt<fld::EncCtx>>;

struct MdsGetattr : Mds<"MDS_GETATTR", Opcode::MDS_GETATTR> {
	using Request = Fields<fld::MdtBody, fld::Capa>;
	using Reply = GetattrReply;
};

struct MdsGetattrName : Mds<"MDS_GETATTR_NAME", Opcode::MDS_GETATTR_NAME> {
	using Request = Fields<fld::MdtBody, fld::Capa, fld::Name>;
	using Reply = GetattrReply;
};

using CloseReply = Fields<fld::MdtBody, fld::MdtMd, fld::LogCookies, fld::Capa, fld::Capa>;

/// The bias bits of the record that give a close something to do besides closing.
inline constexpr u32 kCloseIntents =
	wire::MDS_CLOSE_INTENT | wire::MDS_PCC_ATTACH | wire::MDS_CLOSE_LAYOUT_SWAP_HSM;

/// The bias of a close's record, 0 when the record is cut off.
[[nodiscard]] u32 close_bias(const MessageView &request) noexcept;

struct MdsCloseIntent : Mds<"MDS_CLOSE intent", Opcode::MDS_CLOSE> {
	using Request = Fields<fld::IoEpoch, fld::RecSetattr, fld::Capa, fld::CloseData,
			       Tail<fld::ResyncIds>>;
	using Reply = CloseReply;
	static bool matches(const MessageView &m) noexcept
	{
		return (close_bias(m) & kCloseIntents) != 0;
	}
};

struct MdsClose : Mds<"MDS_CLOSE", Opcode::MDS_CLOSE> {
	using Request = Fields<fld::IoEpoch, fld::RecSetattr, fld::Capa>;
	using Reply = CloseReply;
};

struct MdsReadpage : Mds<"MDS_READPAGE", Opcode::MDS_READPAGE, Bulk::to_client> {
	using Request = Fields<fld::MdtBody, fld::Capa>;
	using Reply = Fields<fld::MdtBody>;
};

/// The name is the path of a subdirectory to mount.
struct MdsGetRoot : Mds<"MDS_GET_ROOT", Opcode::MDS_GET_ROOT> {
	using Request = Fields<fld::MdtBody, Tail<fld::Name>>;
	using Reply = Fields<fld::MdtBody, fld::Capa>;
};

/// The body is there when sums over all targets are wanted; stock goes by the message's length.
struct MdsStatfs : Mds<"MDS_STATFS", Opcode::MDS_STATFS> {
	using Request = Fields<Tail<fld::MdtBody>>;
	using Reply = Fields<fld::ObdStatfs>;
};

struct MdsSync : Mds<"MDS_SYNC", Opcode::MDS_SYNC> {
	using Request = Fields<fld::MdtBody, fld::Capa>;
	using Reply = Fields<fld::MdtBody>;
};

struct MdsSetInfoChangelogClear : Mds<"MDS_SET_INFO changelog_clear", Opcode::MDS_SET_INFO> {
	using Request = Fields<fld::Key, fld::ChangelogClear, Tail<fld::MdtBody>>;
	using Reply = Fields<>;
	static bool matches(const MessageView &m) noexcept
	{
		return key_is(m, 1, "changelog_clear");
	}
};

struct MdsSetInfo : Mds<"MDS_SET_INFO", Opcode::MDS_SET_INFO> {
	using Request = Fields<fld::Key, fld::Val, Tail<fld::MdtBody>>;
	using Reply = Fields<>;
};

/// The reply's second buffer is 2.17's.
struct MdsQuotactl : Mds<"MDS_QUOTACTL", Opcode::MDS_QUOTACTL> {
	using Request = Fields<fld::ObdQuotactl>;
	using Reply = Fields<fld::ObdQuotactl, Tail<fld::QuotaIter>>;
};

struct MdsGetxattr : Mds<"MDS_GETXATTR", Opcode::MDS_GETXATTR> {
	using Request =
		Fields<fld::MdtBody, fld::Capa, fld::Name, fld::EaData, Opt<fld::SelinuxPol>>;
	using Reply = Fields<fld::MdtBody, fld::EaData>;
};

struct MdsGetInfoFid2path : Mds<"MDS_GET_INFO fid2path", Opcode::MDS_GET_INFO> {
	using Request = Fields<fld::MdtFid2pathKey, fld::ValLength>;
	using Reply = Fields<fld::Fid2path>;
	static bool matches(const MessageView &m) noexcept { return key_is(m, 1, "fid2path"); }
};

struct MdsGetInfo : Mds<"MDS_GET_INFO", Opcode::MDS_GET_INFO> {
	using Request = Fields<fld::Key, Tail<fld::Val>>;
	using Reply = Fields<Tail<fld::Val>>;
};

struct MdsHsmStateGet : Mds<"MDS_HSM_STATE_GET", Opcode::MDS_HSM_STATE_GET> {
	using Request = Fields<fld::MdtBody, fld::Capa>;
	using Reply = Fields<fld::MdtBody, fld::HsmUserState>;
};

struct MdsHsmStateSet : Mds<"MDS_HSM_STATE_SET", Opcode::MDS_HSM_STATE_SET> {
	using Request = Fields<fld::MdtBody, fld::Capa, fld::HsmStateSet>;
	using Reply = Fields<>;
};

struct MdsHsmAction : Mds<"MDS_HSM_ACTION", Opcode::MDS_HSM_ACTION> {
	using Request = Fields<fld::MdtBody, fld::Capa>;
	using Reply = Fields<fld::MdtBody, fld::HsmCurrentAction>;
};

struct MdsHsmProgress : Mds<"MDS_HSM_PROGRESS", Opcode::MDS_HSM_PROGRESS> {
	using Request = Fields<fld::MdtBody, fld::HsmProgress>;
	using Reply = Fields<>;
};

struct MdsHsmRequest : Mds<"MDS_HSM_REQUEST", Opcode::MDS_HSM_REQUEST> {
	using Request = Fields<fld::MdtBody, fld::HsmRequest, fld::HsmUserItems, fld::HsmData>;
	using Reply = Fields<>;
};

struct MdsHsmCtRegister : Mds<"MDS_HSM_CT_REGISTER", Opcode::MDS_HSM_CT_REGISTER> {
	using Request = Fields<fld::MdtBody, fld::ArchiveIds>;
	using Reply = Fields<>;
};

struct MdsHsmCtUnregister : Mds<"MDS_HSM_CT_UNREGISTER", Opcode::MDS_HSM_CT_UNREGISTER> {
	using Request = Fields<fld::MdtBody>;
	using Reply = Fields<>;
};

struct MdsSwapLayouts : Mds<"MDS_SWAP_LAYOUTS", Opcode::MDS_SWAP_LAYOUTS> {
	using Request =
		Fields<fld::MdtBody, fld::SwapLayouts, fld::Capa, fld::Capa, Opt<fld::DlmReq>>;
	using Reply = Fields<>;
};

struct MdsRmfid : Mds<"MDS_RMFID", Opcode::MDS_RMFID> {
	using Request = Fields<fld::MdtBody, fld::FidArray, fld::Capa, fld::Capa>;
	using Reply = Fields<fld::MdtBody, fld::FidArray, fld::Rcs>;
};

/// Several requests in one (2.17). The bulk is used when inline_length is 0.
struct MdsBatch : Mds<"MDS_BATCH", Opcode::MDS_BATCH, Bulk::from_client> {
	using Request = Fields<fld::ButHeader, fld::ButBuffers>;
	using Reply = Fields<fld::ButReply>;
};

/// A getattr inside a batch.
struct BatchGetattr {
	static constexpr FormatInfo info{"BUT_GETATTR",
					 static_cast<Opcode>(wire::BatchOp::BUT_GETATTR),
					 wire::LUSTRE_MDS_VERSION, Bulk::none, true};
	using Request = Fields<fld::DlmReq, fld::Intent, fld::MdtBody, fld::Capa, fld::Name>;
	using Reply = Fields<fld::DlmRep, fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa,
			     Opt<fld::SecCtx>, Opt<fld::DefaultMdtMd>, Opt<fld::EncCtx>>;
};

/// 2.17.
struct MdsHsmDataVersion : Mds<"MDS_HSM_DATA_VERSION", Opcode::MDS_HSM_DATA_VERSION> {
	using Request = Fields<fld::MdtBody>;
	using Reply = Fields<>;
};

/// The operation of a reint record; no operation when the record is cut off.
[[nodiscard]] wire::ReintOp reint_of(const MessageView &request) noexcept;
/// Whether a REINT_CREATE makes a symlink.
[[nodiscard]] bool creates_symlink(const MessageView &request) noexcept;

/// A variant of MDS_REINT.
template <FieldName Name, wire::ReintOp Op>
struct Reint : Mds<Name, Opcode::MDS_REINT> {
	static bool matches(const MessageView &m) noexcept { return reint_of(m) == Op; }
};

/// Reply of what takes a name away; the buffers behind the body are always empty now.
using UnlinkReply = Fields<fld::MdtBody, fld::MdtMd, fld::LogCookies, fld::Capa, fld::Capa>;

struct MdsReintSetattr : Reint<"MDS_REINT setattr", wire::ReintOp::REINT_SETATTR> {
	using Request = Fields<fld::RecSetattr, fld::Capa, Opt<fld::IoEpoch>, fld::EaData,
			       fld::LogCookies, Opt<fld::DlmReq>>;
	using Reply = Fields<fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa, fld::Capa>;
};

/// The reply's last buffer is 2.17's.
struct MdsReintCreate : Reint<"MDS_REINT create", wire::ReintOp::REINT_CREATE> {
	using Request = Fields<fld::RecCreate, fld::Capa, fld::Name, fld::EaData, Opt<fld::DlmReq>,
			       Opt<fld::SecCtxName>, Opt<fld::SecCtx>, Opt<fld::SelinuxPol>,
			       Opt<fld::EncCtx>>;
	using Reply = Fields<fld::MdtBody, fld::Capa, Tail<fld::MdtMd>>;
	static bool matches(const MessageView &m) noexcept
	{
		return reint_of(m) == wire::ReintOp::REINT_CREATE && !creates_symlink(m);
	}
};

struct MdsReintSymlink : Reint<"MDS_REINT symlink", wire::ReintOp::REINT_CREATE> {
	using Request = Fields<fld::RecCreate, fld::Capa, fld::Name, fld::SymTgt, Opt<fld::DlmReq>,
			       Opt<fld::SecCtxName>, Opt<fld::SecCtx>, Opt<fld::SelinuxPol>,
			       Opt<fld::EncCtx>>;
	using Reply = Fields<fld::MdtBody, fld::Capa>;
	static bool matches(const MessageView &m) noexcept { return creates_symlink(m); }
};

struct MdsReintLink : Reint<"MDS_REINT link", wire::ReintOp::REINT_LINK> {
	using Request = Fields<fld::RecLink, fld::Capa, fld::Capa, fld::Name, Opt<fld::DlmReq>,
			       Opt<fld::SelinuxPol>>;
	using Reply = Fields<fld::MdtBody>;
};

struct MdsReintUnlink : Reint<"MDS_REINT unlink", wire::ReintOp::REINT_UNLINK> {
	using Request = Fields<fld::RecUnlink, fld::Capa, fld::Name, Opt<fld::DlmReq>,
			       Opt<fld::SelinuxPol>>;
	using Reply = UnlinkReply;
};

struct MdsReintRmentry : Reint<"MDS_REINT rmentry", wire::ReintOp::REINT_RMENTRY> {
	using Request = MdsReintUnlink::Request;
	using Reply = UnlinkReply;
};

struct MdsReintRename : Reint<"MDS_REINT rename", wire::ReintOp::REINT_RENAME> {
	using Request = Fields<fld::RecRename, fld::Capa, fld::Capa, fld::Name, fld::SymTgt,
			       Opt<fld::DlmReq>, Opt<fld::SelinuxPol>>;
	using Reply = UnlinkReply;
};

/// The last three buffers are there when the file is open.
struct MdsReintMigrate : Reint<"MDS_REINT migrate", wire::ReintOp::REINT_MIGRATE> {
	using Request = Fields<fld::RecRename, fld::Capa, fld::Capa, fld::Name, fld::SymTgt,
			       Opt<fld::DlmReq>, Opt<fld::SelinuxPol>, Opt<fld::IoEpoch>,
			       Opt<fld::CloseData>, fld::EaData>;
	using Reply = UnlinkReply;
};

/// Accepted for compatibility: opens are intents.
struct MdsReintOpen : Reint<"MDS_REINT open", wire::ReintOp::REINT_OPEN> {
	using Request = Fields<fld::RecCreate, fld::Capa, fld::Capa, fld::Name, fld::EaData,
			       Opt<fld::SecCtxName>, Opt<fld::SecCtx>, Opt<fld::SelinuxPol>,
			       Opt<fld::EncCtx>>;
	using Reply = Fields<fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa, fld::Capa>;
};

struct MdsReintSetxattr : Reint<"MDS_REINT setxattr", wire::ReintOp::REINT_SETXATTR> {
	using Request = Fields<fld::RecSetxattr, fld::Capa, fld::Name, fld::EaData,
			       Opt<fld::DlmReq>, Opt<fld::SelinuxPol>>;
	using Reply = Fields<fld::MdtBody>;
};

struct MdsReintResync : Reint<"MDS_REINT resync", wire::ReintOp::REINT_RESYNC> {
	using Request = Fields<fld::RecResync, Opt<fld::DlmReq>>;
	using Reply = Fields<fld::MdtBody>;
};

} // namespace rpc::op
