// SPDX-License-Identifier: GPL-2.0
//
// The MDT as a target of rpc (mdt.hpp is what others see of it). What it serves is in files by
// topic: connect.cpp, setup.cpp, names.cpp (finding directories and names), getattr.cpp,
// intent.cpp, open.cpp, close.cpp, reint*.cpp, readpage.cpp, xattr.cpp, sequence.cpp, orphans.cpp.
//
// Locking, outer to inner: a LockSet (locks.hpp) of the operation; transactions; the lock of an
// object (osd), under which the counts of open handles and the removal of objects meet; the locks
// of OpenFiles and OstSet.
//
// What an operation reads before its transaction stays true until its end, because it is under the
// operation's locks; the exceptions are re-read inside.
#pragma once

#include "mdt/caller.hpp"
#include "mdt/layout.hpp"
#include "mdt/link_ea.hpp"
#include "mdt/locks.hpp"
#include "mdt/mdt.hpp"
#include "mdt/open_files.hpp"
#include "mdt/sequence.hpp"
#include "rpc/format/ops_ldlm.hpp"
#include "rpc/format/ops_mds.hpp"
#include "target/common.hpp"

namespace mdt
{

namespace fld = rpc::fld;
namespace op = rpc::op;
using target::Modification;

/// Connect flags that may be granted at all: what is built (spec 04 section 20.3).
inline constexpr u64 kSupported =
	wire::OBD_CONNECT_RDONLY | wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_XATTR |
	wire::OBD_CONNECT_IBITS | wire::OBD_CONNECT_ATTRFID | wire::OBD_CONNECT_NODEVOH |
	wire::OBD_CONNECT_BRW_SIZE | wire::OBD_CONNECT_CANCELSET | wire::OBD_CONNECT_AT |
	wire::OBD_CONNECT_LRU_RESIZE | wire::OBD_CONNECT_FID | wire::OBD_CONNECT_VBR |
	wire::OBD_CONNECT_LOV_V3 | wire::OBD_CONNECT_MAX_EASIZE | wire::OBD_CONNECT_FULL20 |
	wire::OBD_CONNECT_LAYOUTLOCK | wire::OBD_CONNECT_64BITHASH | wire::OBD_CONNECT_JOBSTATS |
	wire::OBD_CONNECT_UMASK | wire::OBD_CONNECT_EINPROGRESS | wire::OBD_CONNECT_LVB_TYPE |
	wire::OBD_CONNECT_LIGHTWEIGHT | wire::OBD_CONNECT_PINGLESS | wire::OBD_CONNECT_FLOCK_DEAD |
	wire::OBD_CONNECT_DISP_STRIPE | wire::OBD_CONNECT_OPEN_BY_FID |
	wire::OBD_CONNECT_MULTIMODRPCS | wire::OBD_CONNECT_BULK_MBITS | wire::OBD_CONNECT_FLAGS2;
inline constexpr u64 kSupported2 = wire::OBD_CONNECT2_REP_MBITS | wire::OBD_CONNECT2_INC_XID;

/// A directory, and a name in it. The name belongs to the request.
struct Place {
	osd::ObjectRef object;
	osd::Directory *dir = nullptr;
	std::string_view name;
	// Known once it has been looked at, under locks:
	osd::Attr attr;
	bool found = false;
	Fid child{};

	[[nodiscard]] const Fid &fid() const noexcept { return object->fid(); }
};

/// What a reply says of an object.
struct Details {
	wire::MdtBody body{};
	cfs::Array<std::byte> md;  ///< layout, or text of a symlink
	cfs::Array<std::byte> acl; ///< empty: there is none
};

/// An object that an operation is about to make.
struct NewObject {
	Fid fid{};
	u32 mode = 0; ///< with the type, the umask applied
	u32 rdev = 0;
	std::int64_t time = 0;
	std::string_view symlink{};
	Caller caller;
};

class MdtTarget final : public Mdt, public target::CommonTarget, private target::IntentServer
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;

	MdtTarget() = default;
	~MdtTarget() = default;

	[[nodiscard]] cfs::Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					 const MdtConfig &config) noexcept;

	// ---- Mdt ----
	void stop(target::StopKind kind) noexcept override;
	[[nodiscard]] cfs::Result<> add_ost(osp::Osp &osp) noexcept override;
	void osts_complete() noexcept override
	{
		osts_complete_.store(true, std::memory_order_release);
	}
	u32 mount_count() noexcept override { return instance(); }
	void clients_told(bool yes) noexcept override { Target::clients_told(yes); }
	[[nodiscard]] target::Target &target() noexcept override { return *this; }
	[[nodiscard]] osd::Device &device() noexcept override { return Target::device(); }
	void destroy() noexcept override;

	// ---- handlers ----
	[[nodiscard]] cfs::Result<> get_root(rpc::ServerRequest &req,
					     rpc::RequestView<op::MdsGetRoot> in) noexcept;
	[[nodiscard]] cfs::Result<> statfs(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> sync(rpc::ServerRequest &req,
					 rpc::RequestView<op::MdsSync> in) noexcept;
	[[nodiscard]] cfs::Result<> getattr(rpc::ServerRequest &req,
					    rpc::RequestView<op::MdsGetattr> in) noexcept;
	[[nodiscard]] cfs::Result<> getattr_name(rpc::ServerRequest &req,
						 rpc::RequestView<op::MdsGetattrName> in) noexcept;
	[[nodiscard]] cfs::Result<> getxattr(rpc::ServerRequest &req,
					     rpc::RequestView<op::MdsGetxattr> in) noexcept;
	[[nodiscard]] cfs::Result<> readpage(rpc::ServerRequest &req,
					     rpc::RequestView<op::MdsReadpage> in) noexcept;
	[[nodiscard]] cfs::Result<> close(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> reint(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> seq_query(rpc::ServerRequest &req,
					      rpc::RequestView<op::SeqQuery> in) noexcept;
	[[nodiscard]] cfs::Result<> fld_query(rpc::ServerRequest &req,
					      rpc::RequestView<op::FldQuery> in) noexcept;
	[[nodiscard]] cfs::Result<> not_served(rpc::ServerRequest &req) noexcept;

	// ---- what the operations share ----
	/// An object that clients may name. err::NOENT, err::INVAL.
	[[nodiscard]] cfs::Result<osd::ObjectRef> object(const Fid &fid) noexcept;
	/// The directory of a place; no lock is taken. err::NOENT, err::NOTDIR, err::PROTO: no
	/// name.
	[[nodiscard]] cfs::Result<Place> place(const Fid &dir, std::string_view name) noexcept;
	/// Looks at a place whose locks are held. err::NOENT: the directory was removed;
	/// err::ACCES.
	[[nodiscard]] cfs::Result<> look(Place &p, const Caller &caller) noexcept;
	/// Both, with the locks of the name between them.
	[[nodiscard]] cfs::Result<Place> locate(LockSet &locks, const Fid &dir,
						std::string_view name, NameUse use,
						const Caller &caller) noexcept;
	/// Whether `dir` is `of` or above it.
	[[nodiscard]] cfs::Result<bool> is_ancestor(const Fid &dir, const Fid &of) noexcept;

	/// Fills in what was asked for: OBD_MD_*. May sleep.
	[[nodiscard]] cfs::Result<> describe(osd::Object &o, u64 wanted, Details &out) noexcept;
	[[nodiscard]] u32 max_layout() const noexcept
	{
		return max_layout_.load(std::memory_order_relaxed);
	}
	/// A change may be made by this client at all. err::ROFS.
	[[nodiscard]] cfs::Result<> may_change(rpc::ServerRequest &req) noexcept;

	/// The wish completed by the defaults of directory and file system.
	[[nodiscard]] cfs::Result<> reserve_layout(NewLayout &layout, osd::Object *dir,
						   StripeWish wish) noexcept;
	/// Removes what has no name and no handle any more. Under no lock. Sleeps.
	void destroy_orphan(osd::Object &o) noexcept;
	/// Ends a handle; the last one of an orphan ends the object too.
	void release(OpenFile *f) noexcept;

	[[nodiscard]] OpenFiles &opens() noexcept { return opens_; }
	[[nodiscard]] OstSet &osts() noexcept { return osts_; }
	[[nodiscard]] osd::Object &pending() noexcept { return *pending_; }
	[[nodiscard]] rpc::Rpc &rpc() noexcept { return *rpc_; }
	[[nodiscard]] bool replaying(rpc::ServerRequest &req) const noexcept
	{
		return req.has_flag(wire::MSG_REPLAY);
	}

private:
	// ---- target::Target ----
	[[nodiscard]] std::span<const rpc::Handler> handlers() noexcept override;
	[[nodiscard]] void *handler_object() noexcept override { return this; }
	[[nodiscard]] cfs::Result<> may_connect(const rpc::ConnectRequest &r) noexcept override;
	[[nodiscard]] cfs::Result<> grant(rpc::Export &e, rpc::ConnectRequest &r) noexcept override;
	void client_left(rpc::Export &e, bool evicted) noexcept override;
	void ready() noexcept override;

	// ---- target::IntentServer ----
	[[nodiscard]] cfs::Result<> serve_intent(rpc::ServerRequest &req,
						 ldlm::Peer &peer) noexcept override;

	void sweep_pending() noexcept;
	[[nodiscard]] cfs::Result<> make_tree(osd::Device &d) noexcept;
	[[nodiscard]] cfs::Result<> describe_layout(osd::Object &o, Details &out) noexcept;
	[[nodiscard]] cfs::Result<> describe_link(osd::Object &o, const osd::Attr &a,
						  Details &out) noexcept;

	rpc::Rpc *rpc_ = nullptr;
	MdtConfig config_{};
	cfs::ParamGroup params_;
	osd::DeviceRef held_; ///< until no object is referred to any more
	osd::ObjectRef pending_;
	OstSet osts_;
	OpenFiles opens_;
	Sequences sequences_;
	std::atomic<bool> recovered_{false};
	std::atomic<bool> osts_complete_{false};
	cfs::Mutex sweep_lock_{CFS_LOCK_CLASS("mdt pending")};
	std::atomic<u32> max_layout_{wire::MAX_MD_SIZE_OLD};
};

/// The attributes of an object in a body; without what depends on its kind.
void put_attr(wire::MdtBody &body, const Fid &fid, const osd::Attr &a) noexcept;
/// Likewise for what is no regular file: size, blocks and device too.
void put_attr_whole(wire::MdtBody &body, const Fid &fid, const osd::Attr &a) noexcept;

[[nodiscard]] constexpr osd::Time seconds(std::int64_t s) noexcept
{
	return {s, 0};
}

/// Times and version of an object that an operation changes: `declare` before, `run` within.
[[nodiscard]] cfs::Result<> declare_touch(osd::Transaction &tx, osd::Object &o) noexcept;
/// times: kAttrCtime, kAttrMtime. None goes back.
[[nodiscard]] cfs::Result<> touch(Modification &m, osd::Object &o, std::int64_t time,
				  u32 times = osd::kAttrMtime | osd::kAttrCtime) noexcept;

/// A change from one end to the other: `declare(tx)`, then `run(m)` within the transaction. data:
/// for the reply, should the request come again.
template <typename Declare, typename Run>
[[nodiscard]] inline cfs::Result<> change(target::Target &t, rpc::ServerRequest *req,
					  Declare declare, Run run, u64 data = 0) noexcept
{
	Modification m(t, req);
	TRY(m.begin());
	TRY(declare(m.tx()));
	TRY(m.start());
	return m.finish(run(m), 0, data);
}

} // namespace mdt
