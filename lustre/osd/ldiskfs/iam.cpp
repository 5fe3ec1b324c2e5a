// SPDX-License-Identifier: GPL-2.0
//
// Trees as stock grows them (07 8.4): the same insertions give the same blocks, so files of stock
// systems serve as a test of this code.

#include "iam.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/assert.hpp"
#include "libcfs/log.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Bytes;
using cfs::fail;
using cfs::MutBytes;
using cfs::Result;
using wire::IamCountLimit;
using wire::IamIdleHead;
using wire::IamLeafHead;
using wire::IamLfixRoot;

namespace
{

constexpr std::uint32_t kRootBase = sizeof(IamLfixRoot);
constexpr std::uint32_t kIdleAt = kRootBase + sizeof(IamCountLimit);

/// Slots of a root: never as many as a node has, so that a copied root has room.
std::uint32_t root_limit(std::uint32_t block, std::uint32_t slot_bytes) noexcept
{
	std::uint32_t n = (block - kRootBase) / slot_bytes;
	return n == block / slot_bytes ? n - 1 : n;
}

bool sane(IndexSpec s, std::uint32_t block) noexcept
{
	return s.key_bytes >= 4 && s.key_bytes <= kIndexKeyMax && s.record_bytes >= 1 &&
	       s.record_bytes <= kIndexRecordMax && block >= 1024;
}

cfs::le32 &idle_of(const Block &root) noexcept
{
	return *reinterpret_cast<cfs::le32 *>(root.data() + kIdleAt);
}

bool all_zero(const std::byte *p, std::size_t n) noexcept
{
	for (std::size_t i = 0; i < n; i++)
		if (p[i] != std::byte{0})
			return false;
	return true;
}

} // namespace

Result<> Iam::bad(const char *what) noexcept
{
	if (!std::exchange(complained_, true))
		CERROR(CFS_S_OSD,
		       "an index file is damaged ({}): run e2fsck, then let the index be "
		       "made anew",
		       what);
	return fail(UCLEAN);
}

std::uint32_t Iam::leaf_limit() const noexcept
{
	return (f_.block_bytes() - static_cast<std::uint32_t>(sizeof(IamLeafHead))) / pair_bytes();
}

std::uint32_t Iam::node_limit() const noexcept
{
	return f_.block_bytes() / slot_bytes();
}

IamCountLimit &Iam::head(const Node &n) noexcept
{
	return *reinterpret_cast<IamCountLimit *>(n.b.data() + n.base);
}

std::byte *Iam::slot(const Node &n, unsigned i) const noexcept
{
	return n.b.data() + n.base + i * slot_bytes();
}

std::uint32_t Iam::pointer(const Node &n, unsigned i) const noexcept
{
	return reinterpret_cast<const cfs::le32 *>(slot(n, i) + spec_.key_bytes)->get();
}

std::byte *Iam::pair(const Block &leaf, unsigned i) const noexcept
{
	return leaf.data() + sizeof(IamLeafHead) + i * pair_bytes();
}

IamLeafHead &Iam::leaf_head(const Block &leaf) noexcept
{
	return *reinterpret_cast<IamLeafHead *>(leaf.data());
}

bool Iam::has_twin(const Block &leaf, unsigned at) const noexcept
{
	return at == 0 && leaf_head(leaf).count.get() > 1 &&
	       all_zero(pair(leaf, 0), spec_.key_bytes) && all_zero(pair(leaf, 1), spec_.key_bytes);
}

bool Iam::only_sentinel(const Block &leaf, unsigned at) const noexcept
{
	return at == 0 && all_zero(pair(leaf, 0), pair_bytes()) && !has_twin(leaf, 0);
}

Result<> Iam::format(BlockFile &f, ldi_tx *tx, IndexSpec spec) noexcept
{
	std::uint32_t root_number = 0, leaf_number = 0;
	if (!sane(spec, f.block_bytes()))
		return fail(INVAL);
	Block root = TRY(f.append(tx, root_number));
	Block leaf = TRY(f.append(tx, leaf_number));
	if (root_number != 0)
		return fail(INVAL);
	std::uint32_t slot_bytes = spec.key_bytes + 4u;
	auto &r = *reinterpret_cast<IamLfixRoot *>(root.data());
	r.magic = wire::IAM_LFIX_ROOT_MAGIC;
	r.keysize = spec.key_bytes;
	r.recsize = spec.record_bytes;
	r.ptrsize = 4;
	auto &h = *reinterpret_cast<IamCountLimit *>(root.data() + kRootBase);
	h.limit = static_cast<std::uint16_t>(root_limit(f.block_bytes(), slot_bytes));
	h.count = 2;
	*reinterpret_cast<cfs::le32 *>(root.data() + kRootBase + slot_bytes + spec.key_bytes) =
		leaf_number;
	leaf_head(leaf).magic = wire::IAM_LEAF_HEADER_MAGIC;
	leaf_head(leaf).count = 1; // the pair of zeros
	TRY(f.changed(tx, root));
	return f.changed(tx, leaf);
}

Result<> Iam::open() noexcept
{
	if (f_.blocks() < 2)
		return bad("too short");
	Block root = TRY(f_.read(0));
	const auto &r = *reinterpret_cast<const IamLfixRoot *>(root.data());
	spec_ = {r.keysize, r.recsize};
	if (r.magic != wire::IAM_LFIX_ROOT_MAGIC || r.ptrsize != 4 ||
	    r.indirect_levels > kLevelsMax || !sane(spec_, f_.block_bytes()))
		return bad("root");
	levels_ = r.indirect_levels;
	return {};
}

Result<Iam::Node> Iam::read_node(std::uint32_t number) noexcept
{
	Node n;
	n.b = TRY(f_.read(number));
	n.number = number;
	n.base = number ? 0 : kRootBase;
	std::uint32_t most = number ? node_limit() : root_limit(f_.block_bytes(), slot_bytes());
	if (head(n).count.get() < 2 || head(n).count.get() > head(n).limit.get() ||
	    head(n).limit.get() > most) {
		TRY(bad("index node"));
	}
	return n;
}

Result<> Iam::read_leaf(std::uint32_t number, Path &p) noexcept
{
	if (!number || number >= f_.blocks())
		return bad("pointer");
	p.leaf = TRY(f_.read(number));
	p.leaf_number = number;
	if (leaf_head(p.leaf).magic != wire::IAM_LEAF_HEADER_MAGIC ||
	    leaf_head(p.leaf).count.get() > leaf_limit())
		return bad("leaf");
	return {};
}

Result<> Iam::descend(Bytes key, Path &p) noexcept
{
	std::uint32_t number = 0;
	p.depth = 0;
	for (;;) {
		Node &n = p.nodes[p.depth];
		n = TRY(read_node(number));
		if (!p.depth)
			levels_ = reinterpret_cast<IamLfixRoot *>(n.b.data())->indirect_levels;
		if (levels_ > kLevelsMax)
			return bad("levels");
		unsigned low = 1, high = head(n).count.get();
		while (high - low > 1) {
			unsigned mid = (low + high) / 2;
			if (memcmp(slot(n, mid), key.data(), spec_.key_bytes) <= 0)
				low = mid;
			else
				high = mid;
		}
		n.slot = static_cast<std::uint16_t>(low);
		number = pointer(n, low);
		if (++p.depth > levels_)
			return read_leaf(number, p);
		if (!number || number >= f_.blocks())
			return bad("pointer");
	}
}

Result<bool> Iam::next_leaf(Path &p) noexcept
{
	unsigned at = p.depth;
	do {
		if (!at)
			return false;
		at--;
		p.nodes[at].slot++;
	} while (p.nodes[at].slot >= head(p.nodes[at]).count.get());
	for (;;) {
		std::uint32_t number = pointer(p.nodes[at], p.nodes[at].slot);
		if (++at == p.depth) {
			TRY(read_leaf(number, p));
			return true;
		}
		if (!number || number >= f_.blocks())
			TRY(bad("pointer"));
		p.nodes[at] = TRY(read_node(number));
		p.nodes[at].slot = 1;
	}
}

unsigned Iam::place(const Block &leaf, Bytes key, bool &found) const noexcept
{
	unsigned low = 0, high = leaf_head(leaf).count.get();
	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (memcmp(pair(leaf, mid), key.data(), spec_.key_bytes) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	found = low < leaf_head(leaf).count.get() &&
		!memcmp(pair(leaf, low), key.data(), spec_.key_bytes);
	return low;
}

Result<> Iam::lookup(Bytes key, MutBytes record) noexcept
{
	Path p;
	bool found = false;
	TRY(descend(key, p));
	unsigned at = place(p.leaf, key, found);
	if (!found || only_sentinel(p.leaf, at))
		return fail(NOENT);
	memcpy(record.data(), pair(p.leaf, at) + spec_.key_bytes, spec_.record_bytes);
	return {};
}

Result<bool> Iam::next(Bytes from, bool behind, MutBytes key, MutBytes record) noexcept
{
	Path p;
	bool found = false;
	TRY(descend(from, p));
	unsigned at = place(p.leaf, from, found);
	if (found && behind)
		at += has_twin(p.leaf, at) ? 2 : 1;
	for (;;) {
		if (at < leaf_head(p.leaf).count.get() && only_sentinel(p.leaf, at))
			at++;
		if (at < leaf_head(p.leaf).count.get())
			break;
		if (!TRY(next_leaf(p)))
			return false;
		at = 0;
	}
	memcpy(key.data(), pair(p.leaf, at), spec_.key_bytes);
	memcpy(record.data(), pair(p.leaf, at) + spec_.key_bytes, spec_.record_bytes);
	return true;
}

// ---- blocks ----

Result<Block> Iam::new_block(ldi_tx *tx, std::uint32_t &number) noexcept
{
	Block root = TRY(f_.read(0));
	std::uint32_t table_number = idle_of(root);
	if (!table_number)
		return f_.append(tx, number);
	if (table_number >= f_.blocks())
		TRY(bad("idle table"));
	Block table = TRY(f_.read(table_number));
	auto &h = *reinterpret_cast<IamIdleHead *>(table.data());
	auto *list = reinterpret_cast<cfs::le32 *>(table.data() + sizeof(IamIdleHead));
	std::size_t most = (f_.block_bytes() - sizeof(IamIdleHead)) / 4;
	if (h.magic != wire::IAM_IDLE_HEADER_MAGIC || h.count.get() > most)
		TRY(bad("idle table"));
	if (h.count.get()) {
		number = list[h.count.get() - 1];
		if (!number || number >= f_.blocks())
			TRY(bad("idle block"));
		TRY(f_.prepare(tx, table));
		h.count = static_cast<std::uint16_t>(h.count.get() - 1);
		TRY(f_.changed(tx, table));
		table = TRY(f_.read(number));
	} else {
		number = table_number;
		TRY(f_.prepare(tx, root));
		idle_of(root) = h.next.get();
		TRY(f_.changed(tx, root));
	}
	TRY(f_.prepare(tx, table));
	memset(table.data(), 0, f_.block_bytes());
	return table;
}

Result<> Iam::free_block(ldi_tx *tx, Block &b, std::uint32_t number) noexcept
{
	Block root = TRY(f_.read(0));
	std::uint32_t table_number = idle_of(root);
	if (table_number && table_number < f_.blocks()) {
		Block table = TRY(f_.read(table_number));
		auto &h = *reinterpret_cast<IamIdleHead *>(table.data());
		auto *list = reinterpret_cast<cfs::le32 *>(table.data() + sizeof(IamIdleHead));
		std::size_t most = (f_.block_bytes() - sizeof(IamIdleHead)) / 4;
		if (h.magic != wire::IAM_IDLE_HEADER_MAGIC)
			return bad("idle table");
		if (h.count.get() < most) {
			TRY(f_.prepare(tx, table));
			list[h.count.get()] = number;
			h.count = static_cast<std::uint16_t>(h.count.get() + 1);
			return f_.changed(tx, table);
		}
	}
	TRY(f_.prepare(tx, b));
	auto &h = *reinterpret_cast<IamIdleHead *>(b.data());
	h.magic = wire::IAM_IDLE_HEADER_MAGIC;
	h.count = 0;
	h.next = table_number;
	TRY(f_.changed(tx, b));
	TRY(f_.prepare(tx, root));
	idle_of(root) = number;
	return f_.changed(tx, root);
}

// ---- growing ----

Result<> Iam::add_pointer(ldi_tx *tx, Node &n, unsigned at, const std::byte *key,
			  std::uint32_t number) noexcept
{
	unsigned count = head(n).count.get();
	CFS_ASSERT(count < head(n).limit.get() && at <= count);
	TRY(f_.prepare(tx, n.b));
	memmove(slot(n, at + 1), slot(n, at), std::size_t{count - at} * slot_bytes());
	memcpy(slot(n, at), key, spec_.key_bytes);
	*reinterpret_cast<cfs::le32 *>(slot(n, at) + spec_.key_bytes) = number;
	head(n).count = static_cast<std::uint16_t>(count + 1);
	return f_.changed(tx, n.b);
}

Result<> Iam::split_root(ldi_tx *tx, Path &p, Block fresh, std::uint32_t number) noexcept
{
	Node &root = p.nodes[0];
	Node copy;
	copy.b = std::move(fresh);
	copy.number = number;
	copy.slot = root.slot;
	unsigned count = head(root).count.get();
	memcpy(slot(copy, 0), slot(root, 0), std::size_t{count} * slot_bytes());
	head(copy).limit = static_cast<std::uint16_t>(node_limit());
	TRY(f_.changed(tx, copy.b));
	TRY(f_.prepare(tx, root.b));
	auto &r = *reinterpret_cast<IamLfixRoot *>(root.b.data());
	r.indirect_levels++;
	levels_ = r.indirect_levels;
	memset(slot(root, 1), 0, spec_.key_bytes);
	*reinterpret_cast<cfs::le32 *>(slot(root, 1) + spec_.key_bytes) = number;
	head(root).count = 2;
	root.slot = 1;
	TRY(f_.changed(tx, root.b));
	for (unsigned i = p.depth; i > 1; i--)
		p.nodes[i] = std::move(p.nodes[i - 1]);
	p.nodes[1] = std::move(copy);
	p.depth++;
	return {};
}

Result<> Iam::split_node(ldi_tx *tx, Path &p, unsigned at, Block fresh,
			 std::uint32_t number) noexcept
{
	Node &old = p.nodes[at], &parent = p.nodes[at - 1];
	Node right;
	right.b = std::move(fresh);
	right.number = number;
	unsigned count = head(old).count.get();
	unsigned stay = count / 2 + 1, move = count - stay;
	memcpy(slot(right, 1), slot(old, stay), std::size_t{move} * slot_bytes());
	head(right).limit = static_cast<std::uint16_t>(node_limit());
	head(right).count = static_cast<std::uint16_t>(move + 1);
	TRY(f_.changed(tx, right.b));
	TRY(f_.prepare(tx, old.b));
	head(old).count = static_cast<std::uint16_t>(stay);
	TRY(f_.changed(tx, old.b));
	TRY(add_pointer(tx, parent, parent.slot + 1u, slot(right, 1), number));
	if (old.slot >= stay) {
		right.slot = static_cast<std::uint16_t>(old.slot - stay + 1);
		parent.slot++;
		old = std::move(right);
	}
	return {};
}

/// Sees to it that the node above the leaf has a free slot.
Result<> Iam::make_room(ldi_tx *tx, Path &p) noexcept
{
	unsigned full = 0; // nodes without room, from the lowest up
	while (full < p.depth && head(p.nodes[p.depth - 1 - full]).count.get() >=
					 head(p.nodes[p.depth - 1 - full]).limit.get())
		full++;
	if (!full)
		return {};
	bool grow = full == p.depth;
	if (grow && levels_ >= kLevelsMax)
		return fail(NOSPC);
	Block fresh[kLevelsMax + 1];
	std::uint32_t numbers[kLevelsMax + 1];
	for (unsigned i = 0; i < full; i++) // topmost first
		fresh[i] = TRY(new_block(tx, numbers[i]));
	unsigned at = p.depth - full;
	for (unsigned i = 0; i < full; i++) {
		if (grow && i == 0) {
			TRY(split_root(tx, p, std::move(fresh[0]), numbers[0]));
			at = 2;
		} else {
			TRY(split_node(tx, p, at++, std::move(fresh[i]), numbers[i]));
		}
	}
	return {};
}

Result<> Iam::split_leaf(ldi_tx *tx, Path &p, unsigned &at) noexcept
{
	TRY(make_room(tx, p));
	std::uint32_t number = 0;
	Block right = TRY(new_block(tx, number));
	unsigned count = leaf_head(p.leaf).count.get(), stay = count / 2;
	memcpy(pair(right, 0), pair(p.leaf, stay), std::size_t{count - stay} * pair_bytes());
	leaf_head(right).magic = wire::IAM_LEAF_HEADER_MAGIC;
	leaf_head(right).count = static_cast<std::uint16_t>(count - stay);
	TRY(f_.changed(tx, right));
	TRY(f_.prepare(tx, p.leaf));
	leaf_head(p.leaf).count = static_cast<std::uint16_t>(stay);
	TRY(f_.changed(tx, p.leaf));
	Node &parent = p.nodes[p.depth - 1];
	TRY(add_pointer(tx, parent, parent.slot + 1u, pair(right, 0), number));
	if (at > stay) {
		at -= stay;
		p.leaf = std::move(right);
		p.leaf_number = number;
		parent.slot++;
	}
	return {};
}

// ---- changes ----

Result<> Iam::put_pair(ldi_tx *tx, Block &leaf, unsigned at, Bytes key, Bytes record) noexcept
{
	unsigned count = leaf_head(leaf).count.get();
	TRY(f_.prepare(tx, leaf));
	memmove(pair(leaf, at + 1), pair(leaf, at), std::size_t{count - at} * pair_bytes());
	memcpy(pair(leaf, at), key.data(), spec_.key_bytes);
	memcpy(pair(leaf, at) + spec_.key_bytes, record.data(), spec_.record_bytes);
	leaf_head(leaf).count = static_cast<std::uint16_t>(count + 1);
	return f_.changed(tx, leaf);
}

Result<> Iam::set_record(ldi_tx *tx, Block &leaf, unsigned at, Bytes record) noexcept
{
	TRY(f_.prepare(tx, leaf));
	memcpy(pair(leaf, at) + spec_.key_bytes, record.data(), spec_.record_bytes);
	return f_.changed(tx, leaf);
}

Result<> Iam::insert(ldi_tx *tx, Bytes key, Bytes record) noexcept
{
	Path p;
	bool found = false;
	TRY(descend(key, p));
	unsigned at = place(p.leaf, key, found);
	if (found && !only_sentinel(p.leaf, at))
		return fail(EXIST);
	if (found && !all_zero(record.data(), record.size()))
		return set_record(tx, p.leaf, at, record);
	if (leaf_head(p.leaf).count.get() >= leaf_limit())
		TRY(split_leaf(tx, p, at));
	return put_pair(tx, p.leaf, at, key, record);
}

Result<> Iam::update(ldi_tx *tx, Bytes key, Bytes record) noexcept
{
	Path p;
	bool found = false;
	TRY(descend(key, p));
	unsigned at = place(p.leaf, key, found);
	if (!found || only_sentinel(p.leaf, at))
		return fail(NOENT);
	bool zeros = all_zero(record.data(), record.size());
	if (all_zero(key.data(), spec_.key_bytes) && zeros != has_twin(p.leaf, at)) {
		// From a record of zeros to another one, or back: the twin comes or goes.
		TRY(remove(tx, key));
		return insert(tx, key, record);
	}
	return set_record(tx, p.leaf, at, record);
}

Result<> Iam::cut_pair(ldi_tx *tx, Block &leaf, unsigned at) noexcept
{
	unsigned count = leaf_head(leaf).count.get();
	TRY(f_.prepare(tx, leaf));
	memmove(pair(leaf, at), pair(leaf, at + 1), std::size_t{count - at - 1} * pair_bytes());
	leaf_head(leaf).count = static_cast<std::uint16_t>(count - 1);
	return f_.changed(tx, leaf);
}

Result<> Iam::remove(ldi_tx *tx, Bytes key) noexcept
{
	Path p;
	bool found = false;
	TRY(descend(key, p));
	unsigned at = place(p.leaf, key, found);
	if (!found || only_sentinel(p.leaf, at))
		return fail(NOENT);
	if (all_zero(key.data(), spec_.key_bytes)) { // the first one has to stay
		if (has_twin(p.leaf, at))
			return cut_pair(tx, p.leaf, at + 1);
		TRY(f_.prepare(tx, p.leaf));
		memset(pair(p.leaf, at) + spec_.key_bytes, 0, spec_.record_bytes);
		return f_.changed(tx, p.leaf);
	}
	TRY(cut_pair(tx, p.leaf, at));
	return leaf_head(p.leaf).count.get() ? Result<>() : drop_leaf(tx, p);
}

Result<> Iam::drop_leaf(ldi_tx *tx, Path &p) noexcept
{
	Node &parent = p.nodes[p.depth - 1];
	unsigned count = head(parent).count.get(), at = parent.slot;
	if (count <= 2)
		return {};
	TRY(f_.prepare(tx, parent.b));
	memmove(slot(parent, at), slot(parent, at + 1u),
		std::size_t{count - at - 1} * slot_bytes());
	head(parent).count = static_cast<std::uint16_t>(count - 1);
	TRY(f_.changed(tx, parent.b));
	return free_block(tx, p.leaf, p.leaf_number);
}

} // namespace osd::ldiskfs
