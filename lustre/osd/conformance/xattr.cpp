// SPDX-License-Identifier: GPL-2.0
//
// Conformance: extended attributes.
#include "wire/xattr.hpp"
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

using Mode = Object::XattrMode;

Result<> del_xattr(Object &o, std::string_view name) noexcept
{
	return in_tx(
		o.device(), [&](Transaction &tx) { return o.declare_xattr_del(tx, name); },
		[&](Transaction &tx) { return o.xattr_del(tx, name); });
}

/// Whether the attribute has just this value.
Result<bool> has(Object &o, std::string_view name, Bytes value) noexcept
{
	auto back = TRY(Buffer::make(value.size() + 1));
	std::size_t n = TRY(o.xattr_get(name, back));
	if (n != value.size())
		return false;
	for (std::size_t i = 0; i < n; i++)
		if (back[i] != value[i])
			return false;
	return true;
}

Result<> set_replaced_deleted(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	ObjectRef d = TRY(run.make_dir());
	for (Object *x : {o.get(), d.get()})
		for (std::string_view name : {"trusted.lov", "user.comment", "security.label"}) {
			CHECK_FAILS(x->xattr_get(name, {}), err::NODATA);
			TRY(set_xattr(*x, name, cfs::as_bytes("one")));
			CHECK(TRY(has(*x, name, cfs::as_bytes("one"))));
			TRY(set_xattr(*x, name, cfs::as_bytes("a longer value")));
			CHECK(TRY(has(*x, name, cfs::as_bytes("a longer value"))));
			TRY(del_xattr(*x, name));
			CHECK_FAILS(x->xattr_get(name, {}), err::NODATA);
			CHECK_FAILS(del_xattr(*x, name), err::NODATA);
		}
	return {};
}

Result<> modes_are_honoured(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Bytes v = cfs::as_bytes("value");
	Bytes w = cfs::as_bytes("other");
	CHECK_FAILS(set_xattr(*o, "user.a", v, Mode::replace_only), err::NODATA);
	TRY(set_xattr(*o, "user.a", v, Mode::create_only));
	CHECK_FAILS(set_xattr(*o, "user.a", w, Mode::create_only), err::EXIST);
	CHECK(TRY(has(*o, "user.a", v)));
	TRY(set_xattr(*o, "user.a", w, Mode::replace_only));
	CHECK(TRY(has(*o, "user.a", w)));
	return {};
}

Result<> buffers_are_checked(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	TRY(set_xattr(*o, "trusted.x", cfs::as_bytes("12345678")));
	std::byte small[7];
	std::byte exact[8];
	CHECK(TRY(o->xattr_get("trusted.x", {})) == 8);
	CHECK_FAILS(o->xattr_get("trusted.x", small), err::RANGE);
	CHECK(TRY(o->xattr_get("trusted.x", exact)) == 8);
	char names[9];
	CHECK_FAILS(o->xattr_list(names), err::RANGE);
	return {};
}

Result<> values_of_many_sizes(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	std::size_t most = run.device().info().xattr_max;
	auto value = TRY(Buffer::make(most + 1));
	for (std::size_t n : {std::size_t{1}, std::size_t{56}, std::size_t{500}, std::size_t{2000},
			      std::size_t{3000}}) {
		if (n > most)
			continue;
		fill({value.data(), n}, 0, n);
		TRY(set_xattr(*o, "trusted.big", {value.data(), n}));
		CHECK(TRY(has(*o, "trusted.big", {value.data(), n})));
	}
	CHECK_FAILS(set_xattr(*o, "trusted.huge", value), err::TOOBIG);
	return {};
}

Result<> names_are_listed(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	CHECK(TRY(o->xattr_list({})) == 0);
	TRY(set_xattr(*o, "user.one", cfs::as_bytes("1")));
	TRY(set_xattr(*o, "trusted.two", cfs::as_bytes("2")));
	std::size_t n = TRY(o->xattr_list({}));
	CHECK(n == 9 + 12);
	char names[64];
	CHECK(TRY(o->xattr_list(names)) == n);
	std::string_view all(names, n);
	CHECK(all.find(std::string_view("user.one\0", 9)) != all.npos);
	CHECK(all.find(std::string_view("trusted.two\0", 12)) != all.npos);
	return {};
}

Result<> bad_names_are_refused(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Bytes v = cfs::as_bytes("v");
	for (std::string_view name : {"", "plain", "user.", "lustre.lov", "system.other"})
		CHECK_FAILS(set_xattr(*o, name, v), err::OPNOTSUPP);
	char name[kXattrNameMax + 2];
	for (char &c : name)
		c = 'x';
	for (std::size_t i = 0; i < 5; i++)
		name[i] = "user."[i];
	CHECK_FAILS(set_xattr(*o, {name, sizeof(name)}, v), err::NAMETOOLONG);
	return {};
}

Result<> ours_are_read_only(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	TRY(set_version(*o, 0x1234));
	wire::le64 v{};
	CHECK(TRY(o->xattr_get("trusted.version", {reinterpret_cast<std::byte *>(&v), 8})) == 8);
	CHECK(v == 0x1234);
	std::byte lma[64];
	std::size_t n = TRY(o->xattr_get("trusted.lma", lma));
	CHECK(n >= 24);
	auto fid = TRY(cfs::view_at<Fid>(Bytes(lma), 8));
	CHECK(*fid == o->fid());
	CHECK_FAILS(set_xattr(*o, "trusted.lma", {lma, n}), err::OPNOTSUPP);
	CHECK_FAILS(set_xattr(*o, "trusted.version", cfs::as_bytes("12345678")), err::OPNOTSUPP);
	CHECK(TRY(o->xattr_list({})) == 0);
	return {};
}

Result<> acls_have_the_wires_form(Env &run) noexcept
{
	ObjectRef d = TRY(run.make_dir());
	struct {
		wire::PosixAclHeader head;
		wire::PosixAclEntry e[4];
	} acl{};
	acl.head.version = 2;
	constexpr std::uint16_t kTags[] = {0x01, 0x02, 0x04, 0x20}; // owner, a user, group, others
	for (unsigned i = 0; i < 4; i++) {
		acl.e[i].tag = kTags[i];
		acl.e[i].perm = 5;
		acl.e[i].id = i == 1 ? 1000 : 0xffffffff;
	}
	Bytes value(reinterpret_cast<const std::byte *>(&acl), sizeof(acl));
	TRY(set_xattr(*d, wire::XATTR_NAME_ACL_DEFAULT, value));
	CHECK(TRY(has(*d, wire::XATTR_NAME_ACL_DEFAULT, value)));
	TRY(del_xattr(*d, wire::XATTR_NAME_ACL_DEFAULT));
	acl.head.version = 7;
	CHECK_FAILS(set_xattr(*d, wire::XATTR_NAME_ACL_DEFAULT, value), err::INVAL);
	acl.head.version = 2;
	CHECK_FAILS(set_xattr(*d, wire::XATTR_NAME_ACL_DEFAULT, value.first(sizeof(acl) - 3)),
		    err::INVAL);
	return {};
}

constexpr Test kTests[] = {
	{"Xattr", "IsSetReplacedAndDeleted", set_replaced_deleted},
	{"Xattr", "ModesAreHonoured", modes_are_honoured},
	{"Xattr", "BuffersAreChecked", buffers_are_checked},
	{"Xattr", "ValuesOfManySizes", values_of_many_sizes},
	{"Xattr", "NamesAreListed", names_are_listed},
	{"Xattr", "BadNamesAreRefused", bad_names_are_refused},
	{"Xattr", "OursAreReadOnly", ours_are_read_only},
	{"Xattr", "AclsHaveTheWiresForm", acls_have_the_wires_form},
};

} // namespace

std::span<const Test> xattr_tests() noexcept
{
	return kTests;
}

} // namespace osd::conformance
