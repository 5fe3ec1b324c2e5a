// SPDX-License-Identifier: GPL-2.0
//
// Where the targets of a file system run now: the records of MGS_CONFIG_READ (spec 02 section 9.7).
// An answer is checked as a whole before anything of it is told.
#pragma once

#include <span>

#include "libcfs/bytes.hpp"
#include "lnet/nid.hpp"
#include "wire/target_name.hpp"

namespace mgc
{

using wire::u16;
using wire::u32;
using wire::u64;

struct TargetPlace {
	wire::TargetKind kind;
	u16 index;
	u32 instance; ///< how often the target has been started
	/// Of its node, at least one. Stay while they are told.
	std::span<const lnet::Nid> nids;
};

/// Whoever has connections to targets.
class TargetFollower
{
public:
	/// A target has been started, or had been when this was first asked for. One call at a
	/// time; sleeps as long as it likes, others wait.
	virtual void target_at(const TargetPlace &place) noexcept = 0;

protected:
	~TargetFollower() = default;
};

/// The versions that an answer may have records of.
struct PlaceVersions {
	u64 first;
	u64 last;
};

/// Tells the follower what is in an answer. err::PROTO: it is damaged, and nothing was told; *bad
/// becomes the offset of the record at fault. Sleeps.
[[nodiscard]] cfs::Result<> tell_places(cfs::Bytes answer, PlaceVersions versions,
					TargetFollower &follower, std::size_t *bad) noexcept;

} // namespace mgc
