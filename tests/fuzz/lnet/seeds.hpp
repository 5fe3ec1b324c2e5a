// SPDX-License-Identifier: GPL-2.0
//
// Inputs to begin with: what a stock system was recorded to send, and the forms it does not use.
#pragma once

#include <cstddef>
#include <vector>

namespace fuzz
{

std::vector<std::vector<std::byte>> lnet_seeds();

} // namespace fuzz
