// SPDX-License-Identifier: GPL-2.0
//
// Options of one command by getopt_long, so that they may be abbreviated and stand anywhere, as
// users are used to.
#pragma once

#include <getopt.h>

#include <map>
#include <string>
#include <vector>

namespace lnetctl
{

class Options
{
public:
	struct Spec {
		const char *name;
		char letter;   ///< 0: none
		bool argument; ///< takes one
	};

	/// Reads words[first...]; false when one is unknown or lacks its argument. `-v 2` counts
	/// as `-v2` for an option called verbose.
	[[nodiscard]] bool read(const std::vector<std::string> &words, std::size_t first,
				const std::vector<Spec> &specs);
	[[nodiscard]] bool has(const std::string &name) const { return values_.contains(name); }
	[[nodiscard]] std::string get(const std::string &name) const
	{
		auto i = values_.find(name);
		return i == values_.end() ? std::string() : i->second;
	}
	/// What is no option.
	[[nodiscard]] const std::vector<std::string> &operands() const { return operands_; }
	/// 0 without -v, 1 for it alone.
	[[nodiscard]] unsigned verbosity() const;
	/// An integer; false when the option is given and is none.
	[[nodiscard]] bool number(const std::string &name, long long &out) const;

private:
	std::map<std::string, std::string> values_;
	std::vector<std::string> operands_;
};

} // namespace lnetctl
