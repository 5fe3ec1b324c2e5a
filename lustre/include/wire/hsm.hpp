// SPDX-License-Identifier: GPL-2.0
//
// Hierarchical storage management: the MDS messages, what copytools are told, the action log (04
// 22).
#pragma once

#include "wire/fid.hpp"
#include "wire/llog.hpp"

namespace wire
{

/// hus_states, and hsm_flags of the xattr. The PCC bits are 2.17's.
inline constexpr u32 HS_NONE = 0x0;
inline constexpr u32 HS_EXISTS = 0x1;
inline constexpr u32 HS_DIRTY = 0x2;
inline constexpr u32 HS_RELEASED = 0x4;
inline constexpr u32 HS_ARCHIVED = 0x8;
inline constexpr u32 HS_NORELEASE = 0x10;
inline constexpr u32 HS_NOARCHIVE = 0x20;
inline constexpr u32 HS_LOST = 0x40;
inline constexpr u32 HS_PCCRW = 0x80;
inline constexpr u32 HS_PCCRO = 0x100;
inline constexpr u32 HSM_USER_MASK = 0x32;    // what users may set
inline constexpr u32 HSM_STATUS_MASK = 0x1cd; // 2.15: 0x4d
inline constexpr u32 HSM_FLAGS_MASK = 0x1ff;  // 2.15: 0x7f

/// hr_action.
enum class HsmUserAction : u32 {
	HUA_NONE = 0x1,
	HUA_ARCHIVE = 0xa,
	HUA_RESTORE = 0xb,
	HUA_RELEASE = 0xc,
	HUA_REMOVE = 0xd,
	HUA_CANCEL = 0xe,
};

/// hai_action.
enum class HsmAction : u32 {
	HSMA_NONE = 0xa,
	HSMA_ARCHIVE = 0x14,
	HSMA_RESTORE = 0x15,
	HSMA_REMOVE = 0x16,
	HSMA_CANCEL = 0x17,
};

/// hus_in_progress_state, hca_state.
enum class HsmProgressState : u32 {
	HPS_NONE = 0x0,
	HPS_WAITING = 0x1,
	HPS_RUNNING = 0x2,
	HPS_DONE = 0x3,
};

/// arr_status.
enum class AgentReqStatus : u32 {
	ARS_WAITING = 0x0,
	ARS_STARTED = 0x1,
	ARS_FAILED = 0x2,
	ARS_CANCELED = 0x3,
	ARS_SUCCEED = 0x4,
};

/// hss_valid, request flags, progress flags, list version.
inline constexpr u32 HSS_SETMASK = 0x1;
inline constexpr u32 HSS_CLEARMASK = 0x2;
inline constexpr u32 HSS_ARCHIVE_ID = 0x4;
inline constexpr u32 HSM_FORCE_ACTION = 0x1;
inline constexpr u32 HSM_GHOST_COPY = 0x2;
inline constexpr u32 HSM_REQ_BLOCKING = 0x4; // 2.17
inline constexpr u32 HP_FLAG_COMPLETED = 0x1;
inline constexpr u32 HP_FLAG_RETRY = 0x2;
inline constexpr u32 HAL_VERSION = 0x1;
inline constexpr u32 HAL_MAXSIZE = 0x100000;
inline constexpr u32 LL_HSM_ORIGIN_MAX_ARCHIVE = 0x20;
inline constexpr u32 LL_HSM_MAX_ARCHIVES_PER_AGENT = 0x400;

struct HsmExtent {
	le64 offset;
	le64 length;
};
static_assert(sizeof(HsmExtent) == 16 && kOverlay<HsmExtent>);

/// trusted.hsm: 24 bytes (07 9.4).
struct HsmAttrs {
	le32 compat; // 0
	le32 flags;  // HS_*
	le64 arch_id;
	le64 arch_ver;
};
static_assert(sizeof(HsmAttrs) == 24 && kOverlay<HsmAttrs>);

struct HsmStateSet {
	le32 valid; // HSS_*
	le32 archive_id;
	le64 setmask;
	le64 clearmask;
};
static_assert(sizeof(HsmStateSet) == 24 && kOverlay<HsmStateSet>);

struct HsmUserState {
	le32 states; // HS_*
	le32 archive_id;
	Le<HsmProgressState> in_progress_state;
	Le<HsmUserAction> in_progress_action;
	HsmExtent in_progress_location;
};
static_assert(sizeof(HsmUserState) == 32 && kOverlay<HsmUserState>);

struct HsmCurrentAction {
	Le<HsmProgressState> state;
	Le<HsmUserAction> action;
	HsmExtent location;
};
static_assert(sizeof(HsmCurrentAction) == 24 && kOverlay<HsmCurrentAction>);

struct HsmRequest {
	Le<HsmUserAction> action;
	le32 archive_id;
	le64 flags;
	le32 itemcount; // HsmUserItem that follow
	le32 data_len;	// bytes of the last buffer
};
static_assert(sizeof(HsmRequest) == 24 && kOverlay<HsmRequest>);

struct HsmUserItem {
	Fid fid;
	HsmExtent extent;
};
static_assert(sizeof(HsmUserItem) == 32 && kOverlay<HsmUserItem>);

struct HsmProgressKernel {
	Fid fid;
	le64 cookie;
	HsmExtent extent;
	le16 flags;  // HP_FLAG_*
	le16 errval; // positive errno
	le32 padding1;
	le64 data_version;
	le64 padding2;
};
static_assert(sizeof(HsmProgressKernel) == 64 && kOverlay<HsmProgressKernel>);

/// One action for a copytool: 72 bytes, then data; len covers both.
struct HsmActionItem {
	le32 len;
	Le<HsmAction> action;
	Fid fid;
	Fid dfid;
	HsmExtent extent;
	le64 cookie;
	le64 gid;
};
static_assert(sizeof(HsmActionItem) == 72 && kOverlay<HsmActionItem>);

/// What LDLM_SET_INFO "hsm_send" carries: 32 bytes, the file system's name padded to 8, then the
/// items, each padded to 8.
struct HsmActionList {
	le32 version; // HAL_VERSION
	le32 count;
	le64 compound_id;
	le64 flags;
	le32 archive_id;
	le32 padding1;
};
static_assert(sizeof(HsmActionList) == 32 && kOverlay<HsmActionList>);

/// An action in the log; its item may be longer, the tail then lies further on.
struct LlogAgentReqRec {
	LlogRecHdr hdr;
	Le<AgentReqStatus> status;
	le32 archive_id;
	le64 flags;
	le64 compound_id;
	le64 req_create;
	le64 req_change;
	HsmActionItem hai;
	LlogRecTail tail;
};
static_assert(sizeof(LlogAgentReqRec) == 136 && kOverlay<LlogAgentReqRec>);

} // namespace wire
