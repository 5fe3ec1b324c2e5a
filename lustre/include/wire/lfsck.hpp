// SPDX-License-Identifier: GPL-2.0
//
// Online checking between servers (02 6.2). Only the messages; the state an LFSCK keeps on disk is
// not typed here.
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// lr_event.
enum class LfsckEvent : u32 {
	LE_LASTID_REBUILDING = 1,
	LE_LASTID_REBUILT = 2,
	LE_PHASE1_DONE = 3,
	LE_PHASE2_DONE = 4,
	LE_START = 5,
	LE_STOP = 6,
	LE_QUERY = 7,
	LE_PEER_EXIT = 9,
	LE_CONDITIONAL_DESTROY = 10,
	LE_PAIRS_VERIFY = 11,
	LE_SET_LMV_MASTER = 15,
	LE_SET_LMV_SLAVE = 16,
};

/// lr_flags.
inline constexpr u32 LEF_TO_OST = 0x1;
inline constexpr u32 LEF_FROM_OST = 0x2;
inline constexpr u32 LEF_SET_LMV_HASH = 0x4;
inline constexpr u32 LEF_SET_LMV_ALL = 0x8;
inline constexpr u32 LEF_RECHECK_NAME_HASH = 0x10;
inline constexpr u32 LEF_QUERY_ALL = 0x20;

struct LfsckRequest {
	Le<LfsckEvent> event;
	le32 index;
	le32 flags;
	le32 valid;
	union {
		le32 speed;
		le32 status;
	};
	le16 version;
	le16 active;
	le16 param;
	le16 async_windows;
	le32 flags2;
	Fid fid;
	Fid fid2;
	le32 comp_id;
	le32 padding_0;
	le64 padding_1;
	le64 padding_2;
	le64 padding_3;
};
static_assert(sizeof(LfsckRequest) == 96 && kOverlay<LfsckRequest>);

struct LfsckReply {
	le32 status;
	le32 padding_1;
	le64 repaired;
};
static_assert(sizeof(LfsckReply) == 16 && kOverlay<LfsckReply>);

} // namespace wire
