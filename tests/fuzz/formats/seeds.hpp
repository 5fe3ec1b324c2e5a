// SPDX-License-Identifier: GPL-2.0
//
// Inputs to begin with: every captured message that differs from those before it in format or
// lengths, and for every format the smallest message in each direction.
#pragma once

#include <string>
#include <vector>

#include "rpc/format/message.hpp"

namespace fuzz
{

struct Seed {
	std::string name;
	std::vector<std::byte> input; // as decode_one() takes it
};

std::vector<Seed> seeds();

} // namespace fuzz
