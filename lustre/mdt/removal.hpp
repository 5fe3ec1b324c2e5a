// SPDX-License-Identifier: GPL-2.0
//
// An object loses a name: by unlink, by rmdir, or because another one is renamed over it (spec 04
// sections 8, 9.3, 9.4). Without a name left it is destroyed, and its objects on OSTs with it, or
// goes to PENDING as long as anybody has it open.
#pragma once

#include "mdt/target.hpp"

namespace mdt
{

/// Name of an object in PENDING.
class PendingName
{
	char text_[64];
	std::size_t n_;

public:
	explicit PendingName(const Fid &fid) noexcept;
	[[nodiscard]] std::string_view view() const noexcept { return {text_, n_}; }
};

class Removal
{
	MdtTarget &t_;
	Place &place_;
	osd::ObjectRef object_;
	osd::Attr attr_;
	LinkEa link_;
	cfs::Array<std::byte> layout_;

	[[nodiscard]] bool last() const noexcept { return is_dir(attr_) || attr_.nlink <= 1; }
	[[nodiscard]] cfs::Result<> forget_name(Modification &m, std::int64_t time) noexcept;
	[[nodiscard]] cfs::Result<> keep_pending(Modification &m, std::int64_t time) noexcept;
	[[nodiscard]] cfs::Result<> end(Modification &m) noexcept;

public:
	/// The place where it is found; it outlives this.
	Removal(MdtTarget &t, Place &place) noexcept : t_(t), place_(place) {}

	/// Reads it. Under EX LOOKUP|UPDATE of the object. Sleeps.
	[[nodiscard]] cfs::Result<> prepare(osd::ObjectRef object) noexcept;
	/// err::STALE: it was removed; err::NOTEMPTY; what check_remove() says.
	[[nodiscard]] cfs::Result<> may_remove(const Caller &caller) noexcept;
	[[nodiscard]] const osd::Attr &attr() const noexcept { return attr_; }
	[[nodiscard]] osd::Object &object() noexcept { return *object_; }

	/// The object's part; the name and the times of the directory are the caller's.
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	[[nodiscard]] cfs::Result<> run(Modification &m, std::int64_t time) noexcept;
	/// The object as it is afterwards.
	void describe(wire::MdtBody &body) const noexcept;
};

} // namespace mdt
