// SPDX-License-Identifier: GPL-2.0
//
// mount.lustre: what mount(8) calls for `-t lustre` (and, as mount.lustre_tgt, for servers). Finds
// out what a source is, composes the options the kernel's part parses, mounts, and brings the
// device's label in line with what has happened (spec 07 section 4, 08 section 5.3).
//
// Invariant: "update" leaves mountdata before the mount, so that parameters are sent to the MGS
// once; the label leaves its first-mount state only after a mount that succeeded.

#include <getopt.h>
#include <libmount/libmount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "mkfs/backing.hpp"
#include "mkfs/options.hpp"
#include "mount/options.hpp"

using namespace mkfs;
using namespace mounting;

namespace
{

constexpr std::size_t kMaxOptions = 4095; // one page with the NUL
constexpr const char *kTool = "mount.lustre";

constexpr const char *kUsage =
	"\nmount(8) calls this program; call mount, not me:\n\n"
	"  a client:  mount -t lustre [-o OPTIONS] MGSNID[:MGSNID...]:/FSNAME[/SUBDIR] DIR\n"
	"  a target:  mount -t lustre [-o OPTIONS] DEVICE DIR\n\n"
	"MGSNID names a node that may run the MGS, as 10.0.0.1@tcp; nodes are told apart by "
	"colons,\n"
	"the NIDs of one node by commas. With SUBDIR, DIR shows that folder as its root.\n\n"
	"usage: mount.lustre [-fhnvV] [-o OPTIONS] SOURCE DIR\n"
	"  -f, --fake       do everything but the mount itself\n"
	"  -n, --nomtab     leave no note for umount(8)\n"
	"      --force      mount what is already mounted at DIR once more (also -o force)\n"
	"  -v, --verbose    tell what is passed to the kernel\n"
	"  -V, --version    show the version\n"
	"  -h, --help       show this\n";

const option kLong[] = {
	{"fake", no_argument, nullptr, 'f'},	    {"force", no_argument, nullptr, 'F'},
	{"help", no_argument, nullptr, 'h'},	    {"mgsname", required_argument, nullptr, 'M'},
	{"nomtab", no_argument, nullptr, 'n'},	    {"options", required_argument, nullptr, 'o'},
	{"verbose", no_argument, nullptr, 'v'},	    {"version", no_argument, nullptr, 'V'},
	{"types", required_argument, nullptr, 't'}, {},
};

struct Job {
	std::string source, target, type = "lustre", fsname, data, mgsname;
	std::string options_text;
	Options options;
	bool client = false, fake = false, no_mtab = false, verbose = false, force = false;
	DiskData disk; ///< of a server
};

int usage_error(const char *message)
{
	fprintf(stderr, "%s: %s\n%s", kTool, message, kUsage);
	return EINVAL;
}

std::string real_path(const std::string &path)
{
	char buf[PATH_MAX];
	return realpath(path.c_str(), buf) ? buf : path;
}

/// Whether this source is mounted on this directory.
bool in_table(const Job &j)
{
	auto *table = mnt_new_table_from_file("/proc/self/mounts");
	auto *it = mnt_new_iter(MNT_ITER_FORWARD);
	libmnt_fs *fs = nullptr;
	bool found = false;
	while (table && it && !found && !mnt_table_next_fs(table, it, &fs)) {
		const char *src = mnt_fs_get_source(fs), *dir = mnt_fs_get_target(fs);
		found = src && dir && j.source == src && j.target == dir;
	}
	mnt_free_iter(it);
	mnt_unref_table(table);
	return found;
}

/// What mount(8) and umount(8) want to find again; nothing unless there are words of theirs.
void update_tables(const Job &j)
{
	if (j.no_mtab || j.options.user.empty())
		return;
	auto *fs = mnt_new_fs();
	auto *update = mnt_new_update();
	if (fs && update && !mnt_fs_set_source(fs, j.source.c_str()) &&
	    !mnt_fs_set_target(fs, j.target.c_str()) && !mnt_fs_set_fstype(fs, j.type.c_str()) &&
	    !mnt_fs_append_options(fs, j.options.user.c_str()) &&
	    mnt_update_set_fs(update, j.options.flags, nullptr, fs) == 0 &&
	    mnt_update_table(update, nullptr))
		fprintf(stderr, "%s: cannot note the mount in utab\n", kTool);
	mnt_free_update(update);
	mnt_unref_fs(fs);
}

Outcome<> read_target(Job &j)
{
	auto none = j.source + " has not been formatted with mkfs.lustre or the backend filesystem "
			       "type is not supported by this tool";
	auto fs = Backing::open(j.source, Backing::Mode::read);
	if (!fs || !fs->is_lustre())
		return failure(ENODEV, none);
	auto bytes =
		TRY(fs->read(std::string(wire::MOUNT_DATA_FILE), sizeof(wire::LustreDiskData)));
	j.disk = TRY(decode(bytes));
	if (!j.disk.adopt_label(fs->label()))
		return failure(EINVAL, j.source + ": the label '" + fs->label() +
					       "' is not that of a target");
	j.fsname = j.disk.fsname;
	// Servers have a type of their own; where there is none, `lustre` is tried.
	j.type = "lustre_tgt";
	j.data = TRY(server_options(j.options, j.disk, j.source));
	return {};
}

/// Parameters go to the MGS once. An error is no reason not to mount: they are sent again.
void clear_update(const Job &j)
{
	if (!j.disk.is(wire::LDD_F_UPDATE))
		return;
	auto attempt = [&]() -> Outcome<> {
		TRY(refuse_mounted(j.source));
		auto fs = TRY(Backing::open(j.source, Backing::Mode::write));
		auto bytes = TRY(
			fs.read(std::string(wire::MOUNT_DATA_FILE), sizeof(wire::LustreDiskData)));
		// The flags that stood in the file stay; only the label says what they mean.
		auto data = TRY(decode(bytes));
		data.flags &= ~wire::LDD_F_UPDATE;
		TRY(fs.write_mountdata(TRY(encode(data))));
		return fs.close();
	};
	auto done = attempt();
	if (!done && j.verbose)
		fprintf(stderr, "%s: %s\n", kTool, done.error().message.c_str());
}

void relabel(const Job &j)
{
	bool nosvc = ("," + j.options.kernel + ",").find(",nosvc,") != std::string::npos;
	if (nosvc || j.disk.make_label() == j.disk.server_name())
		return;
	auto done = set_label(j.source, j.disk.server_name());
	if (!done)
		fprintf(stderr, "%s: %s\n", kTool, done.error().message.c_str());
}

/// Parameters an administrator keeps for clients of this file system, one name=value a line.
void apply_client_params(const Job &j)
{
	for (const auto &name : {std::string("client"), j.fsname}) {
		std::ifstream file("/etc/lustre/mount." + name + ".params");
		for (std::string line; std::getline(file, line);) {
			if (line.empty() || line[0] == '#')
				continue;
			std::string output;
			if (run({"lctl", "set_param", line}, output))
				fprintf(stderr, "%s: cannot set %s\n", kTool, line.c_str());
		}
	}
}

int mount_once(Job &j)
{
	if (!mount(j.source.c_str(), j.target.c_str(), j.type.c_str(), j.options.flags,
		   j.data.c_str()))
		return 0;
	int error = errno;
	if (error == ENODEV && j.type == "lustre_tgt") {
		j.type = "lustre";
		return mount_once(j);
	}
	return error;
}

int mount_with_retries(Job &j)
{
	int error = mount_once(j);
	for (int i = 0; error && i < j.options.retries; i++) {
		sleep(1u << std::max(5, i / 2));
		error = mount_once(j);
	}
	return error;
}

int run_job(Job &j)
{
	if (!j.force && !j.options.force && !j.options.remount && in_table(j)) {
		fprintf(stderr, "%s: according to /etc/mtab %s is already mounted on %s\n", kTool,
			j.source.c_str(), j.target.c_str());
		return EEXIST;
	}
	if (j.options.remount && !in_table(j)) {
		fprintf(stderr, "%s: %s is not mounted on %s\n", kTool, j.source.c_str(),
			j.target.c_str());
		return ENOENT;
	}
	if (j.data.size() > kMaxOptions) {
		fprintf(stderr, "%s: mount options too long, %zu of %zu bytes\n", kTool,
			j.data.size(), kMaxOptions);
		return E2BIG;
	}
	if (j.verbose)
		printf("source = %s (%s), target = %s\noptions(%zu/4096) = %s\n"
		       "mounting device %s at %s, flags=%#lx options=%s\n",
		       j.options_text.c_str(), j.source.c_str(), j.target.c_str(), j.data.size(),
		       j.data.c_str(), j.source.c_str(), j.target.c_str(), j.options.flags,
		       j.data.c_str());
	fflush(stdout);
	if (!j.fake) {
		if (!j.client && !j.options.remount)
			clear_update(j);
		int error = mount_with_retries(j);
		if (error) {
			fprintf(stderr, "%s: mount %s at %s failed: %s\n%s", kTool,
				j.source.c_str(), j.target.c_str(), strerror(error),
				advice(error, j.source, j.fsname, j.client).c_str());
			return error;
		}
		if (j.client)
			apply_client_params(j);
		else if (!j.options.remount)
			relabel(j);
	}
	update_tables(j);
	return 0;
}

/// Letters as mount(8) passes them. 0, or the status to end with (negative: success).
int parse(int argc, char **argv, Job &j)
{
	for (int c; (c = getopt_long(argc, argv, "fhno:vVM:t:N:s", kLong, nullptr)) != -1;) {
		switch (c) {
		case 'f':
			j.fake = true;
			break;
		case 'F':
			j.force = true;
			break;
		case 'h':
			fputs(kUsage, stdout);
			return -1;
		case 'V':
			printf("%s %s\n", kTool, CFS_VERSION);
			return -1;
		case 'M':
			j.mgsname = optarg;
			break;
		case 'n':
			j.no_mtab = true;
			break;
		case 'o':
			j.options_text += (j.options_text.empty() ? "" : ",") + std::string(optarg);
			break;
		case 'v':
			j.verbose = true;
			break;
		case 't':
		case 'N':
		case 's':
			break;
		default:
			return usage_error("bad option");
		}
	}
	if (argc - optind < 2)
		return usage_error("too few arguments");
	if (argc - optind > 2)
		return usage_error("too many arguments");
	j.source = argv[optind];
	j.target = argv[optind + 1];
	return 0;
}

Outcome<> prepare(Job &j)
{
	j.options = TRY(parse_options(j.options_text));
	j.options_text = j.source;
	j.client = is_client_source(j.source);
	if (!j.client) {
		j.source = real_path(j.source);
		return read_target(j);
	}
	auto s = TRY(resolve_source(j.source));
	if (!j.mgsname.empty())
		s.mgsname = j.mgsname;
	j.fsname = s.fsname;
	j.source = s.source;
	j.data = client_options(j.options, s);
	return {};
}

} // namespace

int main(int argc, char **argv)
{
	add_error_table(&et_ext2_error_table);
	Job j;
	if (std::string_view(argv[0]).ends_with("_tgt"))
		j.type = "lustre_tgt";
	if (int status = parse(argc, argv, j))
		return status < 0 ? 0 : status;
	if (access(j.target.c_str(), F_OK)) {
		fprintf(stderr, "warning: %s: cannot resolve: %s\n", j.target.c_str(),
			strerror(errno));
		return errno;
	}
	j.target = real_path(j.target);
	auto ready = prepare(j);
	if (!ready) {
		fprintf(stderr, "%s: %s\n", kTool, ready.error().message.c_str());
		if (j.client)
			fputs(kUsage, stderr);
		return ready.error().status;
	}
	return run_job(j);
}
