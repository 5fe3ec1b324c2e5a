// SPDX-License-Identifier: GPL-2.0
//
// The locks that one operation of the MDT holds itself (spec 04 section 11, 03 9): on directories
// in two levels, so that changes of different names run side by side, and on objects by inode bits.
// They end with the operation, or when the client has its reply for certain.
//
// Order: parents before children, the ancestor among parents first, children in the order of their
// FIDs. A request that is replayed takes them without asking: nothing else runs then, and what
// clients hold is not known yet.
#pragma once

#include "ldlm/server.hpp"
#include "rpc/service.hpp"

namespace mdt
{

using ldlm::LocalLock;
using ldlm::ResName;
using wire::u32;
using wire::u64;

/// What is done to a name.
enum class NameUse : wire::u8 { look_up, change };

/// The resource of a name's hash.
[[nodiscard]] u32 hash_of_name(std::string_view name) noexcept;

class LockSet
{
public:
	static constexpr unsigned kMax = 8;

	LockSet(ldlm::ServerNamespace &ns, rpc::ServerRequest &req) noexcept
	    : ns_(ns), req_(req), replay_(req.has_flag(wire::MSG_REPLAY))
	{
	}
	LockSet(const LockSet &) = delete;
	LockSet &operator=(const LockSet &) = delete;

	/// The directory's part: its entries are read, or changed. Sleeps until clients have given
	/// back what conflicts.
	[[nodiscard]] cfs::Result<> directory(const wire::Fid &dir, NameUse use) noexcept;
	/// The name's part, after directory().
	[[nodiscard]] cfs::Result<> entry(const wire::Fid &dir, u32 hash, NameUse use) noexcept;
	[[nodiscard]] cfs::Result<> name(const wire::Fid &dir, std::string_view name,
					 NameUse use) noexcept;
	/// Bits of an object.
	[[nodiscard]] cfs::Result<> object(const wire::Fid &fid, ldlm::Mode mode,
					   u64 bits) noexcept;
	/// The renames of directories, one at a time.
	[[nodiscard]] cfs::Result<> rename() noexcept;

	/// A lock that is not part of the set, to be handed to the client: try_bits are taken if
	/// they are free. err::AGAIN: no bit of try_bits is, and there are no others.
	[[nodiscard]] cfs::Result<LocalLock> take(const ResName &name, ldlm::Mode mode, u64 bits,
						  u64 try_bits = 0) noexcept;

	/// Held until the client has acknowledged the reply; the set is empty then.
	void keep() noexcept;
	/// Gives all back.
	void release() noexcept;

private:
	[[nodiscard]] cfs::Result<> add(const ResName &name, ldlm::Mode mode, u64 bits) noexcept;

	ldlm::ServerNamespace &ns_;
	rpc::ServerRequest &req_;
	bool replay_;
	unsigned n_ = 0;
	LocalLock locks_[kMax];
};

} // namespace mdt
