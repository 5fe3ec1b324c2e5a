// SPDX-License-Identifier: GPL-2.0
//
// Clients, requests and rpc as a target sees them, without a network: what a test of the target
// alone needs. A FakeRequest is executed by calling its function; whoever brought it can wait for
// its end.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libcfs/sim/sim.hpp"
#include "rpc/rpc.hpp"
#include "target/client.hpp"

namespace target_fake
{

using wire::Opcode;
using wire::Transno;
using wire::Xid;

class FakeExport final : public rpc::Export
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	explicit FakeExport(rpc::Target *t, std::string_view uuid) : target_(t), uuid_(uuid) {}

	rpc::Target &target() noexcept override { return *target_; }
	const char *client_uuid() const noexcept override { return uuid_.c_str(); }
	lnet::Nid nid() noexcept override { return {}; }
	wire::ExportHandle handle() const noexcept override { return {}; }
	wire::ObdConnectData granted() noexcept override { return {}; }
	bool has_flag(wire::u64) const noexcept override { return false; }
	bool has_flag2(wire::u64) const noexcept override { return false; }
	bool connected() const noexcept override { return true; }
	bool gone() const noexcept override { return evicted; }
	wire::u32 conn_cnt() const noexcept override { return 1; }
	Transno last_committed() const noexcept override { return {}; }
	Xid last_xid() const noexcept override { return seen; }
	rpc::ReplyHold *steal_reply(Xid) noexcept override { return nullptr; }
	cfs::RefPtr<rpc::Import> reverse_import() noexcept override { return nullptr; }
	void evict(const char *) noexcept override { evicted = true; }
	cfs::Instant last_request() const noexcept override { return {}; }
	wire::u32 active_requests() const noexcept override { return 0; }
	void destroy() noexcept override
	{
		for (auto &d : data_)
			if (rpc::ExportData *p = d.exchange(nullptr))
				p->destroy();
		this->~FakeExport();
		cfs_free(kSubsys, this, sizeof(*this));
	}

	bool evicted = false;
	Xid seen{};

private:
	rpc::Target *target_;
	std::string uuid_;
};

/// How a request ended.
enum class End { none, executed, refused, dropped };

class FakeRequest final : public rpc::ServerRequest
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	struct Spec {
		Opcode op = Opcode::OBD_PING;
		Xid xid{};
		wire::u32 flags = 0;
		Transno transno{};
		wire::u16 tag = 0;
		std::vector<wire::u64> versions{};
	};
	/// run is what the handler does.
	FakeRequest(rpc::Export &e, const Spec &spec, std::function<void(FakeRequest &)> run = {})
	    : run_(std::move(run)), bytes_(256)
	{
		rpc::Lengths lengths;
		lengths.set(0, sizeof(wire::PtlrpcBody));
		auto w = rpc::MessageWriter::create(bytes_, lengths);
		CFS_ASSERT(w);
		wire::PtlrpcBodyV2 body{};
		body.type = wire::MsgType::PTL_RPC_MSG_REQUEST;
		body.opc = spec.op;
		body.flags = spec.flags;
		body.transno = spec.transno;
		body.tag = spec.tag;
		for (std::size_t k = 0; k < spec.versions.size(); k++)
			body.pre_versions[k] = static_cast<wire::ObjectVersion>(spec.versions[k]);
		auto buffer = w->buffer(0);
		std::memcpy(buffer.data(), &body, sizeof(body));
		auto m = rpc::MessageView::parse_rpc(bytes_);
		CFS_ASSERT(m);
		message_ = *m;
		xid_ = spec.xid;
		export_ = cfs::RefPtr<rpc::Export>::share(&e);
	}

	cfs::Instant deadline() noexcept override { return cfs::Instant::never(); }
	void stop_early_replies() noexcept override {}
	cfs::Result<rpc::MutBytes> reply_room(std::size_t) noexcept override
	{
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	void hold_until_ack(rpc::ReplyHold &) noexcept override {}
	cfs::Result<> bulk_put(const rpc::BulkDesc &, wire::u32) noexcept override
	{
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	cfs::Result<> bulk_get(const rpc::BulkDesc &, wire::u32) noexcept override
	{
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	void execute() noexcept override
	{
		CFS_ASSERT(end == End::none);
		if (run_)
			run_(*this);
		finish(End::executed);
	}
	void refuse(cfs::Errno why) noexcept override
	{
		CFS_ASSERT(end == End::none);
		finish(why == cfs::err::TIMEDOUT ? End::dropped : End::refused);
	}
	void destroy() noexcept override
	{
		this->~FakeRequest();
		cfs_free(kSubsys, this, sizeof(*this));
	}

	void finish(End e) noexcept
	{
		end = e;
		done_.complete();
	}
	void wait() noexcept { CFS_ASSERT(done_.wait(cfs::WaitMode::idle, cfs::Instant::never())); }

	End end = End::none;

private:
	std::function<void(FakeRequest &)> run_;
	std::vector<std::byte> bytes_;
	cfs::Completion done_{CFS_LOCK_CLASS("fake request")};
};

} // namespace target_fake
