// SPDX-License-Identifier: GPL-2.0
//
// The command line of lfs getstripe.
#pragma once

#include <string>
#include <vector>

#include "lfs/layout_text.hpp"

namespace lfs
{

struct GetRequest {
	ShowOptions show;
	bool mdt_index = false, recursive = false, no_follow = false;
	std::string ost_name;
	std::vector<std::string> operands;
};

/// False: an option that is not known, or with a value that is none.
[[nodiscard]] bool parse_getstripe(int argc, char **argv, GetRequest &r);

} // namespace lfs
