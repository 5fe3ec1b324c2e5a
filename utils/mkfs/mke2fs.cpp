// SPDX-License-Identifier: GPL-2.0
//
// Which features and sizes a target's backing file system gets. Differences from stock: an MDT is
// formatted without dirdata, so that the distribution's own e2fsprogs check and repair it.

#include "mkfs/mke2fs.hpp"

#include <bit>
#include <cerrno>
#include <cstdlib>

namespace mkfs
{

namespace
{

constexpr std::uint64_t kMb = 1024, kGb = 1024 * kMb, kTb = 1024 * kGb; // in KiB
constexpr std::uint64_t kMaxBlocks32 = 0xffffffff;
/// A device with a few blocks more is not worth 64-bit block numbers.
constexpr std::uint64_t kSlightlyMore = 0x100002000;

/// The options a user gave: the two that are lists apart from the rest.
struct UserOptions {
	std::vector<std::string> rest;
	std::string features, extended;

	bool has(const char *option) const
	{
		for (const auto &w : rest)
			if (w.starts_with(option))
				return true;
		return false;
	}
	/// A value, joined to its option or the word behind it.
	std::string value(const char *option) const
	{
		for (std::size_t i = 0; i < rest.size(); i++) {
			if (!rest[i].starts_with(option))
				continue;
			if (rest[i].size() > 2)
				return rest[i].substr(2);
			return i + 1 < rest.size() ? rest[i + 1] : "";
		}
		return "";
	}
};

std::vector<std::string> words(const std::string &s)
{
	std::vector<std::string> out;
	std::string word;
	for (char c : s + " ") {
		if (!isspace(static_cast<unsigned char>(c)))
			word += c;
		else if (!word.empty())
			out.push_back(std::exchange(word, {}));
	}
	return out;
}

Outcome<UserOptions> parse_user(const std::string &text)
{
	UserOptions u;
	auto all = words(text);
	for (std::size_t i = 0; i < all.size(); i++) {
		auto *list = all[i].starts_with("-O")	? &u.features
			     : all[i].starts_with("-E") ? &u.extended
							: nullptr;
		if (!list) {
			u.rest.push_back(all[i]);
			continue;
		}
		if (!list->empty())
			return fatal(EINVAL, "--mkfsoptions has " + all[i].substr(0, 2) +
						     " twice; give one list with commas");
		*list = all[i].size() > 2 ? all[i].substr(2) : i + 1 < all.size() ? all[++i] : "";
		if (list->empty())
			return fatal(EINVAL, "--mkfsoptions has " + all[i].substr(0, 2) +
						     " without a value");
	}
	return u;
}

/// Whether a comma separated list names a feature, in either polarity, or an option.
bool names(const std::string &list, const std::string &what)
{
	std::string item;
	for (char c : list + ",") {
		if (c != ',') {
			item += c;
			continue;
		}
		auto plain = item.substr(item.starts_with("^") ? 1 : 0);
		if (plain.substr(0, plain.find('=')) == what)
			return true;
		item.clear();
	}
	return false;
}

void add_to(std::string &list, const std::string &what)
{
	list += (list.empty() ? "" : ",") + what;
}

std::uint32_t mdt_inode_size(std::uint32_t hint)
{
	return hint > 59 ? 512 : hint > 16 ? 2048 : 1024;
}

/// Bytes for each inode, or 0 to leave the choice to mke2fs.
std::uint32_t bytes_per_inode(const DiskData &t, const FormatRequest &r, std::uint32_t inode_size)
{
	if (t.is_mdt()) {
		std::uint32_t layout = 32 + 24 * r.stripe_count_hint;
		return inode_size + 1536 +
		       (r.stripe_count_hint > 59 ? (layout + 4095) / 4096 * 4096 : 0);
	}
	if (!t.is_ost())
		return 0;
	if (r.device_kb > 16 * kTb)
		return 1048576;
	if (r.device_kb > 4 * kTb)
		return 524288;
	if (r.device_kb > kTb)
		return 262144;
	return r.device_kb > 10 * kGb ? 69905 : 0;
}

/// -J, -I, -i: sizes.
std::string size_options(const DiskData &t, const FormatRequest &r, const UserOptions &u)
{
	std::string s;
	if (r.device_kb > kGb && !t.only_mgs() && !u.has("-J")) {
		auto most = t.is_mdt() ? 4096u : 1024u;
		auto journal = std::min<std::uint64_t>(r.device_kb / kMb / 25, most);
		s += " -J size=" + std::to_string(journal);
	}
	auto inode_size = t.is_mdt() ? mdt_inode_size(r.stripe_count_hint) : 512u;
	if (!t.only_mgs() && !u.has("-I"))
		s += " -I " + std::to_string(inode_size);
	if (auto own = u.value("-I"); !own.empty())
		inode_size = static_cast<std::uint32_t>(strtoul(own.c_str(), nullptr, 0));
	auto ratio = bytes_per_inode(t, r, inode_size);
	if (ratio && !u.has("-i") && !u.has("-N"))
		s += " -i " + std::to_string(ratio);
	return s;
}

Outcome<std::string> feature_list(const DiskData &t, const FormatRequest &r, const UserOptions &u,
				  bool wide)
{
	std::string list = u.features;
	auto add = [&](const char *feature, bool probe = true) {
		std::string name = feature;
		auto plain = name.substr(name[0] == '^' ? 1 : 0);
		if (names(u.features, plain))
			return true;
		if (probe && !r.knows(plain))
			return false;
		add_to(list, name);
		return true;
	};
	add("uninit_bg", false);
	add("extents", false);
	if (!t.values("failover.node").empty())
		add("mmp");
	add("dir_nlink");
	if (!add("quota"))
		return fatal(EINVAL, "mke2fs does not know the feature quota; install e2fsprogs "
				     "1.42 or later");
	add("project");
	add("huge_file");
	if (wide) {
		add("64bit");
		add("^resize_inode");
	}
	if (t.is_mdt())
		add("ea_inode");
	add("large_dir");
	add("^fast_commit");
	add("flex_bg");
	return list;
}

std::string extended_list(const DiskData &t, const UserOptions &u, const FormatCommand &c,
			  bool wide)
{
	std::string list = u.extended;
	auto add = [&](const std::string &item) {
		if (!names(u.extended, item.substr(0, item.find('='))))
			add_to(list, item);
	};
	std::uint64_t per_block = c.block_size / 32;
	std::uint64_t most = (std::uint64_t{1} << 32) - per_block * 8 * c.block_size;
	if (t.is_ost() && !wide && c.kb > 100 * kMb && most > c.kb / (c.block_size / 1024))
		add("resize=\"" + std::to_string(most) + "\"");
	add("lazy_journal_init");
	add("lazy_itable_init=\"0\"");
	add("packed_meta_blocks");
	return list;
}

} // namespace

Outcome<FormatCommand> compose(const DiskData &t, const FormatRequest &r)
{
	FormatCommand c;
	c.label = t.svname;
	c.kb = r.device_kb;
	if (r.device_kb < kMinDeviceKb)
		return failure(EINVAL,
			       "size of filesystem must be larger than 32MB, but is set to " +
				       std::to_string(r.device_kb) + "KB");
	auto u = TRY(parse_user(r.user_options));
	if (auto b = u.value("-b"); !b.empty()) {
		c.block_size = static_cast<std::uint32_t>(strtoul(b.c_str(), nullptr, 0));
		if (c.block_size < 1024 || c.block_size > 65536 ||
		    !std::has_single_bit(c.block_size))
			return fatal(EINVAL, "bad block size " + b);
	}
	auto blocks = c.kb / (c.block_size / 1024);
	bool wide = blocks > kMaxBlocks32;
	if (wide && blocks < kSlightlyMore) {
		c.kb = kMaxBlocks32 * (c.block_size / 1024);
		wide = false;
	}
	for (std::size_t i = 0; i < u.rest.size(); i++) {
		if (u.rest[i] == "-b")
			i++;
		else if (!u.rest[i].starts_with("-b"))
			c.options += " " + u.rest[i];
	}
	c.options += size_options(t, r, u) + " -q";
	c.options += " -O " + TRY(feature_list(t, r, u, wide));
	if (t.is_ost() && !u.has("-G"))
		c.options += " -G " + std::to_string(1024 / std::max(1u, c.block_size / 1024));
	c.options += " -E " + extended_list(t, u, c, wide) + " -F";
	return c;
}

std::string FormatCommand::shown(const std::string &device) const
{
	return "mke2fs -j -b " + std::to_string(block_size) + " -L " + label + " " + options + " " +
	       device + " " + std::to_string(kb) + "k";
}

std::vector<std::string> FormatCommand::argv(const std::string &device) const
{
	std::vector<std::string> out{"mke2fs"};
	auto line = "-j -b " + std::to_string(block_size) + " -L " + label + options;
	std::erase(line, '"');
	for (auto &w : words(line))
		out.push_back(w);
	out.push_back(device);
	out.push_back(std::to_string(kb) + "k");
	return out;
}

} // namespace mkfs
