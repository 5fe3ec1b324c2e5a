// SPDX-License-Identifier: GPL-2.0
//
// Nodes for tests of LNet over real TCP on 127.0.0.0/8: several in this process, each with an
// address of its own.
#pragma once

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "libcfs/node.hpp"
#include "lnet/core.hpp"
#include "lnet/socklnd/socklnd.hpp"
#include "tests/unit/lnet_test.hpp"

namespace lnet_test
{

using namespace lnet;
using lnet::sock::SockLnd;
using lnet::sock::Tunables;

inline Tunables test_tunables(std::uint32_t port)
{
	Tunables t;
	t.accept = sock::Accept::all;
	t.accept_port = port;
	t.source_port_max = 60999; // tests do not need to be root
	t.source_port_min = 50000;
	t.sock_timeout = 5;
	t.accept_timeout = 1;
	t.min_reconnectms = 100;
	t.nconnds_max = 16;
	return t;
}

/// Interfaces are found by name; a test wants one by address.
class LoNi final : public Lnd
{
	SockLnd &lnd_;
	std::uint32_t addr_;

public:
	sock::SockNi *last = nullptr;
	LoNi(SockLnd &lnd, std::uint32_t addr) : lnd_(lnd), addr_(addr) {}
	LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<cfs::UniquePtr<NetworkInterface>>
	startup(cfs::Node &, Net net, std::string_view, Upcalls &up) noexcept override
	{
		cfs_netif i{};
		strcpy(i.name, "lo");
		i.addr.length = 4;
		for (int b = 0; b < 4; b++)
			i.addr.bytes[b] = static_cast<std::uint8_t>(addr_ >> (24 - 8 * b));
		i.up = 1;
		auto ni = cfs::try_make<sock::SockNi>(lnd_, up, net, i);
		if (!ni)
			return cfs::fail(ni.error());
		last = ni->get();
		return cfs::UniquePtr<NetworkInterface>(std::move(*ni));
	}
};

/// A node: LNet and socklnd with one NI.
struct Node {
	std::unique_ptr<SockLnd> lnd;
	std::unique_ptr<LoNi> lo;
	cfs::UniquePtr<Core> core;
	Nid nid;
	cfs::RefPtr<cfs::Node> node = *cfs::Node::get(cfs_node_current());

	Node(std::uint32_t addr, Tunables t)
	{
		lnd = std::make_unique<SockLnd>(cfs_node_current(), t);
		EXPECT_TRUE(lnd->start());
		lo = std::make_unique<LoNi>(*lnd, addr);
		core = std::move(*Core::create(*node, lnd->incarnation()));
		auto n = core->add_ni(*lo, make_net(LndType::tcp, 0), "lo");
		EXPECT_TRUE(n);
		nid = *n;
	}
	~Node()
	{
		core.reset();
		lnd.reset();
	}
};

inline std::uint32_t fresh_port()
{
	static std::atomic<std::uint32_t> next{20000u +
					       static_cast<std::uint32_t>(getpid()) % 10000};
	return next++;
}

/// Counts events of an MD until the last one.
class Waiter final : public EventHandler
{
	std::mutex m_;
	std::condition_variable cv_;
	bool unlinked_ = false;

public:
	std::vector<Event> events;
	void on_event(const Event &ev) noexcept override
	{
		std::lock_guard g(m_);
		events.push_back(ev);
		unlinked_ |= ev.unlinked;
		cv_.notify_all();
	}
	bool wait_unlinked(int seconds = 20)
	{
		std::unique_lock g(m_);
		return cv_.wait_for(g, std::chrono::seconds(seconds), [&] { return unlinked_; });
	}
	bool wait_events(std::size_t n, int seconds = 20)
	{
		std::unique_lock g(m_);
		return cv_.wait_for(g, std::chrono::seconds(seconds),
				    [&] { return events.size() >= n; });
	}
};

/// Bytes that follow from the seed.
inline std::vector<std::byte> pattern(std::size_t n, unsigned seed)
{
	std::mt19937 rng(seed);
	std::vector<std::byte> v(n);
	for (auto &x : v)
		x = std::byte(rng());
	return v;
}

} // namespace lnet_test
