// SPDX-License-Identifier: GPL-2.0
//
// Pools and targets from parameters; see pools.hpp.

#include "lfs/pools.hpp"

#include <cerrno>

#include "lfs/text.hpp"
#include "params.hpp"

namespace lfs
{

namespace
{

std::string pools_pattern(const std::string &fsname)
{
	return "lov." + fsname + "-clilov-*.pools";
}

} // namespace

int list_pools(const std::string &fsname, std::vector<std::string> &out)
{
	auto dirs = lctl::find(pools_pattern(fsname), false, "/");
	if (dirs.empty())
		return -ENXIO;
	for (const auto &m : lctl::find(pools_pattern(fsname) + ".*", false, "/")) {
		std::string name = m.path.substr(m.path.rfind('/') + 1);
		if (std::find(out.begin(), out.end(), name) == out.end())
			out.push_back(name);
	}
	return 0;
}

int read_pool(const std::string &fsname, const std::string &name, Pool &out)
{
	std::vector<std::string> all;
	if (int rc = list_pools(fsname, all))
		return rc;
	if (std::find(all.begin(), all.end(), name) == all.end())
		return -ENOENT;
	std::string value;
	if (!read_parameter(pools_pattern(fsname) + "." + name, value))
		return -ENOENT;
	for (const std::string &line : split(value, '\n'))
		if (!line.empty())
			out.members.push_back(line);
	return 0;
}

std::vector<Target> parse_targets(const std::string &text)
{
	std::vector<Target> out;
	for (const std::string &line : split(text, '\n')) {
		auto words = split(line, ' ');
		if (words.size() != 3 || !words[0].ends_with(':'))
			continue;
		auto index = parse_int(words[0].substr(0, words[0].size() - 1));
		if (index && *index >= 0 && *index <= UINT32_MAX)
			out.push_back({static_cast<std::uint32_t>(*index), words[1],
				       words[2] == "ACTIVE"});
	}
	return out;
}

bool read_parameter(const std::string &pattern, std::string &out)
{
	for (const auto &m : lctl::find(pattern, false, "/"))
		if (!m.directory && !lctl::read_value(m.path, out))
			return true;
	return false;
}

int list_targets(int fd, TargetKind kind, std::vector<Target> &out)
{
	std::string name, value;
	if (int rc = target_set_name(fd, kind, name))
		return rc;
	const char *layer = kind == TargetKind::ost ? "lov." : "lmv.";
	if (read_parameter(layer + name + ".target_obd", value)) {
		out = parse_targets(value);
		return 0;
	}
	constexpr std::uint32_t kSlotsMax = 65536;
	for (std::uint32_t i = 0; i < kSlotsMax; i++) {
		wire::ObdStatfs stat;
		std::string uuid;
		int rc = target_statfs(fd, kind, i, true, stat, uuid);
		if (rc == -ENODEV)
			break;
		if (rc != -EAGAIN && !uuid.empty())
			out.push_back({i, uuid, rc != -ENODATA && rc != -ESHUTDOWN});
	}
	return 0;
}

} // namespace lfs
