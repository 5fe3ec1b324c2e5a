// SPDX-License-Identifier: GPL-2.0
//
// A mount: its devices, its inodes, and how it comes and goes. See mount.hpp.
#pragma once

#include "client/inode.hpp"
#include "client/mount.hpp"
#include "libcfs/gate.hpp"
#include "libcfs/node.hpp"
#include "llog/config.hpp"
#include "mgc/mgc.hpp"
#include "rpc/hold.hpp"

#include <optional>

namespace client
{

/// The part of a node that mounts share: one MGC per first NID of an MGS, and another one for
/// mounts that do not want to be told where targets run: an MGS counts on the others.
class ClientNode final : public cfs::NodePart
{
public:
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::client;
	static constexpr cfs_subsys kSubsys = CFS_S_MGC;

	struct SharedMgc {
		static constexpr cfs_subsys kSubsys = CFS_S_MGC;
		char name[64] = {};
		rpc::RpcHold rpc;
		cfs::UniquePtr<mgc::Mgc> mgc;
		bool no_ir = false;
		unsigned users = 0; // ClientNode::lock_
		cfs::ListHook in_node;
	};

	[[nodiscard]] static Result<cfs::UniquePtr<ClientNode>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;
	explicit ClientNode(cfs::Node &node) noexcept : node_(node) {}

	/// The MGC for these nodes, connected. mgs: as in the options.
	[[nodiscard]] Result<SharedMgc *> take_mgc(std::string_view mgs, std::string_view more,
						   bool no_ir) noexcept;
	void put_mgc(SharedMgc *m) noexcept;
	[[nodiscard]] u64 new_instance() noexcept
	{
		return instances_.fetch_add(1, std::memory_order_relaxed);
	}

private:
	[[nodiscard]] Result<cfs::UniquePtr<SharedMgc>>
	start_mgc(std::string_view name, std::string_view mgs, std::string_view more,
		  bool no_ir) noexcept CFS_REQUIRES(lock_);

	void drop_folder() noexcept CFS_REQUIRES(lock_);

	cfs::Node &node_;
	std::atomic<u64> instances_{0};
	cfs::Mutex lock_{CFS_LOCK_CLASS("client mgcs")};
	cfs::List<SharedMgc, &SharedMgc::in_node> mgcs_ CFS_GUARDED_BY(lock_);
	/// "mgc", unless servers of this node have it. Open while there are MGCs.
	cfs::ParamGroup folder_ CFS_GUARDED_BY(lock_);
	unsigned folder_users_ CFS_GUARDED_BY(lock_) = 0;
};

class Mount;

/// What the client's configuration log says, done, and where the MGS says that targets run.
class ClientConfig final : public llog::ConfigHandler, public mgc::TargetFollower
{
	Mount &mount_;
	/// The device that was attached last: its setup follows.
	char type_[16] = {};
	/// Of the MDC, as the log has it.
	char mdc_[64] = {};
	char mdt_[wire::UUID_MAX] = {};
	u32 osts_ = 0; ///< above the highest index that was named

	/// A device of the attached type, served by a node.
	[[nodiscard]] Result<> connect(std::string_view device, std::string_view target,
				       std::string_view node) noexcept;

public:
	explicit ClientConfig(Mount &m) noexcept : mount_(m) {}

	Result<> attach(std::string_view device, std::string_view type,
			std::string_view uuid) noexcept override;
	Result<> setup(std::string_view device, std::span<const cfs::Bytes> args) noexcept override;
	Result<> add_uuid(std::string_view node, u64 nid4,
			  std::string_view nid_text) noexcept override;
	Result<> add_conn(std::string_view device, std::string_view node) noexcept override;
	Result<> add_ost(const Target &t) noexcept override;
	Result<> del_ost(const Target &t) noexcept override;
	Result<> add_mdt(const Target &t) noexcept override;
	Result<> param(std::string_view device, std::string_view key,
		       std::string_view value) noexcept override;
	Result<> set_timeout(u32 seconds) noexcept override;
	void target_at(const mgc::TargetPlace &place) noexcept override;
};

class Mount final : public MountInfo, public ldlm::LockUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	explicit Mount(vfs_super *sb) noexcept : sb_(sb) {}
	[[nodiscard]] static Mount &of(lustre_mount *m) noexcept
	{
		return *static_cast<Mount *>(m);
	}

	// ---- life ----
	[[nodiscard]] Result<> bring_up(cfs_node *node, std::string_view options, bool read_only,
					lustre_mount_info &info) noexcept;
	/// Ends whatever bring_up() got to. Sleeps.
	void take_down() noexcept;
	void force() noexcept;
	/// Locks that are taken back reach no inode from here on. Sleeps until none is held for
	/// one.
	void release_inodes() noexcept;

	// ---- MountInfo ----
	std::string_view instance() const noexcept override { return instance_; }
	std::string_view client_uuid() const noexcept override { return uuid_; }
	std::string_view fsname() const noexcept override { return options_.fsname; }
	const MountOptions &options() const noexcept override { return options_; }
	cfs::Node &node() noexcept override { return *node_; }
	rpc::Rpc &rpc() noexcept override { return *rpc_; }
	ldlm::Ldlm &ldlm() noexcept override { return *ldlm_; }
	rpc::Import &mdt() noexcept override { return mdc_->import(); }
	DataSpace &data() noexcept override { return *data_; }
	vfs_super *super() noexcept override { return sb_; }
	bool forced() const noexcept override { return forced_.load(std::memory_order_relaxed); }

	[[nodiscard]] Mdc &mdc() noexcept { return *mdc_; }
	[[nodiscard]] bool has_mdc() const noexcept { return static_cast<bool>(mdc_); }
	[[nodiscard]] Result<> make_mdc(std::string_view device, std::string_view target) noexcept;
	[[nodiscard]] bool read_only() const noexcept { return read_only_; }
	[[nodiscard]] const wire::Fid &root() const noexcept { return root_; }
	/// The server applies the umask.
	[[nodiscard]] bool server_umask() noexcept
	{
		return mdt().has_flag(wire::OBD_CONNECT_ACL) &&
		       mdt().has_flag(wire::OBD_CONNECT_UMASK);
	}

	// ---- inodes ----
	[[nodiscard]] Result<Inode *> inode_make(vfs_inode *vi, const wire::Fid &fid,
						 u32 mode) noexcept;
	void inode_evict(Inode &i) noexcept;
	/// The inode that an answer is about, with a reference of the VFS's, brought up to date.
	[[nodiscard]] Result<Inode *> inode_of(MdReply &r) noexcept;
	[[nodiscard]] Result<vfs_inode *> root_inode() noexcept;
	[[nodiscard]] Result<> statfs(struct ::lustre_statfs &out) noexcept;

	// ---- LockUser ----
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept override;
	bool on_drop_bits(ldlm::ClientLock &lock, u64 bits) noexcept override;

	void destroy() noexcept;

private:
	[[nodiscard]] Result<> parse(std::string_view options) noexcept;
	[[nodiscard]] Result<> connect_services(cfs_node *node) noexcept;
	[[nodiscard]] Result<> read_config() noexcept;
	void follow_targets() noexcept;
	[[nodiscard]] Result<> connect_mdt() noexcept;
	void describe(lustre_mount_info &info, u32 namelen) noexcept;
	/** What is held under `bits` of a lock is not valid any more; none: nor is the lock. */
	void lose_bits(ldlm::ClientLock &lock, std::optional<u64> bits) noexcept;

	vfs_super *const sb_;
	cfs::Array<char> text_; // what options_ points into
	MountOptions options_;
	bool read_only_ = false;
	std::atomic<bool> forced_{false};
	char instance_[17] = {};
	char uuid_[wire::UUID_MAX] = {};

	cfs::RefPtr<cfs::Node> node_;
	rpc::RpcHold rpc_;
	ldlm::Ldlm *ldlm_ = nullptr;
	ClientNode *shared_ = nullptr;
	ClientNode::SharedMgc *mgc_ = nullptr;
	bool following_ = false;
	ClientConfig config_{*this};
	cfs::UniquePtr<Mdc> mdc_;
	cfs::UniquePtr<DataSpace> data_;
	wire::Fid root_{};
	u32 namelen_ = 255;

	cfs::HashTable<Inode, &Inode::in_table, InodeTraits> inodes_{
		CFS_LOCK_CLASS("client inodes")};
	bool inodes_open_ = false;
	cfs::Gate callbacks_{kSubsys, "client lock callbacks"}; // those that hold inodes
	std::atomic<u64> serials_{1};
};

} // namespace client
