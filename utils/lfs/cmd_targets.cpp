// SPDX-License-Identifier: GPL-2.0
//
// lfs osts, mdts, check, getname and pool_list: what a client is connected to.

#include <fcntl.h>
#include <getopt.h>

#include <cerrno>
#include <cstring>

#include "lfs/cmd.hpp"
#include "lfs/kernel.hpp"
#include "lfs/pools.hpp"
#include "lfs/text.hpp"
#include "params.hpp"

namespace lfs
{

namespace
{

int show_targets(const Mount &m, TargetKind kind)
{
	Fd fd;
	std::vector<Target> all;
	int rc = fd.open(m.dir, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
	if (!rc)
		rc = list_targets(fd.get(), kind, all);
	if (rc) {
		fprintf(stderr, "error: cannot list targets of '%s': %s\n", m.dir.c_str(),
			strerror(-rc));
		return rc;
	}
	puts(kind == TargetKind::ost ? "OBDS:" : "MDTS:");
	for (const Target &t : all)
		printf("%u: %s %s\n", t.index, t.uuid.c_str(), t.active ? "ACTIVE" : "INACTIVE");
	return 0;
}

int list_all(int argc, char **argv, TargetKind kind)
{
	if (argc > 2)
		return tool::kHelp;
	if (argc == 2) {
		Mount m;
		int rc = mount_of(argv[1], m);
		if (rc == -ENODEV)
			return 0; // no target there
		if (rc) {
			fprintf(stderr, "error: %s: '%s': %s\n", argv[0], argv[1], strerror(-rc));
			return rc;
		}
		return show_targets(m, kind);
	}
	int rc = 0;
	for (const Mount &m : mounts()) {
		int rc2 = show_targets(m, kind);
		rc = rc ? rc : rc2;
	}
	return rc;
}

/// Asks each device of a type by reading its parameter "ping".
void check_devices(const char *type, const std::string &instance)
{
	std::string value;
	for (const auto &m : lctl::find(std::string(type) + ".*.ping", false, "/")) {
		auto end = m.path.rfind('/');
		auto begin = m.path.rfind('/', end - 1) + 1;
		std::string device = m.path.substr(begin, end - begin);
		if (!instance.empty() && !device.ends_with("-" + instance) &&
		    !device.starts_with("MGC"))
			continue;
		int err = lctl::read_value(m.path, value);
		if (err)
			fprintf(stderr, "lfs check: error: check '%s': %s (%d)\n", device.c_str(),
				strerror(err), err);
		else
			printf("%s active.\n", device.c_str());
	}
}

enum class NameForm { both, fsname, instance, uuid };

int show_name(const std::string &dir, NameForm form, bool with_dir)
{
	Fd fd;
	Identity id;
	std::string uuid;
	int rc = fd.open(dir, O_RDONLY | O_NONBLOCK);
	if (rc)
		fprintf(stderr, "lfs getname: cannot open '%s': %s (%d)\n", dir.c_str(),
			strerror(-rc), -rc);
	else if (form == NameForm::uuid ? rc = client_uuid(fd.get(), uuid)
					: rc = identity_of(fd.get(), id);
		 rc)
		fprintf(stderr, "lfs getname: cannot get %s: %s (%d)\n",
			form == NameForm::uuid ? "client uuid" : "lov name", strerror(-rc), -rc);
	if (rc) {
		fprintf(stderr, "cannot get instance for '%s': %s\n", dir.c_str(), strerror(-rc));
		return rc;
	}
	std::string shown = form == NameForm::uuid	 ? uuid
			    : form == NameForm::fsname	 ? id.fsname
			    : form == NameForm::instance ? id.instance
							 : id.fsname + "-" + id.instance;
	printf("%s%s%s\n", shown.c_str(), with_dir ? " " : "", with_dir ? dir.c_str() : "");
	return 0;
}

int show_members(const std::string &fsname, const std::string &pool)
{
	printf("Pool: %s.%s\n", fsname.c_str(), pool.c_str());
	Pool p;
	int rc = read_pool(fsname, pool, p);
	for (const std::string &member : p.members)
		puts(member.c_str());
	return rc;
}

int show_pools(const std::string &fsname)
{
	printf("Pools from %s:\n", fsname.c_str());
	std::vector<std::string> all;
	int rc = list_pools(fsname, all);
	for (const std::string &name : all)
		printf("%s.%s\n", fsname.c_str(), name.c_str());
	if (rc != -ENXIO)
		return rc;
	for (const Mount &m : mounts())
		if (m.fsname == fsname)
			return 0; // mounted, and without pools
	return -ENOENT;
}

} // namespace

int cmd_osts(int argc, char **argv)
{
	return list_all(argc, argv, TargetKind::ost);
}

int cmd_mdts(int argc, char **argv)
{
	return list_all(argc, argv, TargetKind::mdt);
}

int cmd_check(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "lfs check: server type must be specified\n");
		return tool::kHelp;
	}
	std::string_view what = argv[1];
	bool all = what == "all" || what == "servers";
	bool osts = all || what == "osts", mdts = all || what == "mdts",
	     mgts = all || what == "mgts";
	if (!osts && !mdts && !mgts) {
		fprintf(stderr, "lfs check: unrecognized option '%s'\n", argv[1]);
		return tool::kHelp;
	}
	std::string instance;
	auto list = mounts();
	if (argc == 3) {
		Mount m;
		Fd fd;
		Identity id;
		if (mount_of(argv[2], m) || fd.open(m.dir, O_RDONLY | O_NONBLOCK) ||
		    identity_of(fd.get(), id))
			list.clear();
		instance = id.instance;
	}
	if (list.empty()) {
		fprintf(stderr, "lfs check: cannot find mounted Lustre filesystem: %s\n",
			strerror(ENODEV));
		return -ENODEV;
	}
	if (osts)
		check_devices("osc", instance);
	if (mdts)
		check_devices("mdc", instance);
	if (mgts)
		check_devices("mgc", instance);
	return 0;
}

int cmd_getname(int argc, char **argv)
{
	constexpr option kOptions[] = {{"fsname", no_argument, nullptr, 'n'},
				       {"help", no_argument, nullptr, 'h'},
				       {"instance", no_argument, nullptr, 'i'},
				       {"uuid", no_argument, nullptr, 'u'},
				       {nullptr, 0, nullptr, 0}};
	NameForm form = NameForm::both;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "hinu", kOptions, nullptr)) != -1;) {
		if (c == 'n')
			form = NameForm::fsname;
		else if (c == 'i')
			form = NameForm::instance;
		else if (c == 'u')
			form = NameForm::uuid;
		else if (c == 'h')
			return tool::kHelp;
		else
			return tool::unrecognized("lfs", argv);
	}
	int rc = 0;
	if (optind == argc) {
		for (const Mount &m : mounts()) {
			int rc2 = show_name(m.dir, form, true);
			rc = rc ? rc : rc2;
		}
		return rc;
	}
	for (; optind < argc; optind++) {
		int rc2 = show_name(argv[optind], form, false);
		rc = rc ? rc : rc2;
	}
	return rc;
}

int cmd_pool_list(int argc, char **argv)
{
	if (argc != 2 || argv[1][0] == '-')
		return tool::kHelp;
	std::string name = argv[1];
	if (name.starts_with('/')) {
		Mount m;
		if (int rc = mount_of(name, m)) {
			fprintf(stderr, "lfs pool_list: '%s': %s\n", name.c_str(), strerror(-rc));
			return rc;
		}
		name = m.fsname;
	}
	auto dot = name.find('.');
	int rc = dot == name.npos ? show_pools(name)
				  : show_members(name.substr(0, dot), name.substr(dot + 1));
	if (rc)
		fprintf(stderr, "lfs pool_list: cannot read '%s': %s\n", name.c_str(),
			strerror(-rc));
	return rc;
}

} // namespace lfs
