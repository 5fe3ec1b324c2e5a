// SPDX-License-Identifier: GPL-2.0
//
// Conformance: directories and indices.
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

// ---- directories ----

Result<> names_come_and_go(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	ObjectRef p = TRY(run.make_file());
	Directory *dir = TRY(d->directory());
	CHECK(TRY(dir->empty()));
	CHECK_FAILS(dir->lookup("a"), err::NOENT);
	TRY(enter(*d, "a", *o));
	TRY(enter(*d, "b", *p));
	TRY(enter(*d, "c", *o));
	CHECK(!TRY(dir->empty()));
	CHECK(TRY(dir->lookup("a")) == o->fid() && TRY(dir->lookup("c")) == o->fid());
	CHECK(TRY(dir->lookup("b")) == p->fid());
	CHECK_FAILS(enter(*d, "a", *p), err::EXIST);
	CHECK(TRY(dir->lookup("a")) == o->fid());
	TRY(leave(*d, "a"));
	CHECK_FAILS(dir->lookup("a"), err::NOENT);
	CHECK_FAILS(leave(*d, "a"), err::NOENT);
	CHECK(TRY(dir->lookup("c")) == o->fid());
	CHECK(TRY(attr_of(*o)).nlink == 1); // links are the caller's
	TRY(leave(*d, "b"));
	TRY(leave(*d, "c"));
	CHECK(TRY(dir->empty()));
	return {};
}

Result<> bad_names_are_refused(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	for (std::string_view name :
	     {std::string_view{}, std::string_view("."), std::string_view(".."),
	      std::string_view("a/b"), std::string_view("a\0b", 3)})
		CHECK_FAILS(enter(*d, name, *o), err::INVAL);
	char longest[kNameMax + 1];
	for (char &c : longest)
		c = 'n';
	TRY(enter(*d, {longest, kNameMax}, *o));
	CHECK_FAILS(enter(*d, {longest, kNameMax + 1}, *o), err::NAMETOOLONG);
	Directory *dir = TRY(d->directory());
	CHECK(TRY(dir->lookup({longest, kNameMax})) == o->fid());
	CHECK_FAILS(leave(*d, "."), err::INVAL);
	// Any other byte may be in a name.
	TRY(enter(*d, "\x01\xff\n \t*", *o));
	CHECK(TRY(dir->lookup("\x01\xff\n \t*")) == o->fid());
	return {};
}

Result<> only_what_exists_is_entered(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	ObjectRef none = TRY(run.device().object(run.new_fid()));
	CHECK_FAILS(enter(*d, "a", *none), err::NOENT);
	CHECK_FAILS(TRY(d->directory())->lookup("a"), err::NOENT);
	// Made in the same transaction, it does.
	Directory *dir = TRY(d->directory());
	CreateSpec s = file_spec();
	s.parent = d.get();
	TRY(in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(none->declare_create(tx, s));
			return dir->declare_insert(tx, "a");
		},
		[&](Transaction &tx) -> Result<> {
			TRY(none->create(tx, s));
			return dir->insert(tx, "a", *none);
		}));
	CHECK(TRY(dir->lookup("a")) == none->fid());
	return {};
}

Result<> filled_as_it_is_made(Env &run) noexcept
{
	ObjectRef parent = TRY(run.dir());
	ObjectRef d = TRY(run.device().object(run.new_local_fid()));
	ObjectRef o = TRY(run.make_file());
	Directory *dir = TRY(d->directory());
	CreateSpec s = file_spec(kTypeDir | 0700);
	s.parent = parent.get();
	TRY(in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(d->declare_create(tx, s));
			return dir->declare_insert(tx, "a");
		},
		[&](Transaction &tx) -> Result<> {
			TRY(d->create(tx, s));
			return dir->insert(tx, "a", *o);
		}));
	CHECK(TRY(dir->lookup("a")) == o->fid() && TRY(dir->lookup("..")) == parent->fid());
	return {};
}

Result<> dot_and_dotdot(Env &run) noexcept
{
	ObjectRef parent = TRY(run.dir());
	ObjectRef d = TRY(run.make_dir());
	ObjectRef other = TRY(run.make_dir());
	Directory *dir = TRY(d->directory());
	CHECK(TRY(dir->lookup(".")) == d->fid() && TRY(dir->lookup("..")) == parent->fid());
	TRY(in_tx(
		run.device(), [&](Transaction &tx) { return dir->declare_set_parent(tx); },
		[&](Transaction &tx) { return dir->set_parent(tx, *other); }));
	CHECK(TRY(dir->lookup("..")) == other->fid() && TRY(dir->empty()));
	return {};
}

Result<> full_directory_is_not_destroyed(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(enter(*d, "a", *o));
	CHECK_FAILS(destroy(*d), err::NOTEMPTY);
	CHECK(d->exists());
	TRY(leave(*d, "a"));
	TRY(destroy(*d));
	CHECK(!d->exists());
	return {};
}

/// What one walk of a directory with names "n0" to "n<count-1>" saw.
struct Walk {
	cfs::Array<std::uint8_t> seen; // times, by number
	std::size_t dots = 0;
	std::size_t others = 0;
	bool ascending = true;
	std::uint64_t last = 0;

	void take(const DirItem &i) noexcept
	{
		ascending = ascending && i.cookie >= last && i.cookie < kDirEnd;
		last = i.cookie;
		if (i.name == "." || i.name == "..") {
			dots++;
			return;
		}
		std::uint64_t n = 0;
		auto digits = i.name; // substr() would bring an exception into the kernel
		digits.remove_prefix(1);
		for (char c : digits)
			n = n * 10 + static_cast<unsigned>(c - '0');
		if (i.name.starts_with('n') && n < seen.size())
			seen[n]++;
		else
			others++;
	}
	[[nodiscard]] bool all_once(std::size_t from, std::size_t to) const noexcept
	{
		for (std::size_t i = from; i < to; i++)
			if (seen[i] != 1)
				return false;
		return true;
	}
};

Result<> fill_dir(Env &run, Object &d, Object &o, std::size_t from, std::size_t to) noexcept
{
	Directory *dir = TRY(d.directory());
	for (std::size_t i = from; i < to;) {
		// Several at once: commits are not what is tested.
		std::size_t end = i + 50 < to ? i + 50 : to;
		TRY(in_tx(
			run.device(),
			[&](Transaction &tx) -> Result<> {
				for (std::size_t n = i; n < end; n++)
					TRY(dir->declare_insert(tx, Name(n)));
				return {};
			},
			[&](Transaction &tx) -> Result<> {
				for (std::size_t n = i; n < end; n++)
					TRY(dir->insert(tx, Name(n), o));
				return {};
			}));
		i = end;
	}
	return {};
}

Result<> many_entries(Env &run) noexcept
{
	std::size_t count = run.scale(12000);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, count));
	Directory *dir = TRY(d->directory());
	for (std::size_t i = 0; i < count; i += 7)
		CHECK(TRY(dir->lookup(Name(i))) == o->fid());
	CHECK_FAILS(dir->lookup(Name(count)), err::NOENT);
	Walk w;
	w.seen = TRY(cfs::Array<std::uint8_t>::make(CFS_S_OSD, count));
	auto cursor = TRY(dir->open());
	while (const DirItem *i = TRY(cursor->next())) {
		if (i->name != "." && i->name != "..")
			CHECK(i->fid == o->fid() && i->type == kTypeFile);
		else
			CHECK(i->type == kTypeDir);
		w.take(*i);
	}
	CHECK(w.ascending && w.dots == 2 && w.others == 0 && w.all_once(0, count));
	CHECK(!TRY(cursor->next())); // stays at the end
	cursor->seek(kDirEnd);
	CHECK(!TRY(cursor->next()));
	return {};
}

/// A client reads page by page, each time from the cookie of the first entry it did not get.
Result<> reading_goes_on_at_a_cookie(Env &run) noexcept
{
	std::size_t count = run.scale(1000);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, count));
	Directory *dir = TRY(d->directory());
	auto seen = TRY(cfs::Array<std::uint8_t>::make(CFS_S_OSD, count));
	std::uint64_t at = 0;
	for (bool more = true; more;) {
		auto cursor = TRY(dir->open()); // nothing is kept between two pages
		cursor->seek(at);
		unsigned in_page = 0;
		more = false;
		while (const DirItem *i = TRY(cursor->next())) {
			CHECK(i->cookie >= at);
			// A group of equal cookies is not cut, here.
			if (in_page >= 37 && i->cookie != at) {
				at = i->cookie;
				more = true;
				break;
			}
			at = i->cookie;
			in_page++;
			std::uint64_t n = 0;
			auto digits = i->name;
			digits.remove_prefix(1);
			for (char c : digits)
				n = n * 10 + static_cast<unsigned>(c - '0');
			if (i->name.starts_with('n'))
				seen[n]++;
		}
	}
	for (std::uint8_t n : seen)
		CHECK(n == 1);
	return {};
}

Result<> upper_half_is_a_position(Env &run) noexcept
{
	std::size_t count = run.scale(500);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, count));
	Directory *dir = TRY(d->directory());
	auto cursor = TRY(dir->open());
	auto second = TRY(dir->open());
	std::uint64_t group = kDirEnd;
	while (const DirItem *i = TRY(cursor->next())) {
		if (i->cookie >> 32 == group)
			continue;
		group = i->cookie >> 32;
		second->seek(group << 32);
		const DirItem *same = TRY(second->next());
		CHECK(same && same->name == i->name && same->cookie == i->cookie);
	}
	return {};
}

Result<> cookies_stay(Env &run) noexcept
{
	// Enough for a directory to change its form on the way.
	std::size_t count = run.scale(3000);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, 10));
	std::uint64_t cookies[10] = {};
	for (unsigned round = 0; round < 2; round++) {
		auto cursor = TRY(TRY(d->directory())->open());
		while (const DirItem *i = TRY(cursor->next())) {
			if (i->name.size() != 2 || !i->name.starts_with('n'))
				continue;
			auto n = static_cast<unsigned>(i->name[1] - '0');
			CHECK(round == 0 || cookies[n] == i->cookie);
			cookies[n] = i->cookie;
		}
		if (round == 0)
			TRY(fill_dir(run, *d, *o, 10, count));
	}
	return {};
}

Result<> reading_under_change(Env &run) noexcept
{
	std::size_t count = run.scale(2000);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, count));
	Walk w;
	w.seen = TRY(cfs::Array<std::uint8_t>::make(CFS_S_OSD, count * 2));
	auto cursor = TRY(TRY(d->directory())->open());
	std::size_t gone = count / 2; // [count / 2, gone) are removed on the way
	std::size_t came = count;     // [count, came) are added
	while (const DirItem *i = TRY(cursor->next())) {
		w.take(*i);
		if (gone < count)
			TRY(leave(*d, Name(gone++)));
		if (came < count + count / 2)
			TRY(fill_dir(run, *d, *o, came, came + 1)), came++;
	}
	CHECK(w.ascending && w.dots == 2 && w.all_once(0, count / 2));
	for (std::size_t i = count / 2; i < w.seen.size(); i++)
		CHECK(w.seen[i] <= 1);
	return {};
}

Result<> removing_while_reading(Env &run) noexcept
{
	std::size_t count = run.scale(2000);
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	TRY(fill_dir(run, *d, *o, 0, count));
	auto cursor = TRY(TRY(d->directory())->open());
	std::size_t removed = 0;
	char name[kNameMax];
	while (const DirItem *i = TRY(cursor->next())) {
		if (i->type == kTypeDir)
			continue;
		std::size_t n = i->name.copy(name, sizeof(name));
		TRY(leave(*d, {name, n}));
		removed++;
	}
	CHECK(removed == count && TRY(TRY(d->directory())->empty()));
	return {};
}

// ---- indices ----

struct Key {
	cfs::be64 n;
	operator Bytes() const noexcept { return cfs::bytes_of(n); }
};

MutBytes record(std::uint64_t &v) noexcept
{
	return {reinterpret_cast<std::byte *>(&v), sizeof(v)};
}

Result<> index_put(Object &o, std::uint64_t key, std::uint64_t value, bool update) noexcept
{
	Index *x = TRY(o.index());
	Key k{key};
	return in_tx(
		o.device(),
		[&](Transaction &tx) {
			return update ? x->declare_update(tx) : x->declare_insert(tx);
		},
		[&](Transaction &tx) {
			return update ? x->update(tx, k, record(value))
				      : x->insert(tx, k, record(value));
		});
}

Result<> index_del(Object &o, std::uint64_t key) noexcept
{
	Index *x = TRY(o.index());
	return in_tx(
		o.device(), [&](Transaction &tx) { return x->declare_remove(tx); },
		[&](Transaction &tx) { return x->remove(tx, Key{key}); });
}

constexpr IndexSpec kEight{8, 8};

Result<> records_come_and_go(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_index(kEight));
	Index *x = TRY(o->index());
	CHECK(x->spec() == kEight);
	std::uint64_t v = 0;
	for (std::uint64_t key : {std::uint64_t{0}, std::uint64_t{5}, ~std::uint64_t{0}}) {
		CHECK_FAILS(x->lookup(Key{key}, record(v)), err::NOENT);
		CHECK_FAILS(index_put(*o, key, 1, true), err::NOENT);
		CHECK_FAILS(index_del(*o, key), err::NOENT);
		TRY(index_put(*o, key, key + 3, false));
		CHECK_FAILS(index_put(*o, key, 9, false), err::EXIST);
		TRY(x->lookup(Key{key}, record(v)));
		CHECK(v == key + 3);
		TRY(index_put(*o, key, 77, true));
		TRY(x->lookup(Key{key}, record(v)));
		CHECK(v == 77);
	}
	TRY(index_del(*o, 5));
	CHECK_FAILS(x->lookup(Key{5}, record(v)), err::NOENT);
	return {};
}

Result<> sizes_are_checked(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_index({8, 24}));
	Index *x = TRY(o->index());
	std::byte b[25] = {};
	CHECK_FAILS(x->lookup({b, 7}, {b, 24}), err::INVAL);
	CHECK_FAILS(x->lookup({b, 8}, {b, 23}), err::INVAL);
	auto cursor = TRY(x->open());
	CHECK_FAILS(cursor->seek({b, 9}), err::INVAL);
	auto bad = in_tx(
		run.device(), [&](Transaction &tx) { return x->declare_insert(tx); },
		[&](Transaction &tx) { return x->insert(tx, {b, 8}, {b, 25}); });
	CHECK_FAILS(bad, err::INVAL);
	return {};
}

Result<> many_records(Env &run) noexcept
{
	std::uint64_t count = run.scale(12000);
	ObjectRef o = TRY(run.make_index(kEight));
	Index *x = TRY(o->index());
	// A scattered order: count is prime to the step.
	std::uint64_t step = 7919;
	while (count % step == 0)
		step += 2;
	for (std::uint64_t i = 0; i < count;) {
		std::uint64_t end = i + 50 < count ? i + 50 : count;
		TRY(in_tx(
			run.device(),
			[&](Transaction &tx) -> Result<> {
				for (std::uint64_t n = i; n < end; n++)
					TRY(x->declare_insert(tx));
				return {};
			},
			[&](Transaction &tx) -> Result<> {
				for (std::uint64_t n = i; n < end; n++) {
					std::uint64_t key = n * step % count * 3;
					std::uint64_t value = key ^ 0x5555;
					TRY(x->insert(tx, Key{key}, record(value)));
				}
				return {};
			}));
		i = end;
	}
	auto cursor = TRY(x->open());
	for (std::uint64_t n = 0; n < count; n++) {
		auto pair = TRY(cursor->next());
		CHECK(pair && pair.key.size() == 8 && pair.record.size() == 8);
		auto key = TRY(cfs::view_at<cfs::be64>(pair.key, 0));
		CHECK(*key == n * 3);
	}
	CHECK(!TRY(cursor->next()));
	for (std::uint64_t n = 0; n + 1 < count; n += 97) {
		TRY(cursor->seek(Key{n * 3 + 1})); // between two keys
		auto pair = TRY(cursor->next());
		auto key = TRY(cfs::view_at<cfs::be64>(pair.key, 0));
		CHECK(*key == n * 3 + 3);
	}
	TRY(cursor->seek(Key{count * 3}));
	CHECK(!TRY(cursor->next()));
	return {};
}

Result<> reading_an_index_under_change(Env &run) noexcept
{
	std::uint64_t count = run.scale(3000);
	ObjectRef o = TRY(run.make_index(kEight));
	for (std::uint64_t n = 0; n < count; n++)
		TRY(index_put(*o, n * 2, n, false));
	auto cursor = TRY(TRY(o->index())->open());
	std::uint64_t next_even = 0;
	std::uint64_t last = 0;
	bool first = true;
	while (auto pair = TRY(cursor->next())) {
		std::uint64_t key = *TRY(cfs::view_at<cfs::be64>(pair.key, 0));
		CHECK(first || key > last);
		if (key % 2 == 0) {
			// Of those that stay, none is left out.
			CHECK(key == next_even);
			next_even += 2;
			if (next_even % 8 == 0)
				next_even += 2; // removed below, before it was reached
		}
		first = false;
		last = key;
		if (key % 8 == 6 && key + 2 < count * 2)
			TRY(index_del(*o, key + 2));
		if (key % 2 == 0)
			TRY(index_put(*o, key + 1, 0, false));
	}
	CHECK(next_even >= count * 2);
	return {};
}

Result<> emptied_index_works(Env &run) noexcept
{
	std::uint64_t count = run.scale(2000);
	ObjectRef o = TRY(run.make_index(kEight));
	for (unsigned round = 0; round < 2; round++) {
		for (std::uint64_t n = 0; n < count; n++)
			TRY(index_put(*o, n, n, false));
		for (std::uint64_t n = 0; n < count; n++)
			TRY(index_del(*o, round ? count - 1 - n : n));
		auto cursor = TRY(TRY(o->index())->open());
		CHECK(!TRY(cursor->next()));
	}
	return {};
}

Result<> other_sizes(Env &run) noexcept
{
	for (IndexSpec spec : {IndexSpec{16, 8}, IndexSpec{8, 24}, IndexSpec{8, 32},
			       IndexSpec{16, 1}, IndexSpec{24, 16}}) {
		ObjectRef o = TRY(run.make_index(spec));
		Index *x = TRY(o->index());
		std::byte key[kIndexKeyMax] = {};
		std::byte rec[kIndexRecordMax] = {};
		for (unsigned n = 0; n < 600; n++) {
			fill({key, spec.key_bytes}, 0, n);
			fill({rec, spec.record_bytes}, 0, n + 1000);
			TRY(in_tx(
				run.device(),
				[&](Transaction &tx) { return x->declare_insert(tx); },
				[&](Transaction &tx) {
					return x->insert(tx, {key, spec.key_bytes},
							 {rec, spec.record_bytes});
				}));
		}
		for (unsigned n = 0; n < 600; n += 13) {
			fill({key, spec.key_bytes}, 0, n);
			TRY(x->lookup({key, spec.key_bytes}, {rec, spec.record_bytes}));
			CHECK(filled({rec, spec.record_bytes}, 0, n + 1000));
		}
	}
	return {};
}

constexpr Test kDirectoryTests[] = {
	{"Directory", "NamesComeAndGo", names_come_and_go},
	{"Directory", "BadNamesAreRefused", bad_names_are_refused},
	{"Directory", "OnlyWhatExistsIsEntered", only_what_exists_is_entered},
	{"Directory", "IsFilledAsItIsMade", filled_as_it_is_made},
	{"Directory", "DotAndDotDot", dot_and_dotdot},
	{"Directory", "FullIsNotDestroyed", full_directory_is_not_destroyed},
	{"Directory", "ManyEntries", many_entries},
	{"Directory", "ReadingGoesOnAtACookie", reading_goes_on_at_a_cookie},
	{"Directory", "UpperHalfOfACookieIsAPosition", upper_half_is_a_position},
	{"Directory", "CookiesStay", cookies_stay},
	{"Directory", "ReadingUnderChange", reading_under_change},
	{"Directory", "RemovingWhileReading", removing_while_reading},
};

constexpr Test kIndexTests[] = {
	{"Index", "RecordsComeAndGo", records_come_and_go},
	{"Index", "SizesAreChecked", sizes_are_checked},
	{"Index", "ManyRecords", many_records},
	{"Index", "ReadingUnderChange", reading_an_index_under_change},
	{"Index", "EmptiedWorks", emptied_index_works},
	{"Index", "OtherSizes", other_sizes},
};

} // namespace

std::span<const Test> directory_tests() noexcept
{
	return kDirectoryTests;
}

std::span<const Test> index_tests() noexcept
{
	return kIndexTests;
}

} // namespace osd::conformance
