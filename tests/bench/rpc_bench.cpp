// SPDX-License-Identifier: GPL-2.0
//
// What a null RPC costs: OBD_PING between two nodes of this process over TCP on 127.0.0.0/8,
// against a raw TCP ping-pong of messages of the same size in the same run. Prints microseconds per
// round trip and round trips per second, for one client thread and for sixteen, and the ratio of
// latencies.
//
//     rpc_bench [seconds per measurement [client threads...]]

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <thread>

#include "tests/unit/rpc_test.hpp"

using namespace rpctest;

namespace
{

constexpr std::size_t kMessage = 224 + 72; ///< a ping with LNet's header

double now()
{
	return static_cast<double>(cfs_now_ns()) / 1e9;
}

struct Measured {
	double latency_us;
	double per_second;
};

/// Runs `round` in `threads` threads for a while.
template <typename F>
Measured measure(unsigned threads, double seconds, F round)
{
	std::atomic<bool> stop{false};
	std::atomic<std::uint64_t> rounds{0};
	std::vector<std::thread> all;
	double from = now();
	for (unsigned t = 0; t < threads; t++)
		all.emplace_back([&, t] {
			std::uint64_t n = 0;
			while (!stop.load(std::memory_order_relaxed)) {
				round(t);
				n++;
			}
			rounds += n;
		});
	std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
	stop = true;
	for (auto &t : all)
		t.join();
	double took = now() - from;
	auto n = static_cast<double>(rounds.load());
	return {took * threads / n * 1e6, n / took};
}

bool move_all(int fd, char *buf, bool out)
{
	std::size_t done = 0;
	while (done < kMessage) {
		ssize_t n = out ? ::send(fd, buf + done, kMessage - done, 0)
				: ::recv(fd, buf + done, kMessage - done, 0);
		if (n <= 0)
			return false;
		done += static_cast<std::size_t>(n);
	}
	return true;
}

/// Pairs of connected sockets whose far end sends back what it gets.
struct Echo {
	std::vector<int> fds, far;
	std::vector<std::thread> threads;

	explicit Echo(unsigned n)
	{
		int l = ::socket(AF_INET, SOCK_STREAM, 0);
		sockaddr_in a{};
		a.sin_family = AF_INET;
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		socklen_t len = sizeof(a);
		if (::bind(l, reinterpret_cast<sockaddr *>(&a), len) || ::listen(l, 64))
			abort();
		::getsockname(l, reinterpret_cast<sockaddr *>(&a), &len);
		for (unsigned i = 0; i < n; i++) {
			int c = ::socket(AF_INET, SOCK_STREAM, 0);
			if (::connect(c, reinterpret_cast<sockaddr *>(&a), len))
				abort();
			int s = ::accept(l, nullptr, nullptr);
			int one = 1;
			::setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			fds.push_back(c);
			far.push_back(s);
			threads.emplace_back([s] {
				char buf[kMessage];
				while (move_all(s, buf, false) && move_all(s, buf, true)) {
				}
			});
		}
		::close(l);
	}
	~Echo()
	{
		for (int fd : fds)
			::shutdown(fd, SHUT_RDWR);
		for (auto &t : threads)
			t.join();
		for (int fd : fds)
			::close(fd);
		for (int fd : far)
			::close(fd);
	}
};

void compare(ClientBox &c, unsigned threads, double seconds)
{
	Measured raw{};
	{
		Echo echo(threads);
		raw = measure(threads, seconds, [&](unsigned t) {
			char buf[kMessage] = {};
			if (!move_all(echo.fds[t], buf, true) || !move_all(echo.fds[t], buf, false))
				abort();
		});
	}
	auto rpc = measure(threads, seconds, [&](unsigned) {
		if (!c.ping())
			abort();
	});
	std::printf(
		"%2u threads: raw TCP %8.1f us %9.0f/s   OBD_PING %8.1f us %9.0f/s   ratio %.2f\n",
		threads, raw.latency_us, raw.per_second, rpc.latency_us, rpc.per_second,
		rpc.latency_us / raw.latency_us);
}

} // namespace

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 2;
	cfs::host::spare_memory_checks();
	if (cfs_core_start())
		return 1;
	{
		auto port = fresh_port();
		NodeBox server(0x7f000001, port), client(0x7f000002, port);
		ServerBox s(*server.rpc);
		ClientBox c(*client.rpc, {server.nid});
		if (!c.connect())
			return 1;
		if (argc <= 2) {
			compare(c, 1, seconds);
			compare(c, 16, seconds);
		}
		for (int i = 2; i < argc; i++)
			compare(c, std::max(1u, static_cast<unsigned>(atoi(argv[i]))), seconds);
	}
	cfs_core_stop();
	return 0;
}
