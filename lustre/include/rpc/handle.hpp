// SPDX-License-Identifier: GPL-2.0
//
// Handle cookies: how objects of this node are named to peers (spec 02 section 7). A cookie is
// never 0, never repeats in the life of a node nor, as it starts at a random place, in practice
// over a restart, and says nothing of where the object is: a cookie that comes back is looked up,
// and finds nothing when the object has gone.
//
// Cookies of exports and imports are rpc's own. Others (locks, opens) draw theirs from the same
// source (Rpc::new_cookie()) and keep them in a CookieTable.
#pragma once

#include "libcfs/hash.hpp"
#include "wire/types.hpp"

namespace rpc
{

namespace detail
{
template <typename T, auto Cookie>
struct CookieTraits {
	using Key = std::uint64_t;
	static std::uint64_t key(const T &t) noexcept { return t.*Cookie; }
	static std::uint32_t hash(std::uint64_t k) noexcept { return cfs::hash_u64(k); }
};
} // namespace detail

/// Objects (RcuRefCounted) by their cookie, a std::uint64_t member that does not change while the
/// object is in the table. Lookups take no lock.
template <typename T, cfs::HashHook T::*Hook, auto Cookie>
using CookieTable = cfs::HashTable<T, Hook, detail::CookieTraits<T, Cookie>>;

} // namespace rpc
