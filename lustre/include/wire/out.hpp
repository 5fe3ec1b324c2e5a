// SPDX-License-Identifier: GPL-2.0
//
// Operations on objects of another MDT (OUT_UPDATE), the update log, and batches of requests
// (MDS_BATCH, 2.17) (02 6.4, 04 23, 07 12.2).
#pragma once

#include "wire/fid.hpp"
#include "wire/llog.hpp"

namespace wire
{

/// ou_type, and the operations of the update log.
enum class OutOp : u16 {
	OUT_CREATE = 1,
	OUT_DESTROY = 2,
	OUT_REF_ADD = 3,
	OUT_REF_DEL = 4,
	OUT_ATTR_SET = 5,
	OUT_ATTR_GET = 6,
	OUT_XATTR_SET = 7,
	OUT_XATTR_GET = 8,
	OUT_INDEX_LOOKUP = 9,
	OUT_INDEX_INSERT = 10,
	OUT_INDEX_DELETE = 11,
	OUT_WRITE = 12,
	OUT_XATTR_DEL = 13,
	OUT_PUNCH = 14,
	OUT_READ = 15,
	OUT_NOOP = 16,
	OUT_XATTR_LIST = 17,
};

/// ou_flags.
inline constexpr u32 UPDATE_FL_OST = 0x1;
inline constexpr u32 UPDATE_FL_SYNC = 0x2;
inline constexpr u32 UPDATE_FL_COMMITTED = 0x4;
inline constexpr u32 UPDATE_FL_NOLOG = 0x8;

/// Magics.
inline constexpr u32 OUT_UPDATE_HEADER_MAGIC = 0xbddf0001;
inline constexpr u32 UPDATE_REQUEST_MAGIC_V1 = 0xbdde0001;
inline constexpr u32 UPDATE_REQUEST_MAGIC_V2 = 0xbdde0002;
inline constexpr u32 UPDATE_REQUEST_MAGIC = 0xbdde0002; // what is sent
inline constexpr u32 UPDATE_REPLY_MAGIC_V1 = 0xbd0001;
inline constexpr u32 UPDATE_REPLY_MAGIC_V2 = 0xbd0002;
inline constexpr u32 UPDATE_REPLY_MAGIC = 0xbd0002; // what is sent

/// Sizes.
inline constexpr std::size_t OUT_UPDATE_MAX_INLINE_SIZE = 4096;
inline constexpr std::size_t OUT_UPDATE_REPLY_SIZE = 4096;
inline constexpr std::size_t OUT_BULK_BUFFER_SIZE = 4096;

/// First buffer of OUT_UPDATE: 16 bytes, then the requests when they are inline.
struct OutUpdateHeader {
	le32 magic;	    // OUT_UPDATE_HEADER_MAGIC
	le32 count;	    // out_update_buffers that follow
	le32 inline_length; // 0: the requests are fetched as bulk
	le32 reply_size;
};
static_assert(sizeof(OutUpdateHeader) == 16 && kOverlay<OutUpdateHeader>);

/// Size of one bulk buffer.
struct OutUpdateBuffer {
	le32 size;
	le32 padding;
};
static_assert(sizeof(OutUpdateBuffer) == 8 && kOverlay<OutUpdateBuffer>);

/// A parameter: 8 bytes, then len bytes padded to 8.
struct ObjectUpdateParam {
	le16 len;
	le16 padding;
	le32 padding2;
};
static_assert(sizeof(ObjectUpdateParam) == 8 && kOverlay<ObjectUpdateParam>);

/// One operation: 40 bytes, then its parameters.
struct ObjectUpdate {
	Le<OutOp> type;
	le16 params_count;
	le32 result_size; // room for the result
	le32 flags;	  // UPDATE_FL_*
	le32 padding1;
	le64 batchid;
	Fid fid;
};
static_assert(sizeof(ObjectUpdate) == 40 && kOverlay<ObjectUpdate>);

/// Operations of one bulk buffer: 8 bytes, then count ObjectUpdate.
struct ObjectUpdateRequest {
	le32 magic; // UPDATE_REQUEST_MAGIC
	le16 count;
	le16 padding;
};
static_assert(sizeof(ObjectUpdateRequest) == 8 && kOverlay<ObjectUpdateRequest>);

/// Result of one operation: 8 bytes, then datalen bytes.
struct ObjectUpdateResult {
	sle32 rc; // negative errno or 0
	le16 datalen;
	le16 padding;
};
static_assert(sizeof(ObjectUpdateResult) == 8 && kOverlay<ObjectUpdateResult>);

/// Reply: 8 bytes, count le16 lengths padded to 8, then the results.
struct ObjectUpdateReply {
	le32 magic; // UPDATE_REPLY_MAGIC
	le16 count;
	le16 padding;
};
static_assert(sizeof(ObjectUpdateReply) == 8 && kOverlay<ObjectUpdateReply>);

/// Result of OUT_READ: 16 bytes, then size bytes.
struct OutReadReply {
	le32 size;
	le32 padding;
	le64 offset;
};
static_assert(sizeof(OutReadReply) == 16 && kOverlay<OutReadReply>);

inline constexpr u32 UPDATE_RECORD_CONTINUE = 0x1; // ur_flags: goes on in the next record

/// Operation in the update log: 20 bytes, then param_count le16 parameter numbers.
struct UpdateOp {
	Fid fid;
	Le<OutOp> type;
	le16 param_count;
};
static_assert(sizeof(UpdateOp) == 20 && kOverlay<UpdateOp>);

/// Body of an UPDATE_REC: 32 bytes, the operations, then the parameters as ObjectUpdateParam.
struct UpdateRecords {
	Le<Transno> master_transno;
	le64 batchid;
	le32 flags;
	le32 index;
	le32 update_count;
	le32 param_count;
};
static_assert(sizeof(UpdateRecords) == 32 && kOverlay<UpdateRecords>);

struct LlogUpdateRecord {
	LlogRecHdr hdr;
	UpdateRecords update_rec;
};
static_assert(sizeof(LlogUpdateRecord) == 48 && kOverlay<LlogUpdateRecord>);

/// lm_opc of a message in a batch.
enum class BatchOp : u32 {
	BUT_GETATTR = 1,
};

/// Magics of batches; all 2.17.
inline constexpr u32 BUT_HEADER_MAGIC = 0xbadf0001;
inline constexpr u32 BUT_REQUEST_MAGIC = 0xbade0001;
inline constexpr u32 BUT_REPLY_MAGIC = 0xad0001;

/// First buffer of MDS_BATCH: 24 bytes, then the requests when they are inline (2.17).
struct ButUpdateHeader {
	le32 magic; // BUT_HEADER_MAGIC
	le32 count; // but_update_buffers that follow
	le32 inline_length;
	le32 reply_size;
	le32 update_count;
	le32 padding;
};
static_assert(sizeof(ButUpdateHeader) == 24 && kOverlay<ButUpdateHeader>);

/// Size of one bulk buffer (2.17).
struct ButUpdateBuffer {
	le32 size;
	le32 padding;
};
static_assert(sizeof(ButUpdateBuffer) == 8 && kOverlay<ButUpdateBuffer>);

/// Requests of one buffer: 8 bytes, then count messages without a ptlrpc body (2.17).
struct BatchUpdateRequest {
	le32 magic; // BUT_REQUEST_MAGIC
	le16 count;
	le16 padding;
};
static_assert(sizeof(BatchUpdateRequest) == 8 && kOverlay<BatchUpdateRequest>);

/// Reply: 8 bytes, then count messages without a ptlrpc body; what follows them is meaningless
/// (2.17).
struct BatchUpdateReply {
	le32 magic; // BUT_REPLY_MAGIC
	le16 count;
	le16 padding;
};
static_assert(sizeof(BatchUpdateReply) == 8 && kOverlay<BatchUpdateReply>);

} // namespace wire
