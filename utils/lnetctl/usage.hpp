// SPDX-License-Identifier: GPL-2.0
//
// What lnetctl says about its commands. Options have stock's names.
#pragma once

#include <string>

#include "lnetctl/commands.hpp"

namespace lnetctl
{

/// Prints how commands that begin with `prefix` are used, on standard output, and returns what
/// wrong usage exits with.
int usage(Shell &sh, const std::string &prefix);
/// For a command whose second word is no verb of it.
int no_such_verb(Shell &sh, const std::string &command, const std::string &verb);
/// The names of all commands, in columns.
void list_commands(Shell &sh);
/// Whether there is such a command.
[[nodiscard]] bool is_command(const std::string &word);

} // namespace lnetctl
