// SPDX-License-Identifier: GPL-2.0
//
// Intrusive containers: Boost.Intrusive with our names and safe defaults. The hook is a member of
// the object, linking never allocates, and nothing is owned: the object must be taken out before it
// ends, which the hook's destructor asserts. No container locks anything.
//
//     struct Peer {
//             ListHook in_table;
//             ...
//     };
//     List<Peer, &Peer::in_table> peers;
//
// A hook holds an object in one container at a time. Owners empty theirs with clear_and_dispose().
#pragma once

#define BOOST_ENABLE_ASSERT_HANDLER 1

#include <cstddef>

#include "libcfs/assert.hpp"

namespace boost
{
/// What Boost's assertions call: ours, always on. Inlined, so that the trap stands where objtool
/// sees it.
[[gnu::__always_inline__]] inline void assertion_failed(const char *expr, const char *func,
							const char *file, long line)
{
	::cfs_bug(file, static_cast<int>(line), func, expr);
	__builtin_trap();
}
[[gnu::__always_inline__]] inline void assertion_failed_msg(const char *expr, const char *msg,
							    const char *func, const char *file,
							    long line)
{
	(void)expr;
	::cfs_bug(file, static_cast<int>(line), func, msg);
	__builtin_trap();
}
} // namespace boost

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/rbtree.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/intrusive/slist.hpp>
#include <boost/intrusive/unordered_set.hpp>

namespace cfs
{

/// Hooks. Constant-initialised; is_linked() tells whether the object is in a container.
using ListHook = boost::intrusive::list_member_hook<
	boost::intrusive::link_mode<boost::intrusive::safe_link>>;
using SListHook = boost::intrusive::slist_member_hook<
	boost::intrusive::link_mode<boost::intrusive::safe_link>>;
using SetHook =
	boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>,
					  boost::intrusive::optimize_size<true>>;
using HashSetHook = boost::intrusive::unordered_set_member_hook<
	boost::intrusive::link_mode<boost::intrusive::safe_link>,
	boost::intrusive::store_hash<true>>;

/// Doubly linked; size() counts in constant time.
template <typename T, ListHook T::*Hook>
using List = boost::intrusive::list<T, boost::intrusive::member_hook<T, ListHook, Hook>>;

/// Singly linked with its last element known: a queue.
template <typename T, SListHook T::*Hook>
using SList = boost::intrusive::slist<T, boost::intrusive::member_hook<T, SListHook, Hook>,
				      boost::intrusive::cache_last<true>>;

/// Ordered by Compare, which is transparent if lookups are to go by key: then
/// `set.find(key, Compare{})`. Red-black tree.
template <typename T, SetHook T::*Hook, typename Compare>
using OrderedSet = boost::intrusive::set<T, boost::intrusive::member_hook<T, SetHook, Hook>,
					 boost::intrusive::compare<Compare>>;
template <typename T, SetHook T::*Hook, typename Compare>
using OrderedMultiSet =
	boost::intrusive::multiset<T, boost::intrusive::member_hook<T, SetHook, Hook>,
				   boost::intrusive::compare<Compare>>;

/// Hashed, with a bucket array that the owner provides. For tables that several threads look things
/// up in, see libcfs/hash.hpp.
template <typename T, HashSetHook T::*Hook, typename Hash, typename Equal>
using HashSet = boost::intrusive::unordered_set<
	T, boost::intrusive::member_hook<T, HashSetHook, Hook>, boost::intrusive::hash<Hash>,
	boost::intrusive::equal<Equal>, boost::intrusive::power_2_buckets<true>>;

} // namespace cfs
