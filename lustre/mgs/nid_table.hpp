// SPDX-License-Identifier: GPL-2.0
//
// Imperative recovery (spec 02 sections 8.7, 9.7): where the targets of each file system run now,
// for clients that follow it. Each start of a target makes a new version of its file system's
// table; then the lock of the table is called back, and whoever held it reads what is new and
// connects to the target at once.
//
// Entries are what targets have said since the MGS was started. The version is on disk
// (NIDTBL_VERSIONS/FS) before anybody is told of it, so that it never goes back: clients ask for
// what is above the last one they have seen, be it of an earlier life of the MGS.
//
// Calling back waits for clients. So it is done by a thread of each table, and what comes meanwhile
// is told with the next round.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/params.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "lnet/nid.hpp"
#include "mgs/config_writer.hpp"
#include "osd/local.hpp"
#include "wire/mgs.hpp"

namespace mgs
{

/// What of a table goes into an answer, and how.
struct TableQuery {
	u64 first = 0;	      ///< version
	std::size_t unit = 0; ///< bytes; no entry crosses the end of one
	bool large = false;   ///< NIDs in 20 bytes each, else the old ones only, in 8
};
struct TableAnswer {
	std::size_t bytes = 0;
	u64 last = 0; ///< version that it goes up to
	u64 newest = 0;
};

class NidTable;

/// What a table needs of the MGS.
class TableOwner
{
public:
	/// Calls the lock of the table back from everybody. Sleeps, but does not wait for those
	/// that are dead.
	[[nodiscard]] virtual cfs::Result<> tell_clients(NidTable &table) noexcept = 0;
	/// What the file live/FS says besides.
	virtual void show_state(NidTable &table, cfs::FormatSink &out) noexcept = 0;

protected:
	~TableOwner() = default;
};

/// The table of one file system.
class NidTable
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	/// Targets; more are left to find out by themselves.
	static constexpr std::size_t kTargetsMax = 16384;
	/// Of a target that are told; the others are left out. An entry may have 4096 bytes, with
	/// what is left of a unit behind it.
	static constexpr std::size_t kNidsMax = 100;
	/// Of a table without entries.
	static constexpr u64 kFirstVersion = 2;
	/// More than there can have been changes.
	static constexpr u64 kVersionMax = u64{1} << 62;
	/// From a change to the telling: targets of a node start one after the other.
	static constexpr cfs::Duration kGather = cfs::Duration::millis(500);
	/// After a round that failed.
	static constexpr cfs::Duration kPause = cfs::Duration::seconds(5);

	NidTable(TableOwner &owner, std::string_view fsname) noexcept;
	~NidTable();

	/// Reads the version, or makes the file. dir: NIDTBL_VERSIONS. err::UCLEAN: it has no sense
	/// in it. Sleeps.
	[[nodiscard]] cfs::Result<> open(osd::Object &dir, cfs_node *node) noexcept;
	/// After stop() nobody is told any more. Sleeps as long as tell_clients() does.
	void stop() noexcept;

	[[nodiscard]] std::string_view name() const noexcept { return fsname_.view(); }
	/// A target has been started. Nothing happens if that is known. err::NOSPC. Sleeps.
	[[nodiscard]] cfs::Result<> put(TargetKind kind, u16 index, u32 instance,
					std::span<const lnet::Nid> nids) noexcept;
	/// How much an answer takes at most, in whole units.
	[[nodiscard]] std::size_t room(const TableQuery &q) noexcept;
	/// Entries of versions from q.first on, as many as fit. out: zeroes, whole units.
	[[nodiscard]] TableAnswer read(const TableQuery &q, cfs::MutBytes out) noexcept;
	/// An administrator does not want clients to be told.
	[[nodiscard]] bool disabled() noexcept;
	/// The file live/FS, and what can be written into it: "state=disabled", "state=full".
	void show(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set(std::string_view text) noexcept;
	[[nodiscard]] cfs::Result<> publish(cfs::ParamGroup &live) noexcept;

	cfs::ListHook hook;

private:
	struct Place {
		static constexpr cfs_subsys kSubsys = CFS_S_MGS;
		cfs::ListHook hook;
		TargetKind kind = TargetKind::ost;
		u16 index = 0;
		u32 instance = 0;
		u64 version = 0;
		cfs::Array<lnet::Nid> nids;
	};
	using Places = cfs::List<Place, &Place::hook>;
	class Packer;

	[[nodiscard]] Place *find(TargetKind kind, u16 index) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> save(u64 version) noexcept CFS_REQUIRES(lock_);
	void run() noexcept;

	TableOwner &owner_;
	Name fsname_;
	osd::ObjectRef file_;
	osd::Body *body_ = nullptr;
	cfs::Thread thread_;
	cfs::ParamInfo info_;

	cfs::Mutex lock_{CFS_LOCK_CLASS("mgs targets")};
	/// In the order of versions.
	Places places_ CFS_GUARDED_BY(lock_);
	u64 version_ CFS_GUARDED_BY(lock_) = kFirstVersion;
	u64 refused_ CFS_GUARDED_BY(lock_) = 0; ///< for want of room

	cfs::SpinLock news_lock_{CFS_LOCK_CLASS("mgs targets news")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("mgs targets wait")};
	bool news_ CFS_GUARDED_BY(news_lock_) = false;
	bool stop_ CFS_GUARDED_BY(news_lock_) = false;
	bool disabled_ CFS_GUARDED_BY(news_lock_) = false;
	u64 rounds_ CFS_GUARDED_BY(news_lock_) = 0;
	cfs::Duration rounds_took_ CFS_GUARDED_BY(news_lock_);
	cfs::Duration longest_ CFS_GUARDED_BY(news_lock_);
};

/// The tables of an MGS. A table stays until close().
class NidTables
{
	TableOwner &owner_;
	osd::DeviceRef device_;
	cfs_node *node_ = nullptr;
	cfs::Mutex lock_{CFS_LOCK_CLASS("mgs tables")};
	cfs::ParamGroup live_ CFS_GUARDED_BY(lock_);
	cfs::List<NidTable, &NidTable::hook> tables_ CFS_GUARDED_BY(lock_);

public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	/// File systems.
	static constexpr std::size_t kTablesMax = 256;

	explicit NidTables(TableOwner &owner) noexcept : owner_(owner) {}
	/// params: the MGS's, or null.
	[[nodiscard]] cfs::Result<> open(osd::DeviceRef device, cfs_node *node,
					 cfs::ParamGroup *params) noexcept;
	/// The files go. Sleeps.
	void hide() noexcept
	{
		cfs::MutexGuard g(lock_);
		live_.close();
	}
	/// When clients are gone; they may be waited for. Sleeps.
	void close() noexcept;
	/// The table of a file system that exists; made when it is first asked for. err::NOSPC.
	/// Sleeps.
	[[nodiscard]] cfs::Result<NidTable *> of(std::string_view fsname) noexcept;

private:
	[[nodiscard]] cfs::Result<cfs::UniquePtr<NidTable>> load(std::string_view fsname) noexcept;
};

} // namespace mgs
