// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/show.hpp"

#include "rpc/format/fields.hpp"
#include "wire/print.hpp"

namespace rpc
{

namespace
{

/// Text from outside is shown up to here.
constexpr std::size_t kShownTextMax = 64;

void show_extent(cfs::FormatSink &out, u64 start, u64 end) noexcept
{
	out.print("[{:#x},{:#x}]", start, end);
}

/// The policy as the resource's type has it.
void show_policy(cfs::FormatSink &out, const wire::LdlmLockDesc &d) noexcept
{
	const wire::LdlmPolicy &p = d.policy_data;
	switch (d.resource.type.get()) {
	case wire::LockType::LDLM_EXTENT:
		show_extent(out, p.extent.start, p.extent.end);
		if (p.extent.gid)
			out.print(" gid {}", p.extent.gid);
		break;
	case wire::LockType::LDLM_IBITS:
		out.print("bits {:#x} try {:#x}", p.inodebits.bits, p.inodebits.try_bits);
		break;
	case wire::LockType::LDLM_FLOCK:
		show_extent(out, p.flock.start, p.flock.end);
		out.print(" owner {:#x} pid {}", p.flock.owner, p.flock.pid);
		break;
	case wire::LockType::LDLM_PLAIN:
		break;
	}
}

void show_lock(cfs::FormatSink &out, const wire::LdlmLockDesc &d) noexcept
{
	out.print("type {} {} mode {}/{} ", d.resource.type.raw(), d.resource.name,
		  d.req_mode.raw(), d.granted_mode.raw());
	show_policy(out, d);
}

} // namespace

void show_text(cfs::FormatSink &out, cfs::Bytes buffer) noexcept
{
	std::string_view s = cfs::as_string(buffer);
	bool cut = s.size() > kShownTextMax;
	if (cut)
		s.remove_suffix(s.size() - kShownTextMax);
	out.print("\"{:e}\"{}", s, cut ? "..." : "");
}

void show(cfs::FormatSink &out, const wire::CloseData &v) noexcept
{
	out.print("lease {} fid {} data version {}", v.handle, v.fid, v.data_version);
}

void show(cfs::FormatSink &out, const wire::Fid &v) noexcept
{
	format_value(out, v);
}

void show(cfs::FormatSink &out, const wire::Fid2pathKey &v) noexcept
{
	out.print("fid {} root {}", v.info.fid, v.root);
}

void show(cfs::FormatSink &out, const wire::GetinfoFid2path &v) noexcept
{
	out.print("fid {} recno {:#x} link {} room {}", v.fid, v.recno, v.linkno, v.pathlen);
}

void show(cfs::FormatSink &out, const wire::IdxInfo &v) noexcept
{
	out.print("fid {} flags {:#x} pages {} hash ", v.fid, v.flags, v.count);
	show_extent(out, v.hash_start, v.hash_end);
}

void show(cfs::FormatSink &out, const wire::LayoutIntent &v) noexcept
{
	out.print("op {} ", v.opc.raw());
	show_extent(out, v.extent.start, v.extent.end);
}

void show(cfs::FormatSink &out, const wire::LdlmIntent &v) noexcept
{
	out.print("{:#x}", v.opc);
}

void show(cfs::FormatSink &out, const wire::LdlmReply &v) noexcept
{
	out.print("flags {:#x} ", v.lock_flags);
	show_lock(out, v.lock_desc);
	out.print(" handle {} result {:#x} {}", v.lock_handle, v.lock_policy_res1,
		  static_cast<std::int64_t>(v.lock_policy_res2.get()));
}

void show(cfs::FormatSink &out, const wire::LdlmRequest &v) noexcept
{
	out.print("flags {:#x} count {} ", v.lock_flags, v.lock_count);
	show_lock(out, v.lock_desc);
}

void show(cfs::FormatSink &out, const wire::LlFiemapInfoKey &v) noexcept
{
	out.print("object {} start {:#x} length {:#x} extents {}", v.oa.oi, v.fiemap.start,
		  v.fiemap.length, v.fiemap.extent_count);
}

void show(cfs::FormatSink &out, const wire::LlogdBody &v) noexcept
{
	out.print("log {}.{} index {} saved {} offset {}", v.logid.oi, v.logid.ogen, v.index,
		  v.saved_index, v.cur_offset);
}

void show(cfs::FormatSink &out, const wire::LlogLogHdr &v) noexcept
{
	out.print("count {} flags {:#x} last {}", v.count, v.flags, v.tail.index);
}

void show(cfs::FormatSink &out, const wire::MdtBody &v) noexcept
{
	out.print("fid {}", v.fid1);
	if (!v.fid2.is_zero())
		out.print(" fid2 {}", v.fid2);
	out.print(" valid {:#x} mode {:o} size {} easize {} aclsize {}", v.valid, v.mode, v.size,
		  v.eadatasize, v.aclsize);
	if (v.open_handle.raw())
		out.print(" handle {}", v.open_handle);
}

void show(cfs::FormatSink &out, const wire::MdtIoepoch &v) noexcept
{
	out.print("handle {}", v.open_handle);
}

void show(cfs::FormatSink &out, const wire::MdtRecCreate &v) noexcept
{
	out.print("op {} parent {} fid {} mode {:o} flags {:#x} bias {:#x}", v.opcode.raw(), v.fid1,
		  v.fid2, v.mode, v.flags_l | (u64{v.flags_h} << 32), v.bias);
}

void show(cfs::FormatSink &out, const wire::MdtRecLink &v) noexcept
{
	out.print("op {} fid {} directory {}", v.opcode.raw(), v.fid1, v.fid2);
}

void show(cfs::FormatSink &out, const wire::MdtRecReint &v) noexcept
{
	out.print("op {} {} {}", v.opcode.raw(), v.fid1, v.fid2);
}

void show(cfs::FormatSink &out, const wire::MdtRecRename &v) noexcept
{
	out.print("op {} from {} to {} mode {:o}", v.opcode.raw(), v.fid1, v.fid2, v.mode);
}

void show(cfs::FormatSink &out, const wire::MdtRecResync &v) noexcept
{
	out.print("op {} fid {} lease {}", v.opcode.raw(), v.fid, v.lease_handle);
}

void show(cfs::FormatSink &out, const wire::MdtRecSetattr &v) noexcept
{
	out.print("op {} fid {} valid {:#x} mode {:o} size {} bias {:#x}", v.opcode.raw(), v.fid,
		  v.valid, v.mode, v.size, v.bias);
}

void show(cfs::FormatSink &out, const wire::MdtRecSetxattr &v) noexcept
{
	out.print("op {} fid {} valid {:#x} size {} flags {}", v.opcode.raw(), v.fid, v.valid,
		  v.size, v.flags);
}

void show(cfs::FormatSink &out, const wire::MdtRecUnlink &v) noexcept
{
	out.print("op {} parent {} fid {} mode {:o}", v.opcode.raw(), v.fid1, v.fid2, v.mode);
}

void show(cfs::FormatSink &out, const wire::MgsConfigBody &v) noexcept
{
	out.print("\"{:e}\" type {} offset {} units {}", v.name.view(), v.type.raw(), v.offset,
		  v.units);
}

void show(cfs::FormatSink &out, const wire::MgsConfigRes &v) noexcept
{
	out.print("offset {} size {}", v.offset, v.size);
}

void show(cfs::FormatSink &out, const wire::MgsTargetInfo &v) noexcept
{
	out.print("\"{:e}\" flags {:#x} index {} instance {}", v.svname.view(), v.flags,
		  v.stripe_index, v.instance);
}

void show(cfs::FormatSink &out, const wire::NiobufRemote &v) noexcept
{
	out.print("{:#x}+{:#x} flags {:#x}", v.offset, v.len, v.flags);
}

void show(cfs::FormatSink &out, const wire::ObdConnectData &v) noexcept
{
	out.print("flags {:#x} {:#x} version {:#x} grant {} brw {}", v.connect_flags,
		  v.connect_flags2, v.version, v.grant, v.brw_size);
}

void show(cfs::FormatSink &out, const wire::ObdIoobj &v) noexcept
{
	out.print("object {} max_brw {:#x} bufcnt {}", v.oid, v.max_brw, v.bufcnt);
}

void show(cfs::FormatSink &out, const wire::ObdQuotactl &v) noexcept
{
	out.print("cmd {:#x} type {} id {}", v.cmd.raw(), v.type.raw(), v.id);
}

void show(cfs::FormatSink &out, const wire::ObdStatfs &v) noexcept
{
	out.print("blocks {} free {} avail {} files {} free {} bsize {} state {:#x}", v.blocks,
		  v.bfree, v.bavail, v.files, v.ffree, v.bsize, v.state);
}

void show(cfs::FormatSink &out, const wire::OstBody &v) noexcept
{
	out.print("object {} valid {:#x} flags {:#x} size {}", v.oa.oi, v.oa.valid, v.oa.flags,
		  v.oa.size);
}

void show(cfs::FormatSink &out, const wire::QuotaBody &v) noexcept
{
	out.print("index {} id {} flags {:#x} count {}", v.fid, v.id.uid, v.flags, v.count);
}

void show(cfs::FormatSink &out, const wire::SeqRange &v) noexcept
{
	out.print("[{:#x},{:#x}) index {} flags {}", v.start, v.end, v.index, v.flags);
}

} // namespace rpc
