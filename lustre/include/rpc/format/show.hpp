// SPDX-License-Identifier: GPL-2.0
//
// How the structures of messages are shown in traces: the few fields one looks at first. show() is
// declared here for those that have something to tell; all others are shown by their length alone.
// show.cpp has the definitions.
#pragma once

#include "libcfs/bytes.hpp"
#include "libcfs/format.hpp"
#include "wire/types.hpp"

namespace wire
{
struct CloseData;
struct Fid;
struct Fid2pathKey;
struct GetinfoFid2path;
struct IdxInfo;
struct LayoutIntent;
struct LdlmIntent;
struct LdlmReply;
struct LdlmRequest;
struct LlFiemapInfoKey;
struct LlogdBody;
struct LlogLogHdr;
struct MdtBody;
struct MdtIoepoch;
struct MdtRecCreate;
struct MdtRecLink;
struct MdtRecReint;
struct MdtRecRename;
struct MdtRecResync;
struct MdtRecSetattr;
struct MdtRecSetxattr;
struct MdtRecUnlink;
struct MgsConfigBody;
struct MgsConfigRes;
struct MgsTargetInfo;
struct NiobufRemote;
struct ObdConnectData;
struct ObdIoobj;
struct ObdQuotactl;
struct ObdStatfs;
struct OstBody;
struct QuotaBody;
struct SeqRange;
} // namespace wire

namespace rpc
{

void show(cfs::FormatSink &out, const wire::CloseData &v) noexcept;
void show(cfs::FormatSink &out, const wire::Fid &v) noexcept;
void show(cfs::FormatSink &out, const wire::Fid2pathKey &v) noexcept;
void show(cfs::FormatSink &out, const wire::GetinfoFid2path &v) noexcept;
void show(cfs::FormatSink &out, const wire::IdxInfo &v) noexcept;
void show(cfs::FormatSink &out, const wire::LayoutIntent &v) noexcept;
void show(cfs::FormatSink &out, const wire::LdlmIntent &v) noexcept;
void show(cfs::FormatSink &out, const wire::LdlmReply &v) noexcept;
void show(cfs::FormatSink &out, const wire::LdlmRequest &v) noexcept;
void show(cfs::FormatSink &out, const wire::LlFiemapInfoKey &v) noexcept;
void show(cfs::FormatSink &out, const wire::LlogdBody &v) noexcept;
void show(cfs::FormatSink &out, const wire::LlogLogHdr &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtBody &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtIoepoch &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecCreate &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecLink &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecReint &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecRename &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecResync &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecSetattr &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecSetxattr &v) noexcept;
void show(cfs::FormatSink &out, const wire::MdtRecUnlink &v) noexcept;
void show(cfs::FormatSink &out, const wire::MgsConfigBody &v) noexcept;
void show(cfs::FormatSink &out, const wire::MgsConfigRes &v) noexcept;
void show(cfs::FormatSink &out, const wire::MgsTargetInfo &v) noexcept;
void show(cfs::FormatSink &out, const wire::NiobufRemote &v) noexcept;
void show(cfs::FormatSink &out, const wire::ObdConnectData &v) noexcept;
void show(cfs::FormatSink &out, const wire::ObdIoobj &v) noexcept;
void show(cfs::FormatSink &out, const wire::ObdQuotactl &v) noexcept;
void show(cfs::FormatSink &out, const wire::ObdStatfs &v) noexcept;
void show(cfs::FormatSink &out, const wire::OstBody &v) noexcept;
void show(cfs::FormatSink &out, const wire::QuotaBody &v) noexcept;
void show(cfs::FormatSink &out, const wire::SeqRange &v) noexcept;

/// Numbers and typed numbers as such.
template <typename T, std::endian O>
void show(cfs::FormatSink &out, const cfs::Fixed<T, O> &v) noexcept
{
	out.print("{:#x}", v);
}
template <typename E>
void show(cfs::FormatSink &out, const wire::Le<E> &v) noexcept
{
	out.print("{:#x}", v.raw());
}

/// Shows the first T of a buffer that holds one, if there is a show() for it.
template <typename T>
void show_as(cfs::FormatSink &out, cfs::Bytes buffer) noexcept
{
	if constexpr (requires(const T &v) { show(out, v); }) {
		if (buffer.size() >= sizeof(T))
			show(out, *reinterpret_cast<const T *>(buffer.data()));
	}
}

/// Shows text that came from outside, escaped and cut.
void show_text(cfs::FormatSink &out, cfs::Bytes buffer) noexcept;

} // namespace rpc
