// SPDX-License-Identifier: GPL-2.0
//
// A small service on rpc, ldlm, target and an object store, and on nothing else: it proves what
// they promise, in the simulator (tests/sim/kv.hpp) and as kv_server.ko and kv_client.ko between
// machines (tests/vm/kv-kill). Not for production.
//
// The server keeps a list of numbers under each key. A client appends a number to a list or asks
// how long the list is; it holds a lock on the key while it does, and may keep what it was told for
// as long as it has the lock. Each number is used once, and the answer to an append says its place
// in the list. So whoever keeps book can tell: an append that was answered is there, and none is
// there twice (resends, replays, rebuilt replies); after any crash each one is at the place its
// client was told; what a client keeps under its lock is never older than what was answered to
// anybody.
//
// Wire: OST_SETATTR appends, OST_GETATTR reads; obdo.oi is the key, .blocks the number, .size the
// place or the length. Disk: the list of key n is the file "kv<n>" in the root of the backing file
// system, numbers of 64 bits, little-endian, one behind the other.
#pragma once

#include "wire/fid.hpp"

namespace kv
{

using wire::u32;
using wire::u64;

inline constexpr unsigned kKeys = 4;

/// The list of a key: its object, and what its lock is on.
[[nodiscard]] constexpr wire::Fid key_fid(unsigned key) noexcept
{
	return wire::make_fid(wire::FID_SEQ_NORMAL + 1, key + 1);
}

} // namespace kv
