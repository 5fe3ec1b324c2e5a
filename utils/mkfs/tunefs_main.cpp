// SPDX-License-Identifier: GPL-2.0
//
// tunefs.lustre: shows and changes the configuration of a formatted target (spec 07 section 3.6).
// Order of writes: the label first, then mountdata; a crash between the two leaves a target that
// the next run shows as it is.

#include <cerrno>
#include <cstdio>

#include "mkfs/backing.hpp"
#include "mkfs/options.hpp"

using namespace mkfs;

namespace
{

constexpr const char *kTool = "tunefs.lustre";

struct Present {
	DiskData data;
	std::string label;
};

Outcome<Present> load(const Request &r)
{
	auto fs = Backing::open(r.device, Backing::Mode::read);
	bool found = fs && fs->is_lustre();
	printf("checking for existing Lustre data: %s\n", found ? "found" : "not found");
	fflush(stdout);
	if (!found)
		return fatal(ENODEV,
			     "Device " + r.device + " has not been formatted with mkfs.lustre");
	auto bytes =
		TRY(fs->read(std::string(wire::MOUNT_DATA_FILE), sizeof(wire::LustreDiskData)));
	Present p{TRY(decode(bytes)), fs->label()};
	if (!p.data.adopt_label(p.label))
		return fatal(EINVAL, r.device + ": the label '" + p.label +
					     "' is not that of a target; set it with e2label");
	return p;
}

Outcome<> store(const Request &r, const Present &before, const DiskData &after)
{
	auto bytes = TRY(encode(after));
	if (after.svname != before.label)
		TRY(set_label(r.device, after.svname));
	printf("Writing CONFIGS/mountdata\n");
	auto fs = TRY(Backing::open(r.device, Backing::Mode::write));
	TRY(fs.write_mountdata(bytes));
	return fs.close();
}

Outcome<> tune(const Request &r)
{
	TRY(refuse_mounted(r.device));
	auto present = TRY(load(r));
	if (!r.quiet)
		fputs(describe(present.data, "Read previous values").c_str(), stdout);
	fflush(stdout);
	auto data = present.data;
	TRY(change_target(r, data));
	fputs(describe(data, "Permanent disk data").c_str(), stdout);
	if (r.dryrun) {
		printf("exiting before disk write.\n");
		return {};
	}
	return store(r, present, data);
}

} // namespace

int main(int argc, char **argv)
{
	add_error_table(&et_ext2_error_table);
	auto request = parse_command_line(Tool::tunefs, argc, argv);
	if (!request)
		return report(kTool, request.error());
	if (request->done)
		return 0;
	auto done = tune(*request);
	return done ? 0 : report(kTool, done.error());
}
