// SPDX-License-Identifier: GPL-2.0
//
// Rename (spec 04 section 9.4).
#include <utility>

#include "mdt/reint.hpp"
#include "mdt/removal.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

class Rename
{
	Reint &r_;
	const wire::MdtRecRename &rec_;
	Place from_, to_;
	osd::ObjectRef object_;
	osd::Attr attr_;
	LinkEa links_;
	Removal replaced_;
	bool replaces_ = false;

	[[nodiscard]] bool directory() const noexcept { return is_dir(attr_); }
	[[nodiscard]] bool same_parent() const noexcept { return from_.fid() == to_.fid(); }
	[[nodiscard]] cfs::Result<> lock_names() noexcept;
	[[nodiscard]] cfs::Result<> check_tree(bool moves_dir) noexcept;
	[[nodiscard]] cfs::Result<> lock_children() noexcept;
	[[nodiscard]] cfs::Result<> check_source() noexcept;
	[[nodiscard]] cfs::Result<> check_target() noexcept;
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	[[nodiscard]] cfs::Result<> move(Modification &m) noexcept;

public:
	Rename(Reint &r, const wire::MdtRecRename &rec) noexcept
	    : r_(r), rec_(rec), replaced_(r.t, to_)
	{
	}
	[[nodiscard]] cfs::Result<> run(std::string_view from, std::string_view to) noexcept;
};

/// The two directories, the ancestor first, and the two names.
cfs::Result<> Rename::lock_names() noexcept
{
	u32 hash[2] = {hash_of_name(from_.name), hash_of_name(to_.name)};
	if (same_parent()) {
		TRY(r_.locks.directory(from_.fid(), NameUse::change));
		TRY(r_.locks.entry(from_.fid(), std::min(hash[0], hash[1]), NameUse::change));
		if (hash[0] == hash[1])
			return {};
		return r_.locks.entry(from_.fid(), std::max(hash[0], hash[1]), NameUse::change);
	}
	bool from_first = TRY(r_.t.is_ancestor(from_.fid(), to_.fid()));
	if (!from_first && !TRY(r_.t.is_ancestor(to_.fid(), from_.fid())))
		from_first = from_.fid() < to_.fid();
	const Place &first = from_first ? from_ : to_;
	const Place &second = from_first ? to_ : from_;
	TRY(r_.locks.name(first.fid(), first.name, NameUse::change));
	return r_.locks.name(second.fid(), second.name, NameUse::change);
}

/// Nothing gets below itself, and nothing that is above one of the parents is locked after it.
cfs::Result<> Rename::check_tree(bool moves_dir) noexcept
{
	if (from_.child == from_.fid() || from_.child == to_.fid() ||
	    (to_.found && (to_.child == from_.fid() || to_.child == to_.fid())))
		return cfs::fail(INVAL);
	if (same_parent())
		return {};
	if (directory() && !moves_dir)
		return cfs::fail(NOTDIR); // the client took it for a file
	if (directory() && TRY(r_.t.is_ancestor(from_.child, to_.fid())))
		return cfs::fail(INVAL);
	if (to_.found && TRY(r_.t.object(to_.child))->type() == osd::kTypeDir &&
	    TRY(r_.t.is_ancestor(to_.child, from_.fid())))
		return cfs::fail(NOTEMPTY);
	return {};
}

cfs::Result<> Rename::lock_children() noexcept
{
	constexpr u64 kSource = wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_XATTR;
	constexpr u64 kTarget = wire::MDS_INODELOCK_LOOKUP | wire::MDS_INODELOCK_UPDATE;
	if (!to_.found)
		return r_.locks.object(from_.child, ldlm::LCK_EX, kSource);
	bool source_first = from_.child < to_.child;
	const Fid &first = source_first ? from_.child : to_.child;
	const Fid &second = source_first ? to_.child : from_.child;
	TRY(r_.locks.object(first, ldlm::LCK_EX, source_first ? kSource : kTarget));
	return r_.locks.object(second, ldlm::LCK_EX, source_first ? kTarget : kSource);
}

cfs::Result<> Rename::check_source() noexcept
{
	TRY(check_remove(from_.attr, attr_, r_.caller));
	if (!directory() || same_parent())
		return {};
	// ".." changes with the parent.
	return check_access(attr_, r_.caller, kMayWrite);
}

cfs::Result<> Rename::check_target() noexcept
{
	if (!to_.found)
		return check_modify(to_.attr, r_.caller);
	TRY(replaced_.prepare(TRY(r_.t.object(to_.child))));
	replaces_ = true;
	if (directory() && !is_dir(replaced_.attr()))
		return cfs::fail(NOTDIR);
	if (!directory() && is_dir(replaced_.attr()))
		return cfs::fail(ISDIR);
	return replaced_.may_remove(r_.caller);
}

cfs::Result<> Rename::declare(osd::Transaction &tx) noexcept
{
	TRY(from_.dir->declare_remove(tx, from_.name));
	TRY(to_.dir->declare_insert(tx, to_.name));
	TRY(links_.declare(tx, *object_));
	TRY(declare_touch(tx, *object_));
	TRY(declare_touch(tx, *from_.object));
	if (!same_parent())
		TRY(declare_touch(tx, *to_.object));
	if (directory() && !same_parent()) {
		osd::Directory *d = TRY(object_->directory());
		TRY(d->declare_set_parent(tx));
		TRY(from_.object->declare_ref_del(tx));
		TRY(to_.object->declare_ref_add(tx));
	}
	if (!replaces_)
		return {};
	TRY(to_.dir->declare_remove(tx, to_.name));
	return replaced_.declare(tx);
}

cfs::Result<> Rename::move(Modification &m) noexcept
{
	TRY(m.check_version(0, *from_.object));
	TRY(m.check_version(1, *to_.object));
	TRY(m.check_version(2, *object_));
	if (replaces_) {
		TRY(m.check_version(3, replaced_.object()));
		TRY(to_.dir->remove(m.tx(), to_.name));
	}
	TRY(to_.dir->insert(m.tx(), to_.name, *object_));
	TRY(from_.dir->remove(m.tx(), from_.name));
	if (replaces_)
		TRY(replaced_.run(m, rec_.time));
	if (directory() && !same_parent()) {
		osd::Directory *d = TRY(object_->directory());
		TRY(d->set_parent(m.tx(), *to_.object));
		TRY(from_.object->ref_del(m.tx()));
		TRY(to_.object->ref_add(m.tx()));
	}
	TRY(links_.store(m.tx(), *object_));
	TRY(touch(m, *object_, rec_.time, osd::kAttrCtime));
	TRY(touch(m, *from_.object, rec_.time));
	return same_parent() ? cfs::Result<>{} : touch(m, *to_.object, rec_.time);
}

cfs::Result<> Rename::run(std::string_view from, std::string_view to) noexcept
{
	if (is_dots(from) || is_dots(to))
		return cfs::fail(INVAL);
	from_ = TRY(r_.t.place(rec_.fid1, from));
	to_ = TRY(r_.t.place(rec_.fid2, to));
	// Who moves directories changes who is above whom: one at a time.
	bool moves_dir = (rec_.mode & osd::kTypeMask) == osd::kTypeDir && !same_parent();
	if (moves_dir && !r_.t.replaying(r_.req))
		TRY(r_.locks.rename());
	TRY(lock_names());
	TRY(r_.t.look(from_, r_.caller));
	TRY(r_.t.look(to_, r_.caller));
	if (!from_.found)
		return cfs::fail(NOENT);
	if (to_.found && to_.child == from_.child)
		return {}; // two names of one object
	object_ = TRY(r_.t.object(from_.child));
	TRY(object_->attr_get(attr_));
	TRY(check_tree(moves_dir));
	TRY(lock_children());
	TRY(object_->attr_get(attr_));
	TRY(check_source());
	TRY(check_target());
	TRY(links_.read(*object_));
	links_.remove(from_.fid(), from_.name);
	links_.add(to_.fid(), to_.name, rec_.time);
	TRY(change(
		r_.t, &r_.req, [this](osd::Transaction &tx) { return declare(tx); },
		[this](Modification &m) { return move(m); }));
	if (replaces_)
		replaced_.describe(r_.body);
	return {};
}

} // namespace

cfs::Result<> reint_rename(Reint &r, rpc::RequestView<op::MdsReintRename> in) noexcept
{
	Rename rename(r, in.get<fld::RecRename>());
	return rename.run(in.get<fld::Name>(), in.get<fld::SymTgt>());
}

} // namespace mdt
