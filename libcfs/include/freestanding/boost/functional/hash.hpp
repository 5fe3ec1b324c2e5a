// SPDX-License-Identifier: GPL-2.0
//
// Boost.Intrusive's default hash. Boost's own pulls in floating point; this one serves integers and
// enums, and types with a hash_value() of their own. Its values never leave the machine.
#pragma once

#include <cstddef>
#include <type_traits>

namespace boost
{

template <typename T>
struct hash {
	std::size_t operator()(const T &v) const noexcept
	{
		if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
			auto h = static_cast<std::size_t>(v) * 0x9e3779b97f4a7c15UL;
			return h ^ (h >> 32);
		} else {
			return hash_value(v);
		}
	}
};

} // namespace boost
