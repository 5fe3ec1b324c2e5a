// SPDX-License-Identifier: GPL-2.0
//
// A new object with its first name: what REINT_CREATE and an open that creates have in common
// (spec 04 section 9.1).
#pragma once

#include "mdt/target.hpp"

namespace mdt
{

class Creation
{
	MdtTarget &t_;
	Place &place_;
	const NewObject &new_;
	osd::ObjectRef object_;
	osd::CreateSpec spec_;
	LinkEa link_;
	cfs::Array<std::byte> default_layout_; ///< of a directory: the parent's

	[[nodiscard]] bool directory() const noexcept
	{
		return (new_.mode & osd::kTypeMask) == osd::kTypeDir;
	}
	[[nodiscard]] cfs::Result<> make_spec() noexcept;
	[[nodiscard]] cfs::Result<> enter(Modification &m) noexcept;

public:
	/// The place is locked for a change, and nothing was found there; both outlive this.
	Creation(MdtTarget &t, Place &place, const NewObject &n) noexcept
	    : t_(t), place_(place), new_(n)
	{
	}
	/// Whether it may be made. err::ACCES, err::PROTO: no FID for it, err::EXIST: it is taken,
	/// err::OPNOTSUPP: no such type of file. Sleeps.
	[[nodiscard]] cfs::Result<> prepare() noexcept;
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	/// Version slots 0 and 1 are those of parent and object.
	[[nodiscard]] cfs::Result<> run(Modification &m) noexcept;
	[[nodiscard]] const osd::ObjectRef &object() const noexcept { return object_; }
};

} // namespace mdt
