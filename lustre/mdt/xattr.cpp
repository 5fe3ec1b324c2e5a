// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes (spec 04 section 10): reading one or the list of names, setting and removing.
// All at once is an intent (intent.cpp).
#include <algorithm>

#include "mdt/reint.hpp"
#include "wire/xattr.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

/// What is the server's own: restored by backup tools, and left as it is.
bool is_ignored(std::string_view name) noexcept
{
	for (std::string_view own :
	     {wire::XATTR_NAME_LOV, wire::XATTR_NAME_LMA, wire::XATTR_NAME_LMV,
	      wire::XATTR_NAME_DEFAULT_LMV, wire::XATTR_NAME_LINK, wire::XATTR_NAME_FID,
	      wire::XATTR_NAME_VERSION, wire::XATTR_NAME_SOM, wire::XATTR_NAME_HSM,
	      wire::XATTR_NAME_LFSCK_NAMESPACE})
		if (name == own)
			return true;
	return false;
}

/// A name that clients may read, or set.
cfs::Result<> check_name(rpc::ServerRequest &req, std::string_view name) noexcept
{
	if (name.empty())
		return cfs::fail(INVAL);
	if (name.starts_with(wire::XATTR_USER_PREFIX))
		return req.exp()->has_flag(wire::OBD_CONNECT_XATTR) ? cfs::Result<>{}
								    : cfs::fail(OPNOTSUPP);
	if (name.starts_with(wire::XATTR_TRUSTED_PREFIX) ||
	    name.starts_with(wire::XATTR_SECURITY_PREFIX))
		return {};
	return cfs::fail(OPNOTSUPP); // ACLs among them, which are not granted
}

/// setfattr lustre.lov: objects for a file that has none yet.
cfs::Result<> set_layout(Reint &r, const wire::MdtRecSetxattr &rec, cfs::Bytes ea) noexcept
{
	osd::ObjectRef o = TRY(r.t.object(rec.fid));
	osd::Attr a;
	NewLayout layout;
	if (o->type() != osd::kTypeFile)
		return cfs::fail(INVAL);
	TRY(r.locks.object(rec.fid, ldlm::LCK_EX,
			   wire::MDS_INODELOCK_UPDATE | wire::MDS_INODELOCK_XATTR |
				   wire::MDS_INODELOCK_LAYOUT));
	TRY(o->attr_get(a));
	TRY(check_access(a, r.caller, kMayWrite));
	if (!TRY(read_layout(*o)).empty())
		return cfs::fail(EXIST);
	TRY(r.t.reserve_layout(layout, nullptr, TRY(parse_wish(ea))));
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(layout.declare(tx, *o));
		return o->declare_version_set(tx);
	};
	return change(r.t, &r.req, declare, [&](Modification &m) -> cfs::Result<> {
		TRY(m.check_version(0, *o));
		TRY(layout.make(m.tx(), *o));
		return o->version_set(m.tx(), m.version());
	});
}

cfs::Result<osd::Object::XattrMode> mode_of(u32 flags) noexcept
{
	using enum osd::Object::XattrMode;
	switch (flags) {
	case 0:
		return any;
	case 1:
		return create_only;
	case 2:
		return replace_only;
	default:
		return cfs::fail(INVAL);
	}
}

} // namespace

cfs::Result<> reint_setxattr(Reint &r, rpc::RequestView<op::MdsReintSetxattr> in) noexcept
{
	const wire::MdtRecSetxattr &rec = in.get<fld::RecSetxattr>();
	std::string_view name = in.get<fld::Name>();
	cfs::Bytes value = in.get<fld::EaData>();
	bool remove = rec.valid & wire::OBD_MD_FLXATTRRM;
	if (!remove && !(rec.valid & wire::OBD_MD_FLXATTR))
		return cfs::fail(INVAL);
	if (name.starts_with(wire::XATTR_LUSTRE_LOV))
		return name == wire::XATTR_LUSTRE_LOV && !remove ? set_layout(r, rec, value)
								 : cfs::fail(OPNOTSUPP);
	TRY(check_name(r.req, name));
	if (name.starts_with(wire::XATTR_TRUSTED_PREFIX) && !r.caller.can(Cap::sys_admin))
		return cfs::fail(PERM);
	if (is_ignored(name))
		return {};
	auto how = TRY(mode_of(remove ? 0 : rec.flags.get()));
	osd::ObjectRef o = TRY(r.t.object(rec.fid));
	osd::Attr a;
	TRY(r.locks.object(rec.fid, ldlm::LCK_EX,
			   wire::MDS_INODELOCK_UPDATE | wire::MDS_INODELOCK_XATTR));
	TRY(o->attr_get(a));
	if (name.starts_with(wire::XATTR_USER_PREFIX))
		TRY(check_access(a, r.caller, kMayWrite));
	auto declare = [&](osd::Transaction &tx) -> cfs::Result<> {
		TRY(declare_touch(tx, *o));
		return remove ? o->declare_xattr_del(tx, name)
			      : o->declare_xattr_set(tx, name, value.size());
	};
	return change(r.t, &r.req, declare, [&](Modification &m) -> cfs::Result<> {
		TRY(m.check_version(0, *o));
		TRY(remove ? o->xattr_del(m.tx(), name) : o->xattr_set(m.tx(), name, value, how));
		return touch(m, *o, rec.time, osd::kAttrCtime);
	});
}

namespace
{

/// A value, or all names; a missing layout is one of length 0.
cfs::Result<cfs::Array<std::byte>> read_names(osd::Object &o) noexcept
{
	for (unsigned tries = 0; tries < 4; tries++) {
		std::size_t n = TRY(o.xattr_list({}));
		auto names = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, n));
		auto got = o.xattr_list({reinterpret_cast<char *>(names.data()), n});
		if (got && *got == n)
			return names;
		if (!got && got.error() != RANGE)
			return cfs::fail(got.error());
	}
	return cfs::fail(AGAIN);
}

cfs::Result<std::size_t> value_size(osd::Object &o, std::string_view name) noexcept
{
	auto n = o.xattr_get(name, {});
	if (!n && n.error() == NODATA && name == wire::XATTR_NAME_LOV)
		return std::size_t{0};
	return n;
}

} // namespace

cfs::Result<> MdtTarget::getxattr(rpc::ServerRequest &req,
				  rpc::RequestView<op::MdsGetxattr> in) noexcept
{
	constexpr u64 kWhat = wire::OBD_MD_FLXATTR | wire::OBD_MD_FLXATTRLS;
	const wire::MdtBody &b = in.get<fld::MdtBody>();
	std::string_view name = in.get<fld::Name>();
	u64 what = b.valid & kWhat;
	cfs::Array<std::byte> value;
	std::size_t size = 0;
	(void)TRY(req.reply<op::MdsGetxattr>());
	if (what == 0 || what == kWhat)
		return cfs::fail(INVAL);
	osd::ObjectRef o = TRY(object(b.fid1));
	if (what == wire::OBD_MD_FLXATTR)
		TRY(check_name(req, name));
	if (b.eadatasize == 0) {
		size = what == wire::OBD_MD_FLXATTR ? TRY(value_size(*o, name))
						    : TRY(o->xattr_list({}));
	} else {
		if (what == wire::OBD_MD_FLXATTR)
			(void)TRY(value_size(*o, name));
		value = what == wire::OBD_MD_FLXATTR ? TRY(read_xattr(*o, name))
						     : TRY(read_names(*o));
		size = value.size();
	}
	rpc::ReplyLengths<op::MdsGetxattr> lengths;
	lengths.bytes<fld::EaData>(value.size());
	auto out = TRY(req.reply<op::MdsGetxattr>(lengths));
	out.get<fld::MdtBody>().valid = wire::OBD_MD_FLXATTR;
	out.get<fld::MdtBody>().eadatasize = static_cast<u32>(size);
	return out.put<fld::EaData>(cfs::Bytes{value.data(), value.size()});
}

} // namespace mdt
