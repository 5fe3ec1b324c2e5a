// SPDX-License-Identifier: GPL-2.0
//
// Formats of the lock manager: enqueues without and with each kind of intent, cancels and callbacks
// (02 6.6, 03, 04 4.3).
#pragma once

#include "rpc/format/ops_common.hpp"

namespace rpc::op
{

/// The intent bits of an enqueue, 0 when it carries no intent buffer: plain locks, glimpses and
/// readdir locks are the first two buffers only, whatever their flags say (04 4.3).
[[nodiscard]] u64 intent_of(const MessageView &request) noexcept;

/// Whether it carries an intent with any of the bits.
[[nodiscard]] inline bool has_intent(const MessageView &request, u64 bits) noexcept
{
	return (intent_of(request) & bits) != 0;
}

/// What the variants of the enqueue have in common.
template <FieldName Name>
struct Enqueue {
	static constexpr FormatInfo info{Name.text, Opcode::LDLM_ENQUEUE, wire::LUSTRE_DLM_VERSION};
};

/// No intent buffer: plain, extent, inode bits, flock, glimpse, readdir.
struct LdlmEnqueue : Enqueue<"LDLM_ENQUEUE"> {
	using Request = Fields<fld::DlmReq>;
	using Reply = Fields<fld::DlmRep, fld::Lvb>;
	static bool matches(const MessageView &m) noexcept
	{
		return m.buffer_count() <= 2 || m.length(2) == 0;
	}
};

/// IT_OPEN, with or without IT_CREAT. The reply's last buffer is 2.17's.
struct LdlmIntentOpen : Enqueue<"LDLM_ENQUEUE open"> {
	using Request = Fields<fld::DlmReq, fld::Intent, fld::RecCreate, fld::Capa, fld::Capa,
			       fld::Name, fld::EaData, Opt<fld::SecCtxName>, Opt<fld::SecCtx>,
			       Opt<fld::SelinuxPol>, Opt<fld::EncCtx>>;
	using Reply = Fields<fld::DlmRep, fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa, fld::Capa,
			     Opt<fld::NiobufInline>, Opt<fld::SecCtx>, Opt<fld::EncCtx>,
			     Tail<fld::DefaultMdtMd>>;
	static bool matches(const MessageView &m) noexcept { return has_intent(m, wire::IT_OPEN); }
};

/// IT_CREAT alone: a directory (2.17).
struct LdlmIntentCreate : Enqueue<"LDLM_ENQUEUE create"> {
	using Request = Fields<fld::DlmReq, fld::Intent, fld::RecCreate, fld::Capa, fld::Name,
			       fld::EaData, Opt<fld::SecCtxName>, Opt<fld::SecCtx>,
			       Opt<fld::SelinuxPol>, Opt<fld::EncCtx>>;
	using Reply = Fields<fld::DlmRep, fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa,
			     Opt<fld::SecCtx>, Opt<fld::DefaultMdtMd>, Opt<fld::EncCtx>>;
	static bool matches(const MessageView &m) noexcept { return has_intent(m, wire::IT_CREAT); }
};

/// IT_GETATTR and IT_LOOKUP.
struct LdlmIntentGetattr : Enqueue<"LDLM_ENQUEUE getattr"> {
	using Request = Fields<fld::DlmReq, fld::Intent, fld::MdtBody, fld::Capa, fld::Name,
			       Tail<fld::SecCtxName>>;
	using Reply = Fields<fld::DlmRep, fld::MdtBody, fld::MdtMd, fld::Acl, fld::Capa,
			     Opt<fld::SecCtx>, Opt<fld::DefaultMdtMd>, Opt<fld::EncCtx>>;
	static bool matches(const MessageView &m) noexcept
	{
		return has_intent(m, wire::IT_GETATTR | wire::IT_LOOKUP);
	}
};

struct LdlmIntentGetxattr : Enqueue<"LDLM_ENQUEUE getxattr"> {
	using Request =
		Fields<fld::DlmReq, fld::Intent, fld::MdtBody, fld::Capa, Opt<fld::SelinuxPol>>;
	using Reply = Fields<fld::DlmRep, fld::MdtBody, fld::MdtMd, fld::Acl, fld::EaData,
			     fld::EaVals, fld::EaValsLens>;
	static bool matches(const MessageView &m) noexcept
	{
		return has_intent(m, wire::IT_GETXATTR);
	}
};

struct LdlmIntentLayout : Enqueue<"LDLM_ENQUEUE layout"> {
	using Request = Fields<fld::DlmReq, fld::Intent, fld::LayoutIntent, fld::EaData>;
	using Reply = Fields<fld::DlmRep, fld::Lvb>;
	static bool matches(const MessageView &m) noexcept
	{
		return has_intent(m, wire::IT_LAYOUT);
	}
};

/// IT_QUOTA_DQACQ and IT_QUOTA_CONN, between servers.
struct LdlmIntentQuota : Enqueue<"LDLM_ENQUEUE quota"> {
	using Request = Fields<fld::DlmReq, fld::Intent, fld::QuotaBody>;
	using Reply = Fields<fld::DlmRep, fld::Lvb, fld::QuotaBody>;
	static bool matches(const MessageView &m) noexcept
	{
		return has_intent(m, wire::IT_QUOTA_DQACQ | wire::IT_QUOTA_CONN);
	}
};

/// IT_GLIMPSE and IT_BRW, for data on an MDT.
struct LdlmIntentGlimpse : Enqueue<"LDLM_ENQUEUE glimpse"> {
	using Request = Fields<fld::DlmReq, fld::Intent>;
	using Reply = Fields<fld::DlmRep, fld::Lvb>;
	static bool matches(const MessageView &m) noexcept
	{
		return has_intent(m, wire::IT_GLIMPSE | wire::IT_BRW);
	}
};

struct LdlmConvert {
	static constexpr FormatInfo info{"LDLM_CONVERT", Opcode::LDLM_CONVERT,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::DlmReq>;
	using Reply = Fields<fld::DlmRep>;
};

struct LdlmCancel {
	static constexpr FormatInfo info{"LDLM_CANCEL", Opcode::LDLM_CANCEL,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::DlmReq>;
	using Reply = Fields<>;
};

struct LdlmBlCallback {
	static constexpr FormatInfo info{"LDLM_BL_CALLBACK", Opcode::LDLM_BL_CALLBACK,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::DlmReq>;
	using Reply = Fields<>;
};

struct LdlmCpCallback {
	static constexpr FormatInfo info{"LDLM_CP_CALLBACK", Opcode::LDLM_CP_CALLBACK,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::DlmReq, fld::Lvb>;
	using Reply = Fields<>;
};

/// The second buffer is for quota and barrier locks.
struct LdlmGlCallback {
	static constexpr FormatInfo info{"LDLM_GL_CALLBACK", Opcode::LDLM_GL_CALLBACK,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::DlmReq, Tail<fld::GlDesc>>;
	using Reply = Fields<fld::Lvb>;
};

struct LdlmSetInfo {
	static constexpr FormatInfo info{"LDLM_SET_INFO", Opcode::LDLM_SET_INFO,
					 wire::LUSTRE_DLM_VERSION};
	using Request = Fields<fld::Key, fld::Val>;
	using Reply = Fields<>;
};

} // namespace rpc::op
