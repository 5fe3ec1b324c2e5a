// SPDX-License-Identifier: GPL-2.0
//
// Parameters as files; see params.hpp.

#include "params.hpp"

#include <fcntl.h>
#include <glob.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace lctl
{

namespace
{

constexpr const char *kRoots[] = {
	"sys/fs/lnet",	"sys/fs/lustre",  "sys/kernel/debug/lnet", "sys/kernel/debug/lustre",
	"proc/fs/lnet", "proc/fs/lustre", "proc/sys/lnet",	   "proc/sys/lustre"};

/// Debugfs is where most tables are; not every system mounts it.
void mount_debugfs(const std::string &root)
{
	struct stat here, above;
	std::string dir = root + "sys/kernel/debug";
	if (root == "/" && !stat(dir.c_str(), &here) && !stat((dir + "/..").c_str(), &above) &&
	    here.st_dev == above.st_dev)
		(void)mount("debugfs", dir.c_str(), "debugfs", 0, nullptr);
}

Match describe(const std::string &path)
{
	Match m;
	m.path = path;
	m.name = dotted(path);
	struct stat st;
	if (!lstat(path.c_str(), &st))
		m.link = S_ISLNK(st.st_mode);
	if (!stat(path.c_str(), &st)) {
		m.directory = S_ISDIR(st.st_mode);
		m.readable = (st.st_mode & S_IRUSR) != 0;
		m.writable = (st.st_mode & S_IWUSR) != 0;
	}
	return m;
}

void descend(const Match &dir, std::vector<Match> &out)
{
	std::vector<std::string> entries;
	std::error_code ec;
	for (const auto &e : std::filesystem::directory_iterator(dir.path, ec))
		entries.push_back(e.path());
	std::sort(entries.begin(), entries.end());
	for (const auto &e : entries) {
		Match m = describe(e);
		out.push_back(m);
		if (m.directory && !m.link)
			descend(m, out);
	}
}

/// The part of a pattern that is a NID, whose dots stay: [first, last).
std::pair<std::size_t, std::size_t> nid_span(std::string_view s)
{
	auto at = s.find('@');
	if (at == s.npos)
		return {s.npos, s.npos};
	std::size_t first = 0;
	if (auto e = s.find(".exports."); e != s.npos && e < at)
		first = e + 9;
	else if (auto g = s.find(".MGC"); g != s.npos && g < at)
		first = g + 1;
	auto last = s.find('.', at);
	return {first, last == s.npos ? s.size() : last};
}

} // namespace

std::string slashed(std::string_view pattern)
{
	std::string s;
	for (char c : pattern)
		if (c != '\\')
			s += c;
	auto [first, last] = nid_span(s);
	for (std::size_t i = 0; i < s.size(); i++)
		if (s[i] == '.' && (i < first || i >= last))
			s[i] = '/';
	return s;
}

std::string dotted(std::string_view path)
{
	std::size_t best = path.npos;
	for (std::string_view mark : {"/lustre/", "/lnet/"}) {
		auto p = path.find(mark);
		if (p != path.npos)
			best = std::min(best, p + mark.size());
	}
	std::string s(best == path.npos ? path : path.substr(best));
	std::replace(s.begin(), s.end(), '/', '.');
	return s;
}

std::vector<Match> find(std::string_view pattern, bool recursive, const std::string &root)
{
	mount_debugfs(root);
	std::vector<Match> out;
	std::string tail = slashed(pattern);
	for (const char *r : kRoots) {
		glob_t g{};
		std::string full = root + r + "/" + tail;
		if (!glob(full.c_str(), GLOB_BRACE, nullptr, &g)) {
			for (std::size_t i = 0; i < g.gl_pathc; i++) {
				Match m = describe(g.gl_pathv[i]);
				out.push_back(m);
				if (recursive && m.directory)
					descend(m, out);
			}
		}
		globfree(&g);
	}
	return out;
}

int read_value(const std::string &path, std::string &out)
{
	out.clear();
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	int rc = 0;
	char buf[65536];
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n <= 0) {
			rc = n < 0 ? errno : 0;
			break;
		}
		out.append(buf, static_cast<std::size_t>(n));
	}
	close(fd);
	return rc;
}

int write_value(const std::string &path, std::string_view value)
{
	int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	ssize_t n = write(fd, value.data(), value.size());
	int rc = n < 0 ? errno : static_cast<std::size_t>(n) == value.size() ? 0 : EINVAL;
	close(fd);
	return rc;
}

} // namespace lctl
