// SPDX-License-Identifier: GPL-2.0
//
// The command parser; see shell.hpp.

#include "common/shell.hpp"

#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <vector>

namespace tool
{

namespace
{

struct BuiltIn {
	const char *name;
	const char *help;
};

constexpr BuiltIn kBuiltIn[] = {
	{"quit", "quit"},
	{"exit", "exit"},
	{"help", "provide useful information about a command"},
	{"--help", "provide useful information about a command"},
	{"version", "show program version"},
	{"--version", "show program version"},
	{"list-commands", "list available commands"},
	{"--list-commands", "list available commands"},
	{"--ignore_errors", "ignore errors that occur during script processing"},
	{"ignore_errors", "ignore errors that occur during script processing"},
};

} // namespace

const Command *Shell::find(const std::string &name) const
{
	for (const Command &c : commands_)
		if (name == c.name)
			return &c;
	return nullptr;
}

void Shell::not_valid(const char *word) const
{
	fprintf(stderr, "%s: '%s' is not a valid command. See '%s --list-commands'.\n", name_, word,
		name_);
}

void Shell::list_commands(std::FILE *out) const
{
	unsigned n = 0;
	auto print = [&](const char *name) { fprintf(out, "%-20s%s", name, ++n % 4 ? "" : "\n"); };
	for (const BuiltIn &b : kBuiltIn)
		print(b.name);
	for (const Command &c : commands_)
		print(c.name);
	if (n % 4)
		fputc('\n', out);
}

/// On standard error, and always successful: that is how users know it.
int Shell::help(int argc, char **argv) const
{
	if (argc < 2) {
		fprintf(stderr,
			"usage: %s [COMMAND] [OPTIONS]... [ARGS]\n"
			"Without any parameters, interactive mode is invoked\n"
			"Try '%s help <COMMAND>', or '%s --list-commands' for a list of "
			"commands.\n",
			name_, name_, name_);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		const char *text = nullptr;
		for (const BuiltIn &b : kBuiltIn)
			if (!strcmp(b.name, argv[i]))
				text = b.help;
		if (const Command *c = find(argv[i]))
			text = c->help;
		if (text)
			fprintf(stderr, "%s: %s\n", argv[i], text);
		else
			not_valid(argv[i]);
	}
	return 0;
}

int Shell::built_in(int argc, char **argv, bool &found)
{
	std::string_view word = argv[0];
	found = true;
	if (word.starts_with("--"))
		word.remove_prefix(2);
	if (word == "help")
		return help(argc, argv);
	if (word == "version") {
		printf("%s %s\n", name_, CFS_VERSION);
		return 0;
	}
	if (word == "list-commands") {
		list_commands(stdout);
		return 0;
	}
	if (word == "ignore_errors") {
		ignore_errors_ = true;
		return 0;
	}
	word = argv[0];
	if (word == "quit" || word == "exit") {
		quit_ = true;
		return 0;
	}
	found = false;
	return 0;
}

int Shell::run(int argc, char **argv)
{
	const Command *c = find(argv[0]);
	if (!c)
		return -1;
	optind = 0; // GNU getopt: begin anew, with the options of this command
	int rc = c->run(argc, argv);
	if (rc == kHelp) {
		fflush(stderr);
		printf("%s\n", c->help);
	}
	fflush(stdout);
	return rc < 0 ? -rc : rc;
}

/// Commands from standard input, a line each. An unknown word explains itself and is no error.
int Shell::interactive()
{
	bool tty = isatty(STDIN_FILENO) != 0;
	std::string line;
	int rc = 0;
	for (;;) {
		if (tty)
			fputs("> ", stdout), fflush(stdout);
		if (quit_ || !std::getline(std::cin, line))
			return rc;
		std::istringstream in(line);
		std::vector<std::string> words;
		for (std::string w; in >> w;)
			words.push_back(w);
		if (words.empty())
			continue;
		std::vector<char *> argv;
		for (auto &w : words)
			argv.push_back(w.data());
		argv.push_back(nullptr);
		int argc = static_cast<int>(words.size());
		bool found;
		rc = built_in(argc, argv.data(), found);
		if (!found && !find(words[0])) {
			printf("usage: %s [COMMAND] [OPTIONS]... [ARGS]\n"
			       "Without any parameters, interactive mode is invoked\n"
			       "Try '%s help <COMMAND>', or '%s --list-commands' for a list of "
			       "commands.\n",
			       name_, name_, name_);
		} else if (!found) {
			rc = run(argc, argv.data());
		}
		if (rc && !ignore_errors_)
			return rc;
	}
}

int Shell::main(int argc, char **argv)
{
	if (argc < 2)
		return interactive();
	bool found;
	int rc = built_in(argc - 1, argv + 1, found);
	if (found)
		return ignore_errors_ ? interactive() : rc;
	if (!find(argv[1])) {
		not_valid(argv[1]);
		return 1;
	}
	return run(argc - 1, argv + 1);
}

int unrecognized(const char *tool, char **argv)
{
	fprintf(stderr, "%s: unrecognized option '%s'\n", tool, optind > 0 ? argv[optind - 1] : "");
	return kHelp;
}

int not_built(const char *tool, const char *command)
{
	fprintf(stderr, "error: %s %s: this command is not built yet\n", tool, command);
	return -EOPNOTSUPP;
}

} // namespace tool
