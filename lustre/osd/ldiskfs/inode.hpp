// SPDX-License-Identifier: GPL-2.0
//
// Owners of what the glue hands out: a reference to an inode, and an inode as a file of blocks.
#pragma once

#include "glue.h"
#include "iam.hpp"
#include "libcfs/result.hpp"

namespace osd::ldiskfs
{

/// A reference to an inode. May be dropped anywhere, in a transaction too.
class InodeRef
{
	ldi_fs *fs_ = nullptr;
	ldi_inode *i_ = nullptr;

public:
	InodeRef() = default;
	/// Takes over a reference.
	InodeRef(ldi_fs *fs, ldi_inode *i) noexcept : fs_(fs), i_(i) {}
	InodeRef(InodeRef &&o) noexcept : fs_(o.fs_), i_(std::exchange(o.i_, nullptr)) {}
	InodeRef &operator=(InodeRef &&o) noexcept
	{
		reset();
		fs_ = o.fs_;
		i_ = std::exchange(o.i_, nullptr);
		return *this;
	}
	~InodeRef() { reset(); }
	void reset() noexcept
	{
		if (ldi_inode *i = std::exchange(i_, nullptr))
			ldi_iput(fs_, i);
	}
	[[nodiscard]] InodeRef share() const noexcept
	{
		return i_ ? InodeRef(fs_, ldi_igrab(i_)) : InodeRef();
	}
	[[nodiscard]] ldi_inode *get() const noexcept { return i_; }
	explicit operator bool() const noexcept { return i_ != nullptr; }

	/// err::NOENT: no inode in use has this number (and generation, unless that is 0).
	[[nodiscard]] static cfs::Result<InodeRef> find(ldi_fs *fs, std::uint32_t ino,
							std::uint32_t generation) noexcept
	{
		ldi_inode *i = nullptr;
		auto r = cfs::to_result(ldi_iget(fs, ino, generation, &i));
		if (!r && (r.error() == cfs::err::STALE || r.error() == cfs::err::NOENT))
			return cfs::fail(cfs::err::NOENT);
		if (!r)
			return cfs::fail(r.error());
		return InodeRef(fs, i);
	}
};

/// The blocks of an inode, journalled.
class InodeBlocks final : public BlockFile
{
	ldi_inode *i_;
	std::uint32_t bytes_;

	static ldi_buf *buf(void *cookie) noexcept { return static_cast<ldi_buf *>(cookie); }
	Block wrap(ldi_buf *b) noexcept
	{
		return Block(this, b, static_cast<std::byte *>(ldi_data(b)));
	}

public:
	/// The inode must outlive it.
	InodeBlocks(ldi_inode *i, std::uint32_t block_bytes) noexcept : i_(i), bytes_(block_bytes)
	{
	}
	[[nodiscard]] std::uint32_t block_bytes() const noexcept override { return bytes_; }
	[[nodiscard]] std::uint32_t blocks() const noexcept override
	{
		return static_cast<std::uint32_t>(ldi_size(i_) / bytes_);
	}
	cfs::Result<Block> read(std::uint32_t n) noexcept override
	{
		ldi_buf *b = nullptr;
		TRY(cfs::to_result(ldi_read_block(i_, n, &b)));
		if (!b)
			return cfs::fail(cfs::err::UCLEAN);
		return wrap(b);
	}
	cfs::Result<Block> append(ldi_tx *tx, std::uint32_t &n) noexcept override
	{
		ldi_buf *b = nullptr;
		TRY(cfs::to_result(ldi_append_block(tx, i_, &n, &b)));
		return wrap(b);
	}
	cfs::Result<> prepare(ldi_tx *tx, Block &b) noexcept override
	{
		return cfs::to_result(ldi_get_write_access(tx, i_, buf(b.cookie())));
	}
	cfs::Result<> changed(ldi_tx *tx, Block &b) noexcept override
	{
		return cfs::to_result(ldi_dirty_block(tx, i_, buf(b.cookie())));
	}
	void release(void *cookie) noexcept override { ldi_release(buf(cookie)); }
};

} // namespace osd::ldiskfs
