// SPDX-License-Identifier: GPL-2.0
//
// lctl: control of a node. Built so far: get_param, set_param and list_param (spec 08 sections 2.3
// and 2.4) and what network.hpp has; every other command says that it is not there yet and fails.

#include <getopt.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "lnetctl/kernel.hpp"
#include "network.hpp"
#include "params.hpp"

namespace
{

struct Options {
	bool classify = false, dirs_only = false, no_links = false, no_name = false,
	     only_name = false, path = false, recursive = false, readable = false, writable = false,
	     header = false, yaml = false;
};

const char *g_help =
	"usage: lctl COMMAND\n"
	"  get_param [-F|-H|-n|-N|-p|-R|-r|-w|-L|-y] PATTERN...     print parameters\n"
	"  list_param [-D|-F|-p|-R|-r|-w|-L] PATTERN...             print their names\n"
	"  set_param [-n] [-t[N]] NAME=VALUE...                    set them\n"
	"  network up|down                                         bring LNet up or down\n"
	"  list_nids [all]                                         this node's NIDs\n"
	"  ping NID [SECONDS]                                      ask a node for its NIDs\n"
	"  which_nid NID...                                        the one that is nearest\n"
	"  [--net NET] peer_list                                   peers and their connections\n"
	"  route_list                                              ways to other networks\n"
	"  --net NET add_route GATEWAY [HOPS [PRIORITY]]           add one\n"
	"  --net NET del_route GATEWAY                             remove it\n";

std::string shown_name(const lctl::Match &m, const Options &o)
{
	std::string s = o.path ? m.path : m.name;
	if (o.classify)
		s += m.directory ? "/" : m.link ? "@" : m.writable ? "=" : "";
	return s;
}

bool wanted(const lctl::Match &m, const Options &o)
{
	return !(o.no_links && m.link) && !(o.readable && !m.readable) &&
	       !(o.writable && !m.writable) && !(o.dirs_only && !m.directory);
}

/// The value's lines behind its name, as section 2.3 lays them out.
void print_value(const std::string &name, std::string value, const Options &o)
{
	if (!value.empty() && value.back() == '\n')
		value.pop_back();
	bool multi = value.find('\n') != std::string::npos;
	if (o.no_name) {
		if (!value.empty())
			printf("%s\n", value.c_str());
	} else if (o.header && multi) {
		for (std::size_t at = 0; at <= value.size();) {
			auto end = std::min(value.find('\n', at), value.size());
			printf("%s=%.*s\n", name.c_str(), static_cast<int>(end - at),
			       value.c_str() + at);
			at = end + 1;
		}
	} else {
		printf("%s%s%s%s\n", name.c_str(), o.yaml ? ": " : "=",
		       multi && !o.yaml ? "\n" : "", value.c_str());
	}
}

int get_one(const char *pattern, const Options &o)
{
	auto matches = lctl::find(pattern, o.recursive, "/");
	if (matches.empty()) {
		fprintf(stderr, "error: get_param: param_path '%s': %s\n",
			lctl::slashed(pattern).c_str(), strerror(ENOENT));
		return ENOENT;
	}
	int rc = 0;
	for (const auto &m : matches) {
		if (m.directory || !wanted(m, o))
			continue;
		if (o.only_name) {
			printf("%s\n", shown_name(m, o).c_str());
			continue;
		}
		std::string value;
		int err = lctl::read_value(m.path, value);
		if (err) {
			fprintf(stderr, "error: read_param: '%s': %s\n", m.path.c_str(),
				strerror(err));
			rc = rc ? rc : err;
			continue;
		}
		print_value(shown_name(m, o), value, o);
	}
	return rc;
}

int list_one(const char *pattern, const Options &o)
{
	auto matches = lctl::find(pattern, o.recursive, "/");
	if (matches.empty()) {
		fprintf(stderr, "error: list_param: param_path '%s': %s\n",
			lctl::slashed(pattern).c_str(), strerror(ENOENT));
		return ENOENT;
	}
	std::set<std::string> seen; // the same name may be in sysfs and in debugfs
	for (const auto &m : matches)
		if (wanted(m, o) && seen.insert(o.path ? m.path : m.name).second)
			printf("%s\n", shown_name(m, o).c_str());
	return 0;
}

int set_one(const std::string &name, const std::string &value, bool quiet)
{
	std::string tail = lctl::slashed(name);
	int rc = 0;
	auto note = [&](int err) { rc = rc ? rc : err; };
	auto matches = lctl::find(name, false, "/");
	if (matches.empty()) {
		fprintf(stderr, "error: set_param: param_path '%s': %s\n", tail.c_str(),
			strerror(ENOENT));
		note(ENOENT);
	}
	for (const auto &m : matches) {
		int err = lctl::write_value(m.path, value);
		if (!err && !quiet)
			printf("%s=%s\n", m.name.c_str(), value.c_str());
		if (err == EACCES)
			fprintf(stderr, "error: set_param: opening '%s': %s\n", m.path.c_str(),
				strerror(err));
		else if (err)
			fprintf(stderr, "error: set_param: setting %s=%s: %s\n", m.path.c_str(),
				value.c_str(), strerror(err));
		note(err);
	}
	if (rc)
		fprintf(stderr, "error: set_param: setting '%s'='%s': %s\n", tail.c_str(),
			value.c_str(), strerror(rc));
	return rc;
}

int set_param(int argc, char **argv)
{
	bool quiet = false;
	for (int c; (c = getopt(argc, argv, "+nt::")) != -1;) {
		if (c == 'n')
			quiet = true;
		else if (c != 't') { // -t: parallel writing, which changes nothing but speed
			fprintf(stderr, "error: set_param: this option is not built yet\n%s",
				g_help);
			return EOPNOTSUPP;
		}
	}
	int rc = 0;
	if (optind == argc) {
		fputs(g_help, stderr);
		return EINVAL;
	}
	for (; optind < argc; optind++) {
		std::string word = argv[optind];
		auto eq = word.find('=');
		std::string name = word.substr(0, eq), value;
		if (eq != std::string::npos)
			value = word.substr(eq + 1);
		else if (optind + 1 < argc) // the older form, NAME VALUE
			value = argv[++optind];
		int err = EINVAL;
		if (value.empty())
			fprintf(stderr, "error: set_param: setting %s: %s\n", name.c_str(),
				strerror(EINVAL));
		else
			err = set_one(name, value, quiet);
		rc = rc ? rc : err;
	}
	return rc;
}

int get_or_list(int argc, char **argv, bool get)
{
	Options o;
	const char *letters = get ? "+FHnNpRrwLlyMm" : "+DFpRrwLlMm";
	for (int c; (c = getopt(argc, argv, letters)) != -1;) {
		switch (c) {
		case 'D':
			o.dirs_only = true;
			break;
		case 'F':
			o.classify = true;
			break;
		case 'H':
			o.header = true;
			break;
		case 'n':
			o.no_name = true;
			break;
		case 'N':
			o.only_name = true;
			break;
		case 'p':
			o.path = true;
			break;
		case 'R':
			o.recursive = true;
			break;
		case 'r':
			o.readable = true;
			break;
		case 'w':
			o.writable = true;
			break;
		case 'L':
			o.no_links = true;
			break;
		case 'y':
			o.yaml = true;
			break;
		case 'l':
		case 'M':
		case 'm':
			break;
		default:
			fputs(g_help, stderr);
			return EINVAL;
		}
	}
	if (optind == argc) {
		fputs(g_help, stderr);
		return EINVAL;
	}
	int rc = 0;
	for (; optind < argc; optind++) {
		int err = get ? get_one(argv[optind], o) : list_one(argv[optind], o);
		rc = rc ? rc : err;
	}
	return rc;
}

/// [--net NET] COMMAND ARGS... if it is about LNet.
bool about_network(int argc, char **argv, int &rc)
{
	lnetctl::Words words(argv + 1, argv + argc);
	std::string net;
	if (words.size() > 2 && words[0] == "--net") {
		net = words[1];
		words.erase(words.begin(), words.begin() + 2);
	}
	if (words.empty())
		return false;
	auto sys = lnetctl::make_kernel();
	lnetctl::Shell sh{*sys, std::cout, std::cerr, std::cin};
	bool is = lctl::network_command(sh, net, words, rc);
	std::cout.flush();
	return is;
}

} // namespace

int main(int argc, char **argv)
{
	std::string command = argc > 1 ? argv[1] : "help";
	if (int rc = 0; about_network(argc, argv, rc))
		return rc;
	if (command == "version" || command == "--version") {
		puts("lctl " CFS_VERSION);
		return 0;
	}
	if (command == "get_param" || command == "list_param")
		return get_or_list(argc - 1, argv + 1, command == "get_param");
	if (command == "set_param")
		return set_param(argc - 1, argv + 1);
	if (command == "help" || command == "--help") {
		fputs(g_help, stdout);
		return 0;
	}
	fprintf(stderr, "error: %s: this command is not built yet\n%s", command.c_str(), g_help);
	return EOPNOTSUPP;
}
