// SPDX-License-Identifier: GPL-2.0
//
// See options.hpp.

#include "lnetctl/options.hpp"

#include <cstdlib>
#include <cstring>

namespace lnetctl
{

bool Options::read(const std::vector<std::string> &words, std::size_t first,
		   const std::vector<Spec> &specs)
{
	std::vector<option> longs;
	std::string shorts = ":";
	for (std::size_t i = 0; i < specs.size(); i++) {
		const Spec &s = specs[i];
		bool verbose = !strcmp(s.name, "verbose");
		int takes = verbose	 ? optional_argument
			    : s.argument ? required_argument
					 : no_argument;
		longs.push_back({s.name, takes, nullptr, 256 + static_cast<int>(i)});
		if (s.letter) {
			shorts += s.letter;
			shorts += verbose ? "::" : s.argument ? ":" : "";
		}
	}
	longs.push_back({nullptr, 0, nullptr, 0});
	std::vector<std::string> copy(words.begin() + static_cast<std::ptrdiff_t>(first),
				      words.end());
	std::vector<char *> argv{const_cast<char *>("lnetctl")};
	for (auto &w : copy)
		argv.push_back(w.data());
	argv.push_back(nullptr);
	auto argc = static_cast<int>(argv.size()) - 1;
	optind = 0; // a new scan
	opterr = 0;
	for (int c;
	     (c = getopt_long(argc, argv.data(), shorts.c_str(), longs.data(), nullptr)) != -1;) {
		const Spec *found = nullptr;
		for (std::size_t i = 0; i < specs.size(); i++)
			if (c == 256 + static_cast<int>(i) ||
			    (specs[i].letter && c == specs[i].letter))
				found = &specs[i];
		if (!found)
			return false;
		std::string value = optarg ? optarg : "";
		if (!strcmp(found->name, "verbose") && !optarg && optind < argc &&
		    strspn(argv[static_cast<std::size_t>(optind)], "0123456789") ==
			    strlen(argv[static_cast<std::size_t>(optind)]))
			value = argv[static_cast<std::size_t>(optind++)];
		values_[found->name] = value;
	}
	for (int i = optind; i < argc; i++)
		operands_.emplace_back(argv[static_cast<std::size_t>(i)]);
	return true;
}

unsigned Options::verbosity() const
{
	if (!has("verbose"))
		return 0;
	auto v = get("verbose");
	return v.empty() ? 1 : static_cast<unsigned>(std::strtoul(v.c_str(), nullptr, 10) & 0xff);
}

bool Options::number(const std::string &name, long long &out) const
{
	if (!has(name))
		return true;
	auto v = get(name);
	char *end = nullptr;
	errno = 0;
	out = std::strtoll(v.c_str(), &end, 0);
	return !v.empty() && !*end && errno == 0;
}

} // namespace lnetctl
