// SPDX-License-Identifier: GPL-2.0
//
// Lists of NIDs as users give them: "," between addresses of one node, ":" between nodes, host
// names in place of addresses (spec 06 section 1.1, 08 section 5).
#pragma once

#include <string>

#include "mkfs/failure.hpp"

namespace mkfs
{

/// The list with every host name replaced by its address; a NID that is none fails with EPERM, and
/// both lines of the message have `tool` in front.
Outcome<std::string> resolve_nids(const std::string &list, const std::string &tool);

} // namespace mkfs
