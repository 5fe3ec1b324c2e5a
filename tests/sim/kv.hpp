// SPDX-License-Identifier: GPL-2.0
//
// A small service built on rpc, ldlm, target and an object store, and nothing else: it proves what
// they promise. The server keeps lists of numbers under keys; a client appends a number to a list
// or reads how long the list is, holds a lock on the key while it does, and may keep what it read
// for as long as it has the lock.
//
// Each number is used once, and the reply to an append says its place in the list. So the test can
// tell: an append that was answered and committed is there; none is there twice (resends, replays,
// rebuilt replies); after any crash every one is at the place its client was told; what a client
// keeps under its lock is never older than what was answered to anybody.
//
// Wire: OST_SETATTR appends, OST_GETATTR reads; obdo.oi is the key, .blocks the number, .size the
// place or the length.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "lustre/target/common.hpp"
#include "rpc/format/ops_ost.hpp"
#include "tests/sim/cluster.hpp"

namespace kv
{

using wire::u32;
using wire::u64;

inline constexpr unsigned kKeys = 4;
inline constexpr const char *kTarget = "tfs-MDT0000";
inline constexpr const char *kUuid = "tfs-MDT0000_UUID";

/// What an append's client was told.
struct Told {
	u64 place = 0;
	unsigned key = 0;
	std::string client;
	bool committed = false;
};

/// What the test knows. Outlives nodes.
struct Book {
	u64 next_number = 1;
	std::map<u64, Told> told;		    ///< appends that were answered, by number
	std::map<u64, std::string> tried;	    ///< all, by number: who
	std::map<std::string, std::string> running; ///< uuid of each client node's life
	u64 length[kKeys] = {};			    ///< the longest that anybody was told
	std::set<std::string> lost;		    ///< clients that were evicted or crashed
	std::set<std::string> finished;		    ///< nodes whose client did all of its steps
	unsigned evictions = 0, rebuilt = 0, replayed = 0, cached = 0, failed = 0;
	cfs::sim::Nanos slowest = 0; ///< operation of a client
};

// ---- server ----

class Server final : public target::CommonTarget
{
public:
	explicit Server(Book &book) : book_(book) {}

	cfs::Result<> open(cluster::Stack &s, osd::DeviceRef device,
			   const target::TargetConfig &config) noexcept
	{
		for (unsigned k = 0; k < kKeys; k++)
			objects_[k] = TRY(
				osd::find_or_create(*device, fid_of(k), osd::local_file_spec()));
		auto r =
			start(*s.rpc, *s.ldlm, std::move(device), config, {"mdt-tfs-MDT0000_UUID"});
		if (!r)
			release();
		return r;
	}
	void close(target::StopKind kind) noexcept
	{
		// The device goes with its last reference: the objects before.
		auto device = osd::DeviceRef::share(&this->device());
		stop(kind);
		release();
	}
	static wire::Fid fid_of(unsigned key) { return wire::make_fid(0x200000401, key + 1); }
	/// A list as it is on a device.
	static std::vector<u64> list(osd::Device &device, unsigned key)
	{
		std::vector<u64> out;
		auto o = cluster::must(device.object(fid_of(key)), "no object");
		if (!o->exists())
			return out;
		osd::Attr attr;
		cluster::must(o->attr_get(attr), "no attributes");
		std::vector<cfs::le64> raw(attr.size / sizeof(u64));
		auto *body = cluster::must(o->body(), "no body");
		if (!raw.empty())
			cluster::must(
				osd::read_exactly(*body, 0, std::as_writable_bytes(std::span(raw))),
				"cannot read");
		for (auto v : raw)
			out.push_back(v);
		return out;
	}

	// ---- operations ----
	cfs::Result<> append(rpc::ServerRequest &req,
			     rpc::RequestView<rpc::op::OstSetattr> in) noexcept
	{
		const wire::Obdo &ask = in.get<rpc::fld::OstBody>().oa;
		u64 key = ask.oi.oi.oi_id;
		if (key >= kKeys)
			return cfs::fail(cfs::err::INVAL);
		auto out = TRY(req.reply<rpc::op::OstSetattr>());
		wire::Obdo &oa = out.get<rpc::fld::OstBody>().oa;
		oa.blocks = ask.blocks;
		if (auto saved = saved_reply(req)) {
			book_.rebuilt++;
			oa.size = saved->data;
			return {};
		}
		if (req.has_flag(wire::MSG_REPLAY)) {
			book_.replayed++;
			cfs::sim::this_world().note(
				"replay of " + std::to_string(static_cast<u64>(ask.blocks.get())));
		}
		u64 place = TRY(do_append(req, *objects_[key], ask.blocks));
		oa.size = place;
		return {};
	}
	cfs::Result<> length(rpc::ServerRequest &req,
			     rpc::RequestView<rpc::op::OstGetattr> in) noexcept
	{
		u64 key = in.get<rpc::fld::OstBody>().oa.oi.oi.oi_id;
		if (key >= kKeys)
			return cfs::fail(cfs::err::INVAL);
		auto out = TRY(req.reply<rpc::op::OstGetattr>());
		osd::ObjectReadGuard g(*objects_[key]);
		osd::Attr attr;
		TRY(objects_[key]->attr_get(attr));
		out.get<rpc::fld::OstBody>().oa.size = attr.size / sizeof(u64);
		return {};
	}

	std::span<const rpc::Handler> handlers() noexcept override;
	void *handler_object() noexcept override { return this; }

protected:
	cfs::Result<> grant(rpc::Export &, rpc::ConnectRequest &c) noexcept override
	{
		c.data.maxmodrpcs = 4;
		c.data.ibits_known = wire::MDS_INODELOCK_FULL;
		return {};
	}
	void client_left(rpc::Export &e, bool evicted) noexcept override
	{
		if (!evicted)
			return;
		cfs::sim::this_world().note(std::string(e.client_uuid()) + " is evicted");
		book_.lost.insert(e.client_uuid());
		book_.evictions++;
	}

private:
	cfs::Result<u64> do_append(rpc::ServerRequest &req, osd::Object &o, u64 number) noexcept
	{
		target::Modification m(*this, &req);
		TRY(m.begin());
		auto *body = TRY(o.body());
		TRY(body->declare_write(m.tx(), osd::kEof, sizeof(u64)));
		TRY(o.declare_version_set(m.tx()));
		TRY(m.start());
		u64 place = 0;
		auto change = [&]() noexcept -> cfs::Result<> {
			osd::ObjectGuard g(o);
			TRY(m.check_version(0, o));
			osd::Attr attr;
			TRY(o.attr_get(attr));
			place = attr.size / sizeof(u64);
			cfs::le64 v{number};
			u64 version = m.version();
			TRY(body->write(m.tx(), attr.size, std::as_bytes(std::span(&v, 1))));
			return o.version_set(m.tx(), version);
		};
		auto done = change();
		TRY(m.finish(done, 0, place));
		return place;
	}
	void release() noexcept
	{
		for (auto &o : objects_)
			o.reset();
	}

	Book &book_;
	osd::ObjectRef objects_[kKeys];
};

inline constexpr auto kHandlers =
	target::with_locks<Server>({rpc::handler<rpc::op::OstSetattr, &Server::append>(),
				    rpc::handler<rpc::op::OstGetattr, &Server::length>()});
inline std::span<const rpc::Handler> Server::handlers() noexcept
{
	return kHandlers;
}

/// One life of the server's node.
inline void serve(cluster::Stack &s, Book &book, osd::mem::Disk &disk,
		  cfs::Duration commit_interval)
{
	rpc::ServiceSpec spec;
	spec.name = "kv";
	spec.thread_name = "kv";
	spec.portals[0] = wire::Portal::OST_REQUEST_PORTAL;
	spec.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	spec.threads_min = 2;
	spec.threads_max = 8;
	target::TargetConfig config;
	config.name = kTarget;
	config.uuid = kUuid;
	config.mdt = true;
	config.supported = wire::MDT_CONNECT_SUPPORTED;
	config.supported2 = wire::MDT_CONNECT_SUPPORTED2;
	Server server(book);
	auto *service = cluster::must(s.rpc->start_service(spec), "no service");
	cluster::must(server.open(s, cluster::mount(disk, kTarget, commit_interval), config),
		      "no target");
	cfs::sim::wait_stop();
	server.close(target::StopKind::failover);
	service->stop();
}

// ---- client ----

class Client final : public rpc::ImportUser, public ldlm::LockUser
{
public:
	Client(cluster::Stack &s, Book &book, lnet::Nid server) : book_(book)
	{
		char text[wire::UUID_MAX];
		s.rpc->new_uuid(text);
		uuid_ = text;
		rpc::ImportSpec spec = rpc::ost_import();
		spec.device = "tfs-MDT0000-mdc";
		spec.target = kUuid;
		spec.client_uuid = uuid_;
		spec.wanted.connect_flags =
			wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_VERSION |
			wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FID | wire::OBD_CONNECT_FLAGS2 |
			wire::OBD_CONNECT_IBITS | wire::OBD_CONNECT_MULTIMODRPCS |
			wire::OBD_CONNECT_BULK_MBITS | wire::OBD_CONNECT_CANCELSET |
			wire::OBD_CONNECT_LRU_RESIZE;
		spec.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS |
					     wire::OBD_CONNECT2_INC_XID |
					     wire::OBD_CONNECT2_LOCK_CONVERT;
		spec.wanted.ibits_known = wire::MDS_INODELOCK_FULL;
		spec.user = this;
		import_ = cluster::must(s.rpc->new_import(spec), "no import");
		cluster::must(import_->add_connection(std::span(&server, 1)), "no connection");
		cluster::must(locks_.open(*s.ldlm, *import_, uuid_, *this), "no locks");
		cluster::must(import_->start(), "cannot start");
	}
	void close()
	{
		if (evicted_)
			book_.lost.insert(uuid_);
		// Who can not say good-bye leaves what is not committed behind.
		bool full = import_->state() == rpc::ImportState::full;
		auto gone = import_->disconnect(cfs::WaitMode::idle,
						cfs::after(cfs::Duration::seconds(30)));
		if (!full || !gone)
			book_.lost.insert(uuid_);
		// Only now: until it is closed the import speaks to the locks.
		(void)locks_.close(false, cfs::WaitMode::idle, cfs::Instant::never());
		import_.reset();
	}
	[[nodiscard]] const std::string &uuid() const { return uuid_; }

	/// One operation on some key; errors count as failed.
	void step()
	{
		auto &rng = cfs::sim::this_world().rng();
		unsigned key = static_cast<unsigned>(rng.below(kKeys));
		auto from = cfs::sim::this_world().now();
		bool ok = rng.below(2) ? append(key) : read(key);
		book_.failed += !ok;
		book_.slowest = std::max(book_.slowest, cfs::sim::this_world().now() - from);
	}

	// ---- ImportUser ----
	bool replay_locks(rpc::Import &) noexcept override { return locks_.ns().replay(); }
	void on_evicted(rpc::Import &) noexcept override
	{
		evicted_ = true;
		book_.lost.insert(uuid_);
		locks_.ns().on_evicted();
	}
	void on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept override
	{
		if (locks_.is_open())
			locks_.ns().on_reply(slv, limit);
	}

	// ---- LockUser ----
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &) noexcept override
	{
		cached_[lock.desc().name.name[1] - 1].reset();
	}
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }

private:
	/// Lives until rpc has forgotten the request.
	struct Appending final : rpc::RequestUser {
		Appending(Book &b, u64 n) : book(b), number(n) {}
		/// Refused: what it depends on is lost. Whatever is committed later, this is not.
		void on_replayed(rpc::ClientRequest &, cfs::Result<rpc::i32> r) noexcept override
		{
			refused = refused || !r;
		}
		void on_committed(rpc::ClientRequest &) noexcept override
		{
			if (refused)
				return;
			if (auto it = book.told.find(number); it != book.told.end())
				it->second.committed = true;
		}
		void on_gone(rpc::ClientRequest &) noexcept override { delete this; }
		Book &book;
		u64 number;
		bool refused = false;
	};

	cfs::Result<ldlm::LockUse> lock(unsigned key, ldlm::Mode mode)
	{
		ldlm::MatchSpec m;
		m.type = ldlm::LDLM_IBITS;
		m.name = ldlm::ResName::of_fid(Server::fid_of(key));
		m.modes = ldlm::satisfying_modes(mode);
		m.policy = ldlm::Policy::of_bits(wire::MDS_INODELOCK_UPDATE);
		if (auto use = locks_.ns().match(m))
			return use;
		ldlm::EnqueueSpec e;
		e.type = m.type;
		e.name = m.name;
		e.mode = mode;
		e.policy = m.policy;
		auto got = TRY(locks_.ns().enqueue(e, {}));
		return std::move(got.use);
	}
	bool append(unsigned key)
	{
		auto use = lock(key, ldlm::LCK_EX);
		if (!use || !*use)
			return false;
		auto req = rpc::Request<rpc::op::OstSetattr>::make(*import_);
		cluster::check(req.has_value(), "no request");
		u64 number = book_.next_number++;
		book_.tried[number] = uuid_;
		auto &oa = req->get<rpc::fld::OstBody>().oa;
		oa.oi.oi.oi_id = key;
		oa.blocks = number;
		(*req)->options.modifies = true;
		auto *user = new Appending(book_, number);
		auto status = (*req)->send_wait(cfs::WaitMode::idle, user);
		if (!status)
			return false;
		u64 place =
			cluster::must(req->reply(), "bad reply").get<rpc::fld::OstBody>().oa.size;
		bool committed = import_->last_committed() >= (*req)->transno();
		book_.told[number] = {place, key, uuid_, committed};
		cfs::sim::this_world().note(uuid_ + ": " + std::to_string(number) + " is " +
					    std::to_string(static_cast<u64>((*req)->transno())) +
					    (committed ? " committed" : "") + " at " +
					    std::to_string(key) + "/" + std::to_string(place));
		// Longer before: what lost clients had appended is gone.
		if (place + 1 > book_.length[key] || !book_.lost.empty())
			book_.length[key] = place + 1;
		// The other thread's answer may have been faster.
		if ((*use)->valid())
			cached_[key] = std::max(cached_[key].value_or(0), place + 1);
		return true;
	}
	bool read(unsigned key)
	{
		auto use = lock(key, ldlm::LCK_PR);
		if (!use || !*use)
			return false;
		bool valid = (*use)->valid();
		if (cached_[key] && valid) {
			book_.cached++;
			cluster::check(*cached_[key] >= book_.length[key] ||
					       book_.lost.contains(uuid_),
				       "what is kept under a lock is old");
			return true;
		}
		auto req = rpc::Request<rpc::op::OstGetattr>::make(*import_);
		cluster::check(req.has_value(), "no request");
		req->get<rpc::fld::OstBody>().oa.oi.oi.oi_id = key;
		// The other thread may append under the same lock meanwhile, and be answered first.
		u64 least = book_.length[key];
		if (!req->send_wait(cfs::WaitMode::idle))
			return false;
		u64 n = cluster::must(req->reply(), "bad reply").get<rpc::fld::OstBody>().oa.size;
		if (n < least && !book_.lost.contains(uuid_)) {
			// Only what clients that were lost had appended may be gone.
			cluster::check(!book_.lost.empty(), "an append was forgotten");
			book_.length[key] = n;
		}
		if ((*use)->valid())
			cached_[key] = std::max(cached_[key].value_or(0), n);
		return true;
	}

	Book &book_;
	std::string uuid_;
	cfs::RefPtr<rpc::Import> import_;
	ldlm::ClientLocks locks_;
	std::optional<u64> cached_[kKeys];
	bool evicted_ = false;
};

} // namespace kv
