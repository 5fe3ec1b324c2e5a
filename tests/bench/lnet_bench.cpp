// SPDX-License-Identifier: GPL-2.0
//
// Small PUTs with their ACKs, one after the other: between two nodes of this process over TCP on
// 127.0.0.0/8, or from a node to itself over the loopback. It does a number of them and no more, so
// that tests/bench/lnet-instructions can count what each takes.
//
//     lnet_bench tcp|lo PUTS [BYTES]

#include <semaphore>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/unit/lnet_nodes.hpp"

namespace
{

using namespace lnet_test;

constexpr std::uint32_t kPortal = 4;

/// Takes every PUT.
class Sink final : public EventHandler
{
	std::binary_semaphore gone_{0};

public:
	std::atomic<std::uint64_t> puts{0};
	void on_event(const Event &ev) noexcept override
	{
		puts += ev.type == EventType::put;
		if (ev.unlinked)
			gone_.release();
	}
	void wait() { gone_.acquire(); }
};

/// One PUT at a time: its last event comes with the ACK.
class Source final : public EventHandler
{
	std::binary_semaphore done_{0};
	std::atomic<bool> ok_{true};

public:
	void on_event(const Event &ev) noexcept override
	{
		if (ev.status != cfs::Errno{})
			ok_ = false;
		if (ev.unlinked)
			done_.release();
	}
	bool wait()
	{
		done_.acquire();
		return ok_;
	}
};

bool put_all(Node &from, Node &to, unsigned puts, std::uint32_t bytes)
{
	Sink sink;
	std::vector<std::byte> memory(bytes + 1), data(bytes + 1);
	MatchSpec match;
	match.portal = kPortal;
	match.ignore_bits = ~0ull;
	MdSpec md;
	md.buffer = {memory.data(), {}, bytes + 1};
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE;
	md.handler = &sink;
	auto target = to.core->attach(match, md);
	bool ok = target.has_value();
	for (unsigned i = 0; ok && i < puts; i++) {
		Source source;
		MdSpec out;
		out.buffer = {data.data(), {}, bytes};
		out.threshold = 2;
		out.handler = &source;
		auto h = from.core->bind(out);
		ok = h && from.core->put(Nid{}, *h, true, {to.nid}, kPortal, 1, 0, 0) &&
		     source.wait();
	}
	if (target) {
		(void)to.core->unlink(*target);
		sink.wait();
	}
	return ok && sink.puts == puts;
}

int run(bool tcp, unsigned puts, std::uint32_t bytes)
{
	auto port = fresh_port();
	Node a(0x7f000001, test_tunables(port));
	if (!tcp)
		return put_all(a, a, puts, bytes) ? 0 : 1;
	Node b(0x7f000002, test_tunables(port));
	return put_all(a, b, puts, bytes) ? 0 : 1;
}

} // namespace

int main(int argc, char **argv)
{
	bool tcp = argc > 1 && !std::strcmp(argv[1], "tcp");
	if (argc < 3 || argc > 4 || (!tcp && std::strcmp(argv[1], "lo") != 0)) {
		std::fprintf(stderr, "usage: lnet_bench tcp|lo PUTS [BYTES]\n");
		return 2;
	}
	if (cfs_core_start() != 0)
		return 1;
	int status = run(tcp, static_cast<unsigned>(std::atoi(argv[2])),
			 argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 8);
	cfs_core_stop();
	if (status)
		std::fprintf(stderr, "lnet_bench: a PUT has failed\n");
	return status;
}
