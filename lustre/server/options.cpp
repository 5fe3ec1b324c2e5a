// SPDX-License-Identifier: GPL-2.0
#include "server/options.hpp"

#include <algorithm>

#include "libcfs/parse.hpp"

namespace server
{

using namespace cfs::err;

namespace
{

/// Words that ask for what is so anyway, or for less of what is not there.
constexpr std::string_view kIgnored[] = {"skip_lfsck", "localrecov", "nolocallogs", "noprimnode"};
/// Words that ask for what is not built.
constexpr std::string_view kMissing[] = {"abort_recov",	       "abort_recovery", "abort_recov_mdt",
					 "abort_recovery_mdt", "no_create",	 "no_precreate",
					 "rdonly_dev"};

/// The value of "key=value", when this is the key (with its '=').
bool value_of(std::string_view w, std::string_view key, std::string_view &value) noexcept
{
	if (!w.starts_with(key))
		return false;
	w.remove_prefix(key.size());
	value = w;
	return true;
}

} // namespace

cfs::Result<> TargetOptions::add_backing(std::string_view w) noexcept
{
	std::size_t comma = backing_length ? 1 : 0;
	if (backing_length + comma + w.size() >= backing.size())
		return cfs::fail(NOSPC);
	if (comma)
		backing[backing_length++] = ',';
	std::copy(w.begin(), w.end(),
		  backing.begin() + static_cast<std::ptrdiff_t>(backing_length));
	backing_length += w.size();
	backing[backing_length] = '\0';
	return {};
}

/// Words without a value; false if it is none that is known.
cfs::Result<bool> TargetOptions::flag(std::string_view w) noexcept
{
	struct Flag {
		std::string_view name;
		bool TargetOptions::*field;
	};
	static constexpr Flag kFlags[] = {
		{"mgs", &TargetOptions::mgs},	       {"nomgs", &TargetOptions::no_mgs},
		{"nosvc", &TargetOptions::no_service}, {"virgin", &TargetOptions::virgin},
		{"update", &TargetOptions::update},    {"writeconf", &TargetOptions::writeconf},
		{"noscrub", &TargetOptions::no_scrub}, {"noir", &TargetOptions::no_ir},
	};
	for (const Flag &f : kFlags)
		if (w == f.name) {
			this->*f.field = true;
			return true;
		}
	for (std::string_view name : kMissing)
		if (w == name)
			return cfs::fail(OPNOTSUPP);
	return std::find(std::begin(kIgnored), std::end(kIgnored), w) != std::end(kIgnored);
}

cfs::Result<TargetOptions::Open> TargetOptions::word(std::string_view w) noexcept
{
	std::string_view v;
	if (TRY(flag(w)))
		return Open::none;
	if (value_of(w, "mgsnode=", v)) {
		if (mgs_node_count == kNodesMax)
			return cfs::fail(NOSPC);
		mgs_nodes[mgs_node_count++] = v;
		return Open::node;
	}
	if (value_of(w, "param=", v)) {
		if (param_count == kParamsMax)
			return cfs::fail(NOSPC);
		params[param_count++] = v;
		return Open::param;
	}
	if (value_of(w, "mgssec=", v) || value_of(w, "network=", v))
		return v == "null" ? cfs::Result<Open>(Open::none) : cfs::fail(OPNOTSUPP);
	for (auto [key, field] : {std::pair{"recovery_time_soft=", &TargetOptions::recovery_soft},
				  std::pair{"recovery_time_hard=", &TargetOptions::recovery_hard}})
		if (value_of(w, key, v)) {
			auto n = TRY(cfs::parse_u64(v));
			if (n > 86400)
				return cfs::fail(INVAL);
			this->*field = static_cast<u32>(n);
			return Open::none;
		}
	if (value_of(w, "svname=", svname) || value_of(w, "device=", device) ||
	    value_of(w, "osd=", osd) || value_of(w, "exclude=", exclude) ||
	    value_of(w, "mgsname=", v))
		return Open::none;
	TRY(add_backing(w));
	return Open::none;
}

cfs::Result<> TargetOptions::parse(std::string_view text, TargetOptions &out,
				   std::string_view *bad) noexcept
{
	Open open = Open::none;
	while (!text.empty()) {
		std::size_t n = std::min(text.find(','), text.size());
		std::string_view w(text.data(), n);
		text.remove_prefix(std::min(n + 1, text.size()));
		if (w.empty())
			continue;
		// A value of NIDs has commas of its own.
		bool is_nid = w.find('@') != std::string_view::npos &&
			      w.find('=') == std::string_view::npos;
		if (open != Open::none && is_nid) {
			auto &last = open == Open::node ? out.mgs_nodes[out.mgs_node_count - 1]
							: out.params[out.param_count - 1];
			last = {last.data(),
				static_cast<std::size_t>(w.data() + w.size() - last.data())};
			continue;
		}
		auto r = out.word(w);
		if (!r) {
			*bad = w;
			return cfs::fail(r.error());
		}
		open = *r;
	}
	if (out.device.empty())
		return cfs::fail(NODEV);
	if (out.svname.empty())
		return cfs::fail(INVAL);
	return {};
}

std::string_view TargetOptions::param(std::string_view key) const noexcept
{
	std::string_view v;
	for (std::size_t i = 0; i < param_count; i++)
		if (value_of(params[i], key, v))
			return v;
	return {};
}

void TargetOptions::show(cfs::FormatSink &out) const noexcept
{
	out.print(",svname={}", svname);
	if (only_mgs() || no_service)
		out.print(",nosvc");
	if (mgs || only_mgs())
		out.print(",mgs");
	for (std::size_t i = 0; i < mgs_node_count; i++)
		out.print(",mgsnode={}", mgs_nodes[i]);
	if (!osd.empty())
		out.print(",osd={}", osd);
	if (backing_length)
		out.print(",{}", std::string_view(backing.data(), backing_length));
}

} // namespace server
