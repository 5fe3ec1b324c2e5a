// SPDX-License-Identifier: GPL-2.0
//
// The object store: where a target (MGS, MDT, OST) keeps everything it has on its device. It knows
// objects by FID, with attributes, extended attributes, a version, and a content that is a body of
// bytes, a directory or an index; and it changes them in transactions. Back ends: osd/mem (hosted,
// crashable) and osd/ldiskfs. All of them pass the same conformance suite (lustre/osd/conformance),
// which is the fine print of this interface.
//
// ## Transactions
//
//     auto tx = TRY(device.begin());
//     TRY(object->declare_attr_set(*tx, attr));       // everything that will be done, in any order
//     TRY(dir->declare_insert(*tx, name));
//     TRY(tx->start());
//     auto done = object->attr_set(*tx, attr);        // then do it
//     if (done)
//             done = dir->insert(*tx, name, *object);
//     auto stopped = tx->stop();
//
// What one transaction changes is on disk after a crash all of it or nothing, and if it is, then
// so is what every transaction that stopped before this one started has changed. When that
// becomes so is the device's choice (seconds); on_commit(), set_sync() and Device::sync() are for
// those who need to know.
//
// - An operation that was not declared is a bug of the caller. Declarations are upper bounds:
//   declaring and then not doing is fine. A declaration stands for one operation; what is done
//   twice is declared twice.
// - There is no rollback: operations done before one that failed stay done, unless undone by the
//   caller within the transaction.
// - A thread has at most one transaction at a time, from start() to stop(). It does not wait for
//   another thread that may need to start one, nor for the network.
// - Device::object() of an object that exists may read the disk: call it before start(), except
//   with kNew. References may be dropped at any time.
//
// ## Locks
//
// Every operation is atomic by itself, whoever else works on the object. What must hold across
// several operations is under the lock of the object (Object::lock()). Order, outer to inner:
//
//     locks of the users; locks of the DLM
//     body locks: taken by Body::declare_punch(), declare_fallocate() (exclusive) and
//             declare_write_commit() (shared), kept until the transaction has ended. Declare these
//             for one object only, or in ascending order of FIDs; for one object the exclusive
//             ones first.
//     Transaction::start()
//     locks of objects: parents before children, else in ascending order of FIDs, with the `nest`
//             that Object::lock() describes
//
// So the lock of an object is taken within a transaction, or without any; never is it held while
// one is started.
//
// ## Context and errors
//
// Every call may sleep and is made in a thread. Errors that any operation may give and that are not
// repeated below: err::NOMEM; err::IO (device, or its journal was aborted; the device says so once
// on the console and is not healthy from then on); err::ROFS for changes on a read-only device;
// err::UCLEAN (the disk's structures make no sense). err::NOENT when the object does not exist, or
// has been destroyed; err::SHUTDOWN from a device that is being closed.
#pragma once

#include "libcfs/bytes.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/mem.hpp"
#include "osd/plat_driver.h"
#include "osd/types.hpp"
#include "wire/attr.hpp"

/// What plat_driver.h calls a Device.
struct osd_device {
};

namespace osd
{

class Body;
class BulkIo;
class Device;
class Directory;
class Index;
class Transaction;

using ObjectRef = cfs::RefPtr<Object>;
using DeviceRef = cfs::RefPtr<Device>;

/// Called when a transaction is on disk; embedded in an object that lives until then.
class CommitCallback
{
public:
	/// Errno{0}, or why the transaction is lost. Called once, from a thread of the back end, in
	/// the order of the transactions, those of one transaction in the order they were added. It
	/// must be quick and must not use the device: others wait for the same thread.
	virtual void committed(cfs::Errno status) noexcept = 0;
	cfs::ListHook in_transaction; ///< the back end's

protected:
	~CommitCallback() = default;
};

/// A group of changes. Used by one thread at a time; between start() and stop() by one thread.
class Transaction
{
public:
	/// Prepares the declared changes to be done: waits for room in the journal. Takes as much
	/// of it as was declared; a transaction too big for the journal is cut to what fits, with a
	/// message. err::ROFS, err::IO, err::SHUTDOWN: then nothing has begun.
	virtual cfs::Result<> start() noexcept = 0;

	/// Whether more may be declared: no once it is half as much as one transaction can hold. A
	/// change that can be split into several transactions declares no more then. Before
	/// start().
	[[nodiscard]] virtual bool room_to_declare() const noexcept = 0;

	/// Ends it. Whatever was done becomes durable some time later, or before the return after
	/// set_sync(). Errors: of the device while writing bulk data, or of the commit when waited
	/// for. Afterwards only destroying is left.
	virtual cfs::Result<> stop() noexcept = 0;

	/// Makes stop() wait until it is on disk. Any time before stop().
	virtual void set_sync() noexcept = 0;

	/// Calls cb when it is on disk. Between start() and stop(); the call comes, exactly once,
	/// unless the machine crashes before.
	virtual void on_commit(CommitCallback &cb) noexcept = 0;

	[[nodiscard]] virtual Device &device() noexcept = 0;

	/// Gives it up, for UniquePtr. One that was started is stopped: what was done stays done,
	/// and an error goes to the console.
	virtual void destroy() noexcept = 0;

protected:
	~Transaction() = default;
};

using TransactionPtr = cfs::UniquePtr<Transaction>;

/// Flags of Device::object().
inline constexpr unsigned kNew = 0x1; ///< surely does not exist: do not look

/// A mounted device. Reference counted: a target, and the MGS on the same device, hold one each.
class Device : public ::osd_device
{
public:
	virtual void get() const noexcept = 0;
	/// The last one unmounts: commits everything, calls every callback. Not within a
	/// transaction, and not while references to objects are held.
	virtual void put() const noexcept = 0;

	[[nodiscard]] virtual const DeviceInfo &info() const noexcept = 0;
	/// obd_statfs as a target answers it (05 5.5): type, blocks, bfree, bavail, files, ffree,
	/// bsize, namelen, maxbytes, and of state the bits READONLY, NONROT and those of a device
	/// that is full. Some space is held back from blocks, bfree and bavail (07 2.5). May be a
	/// second old.
	virtual cfs::Result<> statfs(wire::ObdStatfs &out) noexcept = 0;
	/// What the objects of a user, group or project take. err::OPNOTSUPP without accounting.
	virtual cfs::Result<QuotaUsage> usage(QuotaType type, std::uint32_t id) noexcept = 0;

	/// Whether it works: false from the first error of device or journal on.
	[[nodiscard]] virtual bool healthy() const noexcept = 0;
	/// Refuses changes from now on with err::ROFS, as if the device had failed: what has not
	/// been committed is lost. For tests of recovery, and to fence off a target.
	virtual void set_read_only() noexcept = 0;

	/// A transaction to declare in. May be called while another is being declared, not after
	/// start() of one of the same thread.
	virtual cfs::Result<TransactionPtr> begin() noexcept = 0;
	/// Waits until everything stopped so far is on disk.
	virtual cfs::Result<> sync() noexcept = 0;
	/// Makes it go to disk soon, without waiting.
	virtual void start_commit() noexcept = 0;

	/// The object of a FID, whether it exists or not; one that does not can be created. All
	/// users of a FID share the object. flags: kNew. Errors: err::INVAL: no FID that this
	/// device can hold; err::INPROGRESS: the device is not sure where it is, ask again later;
	/// err::REMCHG: likewise, and only an offline check can tell; err::OPNOTSUPP: it has
	/// features this code does not know (07 5.4).
	virtual cfs::Result<ObjectRef> object(const Fid &fid, unsigned flags = 0) noexcept = 0;
	/// The root directory of the backing file system, [0x200000001:0xd:0]; CONFIGS and all that
	/// has a name of its own is below (07 6).
	virtual ObjectRef root() noexcept = 0;

protected:
	~Device() = default;
};

/// An object, existing or not. Where the FID puts it on disk is the back end's business: FIDs of
/// local files with a well-known name also appear in the root directory, OST objects and nameless
/// logs below O/, "LAST_ID" (oid 0) of each sequence likewise (07 5.3).
class Object
{
public:
	virtual void get() const noexcept = 0;
	virtual void put() const noexcept = 0;

	[[nodiscard]] virtual const Fid &fid() const noexcept = 0;
	[[nodiscard]] virtual Device &device() noexcept = 0;
	/// Racy unless its lock is held.
	[[nodiscard]] virtual bool exists() const noexcept = 0;
	/// kTypeDir etc.; 0 if it does not exist.
	[[nodiscard]] virtual std::uint32_t type() const noexcept = 0;

	/// The lock that makes several operations one. See the top for the order. nest: 0 for a
	/// parent or the only one, 1 and 2 for second and third objects of one rank.
	virtual void lock(unsigned nest = 0) noexcept = 0;
	virtual void unlock() noexcept = 0;
	virtual void lock_shared(unsigned nest = 0) noexcept = 0;
	virtual void unlock_shared() noexcept = 0;

	// ---- life ----

	/// Makes it. A file starts with one link, meant for the first entry that names it; a
	/// directory with two, "." and "..", and the caller adds the parent's link. Version 0, size
	/// 0 (a symlink's: of its text). err::EXIST; err::INVAL: impossible spec; err::NOSPC,
	/// err::DQUOT; err::NAMETOOLONG: symlink.
	virtual cfs::Result<> declare_create(Transaction &tx, const CreateSpec &spec) noexcept = 0;
	virtual cfs::Result<> create(Transaction &tx, const CreateSpec &spec) noexcept = 0;

	/// Ends it, whatever its links; entries that name it are the caller's business. The FID no
	/// longer finds it; who still has a reference gets err::NOENT. Its space is free when the
	/// last reference is gone. err::NOTEMPTY: a directory with entries.
	virtual cfs::Result<> declare_destroy(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> destroy(Transaction &tx) noexcept = 0;

	/// One link more or less. A directory's count stays at 1 once it passed what the device can
	/// count (07 2.3). err::MLINK: a file with DeviceInfo::link_max. ref_del of 0 links:
	/// err::UCLEAN.
	virtual cfs::Result<> declare_ref_add(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> ref_add(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> declare_ref_del(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> ref_del(Transaction &tx) noexcept = 0;

	// ---- attributes ----

	/// All of them; `valid` says which ones it has. No other operation changes the times: their
	/// users do.
	virtual cfs::Result<> attr_get(Attr &out) noexcept = 0;
	/// Sets those of kAttrSettable that attr.valid names; err::INVAL for others. Of `flags`
	/// only the bits of wire::LUSTRE_FL_USER_MODIFIABLE and LUSTRE_LMA_FL_MASKS count, the rest
	/// stays as it is. A change of the owner moves the quota usage along: err::DQUOT.
	/// err::OPNOTSUPP: a project id that the device cannot keep.
	virtual cfs::Result<> declare_attr_set(Transaction &tx, const Attr &attr) noexcept = 0;
	virtual cfs::Result<> attr_set(Transaction &tx, const Attr &attr) noexcept = 0;

	/// The version for version based recovery (02 8.2): the number of the transaction that
	/// changed the object last, put there by its user; 0 in a new object. 63 bits are kept.
	virtual cfs::Result<std::uint64_t> version() noexcept = 0;
	virtual cfs::Result<> declare_version_set(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> version_set(Transaction &tx, std::uint64_t version) noexcept = 0;

	// ---- extended attributes ----
	//
	// Names are whole ("trusted.lov"). "trusted.", "user.", "security." and the two POSIX ACLs
	// of "system." exist, the ACLs in the wire's form (wire::PosixAclHeader); others give
	// err::OPNOTSUPP. "trusted.lma" and "trusted.version" belong to the back end: they can be
	// read but not set, and are not listed.

	/// The size of a value, copied to `out` if it fits: err::RANGE when it does not, unless
	/// `out` is empty. err::NODATA: there is none.
	virtual cfs::Result<std::size_t> xattr_get(std::string_view name,
						   cfs::MutBytes out) noexcept = 0;
	/// The names, each with a NUL behind; sizes as above.
	virtual cfs::Result<std::size_t> xattr_list(std::span<char> out) noexcept = 0;
	/// bytes: of the value. create_only: err::EXIST when there is one; replace_only:
	/// err::NODATA when there is none. err::NOSPC, err::BIG2 (over DeviceInfo::xattr_max),
	/// err::NAMETOOLONG.
	enum class XattrMode : std::uint8_t { any, create_only, replace_only };
	virtual cfs::Result<> declare_xattr_set(Transaction &tx, std::string_view name,
						std::size_t bytes) noexcept = 0;
	virtual cfs::Result<> xattr_set(Transaction &tx, std::string_view name, cfs::Bytes value,
					XattrMode mode = XattrMode::any) noexcept = 0;
	/// err::NODATA: there is none.
	virtual cfs::Result<> declare_xattr_del(Transaction &tx,
						std::string_view name) noexcept = 0;
	virtual cfs::Result<> xattr_del(Transaction &tx, std::string_view name) noexcept = 0;

	// ---- content ----
	//
	// These live as long as the reference to the object. Of an object that does not exist yet
	// any of them can be had, for declaring what is done after create() in the same
	// transaction. err::NOTDIR, err::ISDIR, err::INVAL when the object is something else.

	virtual cfs::Result<Directory *> directory() noexcept = 0;
	virtual cfs::Result<Index *> index() noexcept = 0;
	/// Regular files, and the texts of symbolic links (read() only).
	virtual cfs::Result<Body *> body() noexcept = 0;

protected:
	~Object() = default;
};

/// The lock of an object, exclusive, for a scope.
class ObjectGuard
{
	Object *o_;

public:
	explicit ObjectGuard(Object &o, unsigned nest = 0) noexcept : o_(&o) { o.lock(nest); }
	~ObjectGuard() { o_->unlock(); }
	ObjectGuard(const ObjectGuard &) = delete;
	ObjectGuard &operator=(const ObjectGuard &) = delete;
};

/// The same, shared.
class ObjectReadGuard
{
	Object *o_;

public:
	explicit ObjectReadGuard(Object &o, unsigned nest = 0) noexcept : o_(&o)
	{
		o.lock_shared(nest);
	}
	~ObjectReadGuard() { o_->unlock_shared(); }
	ObjectReadGuard(const ObjectReadGuard &) = delete;
	ObjectReadGuard &operator=(const ObjectReadGuard &) = delete;
};

/// Reads a directory. Not for use by two threads at once, and not within a transaction. It keeps a
/// reference to the directory. Between two calls the directory may change: what is added or removed
/// then may be seen or not, everything else is seen once.
class DirCursor
{
public:
	/// Goes to the first entry whose cookie is at least this.
	virtual void seek(std::uint64_t cookie) noexcept = 0;
	/// The next entry, or null behind the last. It is valid until the next call. "." and ".."
	/// are entries like others, wherever their cookies put them. An entry whose FID cannot be
	/// told is left out, with a message.
	virtual cfs::Result<const DirItem *> next() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~DirCursor() = default;
};

/// A directory: names to FIDs of objects on this device.
class Directory
{
public:
	/// The FID under a name, "." and ".." included; err::NOENT.
	virtual cfs::Result<Fid> lookup(std::string_view name) noexcept = 0;
	/// From the first entry on.
	virtual cfs::Result<cfs::UniquePtr<DirCursor>> open() noexcept = 0;
	/// Whether there is nothing but "." and "..".
	virtual cfs::Result<bool> empty() noexcept = 0;

	/// Enters an object that exists, or was created before in this transaction. Links are not
	/// counted. err::EXIST; err::NOENT: the object does not exist; err::NAMETOOLONG;
	/// err::INVAL: an empty name, one with '/' or NUL, "." or ".."; err::NOSPC: the directory
	/// cannot grow. The declaration covers any object.
	virtual cfs::Result<> declare_insert(Transaction &tx, std::string_view name) noexcept = 0;
	virtual cfs::Result<> insert(Transaction &tx, std::string_view name,
				     Object &object) noexcept = 0;
	/// Removes a name, not the object; err::NOENT.
	virtual cfs::Result<> declare_remove(Transaction &tx, std::string_view name) noexcept = 0;
	virtual cfs::Result<> remove(Transaction &tx, std::string_view name) noexcept = 0;
	/// Points ".." to another parent.
	virtual cfs::Result<> declare_set_parent(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> set_parent(Transaction &tx, Object &parent) noexcept = 0;

protected:
	~Directory() = default;
};

/// Reads an index in the order of its keys; the rules of DirCursor hold.
class IndexCursor
{
public:
	/// Goes to the first key that is at least this (of key_bytes).
	virtual cfs::Result<> seek(cfs::Bytes key) noexcept = 0;
	/// The next pair; empty spans behind the last. Valid until the next call.
	struct Pair {
		cfs::Bytes key, record;
		[[nodiscard]] explicit operator bool() const noexcept { return !key.empty(); }
	};
	virtual cfs::Result<Pair> next() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~IndexCursor() = default;
};

/// Keys to records of fixed sizes; a wrong size is err::INVAL. A new index of an ldiskfs device
/// holds a record of zeros under the key of zeros (07 8.3), which is not shown: the key of zeros
/// exists only once it was put in.
class Index
{
public:
	[[nodiscard]] virtual IndexSpec spec() const noexcept = 0;
	/// Copies the record; err::NOENT.
	virtual cfs::Result<> lookup(cfs::Bytes key, cfs::MutBytes record) noexcept = 0;
	virtual cfs::Result<cfs::UniquePtr<IndexCursor>> open() noexcept = 0;

	/// err::EXIST.
	virtual cfs::Result<> declare_insert(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> insert(Transaction &tx, cfs::Bytes key,
				     cfs::Bytes record) noexcept = 0;
	/// Replaces the record; err::NOENT.
	virtual cfs::Result<> declare_update(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> update(Transaction &tx, cfs::Bytes key,
				     cfs::Bytes record) noexcept = 0;
	/// err::NOENT.
	virtual cfs::Result<> declare_remove(Transaction &tx) noexcept = 0;
	virtual cfs::Result<> remove(Transaction &tx, cfs::Bytes key) noexcept = 0;

protected:
	~Index() = default;
};

/// The content of a file.
///
/// Two kinds of access: read() and write() copy, go through the journal and are atomic with the
/// transaction; they are for what a server writes itself (last_rcvd, logs, small tables). Bulk
/// access moves pages between network and device without a copy, and only what it changes of the
/// metadata goes through the journal: after a crash, blocks that existed before hold old or new
/// bytes when the transaction was not committed. An object is used in one of the two ways.
class Body
{
public:
	/// Copies what is there from `offset` on; less than asked for at the end of the object, 0
	/// beyond. Holes are zeros.
	virtual cfs::Result<std::size_t> read(std::uint64_t offset, cfs::MutBytes to) noexcept = 0;
	/// A write of at most `bytes` at `offset`; kEof: wherever, even beyond the end. err::NOSPC,
	/// err::DQUOT, err::FBIG (over DeviceInfo::object_max). Nothing is written on failure. A
	/// write beyond the end makes the object bigger, with a hole between.
	virtual cfs::Result<> declare_write(Transaction &tx, std::uint64_t offset,
					    std::size_t bytes) noexcept = 0;
	virtual cfs::Result<> write(Transaction &tx, std::uint64_t offset,
				    cfs::Bytes from) noexcept = 0;

	/// Frees [start, end). With end kEof the size becomes start exactly, be it smaller or
	/// bigger than before; otherwise the size stays. The rest of a block that is cut reads as
	/// zeros. Blocks may be freed after stop(). err::INVAL: start >= end; err::FBIG.
	virtual cfs::Result<> declare_punch(Transaction &tx, std::uint64_t start,
					    std::uint64_t end) noexcept = 0;
	virtual cfs::Result<> punch(Transaction &tx, std::uint64_t start,
				    std::uint64_t end) noexcept = 0;
	/// Modes as in 05 5.6; others err::OPNOTSUPP. err::NOSPC may leave part of it allocated.
	/// err::AGAIN: no more of it fits in this transaction; stop it and go on in another one.
	virtual cfs::Result<> declare_fallocate(Transaction &tx, std::uint32_t mode,
						std::uint64_t start,
						std::uint64_t end) noexcept = 0;
	virtual cfs::Result<> fallocate(Transaction &tx, std::uint32_t mode, std::uint64_t start,
					std::uint64_t end) noexcept = 0;
	/// The first byte of data, or of a hole, at or behind `offset`, block by block; the end of
	/// the object is a hole. err::NXIO: offset is not within the object, or no data follows.
	virtual cfs::Result<std::uint64_t> seek_data(std::uint64_t offset) noexcept = 0;
	virtual cfs::Result<std::uint64_t> seek_hole(std::uint64_t offset) noexcept = 0;
	/// Extents that overlap [start, start + length), as many as fit; how many there are when
	/// `out` is empty. The last of the object has kExtentLast.
	virtual cfs::Result<std::size_t> fiemap(std::uint64_t start, std::uint64_t length,
						std::span<Extent> out) noexcept = 0;

	/// Pages for a transfer, see BulkIo. Ranges ascend and do not overlap. err::INVAL: ranges
	/// that do not, or more than kBulkPiecesMax pages; err::FBIG.
	enum class Direction : std::uint8_t { read, write };
	virtual cfs::Result<cfs::UniquePtr<BulkIo>> bulk(std::span<const BulkRange> ranges,
							 Direction direction) noexcept = 0;

protected:
	~Body() = default;
};

/// Most pieces of one transfer: 64 MiB in pages.
inline constexpr std::size_t kBulkPiecesMax = 16384;

/// A bulk transfer of one object. Reading: bulk(), read_prep(), send. Writing: bulk(),
/// write_prep(), receive into the pages, declare_write_commit(), start, write_commit(), stop. The
/// pages belong to the transfer and may be changed only between these steps.
///
/// vecs() has one entry per piece, in the order of the ranges: what is handed to LNet.
class BulkIo
{
public:
	[[nodiscard]] virtual std::span<cfs_bvec> vecs() noexcept = 0;
	[[nodiscard]] virtual std::span<BulkPiece> pieces() noexcept = 0;

	/// Fills the pages; holes are zeros, and so is what lies behind the object's end in a piece
	/// that begins before it. Returns the number of bytes the answer has: pieces from the first
	/// one at or beyond the end on have got == 0 (05 7.4).
	virtual cfs::Result<std::uint64_t> read_prep() noexcept = 0;

	/// Reads what a partly covered block keeps, and tells in BulkPiece::mapped what takes no
	/// space. The object must not be punched between this and write_commit(); a user who cannot
	/// be sure of that (by a lock of the DLM) loses no more than what the race is about.
	virtual cfs::Result<> write_prep() noexcept = 0;
	/// Space is found and promised to the pieces; err::DQUOT.
	virtual cfs::Result<> declare_write_commit(Transaction &tx) noexcept = 0;
	/// Writes all pieces whose status is 0, makes the object as big as they reach, and tells in
	/// their status which ones had no space. The data is on its way; stop() waits for it.
	/// err::AGAIN: pieces before `done()` are written; stop, and declare and commit again with
	/// another transaction. Changes no times.
	virtual cfs::Result<> write_commit(Transaction &tx) noexcept = 0;
	/// Pieces dealt with by write_commit() so far.
	[[nodiscard]] virtual std::size_t done() const noexcept = 0;
	/// Owners of the object that are over quota, or near it; after write_commit().
	[[nodiscard]] virtual QuotaMask over_quota() const noexcept = 0;

	/// Ends the transfer and gives the pages back.
	virtual void destroy() noexcept = 0;

protected:
	~BulkIo() = default;
};

/// A Device as C hands it over.
[[nodiscard]] inline DeviceRef adopt_device(osd_device *d) noexcept
{
	return DeviceRef::adopt(static_cast<Device *>(d));
}

} // namespace osd
