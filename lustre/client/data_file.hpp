// SPDX-License-Identifier: GPL-2.0
//
// How the data of a file is put together: its layout in use (FileMap), I/O in progress (FileIo),
// the class behind FileData. Private to this folder.
//
// Locks. `lock_` guards which map is in use and who uses it; it is held shortly. `size_lock_` is
// held while the sizes of the objects are put together and the inode is told, and while one of them
// grows, so that an older sum never replaces a newer.
#pragma once

#include "client/data_batch.hpp"
#include "client/osc.hpp"
#include "wire/print.hpp"

namespace client
{

/// Of a file of any length.
inline constexpr u64 kLastPage = ~u64{0} >> CFS_PAGE_SHIFT;

class FileDataImpl;

/// An object of the file.
struct Stripe {
	cfs::RefPtr<OscObject> object; ///< null: its OST is not there, or the object is not
	const Component *comp = nullptr;
	StripeObject id{};
	u32 index = 0; ///< in its component

	/// What it has of a range of the file.
	[[nodiscard]] std::optional<Range> part(Range file) const noexcept
	{
		Range r{std::max(file.start, comp->extent.start),
			std::min(file.end, comp->extent.end)};
		return comp->stripes.object_range(index, r);
	}
	/// Everything it can ever have, as a lock says it.
	[[nodiscard]] ldlm::Extent share() const noexcept;
	/// The size of the file as this object alone tells it.
	[[nodiscard]] u64 file_size(u64 object_size) const noexcept
	{
		return std::min(comp->stripes.file_size(index, object_size), comp->extent.end);
	}
};

/// Where a byte of the file lies.
struct Place {
	u32 slot = 0;	     ///< the stripe; none when there are no objects there
	u64 offset = 0;	     ///< in the object
	u64 until = 0;	     ///< the file goes on in this object to here
	bool exists = false; ///< there is an object
	bool inside = false; ///< of the layout
};

/// A layout in use. Never changes.
struct FileMap : cfs::RefCounted<FileMap> {
	static constexpr cfs_subsys kSubsys = CFS_S_LOV;

	cfs::RefPtr<const Layout> layout;
	cfs::Array<Stripe> stripes; ///< by component, in the order of the file
	/// The first stripe of each component; 0 stripes when it is not instantiated.
	struct Part {
		const Component *comp = nullptr;
		u32 first = 0, count = 0;
	};
	cfs::Array<Part> parts;
	cfs::Errno unsupported{}; ///< why no data call works

	[[nodiscard]] Place at(u64 offset) const noexcept;
};

class FileIo final : public ::lustre_io
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	FileIo(FileDataImpl &f, lustre_io_kind k) noexcept : file(f), kind(k) {}

	FileDataImpl &file;
	lustre_io_kind kind;
	cfs::RefPtr<FileMap> map;
	cfs::Array<ldlm::LockUse> uses;
	ldlm::LockUse one; ///< instead of the array, for I/O in a single object
	/// How far an object goes with the page that found no grant; 0: none.
	u64 unclaimed = 0;
};

class FileDataImpl final : public FileData, private ObjectUser, private BrwUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;
	/// A piece of I/O takes locks of at most so many objects, but for appends.
	static constexpr u32 kStripesPerIo = 16;
	/// Rounds of asking the owner for objects before it counts as not answering.
	static constexpr unsigned kLayoutTries = 8;

	FileDataImpl(class DataSpaceImpl &space, const wire::Fid &fid, vfs_inode *vi,
		     FileOwner &owner) noexcept
	    : space_(space), fid_(fid), vi_(vi), owner_(owner)
	{
	}
	~FileDataImpl() = default;
	void destroy() noexcept override;

	Result<> set_layout(cfs::RefPtr<const Layout> layout) noexcept override;
	cfs::RefPtr<const Layout> layout() noexcept override;

	Result<lustre_io *> io_begin(lustre_io_kind kind, u64 pos, u64 len, bool nonblock,
				     lustre_io_range &got) noexcept override;
	void end(FileIo *io) noexcept;
	void read_pages(u64 index, std::span<cfs_page *const> pages) noexcept override;
	unsigned readahead(u64 index, unsigned asked) noexcept override;
	Result<> dirty(FileIo &io, u64 index, u32 to) noexcept;
	Result<> write_one(FileIo &io, u64 index, cfs_page *page, u32 len) noexcept;
	void page_clean(u64 index) noexcept override;
	void grown(FileIo &io, u64 size) noexcept;
	void write_pages(u64 index, std::span<cfs_page *const> pages, u64 size,
			 u32 flags) noexcept override;
	void write_kick() noexcept override;
	Result<u64> direct_io(bool write, u64 pos, std::span<const cfs_bvec> pieces,
			      u64 len) noexcept override;

	Result<> sync(u64 start, u64 end) noexcept override;
	Result<> take_error() noexcept override;
	Result<> truncate(u64 size, std::int64_t mtime, std::int64_t ctime) noexcept override;
	Result<> set_times(const lustre_attr &attr) noexcept override;
	Result<DataAttr> attributes(bool cached) noexcept override;
	Result<> fallocate(u32 mode, u64 pos, u64 len) noexcept override;
	Result<u64> seek(u64 pos, bool hole) noexcept override;

private:
	// ObjectUser
	Result<> flush_object(OscObject &object, ldlm::Extent bytes) noexcept override;
	void drop_object(OscObject &object, ldlm::Extent bytes) noexcept override;
	void inode_times(ObjectAttr &attr) noexcept override;
	void lost_data() noexcept override;
	// BrwUser: of pages in the cache.
	void brw_done(Brw &brw, Result<> r) noexcept override;

	// ---- the layout in use ----
	/// The map, counted as used until leave(). Waits while it changes.
	Result<cfs::RefPtr<FileMap>> enter() noexcept;
	void leave() noexcept;
	/// The same for a range that is to be written, or truncated: with objects for all of it.
	Result<cfs::RefPtr<FileMap>> enter_for_write(Range r, bool truncate) noexcept;
	/// The map as it is now; null: none.
	[[nodiscard]] cfs::RefPtr<FileMap> map() noexcept;
	Result<cfs::RefPtr<FileMap>> make_map(cfs::RefPtr<const Layout> layout) noexcept;
	Result<> attach_all(FileMap *fresh, const FileMap *old) noexcept;
	/// Whether every object of `old` is in `fresh`, for the same bytes of the file.
	static bool extends(const FileMap &old, const FileMap &fresh) noexcept;
	[[nodiscard]] static bool has_object(const FileMap *m, const OscObject *o) noexcept;
	/// The file's pages that lie in these bytes of an object, as one range.
	[[nodiscard]] static Range file_range(const Stripe &s, ldlm::Extent bytes) noexcept;
	/// f(stripe, first page, last page) for what bytes of an object are in the file.
	static void kick(FileMap &m) noexcept;
	template <typename F>
	void for_each_range(OscObject &object, ldlm::Extent bytes, F f) noexcept;

	// ---- I/O ----
	Result<> begin_in(FileIo &io, u64 pos, u64 len, bool nonblock,
			  lustre_io_range &got) noexcept;
	Result<> begin_read(FileIo &io, u64 pos, u64 len, bool nonblock,
			    lustre_io_range &got) noexcept;
	Result<> begin_write(FileIo &io, u64 pos, u64 len, bool nonblock,
			     lustre_io_range &got) noexcept;
	Result<> begin_append(FileIo &io, u64 len, bool nonblock, lustre_io_range &got) noexcept;
	[[nodiscard]] static u64 piece_end(const FileMap &m, u64 pos, u64 len) noexcept;
	Result<> lock_range(FileIo &io, Range r, ldlm::Mode mode, u64 flags,
			    bool nonblock) noexcept;
	Result<> make_room(const FileMap &m, u64 pos, u64 len) noexcept;
	[[nodiscard]] FileIdent ident(const Stripe &s) noexcept;
	[[nodiscard]] u32 user_flags() noexcept;

	// ---- pages ----
	void read_run(FileMap &m, const Place &p, u64 index,
		      std::span<cfs_page *const> pages) noexcept;
	void pages_read(std::span<cfs_page *const> pages, int status) noexcept;
	void pages_written(std::span<cfs_page *const> pages, int status) noexcept;
	void gather(FileMap &m, const Place &p, cfs_page *page, u64 size, u32 flags) noexcept;
	void send_read(Stripe &s, ldlm::LockUse use, u64 offset, u64 index,
		       std::span<cfs_page *const> pages) noexcept;
	Result<u64> direct_in(FileIo &io, bool write, u64 pos, std::span<const cfs_bvec> pieces,
			      u64 len) noexcept;
	Result<> direct_run(FileMap &m, const Place &p, bool write, bool server_locks,
			    std::span<const cfs_bvec> pieces, u64 file_pos, BrwWait &wait) noexcept;

	Result<> truncate_in(FileIo &io, u64 size, std::int64_t mtime, std::int64_t ctime) noexcept;
	Result<> punch(FileMap &m, u64 size, std::int64_t mtime, std::int64_t ctime) noexcept;
	Result<> fallocate_in(FileIo &io, u32 mode, Range r) noexcept;
	Result<u64> seek_in(FileIo &io, u64 pos, bool hole) noexcept;
	Result<u64> seek_object(Stripe &s, u64 pos, bool hole) noexcept;

	// ---- sizes ----
	/// The largest size of the file that the objects' known minimum sizes justify.
	[[nodiscard]] static u64 known_size(const FileMap &m) noexcept;
	/// Brings the inode's size up to date after locks were taken. size_lock_ taken inside.
	void refresh_size(const FileMap &m) noexcept;
	[[nodiscard]] static bool exact_size(const FileMap &m, u64 &size) noexcept;
	/// Asks the OSTs for what locks do not tell: only about the size, or times too.
	Result<DataAttr> glimpse(FileMap &m, bool size_only) noexcept;
	Result<ldlm::ClientLockPtr> glimpse_send(Stripe &s, Batch &batch, std::size_t i) noexcept;
	Result<> glimpse_take(Stripe &s, ldlm::ClientLock &lock, Batch &batch,
			      std::size_t i) noexcept;
	DataAttr merge(const FileMap &m, bool tell_inode) noexcept;
	void set_inode_size(u64 size) noexcept CFS_REQUIRES(size_lock_);
	[[nodiscard]] u64 inode_size() noexcept;

	class DataSpaceImpl &space_;
	wire::Fid fid_;
	vfs_inode *vi_;
	FileOwner &owner_;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("file data")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("file data wait")};
	cfs::RefPtr<FileMap> map_ CFS_GUARDED_BY(lock_);
	u32 inside_ CFS_GUARDED_BY(lock_) = 0;
	bool changing_ CFS_GUARDED_BY(lock_) = false;
	cfs::Errno error_ CFS_GUARDED_BY(lock_){};
	std::atomic<bool> privileged_{false}; ///< the last writer had CAP_SYS_RESOURCE

	cfs::Mutex size_lock_{CFS_LOCK_CLASS("file size")};
};

} // namespace client
