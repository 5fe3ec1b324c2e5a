// SPDX-License-Identifier: GPL-2.0
#include "client/options.hpp"

#include <algorithm>

namespace client
{

namespace
{

struct Word {
	std::string_view text;
	u32 set;
	u32 clear;
};

constexpr u32 bit(MountSwitch s) noexcept
{
	return MountOptions::bit(s);
}
constexpr u32 kFlocks = bit(MountSwitch::flock) | bit(MountSwitch::localflock);

/// Switches, in the order of /proc/mounts; then words without one of their own.
constexpr Word kSwitches[] = {
	{"32bitapi", bit(MountSwitch::api32), 0},
	{"always_ping", bit(MountSwitch::always_ping), 0},
	{"checksum", bit(MountSwitch::checksum), 0},
	{"nochecksum", 0, bit(MountSwitch::checksum)},
	{"flock", bit(MountSwitch::flock), kFlocks},
	{"localflock", bit(MountSwitch::localflock), kFlocks},
	{"noflock", 0, kFlocks},
	{"lazystatfs", bit(MountSwitch::lazystatfs), 0},
	{"nolazystatfs", 0, bit(MountSwitch::lazystatfs)},
	{"lruresize", bit(MountSwitch::lruresize), 0},
	{"nolruresize", 0, bit(MountSwitch::lruresize)},
	{"statfs_project", bit(MountSwitch::statfs_project), 0},
	{"nostatfs_project", 0, bit(MountSwitch::statfs_project)},
	{"user_fid2path", bit(MountSwitch::user_fid2path), 0},
	{"nouser_fid2path", 0, bit(MountSwitch::user_fid2path)},
	{"user_xattr", bit(MountSwitch::user_xattr), 0},
	{"nouser_xattr", 0, bit(MountSwitch::user_xattr)},
	{"verbose", bit(MountSwitch::verbose), 0},
	{"noverbose", 0, bit(MountSwitch::verbose)},
	// Off already: there is no encryption here.
	{"noencrypt", 0, 0},
	{"noir", bit(MountSwitch::noir), 0},
	{"nolock", 0, 0},
};

/// Words of server mounts, which share the parser with clients in stock; values may follow a '='.
constexpr std::string_view kServerWords[] = {
	"recovery_time_soft",
	"recovery_time_hard",
	"abort_recov",
	"abort_recovery",
	"abort_recov_mdt",
	"abort_recovery_mdt",
	"nosvc",
	"mgs",
	"nomgs",
	"writeconf",
	"update",
	"virgin",
	"noprimnode",
	"noscrub",
	"skip_lfsck",
	"rdonly_dev",
	"no_create",
	"no_precreate",
	"localrecov",
	"nolocallogs",
	"svname",
	"osd",
	"param",
	"mgssec",
	"foreign_symlink",
};

bool fsname_char(char c) noexcept
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/// <mgs nodes>:/<fsname>[/<fileset>]
cfs::Result<> parse_device(std::string_view device, MountOptions &o) noexcept
{
	std::size_t cut = device.rfind(":/");
	if (cut == std::string_view::npos || cut == 0)
		return cfs::fail(cfs::err::INVAL);
	o.device = device;
	o.mgs = device;
	o.mgs.remove_suffix(device.size() - cut);
	std::string_view rest = device;
	rest.remove_prefix(cut + 2);
	while (!rest.empty() && rest.back() == '/')
		rest.remove_suffix(1);
	std::size_t slash = std::min(rest.find('/'), rest.size());
	o.fsname = rest;
	o.fsname.remove_suffix(rest.size() - slash);
	o.fileset = rest;
	o.fileset.remove_prefix(slash);
	if (o.fsname.size() > MountOptions::kFsnameMax)
		return cfs::fail(cfs::err::NAMETOOLONG);
	if (o.fsname.empty() || !std::ranges::all_of(o.fsname, fsname_char))
		return cfs::fail(cfs::err::INVAL);
	return {};
}

/// "name=value" apart; a word without '=' has no value.
std::string_view split(std::string_view &word) noexcept
{
	std::size_t eq = word.find('=');
	if (eq == std::string_view::npos)
		return {};
	std::string_view value = word;
	value.remove_prefix(eq + 1);
	word.remove_suffix(word.size() - eq);
	return value;
}

cfs::Result<> apply_value(std::string_view name, std::string_view value, MountOptions &o) noexcept
{
	struct {
		std::string_view name;
		std::string_view *to;
	} const places[] = {
		{"mgsnode", &o.extra_mgs},
		{"mgsname", &o.mgs_name},
		{"exclude", &o.exclude},
		{"network", &o.network},
	};
	if (name == "device")
		return parse_device(value, o);
	for (const auto &p : places)
		if (name == p.name) {
			*p.to = value;
			return {};
		}
	if (std::ranges::find(kServerWords, name) != std::end(kServerWords))
		return {};
	return cfs::fail(cfs::err::INVAL);
}

cfs::Result<> apply(std::string_view word, MountOptions &o) noexcept
{
	for (const Word &w : kSwitches)
		if (word == w.text) {
			o.on = (o.on & ~w.clear) | w.set;
			return {};
		}
	if (word == "encrypt" || word.starts_with("test_dummy_encryption"))
		return cfs::fail(cfs::err::OPNOTSUPP);
	std::string_view value = split(word);
	return apply_value(word, value, o);
}

/// The next word up to a comma. A device has commas, too, but is the last option.
std::string_view take_word(std::string_view &rest) noexcept
{
	while (rest.starts_with(','))
		rest.remove_prefix(1);
	std::size_t n =
		rest.starts_with("device=") ? rest.size() : std::min(rest.find(','), rest.size());
	std::string_view word = rest;
	word.remove_suffix(rest.size() - n);
	rest.remove_prefix(n);
	return word;
}

} // namespace

cfs::Result<MountOptions> MountOptions::parse(std::string_view text, std::string_view *bad) noexcept
{
	MountOptions o;

	*bad = "device";
	for (;;) {
		std::string_view word = take_word(text);
		if (word.empty())
			break;
		auto r = apply(word, o);
		if (!r) {
			*bad = word;
			return cfs::fail(r.error());
		}
	}
	if (o.device.empty())
		return cfs::fail(cfs::err::NODEV);
	return o;
}

void MountOptions::show(cfs::FormatSink &out) const noexcept
{
	auto either = [&](MountSwitch s, std::string_view name) {
		out.print(",{}{}", has(s) ? "" : "no", name);
	};
	if (has(MountSwitch::api32))
		out.print(",32bitapi");
	if (has(MountSwitch::always_ping))
		out.print(",always_ping");
	either(MountSwitch::checksum, "checksum");
	out.print(",noencrypt");
	out.print(",{}", flock() == FlockMode::local	 ? "localflock"
			 : flock() == FlockMode::cluster ? "flock"
							 : "noflock");
	either(MountSwitch::lazystatfs, "lazystatfs");
	either(MountSwitch::lruresize, "lruresize");
	// Not in force; stock shows it so, for want of a positive form.
	out.print(",nolock");
	either(MountSwitch::statfs_project, "statfs_project");
	either(MountSwitch::user_fid2path, "user_fid2path");
	either(MountSwitch::user_xattr, "user_xattr");
	either(MountSwitch::verbose, "verbose");
}

} // namespace client
