// SPDX-License-Identifier: GPL-2.0
//
// Reading directories.
#include "client/dir.hpp"

#include "client/mount_impl.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

// ---- pages ----

Result<bool> DirPageWalker::next(DirItem &out) noexcept
{
	while (!end_) {
		auto entry = cfs::view_at<LuDirent>(page_, at_);
		if (!entry)
			return cfs::fail(PROTO);
		const LuDirent &e = **entry;
		std::size_t name_at = at_ + sizeof(LuDirent);
		std::size_t n = e.namelen.get();
		std::size_t len = e.reclen.get();
		if (n > page_.size() - name_at ||
		    (len && (len < sizeof(LuDirent) + n || len > page_.size() - at_)))
			return cfs::fail(PROTO);
		out.fid = e.fid;
		out.hash = e.hash.get();
		out.name = {reinterpret_cast<const char *>(page_.data() + name_at), n};
		out.type = 0;
		std::size_t type_at = name_at + ((n + 1) & ~std::size_t{1});
		if (e.attrs.get() & LUDA_TYPE)
			if (auto t = cfs::view_at<LudaType>(page_, type_at))
				out.type = (*t)->type.get();
		at_ += len;
		end_ = len == 0;
		if (n)
			return true;
	}
	return false;
}

// ---- the cache ----

cfs::RefPtr<DirChunk> DirCache::find(u64 hash) noexcept
{
	cfs::SpinGuard g(lock_);
	for (DirChunk &c : chunks_)
		if (hash >= c.start && hash < c.end)
			return cfs::RefPtr<DirChunk>::share(&c);
	return nullptr;
}

void DirCache::add(const cfs::RefPtr<DirChunk> &chunk) noexcept
{
	cfs::List<DirChunk, &DirChunk::in_cache> out;
	{
		cfs::SpinGuard g(lock_);
		while (!chunks_.empty() && pages_ + chunk->count() > kPagesMax) {
			DirChunk &old = chunks_.front();
			pages_ -= old.count();
			chunks_.pop_front();
			out.push_back(old);
		}
		pages_ += chunk->count();
		chunk->get();
		chunks_.push_back(*chunk);
	}
	out.clear_and_dispose([](DirChunk *c) { c->put(); });
}

void DirCache::drop() noexcept
{
	cfs::List<DirChunk, &DirChunk::in_cache> out;
	{
		cfs::SpinGuard g(lock_);
		out.swap(chunks_);
		pages_ = 0;
	}
	out.clear_and_dispose([](DirChunk *c) { c->put(); });
}

// ---- reading ----

namespace
{

/// Pages of one request: what stock asks for.
constexpr std::size_t kReadPages = 256;

Result<cfs::RefPtr<DirChunk>> read_chunk(Mdc &mdc, const Fid &dir, u64 hash) noexcept
{
	std::size_t most = kReadPages;
	if (mdc.import().has_flag(OBD_CONNECT_BRW_SIZE)) {
		std::size_t granted = mdc.import().granted().brw_size.get() / LU_PAGE_SIZE;
		if (granted && granted < most)
			most = granted;
	}
	auto room = TRY(cfs::Array<std::byte>::make(CFS_S_LLITE, most * LU_PAGE_SIZE));
	std::size_t n = TRY(mdc.readpage(Caller::here(), dir, hash, room));
	auto chunk = TRY(cfs::try_make_ref<DirChunk>());
	chunk->pages = TRY(cfs::Array<std::byte>::make(CFS_S_LLITE, n * LU_PAGE_SIZE));
	__builtin_memcpy(chunk->pages.data(), room.data(), n * LU_PAGE_SIZE);
	chunk->start = hash;
	chunk->end = DirPageWalker(chunk->page(n - 1)).head().hash_end.get();
	// A chain of equal hashes that is longer than everything that came would never end.
	if (chunk->end <= hash) {
		CERROR(CFS_S_LLITE, "directory {}: pages from {:#x} on end at {:#x}", dir, hash,
		       chunk->end);
		return cfs::fail(IO);
	}
	return chunk;
}

unsigned dt_type(u32 mode) noexcept
{
	return (mode & 0170000) >> 12;
}

} // namespace

Result<cfs::RefPtr<DirChunk>> Inode::dir_chunk(u64 hash) noexcept
{
	if (auto c = dir_.find(hash))
		return c;
	auto use = TRY(mount_.mdc().lock_dir(fid_));
	adopt(*use, false);
	auto chunk = TRY(read_chunk(mount_.mdc(), fid_, hash));
	dir_.add(chunk);
	return chunk;
}

namespace
{

/// Gives a reader what a chunk has from a position on; where to go on, or nothing when it is full.
struct Emitter {
	DirReader &reader;
	bool narrow;
	bool shift; ///< narrow positions are the upper half of a hash
	lustre_dirent_fn emit;
	void *ctx;

	[[nodiscard]] u64 position(u64 hash) const noexcept { return shift ? hash >> 32 : hash; }
	/// False when the reader is full; `at` is where to go on then.
	[[nodiscard]] Result<bool> chunk(const DirChunk &c, u64 from, u64 &at) noexcept
	{
		u64 last = from;
		u32 same = 0; // entries with hash `last` that were met
		for (std::size_t p = 0; p < c.count(); p++) {
			DirPageWalker walk(c.page(p));
			DirItem e;
			while (TRY(walk.next(e))) {
				if (e.hash < from)
					continue;
				same = e.hash == last ? same + 1 : 1;
				last = e.hash;
				bool had = e.hash == reader.hash && same <= reader.emitted;
				if (had)
					continue;
				if (!one(e)) {
					at = e.hash;
					return false;
				}
				reader.hash = e.hash;
				reader.emitted = same;
			}
		}
		at = c.end;
		return true;
	}
	[[nodiscard]] bool one(const DirItem &e) const noexcept
	{
		u64 ino = narrow ? ino32_of(e.fid) : ino_of(e.fid);
		return emit(ctx, e.name.data(), e.name.size(), position(e.hash), ino,
			    dt_type(e.type));
	}
};

} // namespace

Result<> Inode::readdir(DirReader &reader, u64 *pos, bool narrow, lustre_dirent_fn emit,
			void *ctx) noexcept
{
	narrow = narrow || mount_.options().has(MountSwitch::api32);
	bool shift = narrow && mount_.mdt().has_flag(OBD_CONNECT_64BITHASH);
	u64 finish = narrow ? kDirEndNarrow : kDirEnd;
	if (*pos == finish)
		return {};
	u64 hash = shift ? *pos << 32 : *pos;
	// A narrow position names only the upper half of where the reader is.
	bool here = shift ? *pos && hash == (reader.hash >> 32 << 32) : hash == reader.hash;
	// Somebody has moved the position: nothing is left out.
	if (!here)
		reader = {};
	else
		hash = reader.hash;
	Emitter out{reader, narrow, shift, emit, ctx};
	while (hash != MDS_DIR_END_OFF) {
		auto chunk = TRY(dir_chunk(hash));
		if (!TRY(out.chunk(*chunk, hash, hash))) {
			*pos = out.position(hash);
			if (reader.hash != hash)
				reader = {hash, 0};
			return {};
		}
	}
	*pos = finish;
	return {};
}

} // namespace client
