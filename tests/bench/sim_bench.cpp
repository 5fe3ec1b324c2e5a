// SPDX-License-Identifier: GPL-2.0
//
// What simulating costs. items_per_second is simulated messages (or lock operations, switches) per
// second of host CPU.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>

#include "libcfs/lock.hpp"
#include "libcfs/sim/net.hpp"
#include "libcfs/sim/sim.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace
{

using namespace cfs::sim;

constexpr std::uint16_t kPort = 988;

void echo_server()
{
	Inbox inbox;
	if (!this_world().net().listen(kPort, inbox))
		return;
	while (auto e = inbox.next()) {
		if (e->kind == NetEvent::Kind::message) {
			(void)e->conn->send(std::move(e->message));
		} else if (e->kind == NetEvent::Kind::closed) {
			e->conn->close();
			break;
		}
	}
	this_world().net().unlisten(kPort);
}

void ping_client(std::uint32_t server, int rounds, std::size_t bytes)
{
	Inbox inbox;
	Conn *c = this_world().net().connect(server, kPort, inbox);
	Message m(bytes);
	while (auto e = inbox.next()) {
		if (e->kind == NetEvent::Kind::message)
			m = std::move(e->message);
		if (rounds-- == 0)
			break;
		if (!c->send(std::move(m)))
			break;
	}
	c->close();
}

void two_node_ping_pong(benchmark::State &state)
{
	std::uint64_t seed = 1;
	std::int64_t messages = 0;
	for (auto _ : state) {
		World w(seed++);
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto bytes = static_cast<std::size_t>(state.range(0));
		server.start(echo_server);
		client.start([&server, bytes] { ping_client(server.address(), 50'000, bytes); });
		Outcome o = w.run();
		if (!o.ok())
			state.SkipWithError(o.title.c_str());
		messages += static_cast<std::int64_t>(w.net().delivered());
	}
	state.SetItemsProcessed(messages);
}
BENCHMARK(two_node_ping_pong)->Arg(0)->Arg(100)->Arg(4096)->Unit(benchmark::kMillisecond);

void uncontended_lock(benchmark::State &state)
{
	std::uint64_t seed = 1;
	for (auto _ : state) {
		World w(seed++);
		w.spawn("locker", [] {
			cfs::SpinLock l(CFS_LOCK_CLASS("bench"));
			for (int i = 0; i < 100'000; i++)
				cfs::SpinGuard g(l);
		});
		w.run();
	}
	state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(uncontended_lock)->Unit(benchmark::kMillisecond);

void making_a_world(benchmark::State &state)
{
	std::uint64_t seed = 1;
	for (auto _ : state) {
		World w(seed++);
		w.add_node("n").start([] {});
		w.run();
	}
}
BENCHMARK(making_a_world)->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
