// SPDX-License-Identifier: GPL-2.0
//
// Why a tool gives up: what it prints, and the status it ends with.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <utility>

#include "libcfs/result.hpp"

namespace mkfs
{

/// `fatal` says whether scripts see the message behind the word FATAL and an empty line.
struct Failure {
	int status = 1;
	std::string message;
	bool fatal = false;
};

template <typename T = void>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> failure(int status, std::string message)
{
	return std::unexpected(Failure{status, std::move(message), false});
}
[[nodiscard]] inline std::unexpected<Failure> fatal(int status, std::string message)
{
	return std::unexpected(Failure{status, std::move(message), true});
}

} // namespace mkfs
