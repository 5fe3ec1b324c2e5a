// SPDX-License-Identifier: GPL-2.0
//
// The connection of a mount to an MDT: every request that a client sends there, composed and taken
// apart (spec 04). What is done with the answers, and when to ask, is the business of inodes.
//
// Locks. Requests that change something carry the handles of locks that the change would take from
// us anyway (early cancels, 03 8.3): a call gathers them with Early. Intents come back with a lock
// in use, which their caller gives back once it has put the answer where the lock protects it.
//
// Replay. An open is kept until its close is committed; while it is, the OpenFile that it made is
// told the new handle after a restart of the server. Everything else that changes something is
// replayed as it was sent.
#pragma once

#include <atomic>
#include <optional>

#include "client/ident.hpp"
#include "client/plat_vfs.h"
#include "ldlm/ldlm.hpp"
#include "ldlm/rpc_links.hpp"
#include "rpc/format/ops_ldlm.hpp"
#include "rpc/format/ops_mds.hpp"
#include "rpc/rpc.hpp"

namespace client
{

using cfs::Result;
using std::int32_t;
using std::int64_t;

/// What an MDT said about an object. The bytes are the request's.
struct MdReply {
	cfs::RefPtr<rpc::ClientRequest> req;
	wire::MdtBody body{};
	cfs::Bytes md;	     ///< layout, or text of a symbolic link
	cfs::Bytes acl;	     ///< without entries when there is none
	ldlm::LockUse lock;  ///< of an intent
	u64 bits = 0;	     ///< the inode bits that it has
	u64 disp = 0;	     ///< DISP_*
	int32_t status = 0;  ///< of the intent
	bool waited = false; ///< for the lock: what it came with is not here

	[[nodiscard]] bool has(u64 disposition) const noexcept { return (disp & disposition) != 0; }
	[[nodiscard]] bool valid(u64 md_bit) const noexcept
	{
		return (body.valid.get() & md_bit) != 0;
	}
	/// How an intent ended, whatever phase it reached (spec 04 5.3).
	[[nodiscard]] Result<> ended() const noexcept;
};

/// Who asks, with the group that may help with each of two objects (spec 06 3.2).
struct Caller {
	lustre_cred cred{};
	u32 group1 = wire::MDT_INVALID_GID;
	u32 group2 = wire::MDT_INVALID_GID;

	/// Of the calling thread; gid1 and gid2 are those of the objects.
	[[nodiscard]] static Caller here(u32 gid1 = wire::MDT_INVALID_GID,
					 u32 gid2 = wire::MDT_INVALID_GID) noexcept;
};

/// A name in a directory.
struct Entry {
	wire::Fid dir;
	std::string_view name;
};

/// Locks that go along with a request. Those gathered and not sent are cancelled when it ends.
class Early
{
	ldlm::ClientNamespace &ns_;
	u64 handles_[16];
	std::size_t n_ = 0;

public:
	explicit Early(ldlm::ClientNamespace &ns) noexcept : ns_(ns) {}
	~Early()
	{
		if (n_)
			ns_.cancel_handles({handles_, n_});
	}
	Early(const Early &) = delete;
	Early &operator=(const Early &) = delete;

	/// Unused locks of an inode with any of these bits.
	void add(const wire::Fid &fid, u64 bits) noexcept;
	[[nodiscard]] std::span<const u64> handles() const noexcept { return {handles_, n_}; }
	void sent() noexcept { n_ = 0; }
};

/// An open file at the MDT. Lives until the request that opened it need not be replayed.
class OpenHandle final : public rpc::RequestUser, public cfs::RefCounted<OpenHandle>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDC;

	[[nodiscard]] wire::OpenHandle handle() noexcept;
	/// Of the import when it was opened: in another one it is void.
	[[nodiscard]] u32 generation() const noexcept { return generation_; }

	// ---- RequestUser, of the open ----
	void on_kept(rpc::ClientRequest &) noexcept override;
	void on_replayed(rpc::ClientRequest &, Result<rpc::i32>) noexcept override;
	void on_gone(rpc::ClientRequest &) noexcept override;

private:
	friend class Mdc;
	friend struct CloseCall;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("mdc open")};
	wire::OpenHandle handle_ CFS_GUARDED_BY(lock_){};
	cfs::RefPtr<rpc::ClientRequest> open_ CFS_GUARDED_BY(lock_);
	cfs::RefPtr<rpc::ClientRequest> close_ CFS_GUARDED_BY(lock_);
	u32 generation_ = 0;
};
using OpenHandleRef = cfs::RefPtr<OpenHandle>;

struct OpenArgs {
	u64 flags = 0; ///< MDS_OPEN_*, MDS_FMODE_*
	u32 mode = 0;
	u32 umask = 0;
	/// With MDS_OPEN_BY_FID the file; with MDS_OPEN_CREAT that of the new one.
	wire::Fid fid{};
	cfs::Bytes layout{}; ///< with MDS_OPEN_HAS_EA
};

struct CreateArgs {
	wire::Fid fid{};
	u32 mode = 0; ///< with the type
	u32 umask = 0;
	u64 rdev = 0;		   ///< kernel's
	std::string_view target{}; ///< of a symbolic link
};

/// What a close tells about the file (spec 04 8).
struct CloseArgs {
	wire::Fid fid{};
	lustre_attr attr{}; ///< mode, times; size and blocks if valid
	u32 inode_flags = 0;
	bool modified = false;
};

struct MdcSpec {
	std::string_view device; ///< "lustre-MDT0000-mdc-ffff8f2a00c41000". Copied, as is all.
	std::string_view target; ///< "lustre-MDT0000_UUID"
	std::string_view client_uuid;
	bool user_xattr = false;
	bool read_only = false;
	bool always_ping = false;
	/// Told of lost locks. Outlives the Mdc.
	ldlm::LockUser *locks = nullptr;
};

class Mdc final : public rpc::ImportUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDC;
	/// Room for a layout that is asked for; longer ones come all the same.
	static constexpr u32 kLayoutRoom = 128;
	/// Room for an ACL: 32 entries.
	static constexpr u32 kAclRoom = 4 + 8 * 32;

	/// Not connected yet. Sleeps.
	[[nodiscard]] static Result<cfs::UniquePtr<Mdc>> make(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
							      const MdcSpec &spec) noexcept;
	/// So many OSTs may have objects of a new file. Any time.
	void expect_osts(u32 n) noexcept;
	/// Connects and waits. err::INTR, err::TIMEDOUT, or why the server refuses.
	[[nodiscard]] Result<> connect(cfs::WaitMode mode, cfs::Instant deadline) noexcept;
	/// Nobody waits for the server any more.
	void abort() noexcept;
	/// Gives up all locks and says good-bye. Nobody uses it any more, and no inode is left.
	void close(cfs::WaitMode mode, cfs::Instant deadline) noexcept;

	[[nodiscard]] rpc::Import &import() noexcept { return *import_; }
	[[nodiscard]] ldlm::ClientNamespace &locks() noexcept { return *ns_; }
	/// A FID nobody had before. err::NOSPC... what the server says. Sleeps.
	[[nodiscard]] Result<wire::Fid> new_fid() noexcept;

	// ---- mdc_misc.cpp: requests without locks ----
	[[nodiscard]] Result<wire::ObdStatfs> statfs() noexcept;
	[[nodiscard]] Result<wire::Fid> get_root(std::string_view fileset) noexcept;
	/// valid: OBD_MD_* wanted; ea_room: of the layout or text.
	[[nodiscard]] Result<MdReply> getattr(const Caller &who, const wire::Fid &fid, u64 valid,
					      u32 ea_room) noexcept;
	[[nodiscard]] Result<MdReply> getattr_name(const Caller &who, const Entry &e, u64 valid,
						   u32 ea_room) noexcept;
	[[nodiscard]] Result<> sync(const wire::Fid &fid) noexcept;
	/// Reads directory pages from position `hash` on into pages; how many came.
	[[nodiscard]] Result<std::size_t> readpage(const Caller &who, const wire::Fid &dir,
						   u64 hash, cfs::MutBytes pages) noexcept;
	/// valid: OBD_MD_FLXATTR or _FLXATTRLS. room 0 asks the length, which is in
	/// body.eadatasize; the value is in md.
	[[nodiscard]] Result<MdReply> getxattr(const Caller &who, const wire::Fid &fid, u64 valid,
					       std::string_view name, u32 room) noexcept;
	/// Closes, and waits unless killed.
	[[nodiscard]] Result<> close_file(OpenHandleRef h, const CloseArgs &args) noexcept;

	// ---- mdc_intent.cpp ----
	/// op: IT_GETATTR or IT_LOOKUP, of a name; or of fid itself when the name is empty.
	[[nodiscard]] Result<MdReply> intent_getattr(const Caller &who, const Entry &e, u64 op,
						     const wire::Fid &child) noexcept;
	/// `*handle` when the reply has DISP_OPEN_OPEN.
	[[nodiscard]] Result<MdReply> intent_open(const Caller &who, const Entry &e,
						  const OpenArgs &args, Early &early,
						  OpenHandleRef *handle) noexcept;
	/// The layout is in md.
	[[nodiscard]] Result<MdReply> intent_layout(const wire::Fid &fid, wire::LayoutIntentOp op,
						    u64 start, u64 end, Early &early) noexcept;
	/// The lock under which directory pages are kept.
	[[nodiscard]] Result<ldlm::LockUse> lock_dir(const wire::Fid &dir) noexcept;

	// ---- mdc_reint.cpp ----
	[[nodiscard]] Result<MdReply> create(const Caller &who, const Entry &e,
					     const CreateArgs &args, Early &early) noexcept;
	[[nodiscard]] Result<MdReply> link(const Caller &who, const wire::Fid &from, const Entry &e,
					   Early &early) noexcept;
	[[nodiscard]] Result<MdReply> unlink(const Caller &who, const Entry &e,
					     const wire::Fid &child, bool is_dir,
					     Early &early) noexcept;
	[[nodiscard]] Result<MdReply> rename(const Caller &who, const Entry &from, const Entry &to,
					     u32 mode, Early &early) noexcept;
	/// attr as lustre_setattr() has it; layout: of a directory's new files, then nothing else.
	[[nodiscard]] Result<MdReply> setattr(const Caller &who, const wire::Fid &fid,
					      const lustre_attr &attr, cfs::Bytes layout,
					      Early &early) noexcept;
	/// flags: 1 must not be there, 2 must be there.
	[[nodiscard]] Result<MdReply> setxattr(const Caller &who, const wire::Fid &fid,
					       std::string_view name, cfs::Bytes value, u32 flags,
					       bool remove, Early &early) noexcept;

	// ---- ImportUser ----
	Result<> on_connected(rpc::Import &, const wire::ObdConnectData &granted,
			      bool first) noexcept override;
	bool replay_locks(rpc::Import &) noexcept override;
	void on_evicted(rpc::Import &) noexcept override;
	void on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept override;

	Mdc(rpc::Rpc &rpc) noexcept : rpc_(rpc) {}
	void destroy() noexcept;

private:
	template <typename Format>
	Result<MdReply> intent_done(rpc::Request<Format> &req, ldlm::ClientLock &lock,
				    Result<int32_t> status) noexcept;
	template <typename Format>
	Result<MdReply> reint_done(rpc::Request<Format> &req, Result<int32_t> status) noexcept;

	rpc::Rpc &rpc_;
	cfs::RefPtr<rpc::Import> import_;
	std::optional<ldlm::ImportLink> link_;
	ldlm::ClientNamespacePtr ns_;
	ldlm::Ldlm *ldlm_ = nullptr;
	bool serving_ = false; // callbacks reach ns_
	bool closed_ = false;

	/// Bytes of the longest layout seen, which are asked for.
	std::atomic<u32> layout_room_{kLayoutRoom};
	/// Bytes that a new file's layout may take, kept free in opens: their replays carry it.
	std::atomic<u32> replay_room_{kLayoutRoom};

	cfs::Mutex fid_lock_{CFS_LOCK_CLASS("mdc fids")};
	u64 seq_ CFS_GUARDED_BY(fid_lock_) = 0;
	u32 next_oid_ CFS_GUARDED_BY(fid_lock_) = 0;
};

/// Fills in who asks, in a body or in a record.
void put_caller(wire::MdtBody &b, const Caller &who) noexcept;
template <typename Rec>
void put_caller(Rec &r, const Caller &who) noexcept
{
	r.cap = static_cast<u32>(who.cred.caps);
	r.fsuid = who.cred.fsuid;
	r.fsgid = who.cred.fsgid;
	if constexpr (requires { r.suppgid1; }) {
		r.suppgid1 = who.group1;
		r.suppgid2 = who.group2;
	} else {
		r.suppgid = who.group1;
	}
}
/// And in the message's head.
void put_ids(rpc::ClientRequest &req, const Caller &who) noexcept;

} // namespace client
