// SPDX-License-Identifier: GPL-2.0
//
// Clients and one server of the lock manager, with messages that take their time and may be lost,
// and the book that checks them: what is cached is never older than the truth, no two conflicting
// uses at once, sizes from glimpses are between the true sizes before and after.
//
// Everything runs on one simulated node; each message is a fiber that sleeps and then calls the
// other side. Clients die by going silent, the server crashes by being replaced.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ldlm/ldlm.hpp"
#include "libcfs/sim/gtest.hpp"
#include "wire/rpc.hpp"

namespace ldlm_world
{

using namespace ldlm;
namespace sim = cfs::sim;
using sim::kMicrosecond;
using sim::kMillisecond;
using sim::kSecond;
using sim::sleep_for;

constexpr unsigned kFiles = 3;
constexpr unsigned kBlocks = 6;
constexpr u64 kBlock = 4096;
constexpr u64 kBits[] = {wire::MDS_INODELOCK_LOOKUP, wire::MDS_INODELOCK_UPDATE,
			 wire::MDS_INODELOCK_LAYOUT};
constexpr auto kLockTimeout = cfs::Duration::seconds(20);

/// A file as it is, as the disk has it, and the versions of an inode's parts.
struct File {
	u64 truth[kBlocks] = {};
	u64 disk[kBlocks] = {};
	u64 bits[3] = {};

	static u64 size_of(const u64 *blocks)
	{
		u64 n = kBlocks;
		while (n > 0 && blocks[n - 1] == 0)
			n--;
		return n * kBlock;
	}
};

class Cluster;

class Client final : public ClientLink, public LockUser, public PeerLink
{
public:
	Client(Cluster &c, unsigned i) : cluster(c), id(i) {}

	// ClientLink
	cfs::Result<int32_t> enqueue(cfs::Bytes req, EnqueueReply &reply, Sending how,
				     cfs::WaitMode mode) noexcept override;
	cfs::Result<int32_t> convert(cfs::Bytes req, wire::LdlmReply &rep) noexcept override;
	cfs::Result<int32_t> cancel(cfs::Bytes req) noexcept override;
	[[nodiscard]] u64 connect_flags() const noexcept override
	{
		u64 f = wire::OBD_CONNECT_FLOCK_DEAD | wire::OBD_CONNECT_CANCELSET;
		return id % 2 ? f : f | wire::OBD_CONNECT_LVB_TYPE;
	}
	[[nodiscard]] u64 connect_flags2() const noexcept override
	{
		return id % 3 ? wire::OBD_CONNECT2_LOCK_CONVERT : 0;
	}
	[[nodiscard]] cfs::Duration enqueue_timeout() const noexcept override
	{
		return cfs::Duration::seconds(300);
	}
	void suspect() noexcept override { suspicions++; }

	// LockUser
	void on_cancel(ClientLock &lock, const CancelInfo &info) noexcept override;
	bool on_drop_bits(ClientLock &lock, u64 bits) noexcept override;
	void on_granted(ClientLock &, cfs::Bytes) noexcept override {}
	cfs::Result<std::size_t> on_glimpse(ClientLock &lock, cfs::Bytes,
					    cfs::MutBytes lvb) noexcept override;
	bool may_drop(ClientLock &lock, CancelReason why) noexcept override;

	// PeerLink
	void send(Ast &ast) noexcept override;
	void evict(std::string_view what) noexcept override;
	[[nodiscard]] cfs::Duration lock_timeout() const noexcept override { return kLockTimeout; }
	void describe(cfs::FormatSink &out) const noexcept override { out.print("client{}", id); }

	Cluster &cluster;
	unsigned id;
	ClientNamespacePtr ns;
	PeerPtr peer;
	bool alive = true;     ///< its messages arrive
	bool detached = false; ///< the server has evicted it; it may not know yet
	unsigned life = 0;     ///< evictions so far
	unsigned suspicions = 0;
	bool evicting = false;

	std::optional<u64> cache[kFiles][kBlocks];
	bool dirty[kFiles][kBlocks] = {};
	std::optional<u64> seen[kFiles][3]; ///< versions of inode parts under locks

private:
	/// One attempt of a request, and what came of it.
	struct Call {
		bool done = false;
		int32_t status = 0;
		wire::LdlmReply rep{};
		std::vector<std::byte> lvb;
		std::vector<std::byte> req;
	};
	cfs::Result<int32_t> request(cfs::Bytes req, Sending how,
				     std::function<void(Call &, bool resent)> serve,
				     std::shared_ptr<Call> &out) noexcept;
};

class Cluster final : public OstLvbSource
{
public:
	Cluster(sim::World &world, unsigned clients) : w(world)
	{
		node_ = *cfs::Node::get(cfs_node_current());
		dlm = *ldlm::of(*node_);
		start_server(false);
		for (unsigned i = 0; i < clients; i++) {
			auto &c = *this->clients.emplace_back(std::make_unique<Client>(*this, i));
			std::string name = "fs-OST0000-osc-" + std::to_string(i);
			c.ns = *dlm->open_client({name, &c, &c});
			c.peer = *server->attach(c);
		}
	}

	cfs::Result<> read(const ResName &name, wire::OstLvb &out) noexcept override
	{
		sleep_for(w.rng().below(kMillisecond));
		File &f = files[name.name[0] % kFiles];
		out.size = File::size_of(f.disk);
		return {};
	}

	void start_server(bool recovering)
	{
		std::string name = "filter-" + std::to_string(epoch);
		server = *dlm->open_server({name, this, recovering});
	}

	void note(Client &c, const char *what, ClientLock &l)
	{
		char text[200];
		w.note(cfs::format_to(text, "client {} {} under {} {:#x}", c.id, what, l.desc(),
				      l.handle()));
	}

	/// A fiber that does f after a while: a message.
	void post(std::function<void()> f)
	{
		in_flight++;
		sim::Nanos delay = w.rng().below(2 * kMillisecond);
		if (w.rng().chance(50))
			delay = w.rng().below(3 * kSecond);
		sim::this_node().spawn("message", [this, delay, f = std::move(f)] {
			sleep_for(delay);
			f();
			in_flight--;
		});
	}

	/// What a client had written and not flushed is gone with it.
	void lose_dirty(Client &c)
	{
		for (unsigned f = 0; f < kFiles; f++)
			for (unsigned b = 0; b < kBlocks; b++)
				if (c.dirty[f][b])
					files[f].truth[b] = files[f].disk[b];
	}

	/// The export of a client ends; later the client learns of it and comes back.
	void evict(Client &c)
	{
		if (c.evicting)
			return;
		c.evicting = true;
		in_flight++;
		sim::this_node().spawn("evict", [this, &c] {
			PeerPtr peer = c.peer;
			c.detached = true;
			lose_dirty(c);
			evictions++;
			if (peer)
				server->detach(*peer);
			c.peer.reset();
			peer.reset();
			if (c.alive) {
				sleep_for(w.rng().below(kSecond));
				c.ns->on_evicted();
				while (c.ns->lock_count() > 0)
					sleep_for(10 * kMillisecond);
				while (!up)
					sleep_for(10 * kMillisecond);
				for (auto &row : c.cache)
					for (auto &b : row)
						w.check(!b, "cached data outlived its lock");
				c.peer = *server->attach(c);
				c.life++;
				c.detached = false;
				c.evicting = false;
			}
			in_flight--;
		});
	}

	/// The server's memory is gone; a new one recovers with the clients' help.
	void crash_server()
	{
		// An eviction half done belongs to one server.
		for (auto &c : clients)
			while (c->evicting && c->alive)
				sleep_for(10 * kMillisecond);
		up = false;
		epoch++;
		crashing = true; // what it says from here on nobody hears
		for (auto &c : clients)
			if (c->peer) {
				server->detach(*c->peer);
				c->peer.reset();
			}
		w.check(bool(server->close(cfs::WaitMode::idle,
					   cfs::after(cfs::Duration::seconds(1000)))),
			"the server does not end");
		server.reset();
		crashing = false;
		start_server(true);
		replaying = true;
		for (auto &c : clients) {
			if (!c->alive || c->detached)
				continue;
			c->peer = *server->attach(*c);
			w.check(c->ns->replay(), "a replay failed");
		}
		replaying = false;
		up = true;
		server->recovery_done();
	}

	void finish()
	{
		for (auto &c : clients) {
			if (!c->alive)
				c->ns->on_evicted();
			bool ok = bool(c->ns->close(c->alive, cfs::WaitMode::idle,
						    cfs::after(cfs::Duration::seconds(10000))));
			w.check(ok, "a client's namespace does not end");
		}
		while (in_flight > 0)
			sleep_for(100 * kMillisecond);
		for (auto &c : clients) {
			if (c->peer)
				server->detach(*c->peer);
			c->peer.reset();
			c->ns.reset();
		}
		w.check(server->lock_count() == 0, "locks are left at the server");
		w.check(bool(server->close(cfs::WaitMode::idle,
					   cfs::after(cfs::Duration::seconds(1000)))),
			"the server does not end");
		server.reset();
	}

	sim::World &w;
	cfs::RefPtr<cfs::Node> node_;
	Ldlm *dlm = nullptr;
	ServerNamespacePtr server;
	std::vector<std::unique_ptr<Client>> clients;
	File files[kFiles];
	u64 counter = 0;
	unsigned epoch = 0;
	bool up = true;
	bool crashing = false;
	bool replaying = false;
	unsigned in_flight = 0;
	unsigned evictions = 0;
	std::map<std::string, unsigned> counts;
};

// ---- client: messages out ----

inline cfs::Result<int32_t> Client::request(cfs::Bytes req, Sending how,
					    std::function<void(Call &, bool)> serve,
					    std::shared_ptr<Call> &out) noexcept
{
	bool resent = how == Sending::again;
	for (;;) {
		while (alive && !detached && !cluster.up && how != Sending::replay)
			sleep_for(5 * kMillisecond);
		if (!alive || detached)
			return cfs::fail(cfs::err::NOTCONN);
		auto call = std::make_shared<Call>();
		call->req.assign(req.begin(), req.end());
		unsigned epoch = cluster.epoch;
		unsigned then = life;
		cluster.post([this, call, epoch, then, resent, serve] {
			if (!alive || epoch != cluster.epoch || detached || life != then)
				return;
			serve(*call, resent);
			cluster.post([this, call, epoch] {
				if (alive && epoch == cluster.epoch)
					call->done = true;
			});
		});
		sim::Nanos until = cluster.w.now() + 20 * kSecond;
		sim::Nanos pause = 50 * kMicrosecond;
		while (!call->done && epoch == cluster.epoch && alive && !detached &&
		       then == life && cluster.w.now() < until)
			sleep_for(pause = pause < 50 * kMillisecond ? pause * 2 : pause);
		if (call->done) {
			out = call;
			return call->status;
		}
		if (then != life)
			return cfs::fail(cfs::err::NOTCONN);
		resent = true;
	}
}

inline cfs::Result<int32_t> Client::enqueue(cfs::Bytes req, EnqueueReply &reply, Sending how,
					    cfs::WaitMode) noexcept
{
	std::shared_ptr<Call> call;
	auto status = request(
		req, how,
		[this](Call &c, bool resent) {
			PeerPtr p = peer;
			if (!p) {
				c.status = -107;
				return;
			}
			EnqueueAnswer a;
			cluster.server->enqueue(*p, {c.req, resent, false}, nullptr, a);
			char text[200];
			auto d = from_wire(a.rep.lock_desc);
			cluster.w.note(cfs::format_to(text, "server answers client {}: {} {:#x} {}",
						      id, a.status, a.rep.lock_flags.get(),
						      d ? *d : LockDesc{}));
			c.status = a.status;
			c.rep = a.rep;
			c.lvb.assign(a.lvb, a.lvb + a.lvb_bytes);
		},
		call);
	if (!status)
		return status;
	if (*status < 0)
		return cfs::fail(cfs::Errno{-*status});
	reply.rep = call->rep;
	reply.lvb_bytes = std::min(call->lvb.size(), reply.lvb.size());
	std::copy_n(call->lvb.begin(), reply.lvb_bytes, reply.lvb.begin());
	return status;
}

inline cfs::Result<int32_t> Client::convert(cfs::Bytes req, wire::LdlmReply &rep) noexcept
{
	std::shared_ptr<Call> call;
	auto status = request(
		req, Sending::first,
		[this](Call &c, bool) {
			PeerPtr p = peer;
			c.status = p ? cluster.server->convert(*p, c.req, c.rep) : -107;
		},
		call);
	if (status && *status < 0)
		return cfs::fail(cfs::Errno{-*status});
	if (status)
		rep = call->rep;
	return status;
}

inline cfs::Result<int32_t> Client::cancel(cfs::Bytes req) noexcept
{
	if (cluster.w.rng().below(16) == 0)
		return cfs::fail(cfs::err::NOMEM);
	std::shared_ptr<Call> call;
	return request(
		req, Sending::first,
		[this](Call &c, bool) {
			PeerPtr p = peer;
			c.status = p ? cluster.server->cancel(*p, c.req) : -107;
		},
		call);
}

// ---- server: callbacks out ----

inline void Client::send(Ast &ast) noexcept
{
	// Memory is short now and then.
	if (cluster.w.rng().below(16) == 0) {
		ast.done(AstEnd::no_memory, 0, {});
		return;
	}
	unsigned epoch = cluster.epoch;
	unsigned then = life;
	bool unheard = cluster.crashing;
	cluster.post([this, &ast, epoch, then, unheard] {
		if (unheard || epoch != cluster.epoch || detached || life != then) {
			ast.done(AstEnd::gone, 0, {});
			return;
		}
		if (!alive) {
			sleep_for(7 * kSecond);
			ast.done(epoch == cluster.epoch ? AstEnd::no_reply : AstEnd::gone, 0, {});
			return;
		}
		auto reply = std::make_shared<CallbackReply>();
		int32_t status = ns->callback(ast.opcode(), ast.dlm_req(), ast.second(), *reply);
		char text[100];
		cluster.w.note(cfs::format_to(text, "client {} answers callback {}: {}", id,
					      ast.opcode(), status));
		cluster.post([&ast, status, reply] {
			ast.done(AstEnd::answered, status,
				 cfs::Bytes(reply->lvb, reply->lvb_bytes));
		});
	});
}

inline void Client::evict(std::string_view what) noexcept
{
	cluster.w.note(what);
	cluster.evict(*this);
}

// ---- what the locks protect ----

inline void Client::on_cancel(ClientLock &lock, const CancelInfo &info) noexcept
{
	LockDesc d = lock.desc();
	unsigned f = static_cast<unsigned>(d.name.name[0] % kFiles);
	File &file = cluster.files[f];
	cluster.note(*this, info.reason == CancelReason::evicted ? "loses" : "cancels", lock);
	if (d.type == LDLM_IBITS) {
		for (unsigned i = 0; i < 3; i++)
			if (d.policy.ibits.bits & kBits[i])
				seen[f][i].reset();
		return;
	}
	for (unsigned b = 0; b < kBlocks; b++) {
		if (!d.policy.extent.overlaps({b * kBlock, (b + 1) * kBlock - 1, 0}))
			continue;
		if (dirty[f][b] && info.reason != CancelReason::evicted) {
			cluster.w.check(info.reason != CancelReason::recovery,
					"a lock with dirty data was dropped before a replay");
			while (!cluster.up && alive && !detached)
				sleep_for(kMillisecond);
			sleep_for(cluster.w.rng().below(10 * kMillisecond));
			while (!cluster.up && alive && !detached)
				sleep_for(kMillisecond);
			if (alive && !detached && lock.remote_handle())
				file.disk[b] = *cache[f][b];
		}
		dirty[f][b] = false;
		cache[f][b].reset();
	}
}

inline bool Client::on_drop_bits(ClientLock &lock, u64 bits) noexcept
{
	unsigned f = static_cast<unsigned>(lock.desc().name.name[0] % kFiles);
	for (unsigned i = 0; i < 3; i++)
		if (bits & kBits[i])
			seen[f][i].reset();
	return !cluster.w.rng().chance(10);
}

inline cfs::Result<std::size_t> Client::on_glimpse(ClientLock &lock, cfs::Bytes,
						   cfs::MutBytes lvb) noexcept
{
	unsigned f = static_cast<unsigned>(lock.desc().name.name[0] % kFiles);
	u64 blocks[kBlocks] = {};
	bool any = false;
	for (unsigned b = 0; b < kBlocks; b++) {
		blocks[b] = cache[f][b].value_or(0);
		any = any || cache[f][b];
	}
	if (!any)
		return cfs::fail(cfs::err::NODATA);
	wire::OstLvb l{};
	l.size = File::size_of(blocks);
	std::memcpy(lvb.data(), &l, sizeof(l));
	return sizeof(l);
}

inline bool Client::may_drop(ClientLock &lock, CancelReason) noexcept
{
	(void)lock;
	for (auto &row : dirty)
		for (bool d : row)
			if (d)
				return false;
	return true;
}

} // namespace ldlm_world
