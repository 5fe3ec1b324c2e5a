// SPDX-License-Identifier: GPL-2.0
//
// Conformance: life and attributes of objects.
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

Result<> set_attr(Object &o, const Attr &a) noexcept
{
	return in_tx(
		o.device(), [&](Transaction &tx) { return o.declare_attr_set(tx, a); },
		[&](Transaction &tx) { return o.attr_set(tx, a); });
}

Result<> created_with_its_attributes(Env &run) noexcept
{
	ObjectRef dir = TRY(run.dir());
	CreateSpec s = file_spec(kTypeFile | 0640);
	s.parent = dir.get();
	s.attr.valid |= kAttrOwner | kAttrAtime | kAttrMtime | kAttrCtime;
	s.attr.uid = 4000000000u;
	s.attr.gid = 77;
	s.attr.projid = run.device().info().project_quota ? 5 : 0;
	s.attr.atime = {100, 1};
	s.attr.mtime = {200, 2};
	s.attr.ctime = {300, 999999999};
	ObjectRef o = TRY(run.make(run.new_fid(), s));
	CHECK(o->exists() && o->type() == kTypeFile);
	Attr a = TRY(attr_of(*o));
	CHECK((a.valid & (kAttrOwner | kAttrMode | kAttrType | kAttrSize | kAttrNlink)) ==
	      (kAttrOwner | kAttrMode | kAttrType | kAttrSize | kAttrNlink));
	CHECK(a.mode == (kTypeFile | 0640) && a.nlink == 1 && a.size == 0 && a.blocks == 0);
	CHECK(a.uid == s.attr.uid && a.gid == 77 && a.projid == s.attr.projid);
	CHECK(a.atime == s.attr.atime && a.mtime == s.attr.mtime && a.ctime == s.attr.ctime);
	CHECK(TRY(o->version()) == 0);
	return {};
}

Result<> times_default_to_now(Env &run) noexcept
{
	std::int64_t before = cfs::real_seconds();
	ObjectRef o = TRY(run.make_file());
	Attr a = TRY(attr_of(*o));
	// Simulated clocks jump, but not in a moment.
	CHECK(a.mtime.sec >= before - 100000 && a.mtime == a.ctime && a.atime == a.ctime);
	return {};
}

Result<> precreated_has_no_times(Env &run) noexcept
{
	ObjectRef o = TRY(run.make(run.new_fid(), file_spec(0107666)));
	Attr a = TRY(attr_of(*o));
	CHECK(a.mode == 0107666 && a.atime == Time{} && a.mtime == Time{} && a.ctime == Time{});
	return {};
}

Result<> created_once(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	CreateSpec s = file_spec();
	auto again = in_tx(
		run.device(), [&](Transaction &tx) { return o->declare_create(tx, s); },
		[&](Transaction &tx) { return o->create(tx, s); });
	CHECK_FAILS(again, err::EXIST);
	return {};
}

Result<> bad_specs_are_refused(Env &run) noexcept
{
	auto declare = [&](const CreateSpec &s) -> Result<> {
		ObjectRef o = TRY(run.device().object(run.new_local_fid()));
		TransactionPtr tx = TRY(run.device().begin());
		return o->declare_create(*tx, s);
	};
	CreateSpec no_mode;
	CHECK_FAILS(declare(no_mode), err::INVAL);
	CHECK_FAILS(declare(file_spec(0050000 | 0644)), err::INVAL);   // no such type
	CHECK_FAILS(declare(file_spec(kTypeDir | 0755)), err::INVAL);  // no parent
	CHECK_FAILS(declare(file_spec(kTypeLink | 0777)), err::INVAL); // no text
	CreateSpec s = file_spec();
	s.symlink = "text";
	CHECK_FAILS(declare(s), err::INVAL);
	s = file_spec();
	s.index = {8, 0};
	CHECK_FAILS(declare(s), err::INVAL);
	s.index = {kIndexKeyMax + 1, 8};
	CHECK_FAILS(declare(s), err::INVAL);
	return {};
}

Result<> bad_fids_are_refused(Env &run) noexcept
{
	CHECK_FAILS(run.device().object(wire::make_fid(wire::FID_SEQ_NORMAL, 1, 1)), err::INVAL);
	CHECK_FAILS(run.device().object(wire::make_fid(0x2, 5, 9)), err::INVAL);
	return {};
}

Result<> missing_object_has_nothing(Env &run) noexcept
{
	ObjectRef o = TRY(run.device().object(run.new_fid()));
	CHECK(!o->exists() && o->type() == 0);
	CHECK_FAILS(attr_of(*o), err::NOENT);
	CHECK_FAILS(o->version(), err::NOENT);
	CHECK_FAILS(o->xattr_get("trusted.lov", {}), err::NOENT);
	CHECK_FAILS(set_version(*o, 1), err::NOENT);
	CHECK_FAILS(destroy(*o), err::NOENT);
	return {};
}

Result<> users_share_the_object(Env &run) noexcept
{
	Fid fid = run.new_fid();
	ObjectRef a = TRY(run.device().object(fid));
	ObjectRef b = TRY(run.device().object(fid, kNew));
	CHECK(a == b && a->fid() == fid && &a->device() == &run.device());
	ObjectRef made = TRY(run.make(fid, file_spec()));
	CHECK(a == made && a->exists());
	a.reset();
	b.reset();
	made.reset();
	ObjectRef again = TRY(run.device().object(fid));
	CHECK(again->exists());
	return {};
}

Result<> destroyed_is_gone(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Fid fid = o->fid();
	ObjectRef other = TRY(run.device().object(fid));
	TRY(destroy(*o));
	CHECK(!o->exists() && !other->exists());
	CHECK_FAILS(attr_of(*other), err::NOENT);
	o.reset();
	other.reset();
	ObjectRef again = TRY(run.device().object(fid));
	CHECK(!again->exists());
	again.reset();
	// The FID is free.
	ObjectRef made = TRY(run.make(fid, file_spec()));
	CHECK(made->exists() && TRY(attr_of(*made)).size == 0);
	return {};
}

Result<> created_and_destroyed_at_once(Env &run) noexcept
{
	ObjectRef o = TRY(run.device().object(run.new_fid()));
	CreateSpec s = file_spec();
	TRY(in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(o->declare_create(tx, s));
			return o->declare_destroy(tx);
		},
		[&](Transaction &tx) -> Result<> {
			TRY(o->create(tx, s));
			return o->destroy(tx);
		}));
	CHECK(!o->exists());
	return {};
}

Result<> add_links(Object &o, unsigned n) noexcept
{
	for (unsigned i = 0; i < n; i++)
		TRY(in_tx(
			o.device(), [&](Transaction &tx) { return o.declare_ref_add(tx); },
			[&](Transaction &tx) { return o.ref_add(tx); }));
	return {};
}

Result<> drop_link(Object &o) noexcept
{
	return in_tx(
		o.device(), [&](Transaction &tx) { return o.declare_ref_del(tx); },
		[&](Transaction &tx) { return o.ref_del(tx); });
}

Result<> links_are_counted(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	TRY(add_links(*o, 3));
	CHECK(TRY(attr_of(*o)).nlink == 4);
	for (unsigned left = 4; left-- > 0;) {
		TRY(drop_link(*o));
		CHECK(TRY(attr_of(*o)).nlink == left);
	}
	CHECK(o->exists()); // until it is destroyed
	CHECK_FAILS(drop_link(*o), err::UCLEAN);
	TRY(destroy(*o));
	return {};
}

Result<> directory_keeps_two_links(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	CHECK(TRY(attr_of(*d)).nlink == 2);
	TRY(add_links(*d, 2));
	CHECK(TRY(attr_of(*d)).nlink == 4);
	for (unsigned i = 0; i < 3; i++)
		TRY(drop_link(*d));
	CHECK(TRY(attr_of(*d)).nlink == 2);
	return {};
}

Result<> attributes_change_as_named(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Attr was = TRY(attr_of(*o));
	Attr a;
	a.valid = kAttrMode | kAttrUid | kAttrMtime;
	a.mode = kTypeDir | 06751; // the type of an object never changes
	a.uid = 1000;
	a.gid = 1000; // not named
	a.mtime = {-5, 7};
	a.ctime = {1, 1};
	TRY(set_attr(*o, a));
	Attr is = TRY(attr_of(*o));
	CHECK(is.mode == (kTypeFile | 06751) && is.uid == 1000 && is.gid == was.gid);
	CHECK(is.mtime == a.mtime && is.ctime == was.ctime && is.atime == was.atime);
	CHECK(is.btime == was.btime && is.nlink == was.nlink);
	for (std::uint32_t bit : {kAttrSize, kAttrBlocks, kAttrNlink, kAttrType, kAttrRdev}) {
		a.valid = bit;
		CHECK_FAILS(set_attr(*o, a), err::INVAL);
	}
	return {};
}

Result<> times_reach_far(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	for (std::int64_t sec : {std::int64_t{-1}, std::int64_t{-2000000000}, std::int64_t{1} << 32,
				 (std::int64_t{1} << 33) + 5}) {
		Attr a;
		a.valid = kAttrAtime | kAttrMtime | kAttrCtime;
		a.atime = {sec, 1};
		a.mtime = {sec + 1, 999999999};
		a.ctime = {sec + 2, 0};
		TRY(set_attr(*o, a));
		Attr is = TRY(attr_of(*o));
		CHECK(is.atime == a.atime && is.mtime == a.mtime && is.ctime == a.ctime);
	}
	return {};
}

Result<> flags_are_kept(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	std::uint32_t was = TRY(attr_of(*o)).flags;
	Attr a;
	a.valid = kAttrFlags;
	a.flags = wire::LUSTRE_APPEND_FL | wire::LUSTRE_NODUMP_FL | wire::LUSTRE_ORPHAN_FL |
		  wire::LUSTRE_INDEX_FL;
	TRY(set_attr(*o, a));
	std::uint32_t is = TRY(attr_of(*o)).flags;
	constexpr std::uint32_t kOurs = wire::LUSTRE_FL_USER_MODIFIABLE | wire::LUSTRE_LMA_FL_MASKS;
	CHECK((is & kOurs) == (a.flags & kOurs));
	CHECK((is & ~kOurs) == (was & ~kOurs));
	a.flags = 0;
	TRY(set_attr(*o, a));
	CHECK((TRY(attr_of(*o)).flags & kOurs) == 0);
	return {};
}

Result<> version_is_kept(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	ObjectRef d = TRY(run.make_dir());
	for (std::uint64_t v : {std::uint64_t{0x100000005}, ~std::uint64_t{0} >> 1}) {
		TRY(set_version(*o, v));
		TRY(set_version(*d, v - 1));
		// Nothing else counts it up.
		TRY(enter(*d, Name(v), *o));
		Attr a;
		a.valid = kAttrMtime;
		TRY(set_attr(*d, a));
		CHECK(TRY(o->version()) == v && TRY(d->version()) == v - 1);
	}
	return {};
}

Result<> nothing_touches_times(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	ObjectRef d = TRY(run.make_dir());
	Attr a;
	a.valid = kAttrAtime | kAttrMtime | kAttrCtime;
	a.atime = a.mtime = a.ctime = {12345, 678};
	TRY(set_attr(*o, a));
	TRY(set_attr(*d, a));
	std::byte b[10] = {};
	TRY(put(*o, 0, b));
	TRY(punch(*o, 5, kEof));
	TRY(set_xattr(*o, "user.x", b));
	TRY(enter(*d, "name", *o));
	Directory *dir = TRY(d->directory());
	(void)TRY(dir->lookup("name"));
	TRY(leave(*d, "name"));
	for (Object *x : {o.get(), d.get()}) {
		Attr is = TRY(attr_of(*x));
		CHECK(is.atime == a.atime && is.mtime == a.mtime && is.ctime == a.ctime);
	}
	return {};
}

Result<> symlinks_keep_their_text(Env &run) noexcept
{
	auto text = TRY(cfs::Array<char>::make(CFS_S_OSD, kSymlinkMax + 1));
	auto back = TRY(Buffer::make(kSymlinkMax + 1));
	for (std::size_t i = 0; i < text.size(); i++)
		text[i] = static_cast<char>('a' + i % 26);
	ObjectRef dir = TRY(run.dir());
	for (std::size_t n : {std::size_t{1}, std::size_t{59}, std::size_t{60}, kSymlinkMax}) {
		CreateSpec s = file_spec(kTypeLink | 0777);
		s.parent = dir.get();
		s.symlink = {text.data(), n};
		ObjectRef o = TRY(run.make(run.new_local_fid(), s));
		CHECK(o->type() == kTypeLink && TRY(attr_of(*o)).size == n);
		Body *b = TRY(o->body());
		CHECK(TRY(b->read(0, back)) == n);
		CHECK(cfs::as_string({back.data(), n}) == s.symlink);
		CHECK_FAILS(put(*o, 0, {back.data(), 1}), err::INVAL);
	}
	CreateSpec s = file_spec(kTypeLink | 0777);
	s.symlink = {text.data(), kSymlinkMax + 1};
	CHECK_FAILS(run.make(run.new_local_fid(), s), err::NAMETOOLONG);
	return {};
}

Result<> special_files_have_no_body(Env &run) noexcept
{
	ObjectRef dir = TRY(run.dir());
	CreateSpec s = file_spec(kTypeChar | 0600);
	s.parent = dir.get();
	s.attr.valid |= kAttrRdev;
	s.attr.rdev = 0x00501234;
	ObjectRef o = TRY(run.make(run.new_local_fid(), s));
	CHECK(o->type() == kTypeChar && TRY(attr_of(*o)).rdev == s.attr.rdev);
	CHECK_FAILS(o->body(), err::INVAL);
	CHECK_FAILS(o->directory(), err::NOTDIR);
	for (std::uint32_t type : {kTypeFifo, kTypeSocket}) {
		CreateSpec p = file_spec(type | 0600);
		p.parent = dir.get();
		ObjectRef x = TRY(run.make(run.new_local_fid(), p));
		CHECK(x->type() == type);
		CHECK_FAILS(x->index(), err::INVAL);
	}
	return {};
}

Result<> content_follows_the_type(Env &run) noexcept
{
	ObjectRef f = TRY(run.make_file());
	ObjectRef d = TRY(run.make_dir());
	ObjectRef i = TRY(run.make_index({8, 8}));
	CHECK(f->body());
	CHECK_FAILS(f->directory(), err::NOTDIR);
	CHECK_FAILS(f->index(), err::INVAL);
	CHECK(d->directory());
	CHECK_FAILS(d->body(), err::ISDIR);
	CHECK_FAILS(d->index(), err::ISDIR);
	CHECK(i->index());
	CHECK_FAILS(i->body(), err::INVAL);
	CHECK_FAILS(i->directory(), err::NOTDIR);
	return {};
}

Result<> survives_a_mount(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Fid fid = o->fid();
	Attr a = TRY(attr_of(*o));
	a.valid = kAttrSettable & ~kAttrProjid;
	a.mode = 01755;
	a.uid = 3;
	a.gid = 4;
	a.flags = wire::LUSTRE_NOATIME_FL | wire::LUSTRE_ORPHAN_FL;
	a.atime = {-7, 7};
	TRY(set_attr(*o, a));
	TRY(set_version(*o, 99));
	a = TRY(attr_of(*o));
	o.reset();
	TRY(run.remount());
	o = TRY(run.device().object(fid));
	CHECK(o->exists() && TRY(o->version()) == 99);
	Attr is = TRY(attr_of(*o));
	CHECK(is.mode == a.mode && is.uid == 3 && is.gid == 4 && is.flags == a.flags);
	CHECK(is.atime == a.atime && is.mtime == a.mtime && is.ctime == a.ctime);
	CHECK(is.btime == a.btime && is.nlink == a.nlink);
	return {};
}

constexpr Test kTests[] = {
	{"Object", "IsCreatedWithItsAttributes", created_with_its_attributes},
	{"Object", "TimesDefaultToNow", times_default_to_now},
	{"Object", "PrecreatedHasNoTimes", precreated_has_no_times},
	{"Object", "IsCreatedOnce", created_once},
	{"Object", "BadSpecsAreRefused", bad_specs_are_refused},
	{"Object", "BadFidsAreRefused", bad_fids_are_refused},
	{"Object", "MissingHasNothing", missing_object_has_nothing},
	{"Object", "UsersShareIt", users_share_the_object},
	{"Object", "DestroyedIsGone", destroyed_is_gone},
	{"Object", "CreatedAndDestroyedAtOnce", created_and_destroyed_at_once},
	{"Object", "LinksAreCounted", links_are_counted},
	{"Object", "DirectoryKeepsTwoLinks", directory_keeps_two_links},
	{"Object", "AttributesChangeAsNamed", attributes_change_as_named},
	{"Object", "TimesReachFar", times_reach_far},
	{"Object", "FlagsAreKept", flags_are_kept},
	{"Object", "VersionIsKept", version_is_kept},
	{"Object", "NothingTouchesTimes", nothing_touches_times},
	{"Object", "SymlinksKeepTheirText", symlinks_keep_their_text},
	{"Object", "SpecialFilesHaveNoBody", special_files_have_no_body},
	{"Object", "ContentFollowsTheType", content_follows_the_type},
	{"Object", "SurvivesAMount", survives_a_mount},
};

} // namespace

std::span<const Test> object_tests() noexcept
{
	return kTests;
}

} // namespace osd::conformance
