// SPDX-License-Identifier: GPL-2.0
//
// lnet_load: LNet in this process, over TCP sockets of its own, as the sink of load or as what
// makes it. The other end may be another lnet_load or a node's kernel (its parameter files
// load_sink and load). See Documentation/lnet.md, "Measuring".

#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "libcfs/node.hpp"
#include "libcfs/plat/core.h"
#include "lnet/core.hpp"
#include "lnet/load.hpp"
#include "lnet/socklnd/socklnd.hpp"

namespace
{

using namespace lnet;

constexpr const char *kUsage =
	"usage: lnet_load [OPTIONS] sink\n"
	"       lnet_load [OPTIONS] NID put|get|check [SIZE [CONCURRENCY [SECONDS [THREADS]]]]\n"
	"  -i, --if IFNAME    interface (default: the first that is up)\n"
	"  -n, --net NET      network (default: tcp)\n"
	"  -p, --port PORT    TCP port of LNet, here and there (default: 988)\n"
	"  -a, --accept WHO   secure (privileged ports only, the default) or all\n"
	"The sink ends with a signal (^C) and then tells what came.\n";

struct Arguments {
	std::string if_name, net = "tcp", command;
	sock::Tunables tunables;
	bool sink = false;
};

bool read_arguments(int argc, char **argv, Arguments &a)
{
	static const option kOptions[] = {{"if", required_argument, nullptr, 'i'},
					  {"net", required_argument, nullptr, 'n'},
					  {"port", required_argument, nullptr, 'p'},
					  {"accept", required_argument, nullptr, 'a'},
					  {nullptr, 0, nullptr, 0}};
	for (int c; (c = getopt_long(argc, argv, "i:n:p:a:", kOptions, nullptr)) != -1;) {
		if (c == 'i')
			a.if_name = optarg;
		else if (c == 'n')
			a.net = optarg;
		else if (c == 'p')
			a.tunables.accept_port = static_cast<std::uint32_t>(std::atoi(optarg));
		else if (c == 'a')
			a.tunables.accept = std::string(optarg) == "all" ? sock::Accept::all
									 : sock::Accept::secure;
		else
			return false;
	}
	for (int i = optind; i < argc; i++)
		a.command += (a.command.empty() ? "" : " ") + std::string(argv[i]);
	a.sink = a.command == "sink";
	if (geteuid() != 0) { // who is not root has no privileged port
		a.tunables.source_port_max = 60999;
		a.tunables.source_port_min = 50000;
	}
	return !a.command.empty();
}

int fail(const char *what, cfs::Errno e)
{
	fprintf(stderr, "lnet_load: %s: %s\n", what, strerror(-cfs::to_rc(e)));
	return 1;
}

int be_sink(Core &core, const sigset_t &ends)
{
	auto sink = LoadSink::make(core);
	if (!sink)
		return fail("cannot offer a sink", sink.error());
	int signal = 0;
	sigwait(&ends, &signal);
	printf("sink:\n    messages: %llu\n    bytes: %llu\n    failed: %llu\n    corrupt: %llu\n",
	       static_cast<unsigned long long>((*sink)->messages.load()),
	       static_cast<unsigned long long>((*sink)->bytes.load()),
	       static_cast<unsigned long long>((*sink)->failed.load()),
	       static_cast<unsigned long long>((*sink)->corrupt.load()));
	return 0;
}

int make_load(Core &core, const LoadSpec &spec)
{
	auto r = run_load(core.node(), core, spec);
	if (!r)
		return fail("cannot make load", r.error());
	char text[4096];
	cfs::FormatSink out(text);
	format_load(out, spec, *r);
	fwrite(out.text().data(), 1, out.text().size(), stdout);
	return r->messages && !r->failed ? 0 : 1;
}

int run(const Arguments &a, const sigset_t &ends)
{
	auto net = parse_net(a.net);
	auto spec = a.sink ? cfs::Result<LoadSpec>(LoadSpec{}) : parse_load(a.command);
	if (!net || !spec) {
		fputs(kUsage, stderr);
		return 2;
	}
	auto node = cfs::Node::get(cfs_node_current());
	if (!node)
		return fail("cannot start", node.error());
	auto lnd = std::make_unique<sock::SockLnd>(cfs_node_current(), a.tunables);
	if (auto r = lnd->start(); !r)
		return fail("cannot start TCP", r.error());
	auto core = Core::create(**node, lnd->incarnation());
	if (!core)
		return fail("cannot start LNet", core.error());
	int rc = 0;
	if (auto nid = (*core)->add_ni(*lnd, *net, a.if_name); !nid) {
		rc = fail("cannot use the interface", nid.error());
	} else {
		char text[LNET_NIDSTR_SIZE];
		cfs::format_cstr(text, "{}", *nid);
		fprintf(stderr, "this is %s\n", static_cast<const char *>(text));
		rc = a.sink ? be_sink(**core, ends) : make_load(**core, *spec);
	}
	core->reset();
	return rc;
}

} // namespace

int main(int argc, char **argv)
{
	Arguments a;
	if (!read_arguments(argc, argv, a)) {
		fputs(kUsage, stderr);
		return 2;
	}
	// Blocked in every thread; the sink waits for them.
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	if (a.sink)
		sigprocmask(SIG_BLOCK, &ends, nullptr);
	if (cfs_core_start()) {
		fputs("lnet_load: cannot start\n", stderr);
		return 1;
	}
	int rc = run(a, ends);
	cfs_core_stop();
	return rc;
}
