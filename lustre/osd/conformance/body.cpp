// SPDX-License-Identifier: GPL-2.0
//
// Conformance: bodies, through the journal and in bulk.
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

using cfs::selftest::Numbers;

Result<std::size_t> get(Object &o, std::uint64_t offset, MutBytes to) noexcept
{
	return TRY(o.body())->read(offset, to);
}

Result<> reading_ends_with_the_object(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(300));
	CHECK(TRY(get(*o, 0, b)) == 0);
	fill(b, 0, 1);
	TRY(put(*o, 0, {b.data(), 100}));
	CHECK(TRY(attr_of(*o)).size == 100);
	Buffer c = TRY(Buffer::make(300));
	CHECK(TRY(get(*o, 0, c)) == 100 && filled({c.data(), 100}, 0, 1));
	CHECK(TRY(get(*o, 90, c)) == 10 && filled({c.data(), 10}, 90, 1));
	CHECK(TRY(get(*o, 100, c)) == 0 && TRY(get(*o, 1 << 30, c)) == 0);
	CHECK_FAILS(read_exactly(*TRY(o->body()), 0, c), err::NODATA);
	return {};
}

Result<> writing_beyond_the_end_leaves_a_hole(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(10000));
	fill({b.data(), 100}, 0, 1);
	TRY(put(*o, 0, {b.data(), 100}));
	fill({b.data(), 100}, 50000, 2);
	TRY(put(*o, 50000, {b.data(), 100}));
	CHECK(TRY(attr_of(*o)).size == 50100);
	CHECK(TRY(get(*o, 0, b)) == 10000);
	CHECK(filled({b.data(), 100}, 0, 1) && all_zero({b.data() + 100, 9900}));
	CHECK(TRY(get(*o, 45000, b)) == 5100);
	CHECK(all_zero({b.data(), 5000}) && filled({b.data() + 5000, 100}, 50000, 2));
	return {};
}

Result<> sizes_are_bounded(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(16));
	std::uint64_t most = run.device().info().object_max;
	CHECK_FAILS(put(*o, most - 8, b), err::FBIG);
	CHECK_FAILS(put(*o, ~std::uint64_t{0} - 8, b), err::FBIG);
	CHECK_FAILS(punch(*o, most + 1, kEof), err::FBIG);
	CHECK(TRY(attr_of(*o)).size == 0);
	return {};
}

Result<> truncated_to_any_size(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(20000));
	fill(b, 0, 3);
	TRY(put(*o, 0, b));
	TRY(punch(*o, 10001, kEof));
	CHECK(TRY(attr_of(*o)).size == 10001);
	TRY(punch(*o, 15000, kEof)); // up again: what was there is gone
	CHECK(TRY(attr_of(*o)).size == 15000);
	CHECK(TRY(get(*o, 0, b)) == 15000);
	CHECK(filled({b.data(), 10001}, 0, 3) && all_zero({b.data() + 10001, 4999}));
	TRY(punch(*o, 0, kEof));
	Attr a = TRY(attr_of(*o));
	CHECK(a.size == 0 && a.blocks == 0);
	CHECK_FAILS(punch(*o, 5, 5), err::INVAL);
	CHECK_FAILS(punch(*o, 6, 5), err::INVAL);
	return {};
}

Result<> punched_holes_read_as_zeros(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(40000));
	fill(b, 0, 4);
	TRY(put(*o, 0, b));
	std::uint64_t blocks = TRY(attr_of(*o)).blocks;
	TRY(punch(*o, 5000, 21000));
	Attr a = TRY(attr_of(*o));
	CHECK(a.size == 40000 && a.blocks < blocks);
	CHECK(TRY(get(*o, 0, b)) == 40000);
	CHECK(filled({b.data(), 5000}, 0, 4) && all_zero({b.data() + 5000, 16000}));
	CHECK(filled({b.data() + 21000, 19000}, 21000, 4));
	TRY(punch(*o, 39000, 80000)); // over the end: the size stays
	CHECK(TRY(attr_of(*o)).size == 40000);
	TRY(punch(*o, 100, 200)); // within a block
	CHECK(TRY(get(*o, 0, b)) == 40000);
	CHECK(filled({b.data(), 100}, 0, 4) && all_zero({b.data() + 100, 100}));
	CHECK(filled({b.data() + 200, 4800}, 200, 4) && all_zero({b.data() + 39000, 1000}));
	return {};
}

Result<> allocation_takes_space_not_content(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Buffer b = TRY(Buffer::make(20000));
	TRY(allocate(*o, 0, 0, 20000));
	Attr a = TRY(attr_of(*o));
	CHECK(a.size == 20000 && a.blocks >= 20000 / 512);
	CHECK(TRY(get(*o, 0, b)) == 20000 && all_zero(b));
	TRY(allocate(*o, kFallocKeepSize, 20000, 60000));
	Attr kept = TRY(attr_of(*o));
	CHECK(kept.size == 20000 && kept.blocks > a.blocks);
	fill(b, 0, 5);
	TRY(put(*o, 0, b));
	CHECK(TRY(attr_of(*o)).blocks == kept.blocks);
	TRY(allocate(*o, 0, 0, 20000)); // what is there stays
	CHECK(TRY(get(*o, 0, b)) == 20000 && filled(b, 0, 5));
	TRY(allocate(*o, kFallocPunchHole | kFallocKeepSize, 4096, 8192));
	CHECK(TRY(get(*o, 0, b)) == 20000 && all_zero({b.data() + 4096, 4096}));
	CHECK(filled({b.data(), 4096}, 0, 5) && filled({b.data() + 8192, 10000}, 8192, 5));
	auto zeroed = allocate(*o, kFallocZeroRange, 10000, 30000);
	if (!failed(zeroed, err::OPNOTSUPP)) {
		TRY(zeroed);
		CHECK(TRY(attr_of(*o)).size == 30000 && TRY(get(*o, 0, b)) == 20000);
		CHECK(filled({b.data() + 8192, 1808}, 8192, 5));
		CHECK(all_zero({b.data() + 10000, 10000}));
	}
	CHECK_FAILS(allocate(*o, 0x40, 0, 10), err::OPNOTSUPP);
	CHECK_FAILS(allocate(*o, 0, 10, 10), err::INVAL);
	return {};
}

Result<> data_and_holes_are_found(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Body *body = TRY(o->body());
	CHECK_FAILS(body->seek_data(0), err::NXIO);
	CHECK_FAILS(body->seek_hole(0), err::NXIO);
	TRY(put(*o, 100000, cfs::as_bytes("abc")));
	CHECK(TRY(body->seek_data(0)) == 98304 && TRY(body->seek_data(100001)) == 100001);
	CHECK(TRY(body->seek_hole(0)) == 0 && TRY(body->seek_hole(99000)) == 100003);
	CHECK_FAILS(body->seek_data(100003), err::NXIO);
	TRY(punch(*o, 200000, kEof));
	CHECK(TRY(body->seek_hole(99000)) == 102400);
	CHECK_FAILS(body->seek_data(102400), err::NXIO);
	CHECK(TRY(body->seek_hole(150000)) == 150000);
	return {};
}

Result<> extents_cover_the_data(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Body *body = TRY(o->body());
	CHECK(TRY(body->fiemap(0, kEof, {})) == 0);
	TRY(put(*o, 0, cfs::as_bytes("a")));
	TRY(put(*o, 40960, cfs::as_bytes("b")));
	TRY(put(*o, 81920, cfs::as_bytes("c")));
	Extent e[4];
	std::size_t n = TRY(body->fiemap(0, kEof, {}));
	CHECK(n == 3 && TRY(body->fiemap(0, kEof, e)) == 3);
	CHECK(e[0].logical == 0 && e[1].logical == 40960 && e[2].logical == 81920);
	CHECK(e[2].length == 4096 && (e[2].flags & kExtentLast) && !(e[0].flags & kExtentLast));
	CHECK(TRY(body->fiemap(40961, 1, e)) == 1 && e[0].logical == 40960);
	CHECK(TRY(body->fiemap(0, kEof, {e, 2})) == 2);
	return {};
}

/// Random changes, against a copy in memory.
Result<> behaves_as_bytes_in_memory(Env &run) noexcept
{
	constexpr std::size_t kMost = 60000;
	ObjectRef o = TRY(run.make_file());
	Buffer model = TRY(Buffer::make(kMost));
	Buffer b = TRY(Buffer::make(kMost));
	std::size_t size = 0;
	Numbers rng(run.next_oid());
	for (unsigned i = 0; i < run.scale(150); i++) {
		std::size_t at = rng.below(kMost - 1);
		std::size_t n = 1 + rng.below(kMost - at);
		if (i % 4)
			n = 1 + n % 5000;
		switch (rng.below(5)) {
		case 0:
		case 1:
			fill({b.data(), n}, at, i);
			TRY(put(*o, at, {b.data(), n}));
			fill({model.data() + at, n}, at, i);
			size = at + n > size ? at + n : size;
			break;
		case 2:
			TRY(punch(*o, at, kEof));
			for (std::size_t k = at; k < kMost; k++)
				model[k] = std::byte{0};
			size = at;
			break;
		case 3:
			TRY(punch(*o, at, at + n));
			for (std::size_t k = at; k < at + n; k++)
				model[k] = std::byte{0};
			break;
		default:
			TRY(allocate(*o, 0, at, at + n));
			size = at + n > size ? at + n : size;
			break;
		}
		CHECK(TRY(attr_of(*o)).size == size && TRY(get(*o, 0, b)) == size);
		for (std::size_t k = 0; k < size; k++)
			CHECK(b[k] == model[k]);
	}
	return {};
}

Result<> written_as_it_is_made(Env &run) noexcept
{
	ObjectRef o = TRY(run.device().object(run.new_fid()));
	Body *body = TRY(o->body());
	CreateSpec s = file_spec();
	TRY(in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(o->declare_create(tx, s));
			TRY(body->declare_write(tx, 0, 5));
			return body->declare_write(tx, kEof, 5);
		},
		[&](Transaction &tx) -> Result<> {
			TRY(o->create(tx, s));
			TRY(body->write(tx, 0, cfs::as_bytes("hello")));
			return body->write(tx, 8000, cfs::as_bytes("world"));
		}));
	std::byte b[5];
	CHECK(TRY(get(*o, 8000, b)) == 5 && cfs::as_string(b) == "world");
	CHECK(TRY(get(*o, 0, b)) == 5 && cfs::as_string(b) == "hello");
	return {};
}

// ---- bulk ----

using BulkPtr = cfs::UniquePtr<BulkIo>;

/// Fills the pages of a transfer, piece by piece, with the pattern of where they belong.
void fill_pieces(BulkIo &io, std::uint64_t salt) noexcept
{
	for (std::size_t i = 0; i < io.pieces().size(); i++) {
		auto *page = static_cast<std::byte *>(cfs_page_map(io.vecs()[i].page));
		fill({page + io.vecs()[i].offset, io.vecs()[i].len}, io.pieces()[i].offset, salt);
		cfs_page_unmap(page);
	}
}

/// What piece i holds, copied out.
Bytes piece(BulkIo &io, std::size_t i, MutBytes to) noexcept
{
	auto *page = static_cast<std::byte *>(cfs_page_map(io.vecs()[i].page));
	std::size_t n = io.vecs()[i].len;
	for (std::size_t k = 0; k < n; k++)
		to[k] = page[io.vecs()[i].offset + k];
	cfs_page_unmap(page);
	return to.first(n);
}

Result<> commit(Device &d, BulkIo &io) noexcept
{
	for (;;) {
		auto r = in_tx(
			d, [&](Transaction &tx) { return io.declare_write_commit(tx); },
			[&](Transaction &tx) { return io.write_commit(tx); });
		if (!failed(r, err::AGAIN))
			return r;
	}
}

Result<BulkPtr> bulk_write(Object &o, std::span<const BulkRange> ranges,
			   std::uint64_t salt) noexcept
{
	Body *b = TRY(o.body());
	BulkPtr io = TRY(b->bulk(ranges, Body::Direction::write));
	TRY(io->write_prep());
	fill_pieces(*io, salt);
	TRY(commit(o.device(), *io));
	return io;
}

Result<BulkPtr> bulk_read(Object &o, std::span<const BulkRange> ranges,
			  std::uint64_t &bytes) noexcept
{
	Body *b = TRY(o.body());
	BulkPtr io = TRY(b->bulk(ranges, Body::Direction::read));
	bytes = TRY(io->read_prep());
	return io;
}

/// Whether [offset, offset + length) holds the pattern, read in bulk.
Result<bool> holds(Object &o, std::uint64_t offset, std::uint32_t length,
		   std::uint64_t salt) noexcept
{
	Buffer b = TRY(Buffer::make(CFS_PAGE_SIZE));
	BulkRange r{offset, length};
	std::uint64_t bytes = 0;
	BulkPtr io = TRY(bulk_read(o, {&r, 1}, bytes));
	for (std::size_t i = 0; i < io->pieces().size(); i++)
		if (!filled(piece(*io, i, b), io->pieces()[i].offset, salt))
			return false;
	return bytes == length;
}

Result<> written_and_read_in_bulk(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	constexpr std::uint32_t kMiB = 1 << 20;
	BulkRange r{0, kMiB};
	BulkPtr io = TRY(bulk_write(*o, {&r, 1}, 1));
	CHECK(io->pieces().size() == 256 && io->vecs().size() == 256 && io->done() == 256);
	for (const BulkPiece &p : io->pieces())
		CHECK(p.status == cfs::Errno{});
	io.reset();
	Attr a = TRY(attr_of(*o));
	CHECK(a.size == kMiB && a.blocks >= kMiB / 512);
	CHECK(TRY(holds(*o, 0, kMiB, 1)));
	CHECK(TRY(holds(*o, 4097, 300000, 1)));
	return {};
}

Result<> survives_bulk_mount(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Fid fid = o->fid();
	BulkRange r{8192, 100000};
	TRY(bulk_write(*o, {&r, 1}, 9)).reset();
	o.reset();
	TRY(run.remount());
	o = TRY(run.device().object(fid));
	CHECK(TRY(attr_of(*o)).size == 108192 && TRY(holds(*o, 8192, 100000, 9)));
	return {};
}

Result<> edges_keep_what_they_had(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	BulkRange all{0, 20000};
	TRY(bulk_write(*o, {&all, 1}, 1)).reset();
	BulkRange middle{5000, 6000}; // neither end on a block
	BulkPtr io = TRY(bulk_write(*o, {&middle, 1}, 2));
	CHECK(io->pieces().size() == 2);
	CHECK(io->vecs()[0].offset == 5000 % 4096 && io->vecs()[1].offset == 0);
	io.reset();
	CHECK(TRY(holds(*o, 0, 5000, 1)) && TRY(holds(*o, 5000, 6000, 2)));
	CHECK(TRY(holds(*o, 11000, 9000, 1)) && TRY(attr_of(*o)).size == 20000);
	// An unaligned end beyond the size: the rest of its block is zeros if the object grows.
	BulkRange tail{30000, 100};
	TRY(bulk_write(*o, {&tail, 1}, 3)).reset();
	TRY(punch(*o, 40000, kEof));
	Buffer b = TRY(Buffer::make(4096));
	std::uint64_t bytes = 0;
	BulkRange after{30100, 4000};
	io = TRY(bulk_read(*o, {&after, 1}, bytes));
	CHECK(bytes == 4000);
	for (std::size_t i = 0; i < io->pieces().size(); i++)
		CHECK(all_zero(piece(*io, i, b)));
	return {};
}

Result<> short_reads(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	BulkRange small{0, 8};
	TRY(bulk_write(*o, {&small, 1}, 1)).reset();
	Buffer b = TRY(Buffer::make(4096));
	// A piece that begins within the object is whole, those behind have nothing.
	BulkRange r{0, 16384};
	std::uint64_t bytes = 0;
	BulkPtr io = TRY(bulk_read(*o, {&r, 1}, bytes));
	CHECK(bytes == 4096 && io->pieces()[0].got == 4096 && io->pieces()[1].got == 0);
	Bytes first = piece(*io, 0, b);
	CHECK(filled(first.first(8), 0, 1) && all_zero(first.subspan(8)));
	io.reset();
	BulkRange beyond{8, 100};
	io = TRY(bulk_read(*o, {&beyond, 1}, bytes));
	CHECK(bytes == 0 && io->pieces()[0].got == 0);
	return {};
}

Result<> holes_in_bulk(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	BulkRange r{40960, 4096};
	TRY(bulk_write(*o, {&r, 1}, 1)).reset();
	TRY(allocate(*o, kFallocKeepSize, 8192, 12288));
	Buffer b = TRY(Buffer::make(4096));
	BulkRange whole{0, 45056};
	std::uint64_t bytes = 0;
	BulkPtr io = TRY(bulk_read(*o, {&whole, 1}, bytes));
	CHECK(bytes == 45056 && io->pieces().size() == 11);
	for (std::size_t i = 0; i < 10; i++)
		CHECK(all_zero(piece(*io, i, b)));
	CHECK(filled(piece(*io, 10, b), 40960, 1));
	return {};
}

Result<> several_ranges(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	// Two of them in one page, with a gap.
	BulkRange r[] = {{100, 50}, {200, 60}, {8192, 4096}, {20000, 10000}};
	BulkPtr io = TRY(bulk_write(*o, r, 7));
	CHECK(io->pieces()[0].range == 0 && io->pieces()[1].range == 1);
	CHECK(io->pieces()[2].range == 2 && io->pieces().back().range == 3);
	io.reset();
	for (const BulkRange &x : r)
		CHECK(TRY(holds(*o, x.offset, x.length, 7)));
	Buffer b = TRY(Buffer::make(4096));
	BulkRange gap{150, 50};
	std::uint64_t bytes = 0;
	io = TRY(bulk_read(*o, {&gap, 1}, bytes));
	CHECK(bytes == 50 && all_zero(piece(*io, 0, b)));
	return {};
}

Result<> bad_ranges_are_refused(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Body *b = TRY(o->body());
	BulkRange empty[] = {{0, 0}};
	BulkRange crossing[] = {{0, 100}, {99, 10}};
	BulkRange down[] = {{8192, 100}, {0, 10}};
	BulkRange far[] = {{~std::uint64_t{0} - 5, 100}};
	BulkRange big[] = {{0, 0xfffff000}};
	constexpr auto kWrite = Body::Direction::write;
	CHECK_FAILS(b->bulk({}, kWrite), err::INVAL);
	CHECK_FAILS(b->bulk(empty, kWrite), err::INVAL);
	CHECK_FAILS(b->bulk(crossing, kWrite), err::INVAL);
	CHECK_FAILS(b->bulk(down, kWrite), err::INVAL);
	CHECK_FAILS(b->bulk(far, kWrite), err::FBIG);
	CHECK_FAILS(b->bulk(big, kWrite), err::INVAL);
	return {};
}

Result<> failed_pieces_are_left_out(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	BulkRange r{0, 16384};
	TRY(bulk_write(*o, {&r, 1}, 1)).reset();
	Body *b = TRY(o->body());
	BulkRange more{0, 24576};
	BulkPtr io = TRY(b->bulk({&more, 1}, Body::Direction::write));
	TRY(io->write_prep());
	CHECK(io->pieces()[0].mapped && io->pieces()[3].mapped && !io->pieces()[4].mapped);
	fill_pieces(*io, 2);
	io->pieces()[1].status = err::IO;
	io->pieces()[5].status = err::IO; // the object does not get that big
	TRY(commit(run.device(), *io));
	io.reset();
	CHECK(TRY(attr_of(*o)).size == 20480);
	CHECK(TRY(holds(*o, 0, 4096, 2)) && TRY(holds(*o, 4096, 4096, 1)));
	CHECK(TRY(holds(*o, 8192, 12288, 2)));
	return {};
}

Result<> given_up_transfers_change_nothing(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	BulkRange r{0, 8192};
	TRY(bulk_write(*o, {&r, 1}, 1)).reset();
	Body *b = TRY(o->body());
	BulkPtr io = TRY(b->bulk({&r, 1}, Body::Direction::write));
	TRY(io->write_prep());
	fill_pieces(*io, 2);
	{
		TransactionPtr tx = TRY(run.device().begin());
		TRY(io->declare_write_commit(*tx));
	}
	io.reset();
	CHECK(TRY(holds(*o, 0, 8192, 1)));
	return {};
}

Result<> writers_of_different_parts(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	constexpr unsigned kThreads = 4;
	constexpr std::uint32_t kPart = 65536;
	unsigned rounds = run.scale(20);
	TRY(cfs::selftest::in_threads(run, kThreads, [&](unsigned t) -> Result<> {
		for (unsigned i = 0; i < rounds; i++) {
			BulkRange r{std::uint64_t{t} * kPart, kPart};
			TRY(bulk_write(*o, {&r, 1}, i * kThreads + t)).reset();
			CHECK(TRY(holds(*o, r.offset, kPart, i * kThreads + t)));
		}
		return {};
	}));
	CHECK(TRY(attr_of(*o)).size == kThreads * kPart);
	return {};
}

Result<> truncation_meets_writers(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	unsigned rounds = run.scale(20);
	TRY(cfs::selftest::in_threads(run, 3, [&](unsigned t) -> Result<> {
		for (unsigned i = 0; i < rounds; i++) {
			if (t == 0) {
				TRY(punch(*o, i % 2 ? 0 : 10000, kEof));
				continue;
			}
			BulkRange r{t * 4096, 40000};
			TRY(bulk_write(*o, {&r, 1}, 5)).reset();
		}
		return {};
	}));
	// Every byte is from a writer or a zero; the size is what one of them left.
	std::uint64_t size = TRY(attr_of(*o)).size;
	CHECK(size == 0 || size == 10000 || size == 44096 || size == 48192);
	Buffer b = TRY(Buffer::make(50000));
	std::size_t n = TRY(get(*o, 0, b));
	CHECK(n == size);
	for (std::size_t i = 0; i < n; i++)
		CHECK(b[i] == std::byte{0} || filled({b.data() + i, 1}, i, 5));
	return {};
}

constexpr Test kBodyTests[] = {
	{"Body", "ReadingEndsWithTheObject", reading_ends_with_the_object},
	{"Body", "WritingBeyondTheEndLeavesAHole", writing_beyond_the_end_leaves_a_hole},
	{"Body", "SizesAreBounded", sizes_are_bounded},
	{"Body", "IsTruncatedToAnySize", truncated_to_any_size},
	{"Body", "PunchedHolesReadAsZeros", punched_holes_read_as_zeros},
	{"Body", "AllocationTakesSpaceNotContent", allocation_takes_space_not_content},
	{"Body", "DataAndHolesAreFound", data_and_holes_are_found},
	{"Body", "ExtentsCoverTheData", extents_cover_the_data},
	{"Body", "BehavesAsBytesInMemory", behaves_as_bytes_in_memory},
	{"Body", "IsWrittenAsItIsMade", written_as_it_is_made},
};

constexpr Test kBulkTests[] = {
	{"Bulk", "IsWrittenAndRead", written_and_read_in_bulk},
	{"Bulk", "SurvivesAMount", survives_bulk_mount},
	{"Bulk", "EdgesKeepWhatTheyHad", edges_keep_what_they_had},
	{"Bulk", "ShortReads", short_reads},
	{"Bulk", "Holes", holes_in_bulk},
	{"Bulk", "SeveralRanges", several_ranges},
	{"Bulk", "BadRangesAreRefused", bad_ranges_are_refused},
	{"Bulk", "FailedPiecesAreLeftOut", failed_pieces_are_left_out},
	{"Bulk", "GivenUpTransfersChangeNothing", given_up_transfers_change_nothing},
	{"Bulk", "WritersOfDifferentParts", writers_of_different_parts},
	{"Bulk", "TruncationMeetsWriters", truncation_meets_writers},
};

} // namespace

std::span<const Test> body_tests() noexcept
{
	return kBodyTests;
}

std::span<const Test> bulk_tests() noexcept
{
	return kBulkTests;
}

} // namespace osd::conformance
