// SPDX-License-Identifier: GPL-2.0
//
// IAM containers: indices of fixed keys and records in the blocks of a file (07 8). The object
// index consists of them, and so do the FLD and the quota files.
//
// The tree is over an abstract file of blocks, so the same code runs over an inode and over memory.
// It does not lock: changes need the file to themselves, readers may be many. Everything read is
// checked; what makes no sense is err::UCLEAN, said once per open container.
//
// Invariants: keys within a leaf ascend; each key of a child is at least its slot's key and below
// the next slot's (slot 1 of a leftmost node counts as minus infinity); the leftmost leaf begins
// with the key of zeros, which new containers have with a record of zeros and which never goes.
// That pair is not shown. A record of zeros that was put in under the key of zeros is a second such
// pair.
#pragma once

#include "libcfs/bytes.hpp"
#include "osd/types.hpp"
#include "wire/disk_index.hpp"

struct ldi_tx;

namespace osd::ldiskfs
{

class BlockFile;

/// A block of a file, held in memory.
class Block
{
	BlockFile *file_ = nullptr;
	void *cookie_ = nullptr;
	std::byte *data_ = nullptr;

public:
	Block() = default;
	Block(BlockFile *f, void *cookie, std::byte *data) noexcept
	    : file_(f), cookie_(cookie), data_(data)
	{
	}
	Block(Block &&o) noexcept
	    : file_(std::exchange(o.file_, nullptr)), cookie_(o.cookie_), data_(o.data_)
	{
	}
	Block &operator=(Block &&o) noexcept
	{
		reset();
		file_ = std::exchange(o.file_, nullptr);
		cookie_ = o.cookie_;
		data_ = o.data_;
		return *this;
	}
	~Block() { reset(); }
	void reset() noexcept;
	[[nodiscard]] void *cookie() const noexcept { return cookie_; }
	[[nodiscard]] std::byte *data() const noexcept { return data_; }
	explicit operator bool() const noexcept { return file_ != nullptr; }
};

/// What an index lies in.
class BlockFile
{
public:
	[[nodiscard]] virtual std::uint32_t block_bytes() const noexcept = 0;
	[[nodiscard]] virtual std::uint32_t blocks() const noexcept = 0;
	/// err::UCLEAN for a hole.
	virtual cfs::Result<Block> read(std::uint32_t n) noexcept = 0;
	/// A new block of zeros at the end, ready to be changed.
	virtual cfs::Result<Block> append(ldi_tx *tx, std::uint32_t &n) noexcept = 0;
	/// Before and after a change of a block that was read.
	virtual cfs::Result<> prepare(ldi_tx *tx, Block &b) noexcept = 0;
	virtual cfs::Result<> changed(ldi_tx *tx, Block &b) noexcept = 0;
	virtual void release(void *cookie) noexcept = 0;

protected:
	~BlockFile() = default;
};

inline void Block::reset() noexcept
{
	if (BlockFile *f = std::exchange(file_, nullptr))
		f->release(cookie_);
}

class Iam
{
public:
	/// Most index levels below the root.
	static constexpr unsigned kLevelsMax = wire::DX_MAX_TREE_HEIGHT;
	/// Blocks that an insertion may change, or add, at most.
	static constexpr unsigned kInsertBlocks = 2 * (kLevelsMax + 1) + 3;

	explicit Iam(BlockFile &f) noexcept : f_(f) {}

	/// Writes an empty container into a file without blocks.
	[[nodiscard]] static cfs::Result<> format(BlockFile &f, ldi_tx *tx,
						  IndexSpec spec) noexcept;
	/// Reads what it is. err::UCLEAN: not an index that this code knows.
	[[nodiscard]] cfs::Result<> open() noexcept;
	[[nodiscard]] const IndexSpec &spec() const noexcept { return spec_; }

	/// Keys and records have the sizes of spec(). err::NOENT, err::EXIST, err::NOENT,
	/// err::NOENT.
	[[nodiscard]] cfs::Result<> lookup(cfs::Bytes key, cfs::MutBytes record) noexcept;
	[[nodiscard]] cfs::Result<> insert(ldi_tx *tx, cfs::Bytes key, cfs::Bytes record) noexcept;
	[[nodiscard]] cfs::Result<> update(ldi_tx *tx, cfs::Bytes key, cfs::Bytes record) noexcept;
	[[nodiscard]] cfs::Result<> remove(ldi_tx *tx, cfs::Bytes key) noexcept;

	/// The first pair at, or (`behind`) behind a key; false when there is none.
	[[nodiscard]] cfs::Result<bool> next(cfs::Bytes from, bool behind, cfs::MutBytes key,
					     cfs::MutBytes record) noexcept;

	/// Index levels below the root now; for declarations.
	[[nodiscard]] unsigned levels() const noexcept { return levels_; }

private:
	struct Node {
		Block b;
		std::uint32_t number = 0;
		std::uint16_t base = 0; // where its slots begin
		std::uint16_t slot = 0; // the one taken on the way down
	};
	struct Path {
		Node nodes[kLevelsMax + 1];
		unsigned depth = 0; // nodes in use, the root among them
		Block leaf;
		std::uint32_t leaf_number = 0;
	};

	cfs::Result<> bad(const char *what) noexcept;
	[[nodiscard]] std::uint32_t slot_bytes() const noexcept { return spec_.key_bytes + 4u; }
	[[nodiscard]] std::uint32_t pair_bytes() const noexcept
	{
		return spec_.key_bytes + std::uint32_t{spec_.record_bytes};
	}
	[[nodiscard]] std::uint32_t leaf_limit() const noexcept;
	[[nodiscard]] std::uint32_t node_limit() const noexcept;

	static wire::IamCountLimit &head(const Node &n) noexcept;
	[[nodiscard]] std::byte *slot(const Node &n, unsigned i) const noexcept;
	[[nodiscard]] std::byte *pair(const Block &leaf, unsigned i) const noexcept;
	[[nodiscard]] std::uint32_t pointer(const Node &n, unsigned i) const noexcept;
	static wire::IamLeafHead &leaf_head(const Block &leaf) noexcept;
	/// Whether a pair is the one of zeros that no one put in; and whether the key of zeros is
	/// there a second time, which says that somebody put in a record of zeros.
	[[nodiscard]] bool only_sentinel(const Block &leaf, unsigned at) const noexcept;
	[[nodiscard]] bool has_twin(const Block &leaf, unsigned at) const noexcept;

	cfs::Result<Node> read_node(std::uint32_t number) noexcept;
	cfs::Result<> read_leaf(std::uint32_t number, Path &p) noexcept;
	cfs::Result<> descend(cfs::Bytes key, Path &p) noexcept;
	cfs::Result<bool> next_leaf(Path &p) noexcept;
	/// Where in the leaf the key is or would be.
	[[nodiscard]] unsigned place(const Block &leaf, cfs::Bytes key, bool &found) const noexcept;

	cfs::Result<Block> new_block(ldi_tx *tx, std::uint32_t &number) noexcept;
	cfs::Result<> free_block(ldi_tx *tx, Block &b, std::uint32_t number) noexcept;
	cfs::Result<> make_room(ldi_tx *tx, Path &p) noexcept;
	cfs::Result<> split_root(ldi_tx *tx, Path &p, Block fresh, std::uint32_t number) noexcept;
	cfs::Result<> split_node(ldi_tx *tx, Path &p, unsigned at, Block fresh,
				 std::uint32_t number) noexcept;
	cfs::Result<> add_pointer(ldi_tx *tx, Node &n, unsigned at, const std::byte *key,
				  std::uint32_t number) noexcept;
	cfs::Result<> split_leaf(ldi_tx *tx, Path &p, unsigned &at) noexcept;
	cfs::Result<> put_pair(ldi_tx *tx, Block &leaf, unsigned at, cfs::Bytes key,
			       cfs::Bytes record) noexcept;
	cfs::Result<> cut_pair(ldi_tx *tx, Block &leaf, unsigned at) noexcept;
	cfs::Result<> set_record(ldi_tx *tx, Block &leaf, unsigned at, cfs::Bytes record) noexcept;
	cfs::Result<> drop_leaf(ldi_tx *tx, Path &p) noexcept;

	BlockFile &f_;
	IndexSpec spec_{};
	unsigned levels_ = 0;
	bool complained_ = false;
};

} // namespace osd::ldiskfs
