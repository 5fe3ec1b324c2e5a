// SPDX-License-Identifier: GPL-2.0
#include "tests/sim/fs_check.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "lfs/layout.hpp"
#include "osd/local.hpp"
#include "ost/object_id.hpp"
#include "tests/sim/cluster_fs.hpp"
#include "wire/print.hpp"
#include "wire/xattr.hpp"

namespace cluster
{

namespace
{

using osd::Fid;
using Name = std::pair<std::string, std::string>; // the parent's FID as text, name

std::string text_of(const Fid &fid)
{
	char buf[64];
	return std::string(cfs::format_to(buf, "{}", fid));
}

std::vector<std::byte> xattr(osd::Object &o, std::string_view name)
{
	auto n = o.xattr_get(name, {});
	if (!n && n.error() == cfs::err::NODATA)
		return {};
	std::vector<std::byte> v(must(n, std::string(name)));
	must(o.xattr_get(name, v), std::string(name));
	return v;
}

osd::Attr attr(osd::Object &o)
{
	osd::Attr a;
	must(o.attr_get(a), "attributes");
	return a;
}

std::uint64_t number_in(osd::Device &d, const Fid &file, std::uint64_t at)
{
	cfs::le64 v{};
	auto o = must(d.object(file), "object");
	if (o->exists())
		must(must(o->body(), "body")->read(at, std::as_writable_bytes(std::span(&v, 1))),
		     "read");
	return v.get();
}

/// Names in trusted.link.
std::multiset<Name> link_names(osd::Object &o)
{
	std::multiset<Name> out;
	auto ea = xattr(o, wire::XATTR_NAME_LINK);
	std::size_t at = sizeof(wire::LinkEaHeader);
	while (at + sizeof(wire::LinkEaEntry) < ea.size()) {
		wire::LinkEaEntry e;
		std::memcpy(&e, ea.data() + at, sizeof(e));
		std::size_t n = e.reclen - sizeof(e);
		check(at + e.reclen <= ea.size(), "trusted.link of " + text_of(o.fid()));
		const char *name = reinterpret_cast<const char *>(ea.data() + at + sizeof(e));
		out.emplace(text_of(e.parent_fid.fid()), std::string(name, n));
		at += e.reclen;
	}
	return out;
}

/// Where an object of an OST is used.
struct Use {
	std::string file;
	Fid parent;
	std::uint32_t stripe = 0;
};

class Check
{
	osd::Device &mdt_;
	/// By the object's number.
	std::vector<std::map<std::uint64_t, Use>> uses_;

	struct Inode {
		Fid fid;
		std::string path; ///< one of them
		std::uint32_t type = 0;
		std::multiset<Name> names;
		std::uint32_t subdirs = 0;
	};
	std::map<std::string, Inode> inodes_;

	void entry(Inode &dir, const osd::DirItem &e, std::vector<std::string> &todo)
	{
		std::string path = dir.path + "/" + std::string(e.name);
		auto key = text_of(e.fid);
		auto [it, fresh] = inodes_.try_emplace(key, Inode{e.fid, path, e.type, {}, 0});
		Inode &i = it->second;
		i.names.emplace(text_of(dir.fid), std::string(e.name));
		check(i.type == e.type, path + ": entries of different types");
		if (e.type != osd::kTypeDir)
			return;
		check(fresh, path + ": a directory with two names");
		dir.subdirs++;
		todo.push_back(key);
	}
	void directory(const std::string &key, std::vector<std::string> &todo)
	{
		Inode &dir = inodes_.at(key);
		auto o = must(mdt_.object(dir.fid), dir.path);
		auto cursor = must(must(o->directory(), dir.path)->open(), dir.path);
		while (auto *e = must(cursor->next(), dir.path)) {
			if (e->name == ".")
				check(e->fid == dir.fid, dir.path + ": '.' is another one");
			else if (e->name != "..")
				entry(dir, *e, todo);
			else if (!dir.names.empty())
				check(text_of(e->fid) == dir.names.begin()->first,
				      dir.path + ": '..' is not its parent");
		}
	}
	void layout(const Inode &i, osd::Object &o)
	{
		auto ea = xattr(o, wire::XATTR_NAME_LOV);
		if (ea.empty())
			return;
		auto l = lfs::decode_layout(ea, lfs::Owner::file);
		check(l.has_value(), i.path + ": layout: " + (l ? "" : l.error()));
		for (const lfs::Component &c : l->components)
			for (std::uint32_t n = 0; n < c.objects.size(); n++)
				object(i, c.objects[n], n);
	}
	void object(const Inode &i, const lfs::Object &o, std::uint32_t stripe)
	{
		check(o.ost < uses_.size() && o.id.is_legacy(), i.path + ": strange object");
		Use use{i.path, i.fid, stripe};
		auto [it, fresh] = uses_[o.ost].try_emplace(o.id.oi.oi_id.get(), use);
		check(fresh, i.path + ": shares an object with " + it->second.file);
	}
	void inode(const Inode &i)
	{
		auto o = must(mdt_.object(i.fid), i.path);
		check(o->exists(), i.path + ": an entry without an inode");
		check(o->type() == i.type, i.path + ": an inode of another type");
		std::size_t links = i.type == osd::kTypeDir ? 2 + i.subdirs : i.names.size();
		auto have = attr(*o).nlink;
		check(have == links, i.path + ": " + std::to_string(have) + " links instead of " +
					     std::to_string(links));
		if (!i.names.empty())
			check(link_names(*o) == i.names, i.path + ": trusted.link");
		if (i.type == osd::kTypeFile)
			layout(i, *o);
	}
	/// Whose object it says it is; nothing was ever written to one that does not.
	static std::optional<Fid> parent_in(osd::Object &o)
	{
		auto ea = xattr(o, wire::XATTR_NAME_FID);
		if (ea.size() < sizeof(wire::FilterFid24))
			return std::nullopt;
		wire::FilterFid24 parent;
		std::memcpy(&parent, ea.data(), sizeof(parent));
		return parent.parent;
	}
	static void used_object(osd::Object &o, const Use &use)
	{
		check(o.exists(), use.file + ": its object " + text_of(o.fid()) + " is missing");
		auto want = use.parent;
		want.ver = use.stripe;
		if (auto parent = parent_in(o))
			check(*parent == want, use.file + ": its object is of " + text_of(*parent));
	}
	static void unused_object(osd::Object &o)
	{
		if (!o.exists())
			return;
		auto parent = parent_in(o);
		check(false, "object " + text_of(o.fid()) + " is left, " +
				     (parent ? "once of " + text_of(*parent) : "never written"));
	}

public:
	Check(osd::Device &mdt, std::size_t osts) : mdt_(mdt), uses_(osts) {}

	void names()
	{
		auto root = text_of(wire::kRootFid);
		inodes_[root] = {wire::kRootFid, "", osd::kTypeDir, {}, 0};
		std::vector<std::string> todo{root};
		while (!todo.empty()) {
			std::string key = todo.back();
			todo.pop_back();
			directory(key, todo);
		}
		for (auto &[key, i] : inodes_)
			inode(i);
		auto pending = must(osd::find_path(mdt_, wire::MDT_ORPHAN_DIR), "PENDING");
		check(must(must(pending->directory(), "PENDING")->empty(), "PENDING"),
		      "files without a name are left");
	}
	void objects(osd::Device &ost, std::uint32_t index, bool may_leave)
	{
		std::uint64_t used = number_in(
			mdt_, osd::local_fid(wire::LocalOid::MDD_LOV_OBJ_OID), index * 8u);
		std::uint64_t last = number_in(ost, osd::last_id_fid(wire::FID_SEQ_OST_MDT0), 0);
		auto &uses = uses_[index];
		check(uses.empty() || uses.rbegin()->first <= std::min(used, last),
		      "an object is used that was never given out");
		// Number 1 is made, and never given out.
		for (std::uint64_t id = 2; id <= used; id++) {
			auto o =
				must(ost.object(must(ost::idif_of(id, index), "number")), "object");
			if (auto it = uses.find(id); it != uses.end())
				used_object(*o, it->second);
			else if (!may_leave)
				unused_object(*o);
		}
	}
};

} // namespace

void check_disks(const Fs &fs)
{
	auto mdt = mount(*fs.mdt_disk, "tfs-MDT0000");
	Check c(*mdt, fs.ost_disks.size());
	c.names();
	for (std::uint32_t i = 0; i < fs.ost_disks.size(); i++) {
		auto ost = mount(*fs.ost_disks[i], ost_name(i));
		c.objects(*ost, i, fs.spec.may_leave_objects);
	}
}

} // namespace cluster
