// SPDX-License-Identifier: GPL-2.0

#include "mount/options.hpp"

#include <libmount/libmount.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdlib>

#include "mkfs/nids.hpp"

namespace mounting
{

using namespace wire;
using mkfs::failure;
using mkfs::Outcome;

namespace
{

void add(std::string &list, const std::string &word)
{
	list += (list.empty() ? "" : ",") + word;
}

/// Calls f for each item between commas.
template <typename F>
void each_word(const std::string &text, F f)
{
	std::string word;
	for (char c : text + ",") {
		if (c != ',')
			word += c;
		else
			f(std::exchange(word, {}));
	}
}

/// Takes the words that only this program reads; the rest is what it returns.
Outcome<std::string> take_own(const std::string &text, Options &o)
{
	std::string rest;
	bool bad = false;
	each_word(text, [&](const std::string &w) {
		if (w == "force") {
			o.force = true;
		} else if (w.starts_with("retry=")) {
			o.retries = atoi(w.c_str() + 6);
			bad |= o.retries < 0 || o.retries > 99;
		} else if (!w.starts_with("max_sectors_kb=") &&
			   !w.starts_with("md_stripe_cache_size=") && !w.starts_with("skpath=")) {
			add(rest, w);
		}
	});
	if (bad)
		return failure(EINVAL, "retry= takes a number from 0 to 99");
	return rest;
}

} // namespace

Outcome<Options> parse_options(const std::string &text)
{
	Options o;
	auto rest = TRY(take_own(text, o));
	char *user = nullptr, *vfs = nullptr, *fs = nullptr;
	unsigned long flags = 0;
	int rc = mnt_split_optstr(rest.c_str(), &user, &vfs, &fs, 0, 0);
	if (!rc && vfs)
		rc = mnt_optstr_get_flags(vfs, &flags, mnt_get_builtin_optmap(MNT_LINUX_MAP));
	o.user = user ? user : "";
	o.kernel = fs ? fs : "";
	free(user);
	free(vfs);
	free(fs);
	if (rc)
		return failure(EINVAL, "cannot make sense of the options '" + text + "'");
	o.flags = flags;
	o.remount = flags & MS_REMOUNT;
	if (!(flags & (MS_NOATIME | MS_RELATIME)))
		o.flags |= MS_STRICTATIME;
	return o;
}

bool is_client_source(const std::string &source)
{
	return source.find(":/") != std::string::npos;
}

Outcome<ClientSource> resolve_source(const std::string &source)
{
	auto at = source.find(":/");
	ClientSource s;
	auto nids = source.substr(0, at), rest = source.substr(at);
	auto resolved = TRY(mkfs::resolve_nids(nids, "mount.lustre"));
	if (resolved != nids)
		s.mgsname = nids;
	s.source = resolved + rest;
	s.fsname = rest.substr(2, rest.find('/', 2) - 2);
	return s;
}

std::string client_options(const Options &o, const ClientSource &s)
{
	auto text = o.kernel;
	if (!s.mgsname.empty())
		add(text, "mgsname=" + s.mgsname);
	add(text, "device=" + s.source);
	return text;
}

Outcome<std::string> server_options(const Options &o, const mkfs::DiskData &d,
				    const std::string &device)
{
	if (d.is(LDD_F_NEED_INDEX))
		return failure(EINVAL,
			       device + " has no index: give it one with tunefs.lustre --index=N");
	auto text = d.mount_opts;
	if (!o.kernel.empty())
		text += "," + o.kernel;
	text += ",osd=osd-ldiskfs";
	bool mgs_given = false;
	each_word(o.kernel, [&](const std::string &w) { mgs_given |= w.starts_with("mgsnode="); });
	if (!mgs_given) {
		if (d.is_mgs())
			text += ",mgs";
		else if (d.values("mgsnode").empty())
			return failure(EINVAL, "missing option mgsnode=<nid>");
		else
			for (const auto &nids : d.values("mgsnode"))
				text += ",mgsnode=" + nids;
	}
	static const struct {
		std::uint32_t flag;
		const char *word;
	} states[] = {{LDD_F_VIRGIN, ",virgin"},
		      {LDD_F_UPDATE, ",update"},
		      {LDD_F_WRITECONF, ",writeconf"},
		      {LDD_F_NO_LOCAL_LOGS, ",nolocallogs"},
		      {LDD_F_NO_PRIMNODE, ",noprimnode"}};
	for (const auto &s : states)
		if (d.is(s.flag))
			text += s.word;
	for (const auto &p : d.params)
		if (d.is_mgs() || !p.starts_with("mgsnode="))
			text += ",param=" + p;
	return text + ",svname=" + d.server_name() + ",device=" + device;
}

std::string advice(int error, const std::string &source, const std::string &fsname, bool client)
{
	switch (error) {
	case EBUSY:
		return "Is the backend filesystem mounted?\nCheck /etc/mtab and /proc/mounts\n";
	case ENODEV:
		return "Are the lustre modules loaded?\nCheck /etc/modprobe.conf and "
		       "/proc/filesystems\n";
	case ENOTBLK:
		return "Do you need -o loop?\n";
	case ENOMEDIUM:
		return "This filesystem needs at least 1 OST\n";
	case ENOENT:
		return "Is the MGS specification correct?\nIs the filesystem name correct?\n"
		       "If upgrading, is the copied client log valid? (see upgrade docs)\n";
	case EALREADY:
		return "The target service is already running. (" + source + ")\n";
	case ENXIO:
		return "The target service failed to start (bad config log?) (" + source +
		       ").  See /var/log/messages.\n";
	case EIO:
		return "Is the MGS running?\n";
	case EADDRINUSE:
		return "The target service's index is already in use. (" + source + ")\n";
	case EINVAL:
		return "This may have multiple causes.\n" +
		       (client && !fsname.empty()
				? "Is '" + fsname + "' the correct filesystem name?\n"
				: std::string()) +
		       "Are the mount options correct?\nCheck the syslog for more info.\n";
	default:
		return "";
	}
}

} // namespace mounting
