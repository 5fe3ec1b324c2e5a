// SPDX-License-Identifier: GPL-2.0
//
// A command parser for tools with many commands, such as lfs (spec 08 section 1): a table of
// commands, the built-in ones, exit codes, and the interactive reader.
#pragma once

#include <cstdio>
#include <span>
#include <string>

namespace tool
{

/// A command's answer to wrong usage: the shell prints its help on standard output.
inline constexpr int kHelp = 4;

struct Command {
	const char *name;
	/// argv[0] is the command's name. 0, a negative or positive errno, or kHelp.
	int (*run)(int argc, char **argv);
	const char *help;
};

class Shell
{
public:
	/// `name` is the tool's.
	Shell(const char *name, std::span<const Command> commands)
	    : name_(name), commands_(commands)
	{
	}

	/// What main() does: runs the command of the command line, or those of standard input.
	/// Returns the exit status.
	int main(int argc, char **argv);
	/// The names of all commands, four in a line.
	void list_commands(std::FILE *out) const;

private:
	int run(int argc, char **argv);
	int built_in(int argc, char **argv, bool &found);
	int interactive();
	int help(int argc, char **argv) const;
	[[nodiscard]] const Command *find(const std::string &name) const;
	void not_valid(const char *word) const;

	const char *name_;
	std::span<const Command> commands_;
	bool ignore_errors_ = false;
	bool quit_ = false;
};

/// Prints the message about the option that getopt has just refused; returns kHelp.
int unrecognized(const char *tool, char **argv);
/// Prints the message of a command that has a place in the table but no code yet; returns -95.
int not_built(const char *tool, const char *command);

} // namespace tool
