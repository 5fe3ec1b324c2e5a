// SPDX-License-Identifier: GPL-2.0
//
// Output of the stock lfs, recorded: tests/golden/data/lfs/*.txt, blocks of "$ command" and what it
// printed on standard output.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#ifndef CFS_GOLDEN_DATA
#define CFS_GOLDEN_DATA "tests/golden/data" // the build knows the whole path
#endif

namespace lfs_test
{

struct Block {
	std::string command, output;
};

inline std::vector<Block> transcript(const std::string &name)
{
	std::ifstream in(std::string(CFS_GOLDEN_DATA "/lfs/") + name);
	std::vector<Block> out;
	for (std::string line; std::getline(in, line);) {
		if (line.starts_with("$ "))
			out.push_back({line.substr(2), {}});
		else if (!out.empty())
			out.back().output += line + "\n";
	}
	return out;
}

/// The output of one command of a transcript; empty when it is not there.
inline std::string recorded(const std::string &name, const std::string &command)
{
	for (const Block &b : transcript(name))
		if (b.command == command)
			return b.output;
	return {};
}

/// A command line as main() gets it; without the word "lfs".
class Words
{
public:
	explicit Words(const std::string &line)
	{
		std::istringstream in(line);
		for (std::string w; in >> w;)
			if (!words_.empty() || w != "lfs")
				words_.push_back(w);
		for (auto &w : words_)
			argv_.push_back(w.data());
		argv_.push_back(nullptr);
	}
	[[nodiscard]] int argc() const { return static_cast<int>(words_.size()); }
	[[nodiscard]] char **argv() { return argv_.data(); }
	[[nodiscard]] const std::string &last() const { return words_.back(); }

private:
	std::vector<std::string> words_;
	std::vector<char *> argv_;
};

} // namespace lfs_test
