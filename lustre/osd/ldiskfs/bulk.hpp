// SPDX-License-Identifier: GPL-2.0
//
// Bulk transfers: pages of our own between the network and the device, without another copy
// (07 2.5).
//
// A page of the file is one page here, even if several pieces lie in it; pieces refer to their part
// of it. What is read or written of a page is whole blocks, so a block that pieces cover in part is
// read before it is written.
#pragma once

#include "inode.hpp"
#include "libcfs/mem.hpp"
#include "osd/osd.hpp"

namespace osd::ldiskfs
{

class ObjectImpl;
class Tx;

class BulkImpl final : public BulkIo
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	BulkImpl(cfs::RefPtr<ObjectImpl> o, InodeRef inode, Body::Direction direction) noexcept;
	~BulkImpl();
	/// Makes pieces and pages of the ranges.
	cfs::Result<> prepare(std::span<const BulkRange> ranges) noexcept;

	std::span<cfs_bvec> vecs() noexcept override { return vecs_; }
	std::span<BulkPiece> pieces() noexcept override { return pieces_; }
	cfs::Result<std::uint64_t> read_prep() noexcept override;
	cfs::Result<> write_prep() noexcept override;
	cfs::Result<> declare_write_commit(Transaction &tx) noexcept override;
	cfs::Result<> write_commit(Transaction &tx) noexcept override;
	std::size_t done() const noexcept override { return done_; }
	QuotaMask over_quota() const noexcept override { return 0; }
	void destroy() noexcept override;

	/// Waits for the data on its way.
	cfs::Result<> wait() noexcept;

	// The transaction's, while it waits for the data.
	BulkImpl *next_in_tx = nullptr;
	Tx *in_tx = nullptr;

private:
	/// A page of the file.
	struct Slot {
		cfs_page *page = nullptr;
		std::uint64_t index = 0; // of the page in the file
		std::uint32_t first = 0; // piece
		std::uint32_t count = 0; // pieces
	};
	/// A run of the file's blocks whose place is known.
	struct Window {
		std::uint64_t logical = 0, count = 0, physical = 0;
		std::uint32_t state = 0;

		[[nodiscard]] bool has(std::uint64_t b) const noexcept
		{
			return b - logical < count;
		}
	};

	cfs::Result<> add_piece(std::uint64_t offset, std::uint32_t length, std::uint16_t range,
				bool granted, std::size_t n) noexcept;
	[[nodiscard]] unsigned blocks_per_page() const noexcept;
	[[nodiscard]] std::uint32_t block_bytes() const noexcept;
	/// Bytes of a block that usable pieces cover.
	[[nodiscard]] std::uint32_t covered(const Slot &s, unsigned block, bool all) const noexcept;
	cfs::Result<> look_up(std::uint64_t block, Window &w) noexcept;
	cfs::Result<> read_blocks(bool partial_only) noexcept;
	void zero(const Slot &s, std::uint32_t offset, std::uint32_t length) noexcept;
	[[nodiscard]] std::uint64_t run_from(std::size_t slot, unsigned block) const noexcept;
	cfs::Result<> write_slot(Tx &tx, ldi_inode *i, std::size_t n, Window &w) noexcept;
	void fail_block(const Slot &s, unsigned block, cfs::Errno e) noexcept;
	cfs::Result<> grow(Tx &tx, ldi_inode *i, std::size_t from, std::size_t to) noexcept;

	cfs::RefPtr<ObjectImpl> o_;
	InodeRef inode_;
	Body::Direction direction_;
	cfs::Array<BulkPiece> pieces_;
	cfs::Array<cfs_bvec> vecs_;
	cfs::Array<Slot> slots_;
	std::size_t slots_used_ = 0, done_ = 0;
	std::size_t next_slot_ = 0; // write_commit() goes on here
	ldi_io *io_ = nullptr;
};

} // namespace osd::ldiskfs
