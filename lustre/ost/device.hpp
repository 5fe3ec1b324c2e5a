// SPDX-License-Identifier: GPL-2.0
//
// An OST from inside. Objects are found by FID in the object store; what clients hold of them is
// governed by extent locks in the target's namespace; everything that changes an object goes
// through one target::Modification (or several, for a large write).
//
// Locking, outer to inner: a lock of the DLM that a request takes for its client; a sequence's
// creation; then as the object store has it. No mutex of this file is held over any of these.
#pragma once

#include <atomic>

#include "libcfs/params.hpp"
#include "ost/attr.hpp"
#include "ost/grant.hpp"
#include "ost/ost.hpp"
#include "ost/sequence.hpp"
#include "rpc/format/ops_ost.hpp"
#include "target/common.hpp"

namespace ost
{

namespace fld = rpc::fld;
namespace op = rpc::op;

/// Grants of a target. Shared with the commits of writes, which may come after their clients.
struct SharedGrants : cfs::RefCounted<SharedGrants> {
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
	explicit SharedGrants(const GrantParams &p) noexcept : all(p) {}
	Grants all;
};

/// A client of an OST.
struct OstClient : cfs::RefCounted<OstClient> {
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
	explicit OstClient(cfs::RefPtr<SharedGrants> g) noexcept : grants(std::move(g)) {}
	~OstClient() { grants->all.release(grant); }

	cfs::RefPtr<SharedGrants> grants;
	ClientGrant grant; ///< the Grants' lock
	TimesMemory times;
	u32 group = 0; ///< of an MDT: its index
};

/// A bulk request, checked.
struct Brw {
	const wire::Obdo *oa = nullptr;
	wire::Fid fid{};
	std::span<const wire::NiobufRemote> niobufs;
	cfs::Array<osd::BulkRange> ranges;
	u64 bytes = 0;
	u32 md_limit = 1;
	bool server_lock = false;
	bool short_io = false;
	/// Comes again: what it says of grants was taken the first time.
	bool again = false;
	[[nodiscard]] u64 first() const noexcept { return niobufs.front().offset; }
	[[nodiscard]] u64 last() const noexcept
	{
		return niobufs.back().offset + niobufs.back().len - 1;
	}
	[[nodiscard]] u32 flags() const noexcept
	{
		return oa->valid & wire::OBD_MD_FLFLAGS ? oa->flags.get() : 0;
	}
};

class OstTarget final : public Ost, public target::CommonTarget, private ldlm::OstLvbSource
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;

	OstTarget() noexcept = default;

	// ---- Ost ----
	[[nodiscard]] cfs::Result<> begin(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					  const OstConfig &config) noexcept;
	void stop(target::StopKind kind) noexcept override;
	u32 mount_count() noexcept override { return instance(); }
	void clients_told(bool yes) noexcept override { Target::clients_told(yes); }
	[[nodiscard]] target::Target &target() noexcept override { return *this; }
	[[nodiscard]] osd::Device &device() noexcept override { return target::Target::device(); }
	void destroy() noexcept override;

	// ---- rpc::TargetOps ----
	[[nodiscard]] std::span<const rpc::Handler> handlers() noexcept override;
	[[nodiscard]] void *handler_object() noexcept override { return this; }

	// ---- operations (objects.cpp) ----
	cfs::Result<> create(rpc::ServerRequest &req, rpc::RequestView<op::OstCreate> in) noexcept;
	cfs::Result<> destroy_objects(rpc::ServerRequest &req,
				      rpc::RequestView<op::OstDestroy> in) noexcept;
	cfs::Result<> getattr(rpc::ServerRequest &req,
			      rpc::RequestView<op::OstGetattr> in) noexcept;
	cfs::Result<> setattr(rpc::ServerRequest &req,
			      rpc::RequestView<op::OstSetattr> in) noexcept;
	cfs::Result<> punch(rpc::ServerRequest &req, rpc::RequestView<op::OstPunch> in) noexcept;
	cfs::Result<> fallocate(rpc::ServerRequest &req,
				rpc::RequestView<op::OstFallocate> in) noexcept;
	cfs::Result<> seek(rpc::ServerRequest &req, rpc::RequestView<op::OstSeek> in) noexcept;
	cfs::Result<> sync(rpc::ServerRequest &req, rpc::RequestView<op::OstSync> in) noexcept;
	// ---- the target as a whole (info.cpp) ----
	cfs::Result<> statfs(rpc::ServerRequest &req, rpc::RequestView<op::OstStatfs> in) noexcept;
	cfs::Result<> get_info(rpc::ServerRequest &req) noexcept;
	cfs::Result<> set_info(rpc::ServerRequest &req) noexcept;
	// ---- data (io.cpp) ----
	cfs::Result<> brw_read(rpc::ServerRequest &req, rpc::RequestView<op::OstRead> in) noexcept;
	cfs::Result<> brw_write(rpc::ServerRequest &req,
				rpc::RequestView<op::OstWrite> in) noexcept;

	/// Its locks are the client's, so it ends without waiting for other requests: a thread is
	/// kept free for such.
	static bool waits_for_nobody(void *object, rpc::ServerRequest &req) noexcept;

	// ---- parameters ----
	[[nodiscard]] u64 total_granted() noexcept { return grants_->all.totals().granted; }
	[[nodiscard]] u64 total_dirty() noexcept { return grants_->all.totals().dirty; }
	[[nodiscard]] u64 total_pending() noexcept { return grants_->all.totals().pending; }
	[[nodiscard]] u32 exports_now() noexcept;
	cfs::Result<> show_filesystem(cfs::FormatSink &out) noexcept;

private:
	struct ExportOst;
	class GrantUse;

	// ---- target::Target ----
	cfs::Result<> grant(rpc::Export &e, rpc::ConnectRequest &r) noexcept override;
	cfs::Result<> grant_space(OstClient &c, wire::ObdConnectData &d, bool fresh) noexcept;
	void client_left(rpc::Export &e, bool evicted) noexcept override;

	// ---- ldlm::OstLvbSource ----
	cfs::Result<> read(const ldlm::ResName &name, wire::OstLvb &out) noexcept override;

	// ---- shared by operations ----
	[[nodiscard]] static OstClient &client_of(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> may_modify(rpc::ServerRequest &req) noexcept;
	/// The sequence of a number; made only when an MDT asks.
	[[nodiscard]] static bool may_create(rpc::ServerRequest &req, u64 seq) noexcept;
	[[nodiscard]] cfs::Result<Sequence *> sequence_for(rpc::ServerRequest &req,
							   u64 seq) noexcept;
	[[nodiscard]] cfs::Result<wire::Fid> fid_of_request(const wire::Obdo &oa) noexcept;
	/// err::NOENT; err::INPROGRESS: a crash took it, and its MDT has not said yet what existed.
	[[nodiscard]] cfs::Result<osd::ObjectRef> find(const wire::Fid &fid) noexcept;
	/// find(), and in recovery an object that a crash took is made anew.
	[[nodiscard]] cfs::Result<osd::ObjectRef> find_to_change(const wire::Fid &fid) noexcept;
	[[nodiscard]] bool may_wait() noexcept;
	/// The lock that a request asks the server to take; none in recovery.
	[[nodiscard]] cfs::Result<ldlm::LocalLock> lock_for(const wire::Fid &fid, ldlm::Mode mode,
							    u64 start, u64 end,
							    bool destroying = false) noexcept;
	/// The client's locks that the request runs under get time.
	void prolong(rpc::ServerRequest &req, const wire::Fid &fid, const wire::Obdo &oa, u64 start,
		     u64 end, bool write) noexcept;
	void refresh_lvb(const wire::Fid &fid, bool only_increase) noexcept;
	[[nodiscard]] u64 free_bytes() noexcept;
	static bool sets_times(OstClient &c, rpc::ServerRequest &req, const wire::Fid &fid,
			       const wire::Obdo &oa) noexcept;

	// ---- creation ----
	[[nodiscard]] cfs::Result<u64> precreate(Sequence &s, u64 wanted) noexcept;
	[[nodiscard]] cfs::Result<u64> clear_orphans(rpc::ServerRequest &req, Sequence &s,
						     u64 used) noexcept;
	[[nodiscard]] cfs::Result<> destroy_object(rpc::ServerRequest &req,
						   const wire::Fid &fid) noexcept;
	[[nodiscard]] cfs::Result<> recreate(const wire::Fid &fid) noexcept;
	template <typename Format>
	cfs::Result<> get_last_fid(rpc::ServerRequest &req, rpc::RequestView<Format> in) noexcept;

	// ---- data ----
	template <typename Format>
	[[nodiscard]] cfs::Result<Brw> check_brw(rpc::ServerRequest &req,
						 const rpc::RequestView<Format> &in) noexcept;
	[[nodiscard]] cfs::Result<u32> do_read(rpc::ServerRequest &req, const Brw &b,
					       rpc::ReplyWriter<op::OstRead> &out) noexcept;
	[[nodiscard]] cfs::Result<> do_write(rpc::ServerRequest &req, Brw &b, cfs::Bytes inl,
					     rpc::ReplyWriter<op::OstWrite> &out) noexcept;
	[[nodiscard]] cfs::Result<> receive(rpc::ServerRequest &req, const Brw &b, cfs::Bytes inl,
					    osd::BulkIo &io) noexcept;
	[[nodiscard]] cfs::Result<> commit(rpc::ServerRequest &req, const Brw &b, osd::Object &o,
					   osd::BulkIo &io, GrantUse &space) noexcept;
	void account(const Brw &b, OstClient &c, std::span<GrantRange> ranges,
		     GrantUse &space) noexcept;
	void fill_write_reply(const Brw &b, osd::Object &o, osd::BulkIo &io, const GrantUse &space,
			      wire::Obdo &oa) noexcept;

	char name_[64] = {};
	u32 index_ = 0;
	u32 brw_bytes_ = 4u << 20;
	u64 object_max_ = 0;
	osd::DeviceRef dev_; ///< while it runs; released after what holds objects of it
	cfs::RefPtr<SharedGrants> grants_;
	GrantParams grant_params_;
	cfs::UniquePtr<Sequences> sequences_;
	/// How long clients wait for objects that a crash took: from the first one that asks.
	std::atomic<u64> return_until_ns_{0};
	cfs::ParamGroup params_;
};

} // namespace ost
