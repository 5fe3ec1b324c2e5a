// SPDX-License-Identifier: GPL-2.0
//
// The key-value service (lustre/kv_selftest) on simulated nodes: one book for the server and all
// clients, which outlives nodes, and what can be checked with it while they run: see kv.hpp there
// for what is promised.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "lustre/kv_selftest/client.hpp"
#include "lustre/kv_selftest/server.hpp"
#include "osd/local.hpp"
#include "tests/sim/cluster.hpp"

namespace kv
{

inline constexpr const char *kTarget = "tfs-MDT0000";

/// What an append's client was told.
struct Entry {
	u64 place = 0;
	unsigned key = 0;
	std::string client;
	bool committed = false;
};

/// What the test knows. Outlives nodes.
struct Book {
	u64 next_number = 1;
	std::map<u64, Entry> told;		    ///< appends that were answered, by number
	std::map<u64, std::string> tried;	    ///< all, by number: who
	std::map<std::string, std::string> running; ///< uuid of each client node's life
	u64 length[kKeys] = {};			    ///< the longest that anybody was told
	std::set<std::string> lost;		    ///< clients that were evicted or crashed
	std::set<std::string> finished;		    ///< nodes whose client did all of its steps
	unsigned evictions = 0, rebuilt = 0, replayed = 0, cached = 0, failed = 0;
	cfs::sim::Nanos slowest = 0; ///< operation of a client
};

// ---- server ----

class ServerKeeper final : public ServerObserver
{
	Book &book_;

public:
	explicit ServerKeeper(Book &book) : book_(book) {}

	void appending(u64 number, bool replay) noexcept override
	{
		if (!replay)
			return;
		book_.replayed++;
		cfs::sim::this_world().note("replay of " + std::to_string(number));
	}
	void rebuilt() noexcept override { book_.rebuilt++; }
	void evicted(const char *client) noexcept override
	{
		cfs::sim::this_world().note(std::string(client) + " is evicted");
		book_.lost.insert(client);
		book_.evictions++;
	}
};

/// One life of the server's node.
inline void serve(cluster::Stack &s, Book &book, osd::mem::Disk &disk,
		  cfs::Duration commit_interval)
{
	ServerKeeper keeper(book);
	Server server(keeper);
	cluster::must(server.open(*s.rpc, *s.ldlm, cluster::mount(disk, kTarget, commit_interval),
				  {.name = kTarget}),
		      "no server");
	cfs::sim::wait_stop();
	server.close(target::StopKind::failover);
}

/// A list as it is on a device.
inline std::vector<u64> list_on(osd::Device &device, unsigned key)
{
	std::vector<u64> out;
	auto o = cluster::must(device.object(key_fid(key)), "no object");
	if (!o->exists())
		return out;
	osd::Attr attr;
	cluster::must(o->attr_get(attr), "no attributes");
	std::vector<cfs::le64> raw(attr.size / sizeof(u64));
	auto *body = cluster::must(o->body(), "no body");
	if (!raw.empty())
		cluster::must(osd::read_exactly(*body, 0, std::as_writable_bytes(std::span(raw))),
			      "cannot read");
	for (auto v : raw)
		out.push_back(v);
	return out;
}

// ---- client ----

class ClientKeeper final : public ClientObserver
{
	Book &book_;
	Client client_{*this};
	std::string uuid_;
	bool evicted_ = false;

	// ---- ClientObserver ----
	u64 trying(unsigned) noexcept override
	{
		u64 number = book_.next_number++;
		book_.tried[number] = uuid_;
		return number;
	}
	void told(const Told &t) noexcept override
	{
		book_.told[t.number] = {t.place, t.key, uuid_, t.committed};
		cfs::sim::this_world().note(uuid_ + ": " + std::to_string(t.number) + " is " +
					    std::to_string(t.transno) +
					    (t.committed ? " committed" : "") + " at " +
					    std::to_string(t.key) + "/" + std::to_string(t.place));
		// Longer before: what lost clients had appended is gone.
		if (t.place + 1 > book_.length[t.key] || !book_.lost.empty())
			book_.length[t.key] = t.place + 1;
	}
	void committed(u64 number) noexcept override
	{
		if (auto it = book_.told.find(number); it != book_.told.end())
			it->second.committed = true;
	}
	u64 least(unsigned key) noexcept override { return book_.length[key]; }
	void read(unsigned key, u64 length, u64 least, bool kept) noexcept override
	{
		bool lost = book_.lost.contains(uuid_);
		if (kept) {
			book_.cached++;
			cluster::check(length >= least || lost, "what is kept under a lock is old");
		} else if (length < least && !lost) {
			// Only what clients that were lost had appended may be gone.
			cluster::check(!book_.lost.empty(), "an append was forgotten");
			book_.length[key] = length;
		}
	}
	void evicted() noexcept override
	{
		evicted_ = true;
		book_.lost.insert(uuid_);
	}

public:
	ClientKeeper(cluster::Stack &s, Book &book, lnet::Nid server) : book_(book)
	{
		cluster::must(client_.open(*s.rpc, *s.ldlm, {kTarget, {&server, 1}}), "no client");
		uuid_ = client_.uuid();
	}
	void close()
	{
		// Who can not say good-bye leaves what is not committed behind.
		if (!client_.close() || evicted_)
			book_.lost.insert(uuid_);
	}
	[[nodiscard]] const std::string &uuid() const { return uuid_; }

	/// One operation on some key; errors count as failed.
	void step()
	{
		auto &rng = cfs::sim::this_world().rng();
		unsigned key = static_cast<unsigned>(rng.below(kKeys));
		auto from = cfs::sim::this_world().now();
		auto done = rng.below(2) ? client_.append(key) : client_.read(key);
		// Those are no consequence of what a scene does.
		cluster::check(done || (done.error() != cfs::err::NOMEM &&
					done.error() != cfs::err::PROTO),
			       "no request, or a bad reply");
		book_.failed += !done;
		book_.slowest = std::max(book_.slowest, cfs::sim::this_world().now() - from);
	}
};

} // namespace kv
