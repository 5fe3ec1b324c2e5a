// SPDX-License-Identifier: GPL-2.0
//
// Directory pages as MDS_READPAGE brings them (spec 04 section 12): checked walking, and the cache
// of those of one directory, which is true while the client holds UPDATE on it.
//
// A chunk is what one request brought: a run of pages that begins with the position asked for.
// Pages come from a peer, so nothing in them is believed: an entry that does not fit its page ends
// the walk with err::PROTO.
#pragma once

#include "client/ident.hpp"
#include "libcfs/bytes.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "wire/page.hpp"

namespace client
{

using cfs::Result;

/// One entry of a page.
struct DirItem {
	wire::Fid fid{};
	u64 hash = 0;
	std::string_view name;
	u32 type = 0; ///< S_IFMT bits, 0 when not told
};

/// Walks one page of 4096 bytes.
class DirPageWalker
{
	cfs::Bytes page_;
	std::size_t at_ = sizeof(wire::LuDirpage);
	bool end_ = false;

public:
	explicit DirPageWalker(cfs::Bytes page) noexcept : page_(page)
	{
		end_ = (head().flags.get() & wire::LDF_EMPTY) != 0;
	}
	[[nodiscard]] const wire::LuDirpage &head() const noexcept
	{
		return *reinterpret_cast<const wire::LuDirpage *>(page_.data());
	}
	/// False at the end of the page. err::PROTO.
	[[nodiscard]] Result<bool> next(DirItem &out) noexcept;
};

class DirChunk final : public cfs::RefCounted<DirChunk>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	cfs::Array<std::byte> pages;
	u64 start = 0; ///< the position asked for
	u64 end = 0;   ///< where the next one begins; wire::MDS_DIR_END_OFF: nowhere
	cfs::ListHook in_cache;

	[[nodiscard]] std::size_t count() const noexcept
	{
		return pages.size() / wire::LU_PAGE_SIZE;
	}
	[[nodiscard]] cfs::Bytes page(std::size_t i) const noexcept
	{
		return cfs::Bytes(pages.data(), pages.size())
			.subspan(i * wire::LU_PAGE_SIZE, wire::LU_PAGE_SIZE);
	}
};

/// The chunks of a directory that are kept.
class DirCache
{
	/// Pages of one directory that are kept at most; older chunks go first.
	static constexpr std::size_t kPagesMax = 4096;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("client dir cache")};
	cfs::List<DirChunk, &DirChunk::in_cache> chunks_ CFS_GUARDED_BY(lock_);
	std::size_t pages_ CFS_GUARDED_BY(lock_) = 0;

public:
	~DirCache() { drop(); }
	/// The chunk that has this position, or null.
	[[nodiscard]] cfs::RefPtr<DirChunk> find(u64 hash) noexcept;
	void add(const cfs::RefPtr<DirChunk> &chunk) noexcept;
	void drop() noexcept;
};

/// Where one reader of a directory is, beyond what a position can say: entries with equal hashes
/// share one.
struct DirReader {
	u64 hash = 0;
	u32 emitted = 0; ///< entries with this hash that the reader has had
};

/// Positions as user space sees them (spec 06 section 12).
inline constexpr u64 kDirEnd = 0x7fffffffffffffff;
inline constexpr u64 kDirEndNarrow = 0x7fffffff;

} // namespace client
