// SPDX-License-Identifier: GPL-2.0
//
// mkfs.lustre: formats a device for a target (spec 07 section 3). What scripts parse is printed as
// stock prints it.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "mkfs/backing.hpp"
#include "mkfs/mke2fs.hpp"
#include "mkfs/options.hpp"

using namespace mkfs;

namespace
{

constexpr const char *kTool = "mkfs.lustre";

/// A device of the system, or a file to be formatted like one.
struct Device {
	std::string path;
	bool file = false;
};

Outcome<Device> find_device(const std::string &path)
{
	struct stat st;
	if (stat(path.c_str(), &st)) {
		if (!path.starts_with("/dev/"))
			return Device{path, true};
		fprintf(stderr, "%s: %s apparently does not exist\n", kTool, path.c_str());
		return fatal(ENOENT, "unable to prepare backend (2)");
	}
	if (S_ISBLK(st.st_mode))
		return Device{path, false};
	if (S_ISREG(st.st_mode))
		return Device{path, true};
	return fatal(ENOTBLK, "unable to prepare backend (15)");
}

/// A file becomes as large as asked for; what is in it stays until it is formatted.
Outcome<> prepare_file(const Request &r)
{
	if (!r.device_kb)
		return fatal(EINVAL, "loop device requires a --device-size= param");
	int fd = open(r.device.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	int rc = fd < 0 || fstat(fd, &st) ? errno : 0;
	auto want = static_cast<off_t>(r.device_kb * 1024);
	if (!rc && st.st_size < want && ftruncate(fd, want))
		rc = errno;
	if (fd >= 0)
		close(fd);
	return rc ? Outcome<>(fatal(rc, r.device + ": " + strerror(rc))) : Outcome<>();
}

Outcome<> refuse_lustre(const Request &r)
{
	if (r.reformat)
		return {};
	bool found = has_lustre_data(r.device);
	if (found || !r.dryrun)
		if (!r.quiet)
			printf("checking for existing Lustre data: %s\n",
			       found ? "found" : "not found");
	if (found)
		return fatal(EPERM,
			     "Device " + r.device +
				     " was previously formatted for lustre. Use --reformat to "
				     "reformat it, or tunefs.lustre to modify.");
	return {};
}

void print_indented(const std::string &text)
{
	std::string line;
	for (char c : text) {
		line += c;
		if (c == '\n') {
			printf("   %s", line.c_str());
			line.clear();
		}
	}
	if (!line.empty())
		printf("   %s\n", line.c_str());
}

Outcome<> format_device(const Request &r, const Device &dev, const DiskData &target)
{
	FormatRequest f;
	f.device_kb = TRY(device_kb(dev.path));
	if (!dev.file && !r.quiet)
		printf("device size = %lluMB\n",
		       static_cast<unsigned long long>(f.device_kb / 1024));
	if (r.device_kb)
		f.device_kb = dev.file ? r.device_kb : std::min(f.device_kb, r.device_kb);
	f.user_options = r.mkfs_options;
	f.stripe_count_hint = r.stripe_count_hint;
	f.knows = knows_feature;
	auto command = compose(target, f);
	if (!command) {
		auto &e = command.error();
		if (!e.message.empty())
			report_line(kTool, e);
		return fatal(e.status, "mkfs failed " + std::to_string(e.status));
	}
	if (!r.quiet) {
		printf("formatting backing filesystem ldiskfs on %s\n", dev.path.c_str());
		printf("\ttarget name   %s\n\tkilobytes     %llu\n\toptions       %s\n",
		       command->label.c_str(), static_cast<unsigned long long>(command->kb),
		       command->options.c_str());
		printf("mkfs_cmd = %s\n", command->shown(dev.path).c_str());
		fflush(stdout);
	}
	std::string output;
	int status = run(command->argv(dev.path), output);
	if (status || r.verbose)
		print_indented(output);
	if (status) {
		report_line(kTool,
			    {1,
			     "Unable to build fs " + dev.path + " (" + std::to_string(status) + ")",
			     true});
		return fatal(1, "mkfs failed " + std::to_string(status));
	}
	return {};
}

Outcome<> make(const Request &r)
{
	std::string warnings;
	auto target = new_target(r, warnings);
	fputs(warnings.c_str(), stderr);
	if (!target)
		return std::unexpected(target.error());
	auto bytes = TRY(encode(*target));
	auto dev = TRY(find_device(r.device));
	TRY(refuse_mounted(r.device));
	fputs(describe(*target, "Permanent disk data").c_str(), stdout);
	fflush(stdout);
	if (r.dryrun) {
		TRY(refuse_lustre(r));
		printf("exiting before disk write.\n");
		return {};
	}
	if (dev.file)
		TRY(prepare_file(r));
	TRY(refuse_lustre(r));
	TRY(format_device(r, dev, *target));
	if (!r.quiet)
		printf("Writing CONFIGS/mountdata\n");
	auto fs = TRY(Backing::open(dev.path, Backing::Mode::write_fresh));
	TRY(fs.write_mountdata(bytes));
	return fs.close();
}

} // namespace

int main(int argc, char **argv)
{
	add_error_table(&et_ext2_error_table);
	auto request = parse_command_line(Tool::mkfs, argc, argv);
	if (!request)
		return report(kTool, request.error());
	if (request->done)
		return 0;
	auto done = make(*request);
	return done ? 0 : report(kTool, done.error());
}
