// SPDX-License-Identifier: GPL-2.0
//
// Open files of the hosted VFS.
#include <fcntl.h>

#include <cstring>

#include "client/host/vfs_impl.hpp"

namespace client::host
{

namespace
{

class FileImpl final : public File
{
	VfsImpl &vfs_;
	Ref inode_;
	lustre_open *o_;
	int flags_;

	[[nodiscard]] vfs_inode &vi() noexcept { return *inode_.get(); }

	cfs::Result<> write_pieces(lustre_io_kind kind, std::uint64_t &pos,
				   cfs::Bytes from) noexcept
	{
		bool first = true;
		std::uint64_t at = pos;
		while (!from.empty()) {
			lustre_io_range got{};
			lustre_io *io = nullptr;
			TRY(cfs::to_result(
				lustre_io_begin(o_, kind, at, from.size(), false, &got, &io)));
			if (std::exchange(first, false))
				pos = got.pos;
			at = got.pos;
			std::size_t n = std::min<std::uint64_t>(got.len, from.size());
			auto r = write_through(vi(), io, at, from.first(n));
			lustre_io_end(io);
			TRY(r);
			if (n == 0)
				return cfs::fail(cfs::err::IO);
			from = from.subspan(n);
			at += n;
		}
		return {};
	}
	/// What the cache has of a range is written, and dropped for a write.
	cfs::Result<> prepare_direct(std::uint64_t pos, std::size_t len, bool write) noexcept
	{
		std::uint64_t first = pos / CFS_PAGE_SIZE, last = (pos + len - 1) / CFS_PAGE_SIZE;
		TRY(cfs::to_result(vfs_pages_flush(&vi(), first, last)));
		if (write)
			vfs_pages_drop(&vi(), first, last);
		return {};
	}
	cfs::Result<std::size_t> direct(bool write, std::uint64_t pos, std::byte *mem,
					std::size_t len) noexcept;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	FileImpl(VfsImpl &vfs, Ref inode, lustre_open *o, int flags) noexcept
	    : vfs_(vfs), inode_(std::move(inode)), o_(o), flags_(flags)
	{
		vfs_.file_opened();
	}

	cfs::Result<std::size_t> read(std::uint64_t pos, cfs::MutBytes to) noexcept override
	{
		std::size_t total = 0;
		while (!to.empty()) {
			lustre_io_range got{};
			lustre_io *io = nullptr;
			TRY(cfs::to_result(lustre_io_begin(o_, LUSTRE_IO_READ, pos, to.size(),
							   false, &got, &io)));
			std::size_t n = std::min<std::uint64_t>(got.len, to.size());
			cfs::Result<> r;
			if (n)
				r = read_through(vi(), o_, pos, to.first(n));
			lustre_io_end(io);
			TRY(r);
			if (n == 0)
				break;
			to = to.subspan(n);
			pos += n;
			total += n;
		}
		return total;
	}
	cfs::Result<std::size_t> write(std::uint64_t pos, cfs::Bytes from) noexcept override
	{
		cfs::MutexGuard g(vi().write_lock);
		std::uint64_t where = pos;
		auto kind = flags_ & O_APPEND ? LUSTRE_IO_APPEND : LUSTRE_IO_WRITE;
		TRY(write_pieces(kind, where, from));
		return from.size();
	}
	cfs::Result<std::uint64_t> append(cfs::Bytes from) noexcept override
	{
		cfs::MutexGuard g(vi().write_lock);
		std::uint64_t where = 0;
		TRY(write_pieces(LUSTRE_IO_APPEND, where, from));
		return where;
	}
	cfs::Result<std::size_t> direct_read(std::uint64_t pos, cfs::MutBytes to) noexcept override
	{
		TRY(prepare_direct(pos, to.size(), false));
		return direct(false, pos, to.data(), to.size());
	}
	cfs::Result<std::size_t> direct_write(std::uint64_t pos, cfs::Bytes from) noexcept override
	{
		cfs::MutexGuard g(vi().write_lock);
		TRY(prepare_direct(pos, from.size(), true));
		return direct(true, pos, const_cast<std::byte *>(from.data()), from.size());
	}
	cfs::Result<> truncate(std::uint64_t size) noexcept override
	{
		cfs::MutexGuard g(vi().write_lock);
		lustre_attr a{};
		a.valid =
			LUSTRE_ATTR_SIZE | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME | LUSTRE_ATTR_FILE;
		a.size = size;
		a.mtime = a.ctime = vfs_now();
		return cfs::to_result(lustre_setattr(vi().core, o_, &a));
	}
	cfs::Result<> fsync(bool data_only) noexcept override
	{
		cfs::Result<> first = cfs::to_result(vfs_pages_flush(&vi(), 0, ~std::uint64_t{0}));
		auto noted = take_sync_error(vi());
		auto core = cfs::to_result(lustre_fsync(o_, 0, ~std::uint64_t{0}, data_only));
		return !first ? first : !noted ? noted : core;
	}
	cfs::Result<> fallocate(std::uint32_t mode, std::uint64_t pos,
				std::uint64_t len) noexcept override
	{
		cfs::MutexGuard g(vi().write_lock);
		return cfs::to_result(lustre_fallocate(o_, mode, pos, len));
	}
	cfs::Result<std::uint64_t> seek(std::uint64_t pos, bool hole) noexcept override
	{
		std::int64_t r = lustre_seek(o_, pos, hole);
		if (r < 0)
			return cfs::fail(cfs::Errno{static_cast<int>(-r)});
		return static_cast<std::uint64_t>(r);
	}
	cfs::Result<Stat> stat() noexcept override { return vfs_.stat_of(&vi()); }
	cfs::Result<std::vector<DirEntry>> readdir(std::uint64_t *pos, std::size_t max,
						   bool narrow) noexcept override
	{
		struct Ctx {
			std::vector<DirEntry> list;
			std::size_t max;
		} ctx{{}, max};
		auto emit = [](void *c, const char *name, std::size_t n, std::uint64_t at,
			       std::uint64_t ino, unsigned type) {
			auto *x = static_cast<Ctx *>(c);
			if (x->list.size() == x->max)
				return false;
			x->list.push_back({std::string(name, n), ino, at, type});
			return true;
		};
		TRY(cfs::to_result(lustre_readdir(o_, pos, narrow, emit, &ctx)));
		return std::move(ctx.list);
	}
	cfs::Result<> lock(std::uint64_t owner, unsigned type, std::uint64_t start,
			   std::uint64_t end, bool wait) noexcept override
	{
		struct lustre_flock l{
			owner, start, end, cfs_thread_pid(), static_cast<std::uint8_t>(type), wait};
		return cfs::to_result(lustre_flock(o_, &l));
	}
	cfs::Result<struct lustre_flock>
	test_lock(const struct lustre_flock &wanted) noexcept override
	{
		struct lustre_flock l = wanted;
		TRY(cfs::to_result(lustre_flock_test(o_, &l)));
		return l;
	}
	cfs::Result<long> ioctl(unsigned cmd, void *arg) noexcept override
	{
		long r = lustre_ioctl(vi().core, o_, cmd, reinterpret_cast<std::uint64_t>(arg));
		if (r < 0)
			return cfs::fail(cfs::Errno{static_cast<int>(-r)});
		return r;
	}
	cfs::Result<> close() noexcept override
	{
		if (!o_)
			return {};
		auto r = cfs::to_result(lustre_flush(o_));
		lustre_close(std::exchange(o_, nullptr));
		return r;
	}
	void destroy() noexcept override
	{
		(void)close();
		VfsImpl &vfs = vfs_;
		this->~FileImpl();
		cfs_free(kSubsys, this, sizeof(*this));
		vfs.file_closed();
	}
};

/// Pages of memory that is the caller's, by way of copies: hosted memory has no pages.
struct Bounce {
	std::vector<cfs_bvec> pieces;
	explicit Bounce(std::size_t n) noexcept : pieces(n)
	{
		for (cfs_bvec &v : pieces) {
			v.page = cfs_page_alloc(CFS_S_LLITE, CFS_ALLOC_ZERO | CFS_ALLOC_NOFAULT);
			CFS_ASSERT(v.page);
			v.len = CFS_PAGE_SIZE;
			v.offset = 0;
		}
	}
	~Bounce()
	{
		for (cfs_bvec &v : pieces)
			cfs_page_free(CFS_S_LLITE, v.page);
	}
	void copy(std::byte *mem, bool in) noexcept
	{
		for (cfs_bvec &v : pieces) {
			void *p = cfs_page_map(v.page);
			std::memcpy(in ? p : mem, in ? mem : p, CFS_PAGE_SIZE);
			cfs_page_unmap(p);
			mem += CFS_PAGE_SIZE;
		}
	}
};

cfs::Result<std::size_t> FileImpl::direct(bool write, std::uint64_t pos, std::byte *mem,
					  std::size_t len) noexcept
{
	if ((pos | len) % CFS_PAGE_SIZE || len == 0)
		return cfs::fail(cfs::err::INVAL);
	Bounce b(len / CFS_PAGE_SIZE);
	if (write)
		b.copy(mem, true);
	long n = lustre_direct_io(o_, write, pos, b.pieces.data(),
				  static_cast<unsigned>(b.pieces.size()), len);
	if (n < 0)
		return cfs::fail(cfs::Errno{static_cast<int>(-n)});
	if (!write)
		b.copy(mem, false);
	return static_cast<std::size_t>(n);
}

} // namespace

FilePtr make_file(VfsImpl &vfs, Ref inode, lustre_open *o, int flags) noexcept
{
	// A kernel has made its file before it asks us to open one.
	auto f = cfs::try_make_flags<FileImpl>(CFS_ALLOC_NOFAULT, vfs, std::move(inode), o, flags);
	CFS_ASSERT(f.has_value());
	return FilePtr(f->release());
}

} // namespace client::host
