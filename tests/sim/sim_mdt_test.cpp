// SPDX-License-Identifier: GPL-2.0
//
// The MDT served over RPC in the simulator: what a client that speaks the protocol is told, and
// what is left after a restart.
#include <algorithm>
#include <functional>

#include "mdt/mdt.hpp"
#include "tests/sim/mds_client.hpp"
#include "wire/xattr.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::must;
using mds_client::Answer;
using mds_client::Client;
using wire::Fid;
using wire::kRootFid;
using wire::u32;
using wire::u64;

constexpr const char *kName = "tfs-MDT0000";
constexpr u64 kRead = wire::MDS_FMODE_READ;
constexpr u64 kWrite = wire::MDS_FMODE_WRITE;
constexpr u64 kCreate = wire::MDS_OPEN_CREAT;
/// Attributes that every reply about an object has.
constexpr u64 kAttrs = 0x1100000000002f8f;
constexpr u64 kWhole = 0x1100000000012fbf;

mdt::MdtConfig config()
{
	mdt::MdtConfig c;
	c.name = kName;
	c.without_osts = true;
	c.recovery_soft = cfs::Duration::seconds(20);
	c.recovery_hard = cfs::Duration::seconds(60);
	return c;
}

/// An OST as the MDT sees it: objects without an end, and a note of what is done to them.
class FakeOsp final : public osp::Osp
{
	u32 index_;
	u32 next_ = 1;
	u32 reserved_ = 0;

public:
	std::vector<Fid> destroyed, noted;
	/// Called by whoever wants an object, before the transaction and in it.
	std::function<void()> on_reserve, on_take;
	std::vector<osp::OwnerChange> owners;

	explicit FakeOsp(u32 index) : index_(index) {}
	[[nodiscard]] u32 taken() const { return next_ - 1; }
	[[nodiscard]] u32 reserved() const { return reserved_; }

	cfs::Result<> add_connection(std::string_view) noexcept override { return {}; }
	cfs::Result<> add_connection(std::span<const lnet::Nid>) noexcept override { return {}; }
	void target_moved(std::span<const lnet::Nid>, u32) noexcept override {}
	cfs::Result<> start() noexcept override { return {}; }
	void stop() noexcept override {}
	u32 ost_index() const noexcept override { return index_; }
	const char *name() const noexcept override { return "fake"; }
	bool usable() const noexcept override { return true; }
	u64 available() noexcept override { return 1000; }
	cfs::Result<wire::ObdStatfs> statfs() noexcept override
	{
		return cfs::fail(cfs::err::AGAIN);
	}
	cfs::Result<osp::Reservation> reserve(cfs::Instant) noexcept override
	{
		if (on_reserve)
			on_reserve();
		reserved_++;
		return make_reservation(this);
	}
	cfs::Result<> declare_take(osd::Transaction &) noexcept override { return {}; }
	cfs::Result<Fid> take(osd::Transaction &, osp::Reservation &r) noexcept override
	{
		if (on_take)
			on_take();
		forget(r);
		reserved_--;
		return wire::make_fid(wire::FID_SEQ_IDIF | u64{index_} << 16, next_++);
	}
	cfs::Result<> note_used(osd::Transaction &, const Fid &object) noexcept override
	{
		noted.push_back(object);
		return {};
	}
	void set_recovering(bool) noexcept override {}
	cfs::Result<> destroy_later(osd::Transaction &, const Fid &object) noexcept override
	{
		destroyed.push_back(object);
		return {};
	}
	cfs::Result<> set_owner_later(osd::Transaction &, const Fid &,
				      const osp::OwnerChange &to) noexcept override
	{
		owners.push_back(to);
		return {};
	}
	cfs::Result<> drain(cfs::Instant) noexcept override { return {}; }
	void destroy() noexcept override {}
	void unreserve() noexcept override { reserved_--; }
};
using Osts = std::vector<std::shared_ptr<FakeOsp>>;

void serve(Node &n, cluster::DiskPtr disk, const Osts &osts = {},
	   const std::function<void(mdt::Mdt &)> &ready = {})
{
	cluster::start(n, [disk, osts, ready](cluster::Stack &s) {
		auto mds = must(mdt::Mds::start(*s.rpc, nullptr), "no services");
		auto t = must(
			mdt::Mdt::start(*s.rpc, *s.ldlm, cluster::mount(*disk, kName), config()),
			"no target");
		for (const auto &o : osts)
			must(t->add_ost(*o), "no OST");
		if (ready)
			ready(*t);
		wait_stop();
		t->stop(target::StopKind::failover);
		t.reset();
		mds->stop();
		for (const auto &o : osts)
			check(o->reserved() == 0, "a reservation is left");
	});
}

/// An MDT with some OSTs, and a client on another node that runs `script`.
void with_osts(unsigned osts, const std::function<void(Client &, const Osts &)> &script,
	       unsigned seeds = 2)
{
	run_seeds(seeds, [=](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		Osts made;
		for (unsigned i = 0; i < osts; i++)
			made.push_back(std::make_shared<FakeOsp>(i));
		serve(*nodes[0], disk, made);
		cluster::start(*nodes[1], [script, made, nid, nodes](cluster::Stack &s) {
			{
				Client c(s, nid, "client-a");
				script(c, made);
			}
			nodes[0]->stop();
		});
	});
}
void with_client(const std::function<void(Client &)> &script, unsigned seeds = 2)
{
	with_osts(0, [script](Client &c, const Osts &) { script(c); }, seeds);
}

void expect(bool ok, std::string_view what,
	    std::source_location where = std::source_location::current())
{
	check(ok, what, where);
}
void expect_status(const Answer &a, int status,
		   std::source_location where = std::source_location::current())
{
	check(a.status == status, "status " + std::to_string(a.status), where);
}

std::string_view text_of(const Answer &a)
{
	return {reinterpret_cast<const char *>(a.md.data()), a.md.size()};
}

std::vector<std::string> names_in(Client &c, const Fid &dir, std::size_t pages = 256)
{
	std::vector<std::string> names;
	for (const auto &e : c.readdir(dir, pages))
		names.push_back(e.name);
	std::sort(names.begin(), names.end());
	return names;
}

TEST(SimMdt, FreshFileSystemHasARootAndSpace)
{
	with_client([](Client &c) {
		auto root = c.root();
		expect(root.body.fid1 == kRootFid && root.body.valid == wire::OBD_MD_FLID, "root");
		auto a = c.getattr(kRootFid, wire::OBD_MD_FLGETATTR | wire::OBD_MD_FLMODEASIZE);
		expect_status(a, 0);
		expect(a.body.mode == (osd::kTypeDir | 0755u) && a.body.nlink == 2, "root's mode");
		expect(a.body.valid == (kWhole | wire::OBD_MD_FLMODEASIZE), "root's attributes");
		expect(c.statfs().bsize > 0 && c.statfs().files > 0, "statfs");
		expect(names_in(c, kRootFid) == std::vector<std::string>{".", ".."}, "not empty");
	});
}

TEST(SimMdt, DirectoriesAreMadeSeenAndRemoved)
{
	with_client([](Client &c) {
		Fid fid = c.new_fid();
		auto made = c.create(kRootFid, "d", osd::kTypeDir | 0777, fid);
		expect_status(made, 0);
		expect(made.body.valid == kWhole && made.body.fid1 == fid && made.transno, "mkdir");
		expect(made.body.mode == (osd::kTypeDir | 0755u) && made.body.nlink == 2, "mode");
		expect(c.getattr(kRootFid).body.nlink == 3, "links of the parent");
		auto twice = c.mkdir(kRootFid, "d");
		expect_status(twice, -17);
		expect(twice.transno == 0 && twice.body.valid == 0, "a failure told something");

		auto seen = c.lookup(kRootFid, "d");
		expect_status(seen, 0);
		expect(seen.disposition == 0xb && seen.locked && seen.body.fid1 == fid, "getattr");
		expect(seen.lock_bits == 0x13 && seen.lock_mode == ldlm::LCK_PR, "lock");
		expect(seen.body.valid == 0x1100008080012fbf, "attributes of a directory");
		expect(c.lookup(kRootFid, "d", wire::IT_LOOKUP).locked, "lookup");

		expect_status(c.mkdir(fid, "sub"), 0);
		expect_status(c.rmdir(kRootFid, "d"), -39);
		expect_status(c.unlink(kRootFid, "d"), -21);
		expect_status(c.rmdir(fid, "sub"), 0);
		auto gone = c.rmdir(kRootFid, "d");
		expect_status(gone, 0);
		expect(gone.body.valid == kWhole && gone.body.nlink == 0, "rmdir");
		auto missing = c.lookup(kRootFid, "d");
		expect_status(missing, 301);
		expect(missing.disposition == 0x7 && missing.result == 0 && !missing.locked,
		       "negative lookup");
		expect_status(c.getattr(fid), -2);
		expect(c.getattr(kRootFid).body.nlink == 2, "links of the parent, after");
	});
}

TEST(SimMdt, SymlinksTellTheirText)
{
	with_client([](Client &c) {
		auto made = c.symlink(kRootFid, "s", "some/where");
		expect_status(made, 0);
		expect(made.body.size == 10 && made.body.valid == kWhole, "symlink");
		expect(made.body.mode == 0120777, "the umask does not concern a symlink");
		auto a = c.getattr(made.body.fid1, wire::OBD_MD_FLGETATTR | wire::OBD_MD_LINKNAME);
		expect(a.body.eadatasize == 11 &&
			       text_of(a) == std::string_view("some/where\0", 11),
		       "text");
		auto open = c.open(kRootFid, "s", {});
		expect_status(open, 301);
		expect(open.disposition == 0xb && open.result == 0 && open.transno == 0 &&
			       open.body.open_handle.raw() == 0,
		       "a symlink is not opened");
	});
}

TEST(SimMdt, NamesLinkMoveAndReplace)
{
	with_client([](Client &c) {
		Fid dir = c.mkdir(kRootFid, "d").body.fid1;
		Fid file = c.mknod(kRootFid, "f").body.fid1;
		expect_status(c.link(file, dir, "g"), 0);
		expect(c.getattr(file).body.nlink == 2, "two links");
		expect_status(c.link(file, dir, "g"), -17);
		expect_status(c.link(dir, kRootFid, "h"), -1);
		auto one = c.unlink(kRootFid, "f");
		expect(one.status == 0 && one.body.nlink == 1 && one.body.valid == kAttrs,
		       "unlink");

		expect_status(c.rename(dir, "g", kRootFid, "f", osd::kTypeFile), 0);
		expect(c.lookup(kRootFid, "f").body.fid1 == file, "renamed");
		expect_status(c.lookup(dir, "g"), 301);
		Fid other = c.mknod(kRootFid, "o").body.fid1;
		auto over = c.rename(kRootFid, "o", kRootFid, "f", osd::kTypeFile);
		expect(over.status == 0 && over.body.fid1 == file && over.body.nlink == 0,
		       "what was replaced");
		expect_status(c.getattr(file), -2);
		expect(c.lookup(kRootFid, "f").body.fid1 == other, "replaced");
		expect_status(c.rename(kRootFid, "x", dir, "y", osd::kTypeFile), -2);
		expect_status(c.rename(kRootFid, "f", kRootFid, "d", osd::kTypeFile), -21);
		expect_status(c.rename(kRootFid, "d", kRootFid, "f", osd::kTypeDir), -20);
	});
}

TEST(SimMdt, DirectoriesMoveButNotIntoThemselves)
{
	with_client([](Client &c) {
		Fid a = c.mkdir(kRootFid, "a").body.fid1;
		Fid b = c.mkdir(a, "b").body.fid1;
		Fid x = c.mkdir(kRootFid, "x").body.fid1;
		expect_status(c.rename(kRootFid, "a", b, "c", osd::kTypeDir), -22);
		expect_status(c.rename(a, "b", x, "moved", osd::kTypeDir), 0);
		expect(c.getattr(a).body.nlink == 2 && c.getattr(x).body.nlink == 3, "links");
		expect(c.lookup(b, "..").body.fid1 == x, "parent");
		expect_status(c.mkdir(b, "deep"), 0);
		// Over an empty one.
		expect_status(c.rename(x, "moved", kRootFid, "a", osd::kTypeDir), 0);
		expect_status(c.getattr(a), -2);
		expect(c.lookup(kRootFid, "a").body.fid1 == b, "replaced");
		expect_status(c.rename(kRootFid, "x", kRootFid, "a", osd::kTypeDir), -39);
		expect(c.getattr(kRootFid).body.nlink == 4, "links of the root");
	});
}

TEST(SimMdt, WhatIsAboveADirectoryIsNotRemovedThroughIt)
{
	with_client([](Client &c) {
		Fid x = c.mkdir(kRootFid, "x").body.fid1, y = c.mkdir(x, "y").body.fid1;
		Fid f = c.mknod(y, "f").body.fid1;
		for (std::string_view dots : {".", ".."}) {
			expect_status(c.rmdir(y, dots), -22);
			expect_status(c.rename(y, dots, kRootFid, "z", osd::kTypeDir), -22);
			expect_status(c.rename(kRootFid, "x", y, dots, osd::kTypeDir), -22);
			expect_status(c.link(f, y, dots), -17);
		}
		expect_status(c.link(x, y, "l"), -1);
		expect_status(c.rename(y, "f", kRootFid, "x", osd::kTypeFile), -39);
		// All of it can still be locked.
		expect_status(c.unlink(y, "f"), 0);
		expect_status(c.rmdir(x, "y"), 0);
		expect_status(c.rmdir(kRootFid, "x"), 0);
	});
}

TEST(SimMdt, BigDirectoriesAreReadWholeInPieces)
{
	with_client(
		[](Client &c) {
			constexpr unsigned kFiles = 300;
			Fid d = c.mkdir(kRootFid, "d").body.fid1;
			std::vector<std::string> wanted{".", ".."};
			for (unsigned i = 0; i < kFiles; i++) {
				std::string name =
					"file" + std::string(i % 7, 'x') + std::to_string(i);
				expect_status(c.mknod(d, name), 0);
				wanted.push_back(name);
			}
			std::sort(wanted.begin(), wanted.end());
			expect(names_in(c, d) == wanted, "at once");
			expect(names_in(c, d, 1) == wanted, "page by page");
			for (const auto &e : c.readdir(d)) {
				bool dir = e.name == "." || e.name == "..";
				expect(e.type == (dir ? osd::kTypeDir : osd::kTypeFile), "type");
				if (e.name == "..")
					expect(e.fid == kRootFid, "..");
			}
		},
		1);
}

TEST(SimMdt, FilesAreOpenedReadAndClosed)
{
	with_client([](Client &c) {
		Client::OpenArgs args{.flags = kRead | kCreate, .fid = c.new_fid()};
		auto made = c.open(kRootFid, "f", args);
		expect_status(made, 0);
		// Not for writing: without a layout.
		expect(made.disposition == 0x8000037 && made.transno, "created");
		expect(made.body.fid1 == args.fid && made.body.open_handle.raw(), "handle");
		expect(made.lock_bits == 0x1b && made.lock_mode == ldlm::LCK_PR,
		       "lock of a create");
		expect(made.body.valid == 0x1100008080002fbf, "attributes");
		expect_status(c.close(args.fid, made.body.open_handle), 0);
		expect_status(c.close(args.fid, made.body.open_handle), -116);

		args.fid = c.new_fid();
		auto found = c.open(kRootFid, "f", args);
		expect(found.status == 0 && found.disposition == 0x800002b && found.transno,
		       "open");
		expect_status(c.close(found.body.fid1, found.body.open_handle), 0);
		args.flags |= wire::MDS_OPEN_EXCL;
		auto excl = c.open(kRootFid, "f", args);
		expect_status(excl, 301);
		expect(excl.disposition == 0xb && excl.result == -17 && excl.transno == 0, "excl");
		auto missing = c.open(kRootFid, "nothing", {});
		expect(missing.status == 301 && missing.disposition == 0x7 && missing.result == 0,
		       "missing");
		auto as_dir = c.open(kRootFid, "f", {.flags = kRead | wire::MDS_OPEN_DIRECTORY});
		expect(as_dir.disposition == 0xb && as_dir.result == -20 && as_dir.body.valid == 0,
		       "no directory");
		// No OST is there to write to.
		auto write = c.open(kRootFid, "f", {.flags = kWrite});
		expect(write.status == 301 && write.result == -28, "written without OSTs");
	});
}

TEST(SimMdt, DirectoriesAreOpenedWithoutALock)
{
	with_client([](Client &c) {
		Fid d = c.mkdir(kRootFid, "d").body.fid1;
		auto open = c.open(kRootFid, "d", {.flags = kRead | wire::MDS_OPEN_DIRECTORY});
		expect(open.status == 301 && open.disposition == 0x2b && open.transno, "open");
		expect(open.body.fid1 == d && open.body.valid == 0x1100008080012fbf, "attributes");
		auto write = c.open(kRootFid, "d", {.flags = kWrite});
		expect(write.status == 301 && write.disposition == 0xb && write.result == -21,
		       "written");
		// Removed while it is open: there, empty, and without a name.
		expect_status(c.rmdir(kRootFid, "d"), 0);
		expect(c.getattr(d).body.nlink == 0, "links");
		expect(c.readdir(d).empty(), "entries");
		expect_status(c.mkdir(d, "x"), -2);
		expect_status(c.close(d, open.body.open_handle), 0);
		expect_status(c.getattr(d), -2);
		expect(c.getattr(kRootFid).body.nlink == 2, "links of the root");
	});
}

TEST(SimMdt, RemovedFilesStayAsLongAsTheyAreOpen)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		auto first = c.open(kRootFid, "f", {});
		auto second =
			c.open(kRootFid, "", {.flags = kRead | wire::MDS_OPEN_BY_FID, .fid = f});
		expect(first.result == 0 && second.result == 0, "open");
		auto gone = c.unlink(kRootFid, "f");
		expect(gone.status == 0 && gone.body.nlink == 0, "unlink");
		auto seen = c.lookup(f, "", wire::IT_GETATTR, f);
		expect(seen.status == 0 && seen.body.nlink == 0 && !(seen.lock_bits & 1),
		       "getattr");
		expect_status(c.close(f, first.body.open_handle), 0);
		expect_status(c.getattr(f), 0);
		auto last = c.close(f, second.body.open_handle);
		expect(last.status == 0 && last.transno && last.body.valid == 0, "last close");
		expect_status(c.getattr(f), -2);
	});
}

TEST(SimMdt, LockedOpensGetOpenLocks)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		auto open = c.open(
			f, "",
			{.flags = kRead | wire::MDS_OPEN_BY_FID | wire::MDS_OPEN_LOCK, .fid = f});
		expect(open.status == 0 && open.disposition == 0xa00002b, "dispositions");
		expect(open.lock_bits == 0xd && open.lock_mode == ldlm::LCK_CR, "lock");
		expect_status(c.close(f, open.body.open_handle), 0);
	});
}

TEST(SimMdt, AttributesChangeAsTheirOwnerSays)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		wire::MdtRecSetattr rec{};
		rec.fid = f;
		rec.valid = wire::MDS_ATTR_MODE | wire::MDS_ATTR_CTIME | wire::MDS_ATTR_CTIME_SET;
		rec.mode = osd::kTypeFile | 04711;
		rec.ctime = 2000;
		auto a = c.setattr(rec);
		expect(a.status == 0 && a.transno && a.body.valid == kAttrs, "chmod");
		expect(a.body.mode == (osd::kTypeFile | 04711u) && a.body.ctime == 2000, "mode");
		rec.valid = wire::MDS_ATTR_UID | wire::MDS_ATTR_GID;
		rec.uid = 7;
		rec.gid = ~0u;
		a = c.setattr(rec);
		expect(a.body.uid == 7 && a.body.gid == 0 &&
			       a.body.mode == (osd::kTypeFile | 0711u),
		       "chown");
		rec.valid = wire::MDS_ATTR_ATIME | wire::MDS_ATTR_ATIME_SET;
		rec.atime = -5;
		expect(c.setattr(rec).body.atime == -5, "utime");

		c.uid = c.gid = 8;
		rec.valid = wire::MDS_ATTR_MODE;
		expect_status(c.setattr(rec), -1);
		rec.valid = wire::MDS_ATTR_UID;
		expect_status(c.setattr(rec), -1);
		expect_status(c.mkdir(kRootFid, "d"), -13);
		auto open = c.open(kRootFid, "f", {.flags = kRead});
		expect(open.status == 301 && open.result == -13 && open.disposition == 0x1000000b,
		       "denied");
	});
}

TEST(SimMdt, ATruncationChangesNothingThatIsTheOwners)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		wire::MdtRecSetattr rec{};
		rec.fid = f;
		rec.valid = wire::MDS_ATTR_MODE;
		rec.mode = 04666;
		expect_status(c.setattr(rec), 0);
		c.uid = c.gid = 1000;
		rec.valid = wire::MDS_ATTR_SIZE | wire::MDS_ATTR_UID;
		rec.uid = 1000;
		expect_status(c.setattr(rec), -1);
		rec.valid = wire::MDS_ATTR_SIZE | wire::MDS_ATTR_MODE;
		rec.mode = 06777;
		expect_status(c.setattr(rec), -1);
		rec.mode = 0666;
		expect_status(c.setattr(rec), 0);
		auto a = c.getattr(f);
		expect((a.body.mode & 07777) == 0666 && a.body.uid == 0, "attributes");
	});
}

TEST(SimMdt, ClosesBringTimesForward)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		wire::MdtRecSetattr rec{};
		rec.valid = wire::MDS_ATTR_MODE | wire::MDS_ATTR_ATIME | wire::MDS_ATTR_MTIME |
			    wire::MDS_ATTR_CTIME;
		rec.mode = 0;
		rec.atime = rec.mtime = rec.ctime = 5000;
		auto open = c.open(kRootFid, "f", {});
		expect_status(c.close(f, open.body.open_handle, rec), 0);
		auto a = c.getattr(f);
		expect(a.body.mtime == 5000 && a.body.ctime == 5000 && a.body.atime == 5000,
		       "times");
		expect(a.body.mode == (osd::kTypeFile | 0644u), "a close changed the mode");
		rec.atime = rec.mtime = rec.ctime = 4000;
		open = c.open(kRootFid, "f", {});
		expect_status(c.close(f, open.body.open_handle, rec), 0);
		a = c.getattr(f);
		expect(a.body.mtime == 5000 && a.body.atime == 5000, "times went back");
	});
}

TEST(SimMdt, ExtendedAttributesAreKept)
{
	with_client([](Client &c) {
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		expect_status(c.getxattr(f, "user.k"), -61);
		expect_status(c.setxattr(f, "user.k", "abc"), 0);
		expect_status(c.setxattr(f, "user.k", "x", 1), -17);
		expect_status(c.setxattr(f, "user.none", "x", 2), -61);
		auto got = c.getxattr(f, "user.k");
		expect(got.status == 0 && text_of(got) == "abc" &&
			       got.body.valid == wire::OBD_MD_FLXATTR,
		       "value");
		auto size = c.getxattr(f, "user.k", 0);
		expect(size.body.eadatasize == 3 && size.md.empty(), "size");
		expect(c.getxattr(f, "").md.size() >= 7, "list");
		auto all = c.getxattrs(f);
		expect(all.status == 0 && all.locked && all.lock_bits == 0x20 &&
			       all.disposition == 0,
		       "all of them");
		expect(text_of(all).find("user.k") != std::string_view::npos, "names");
		expect(c.getxattrs(f, 4).result == -34, "too much");
		expect_status(c.setxattr(f, "trusted.lov", "nonsense"), 0);
		expect_status(c.setxattr(f, "system.foo", "x"), -95);
		expect_status(c.setxattr(f, "user.k", "", 2, true), 0);
		expect_status(c.getxattr(f, "user.k"), -61);
		expect_status(c.setxattr(f, "user.k", "", 2, true), -61);
	});
}

TEST(SimMdt, LayoutsAreLocked)
{
	with_client([](Client &c) {
		using enum wire::LayoutIntentOp;
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		auto a = c.layout(f, LAYOUT_INTENT_ACCESS);
		expect(a.status == 0 && a.locked && a.disposition == 1 && a.md.empty(), "access");
		expect(a.lock_bits == 8 && a.lock_mode == ldlm::LCK_CR, "lock");
		expect_status(c.layout(f, LAYOUT_INTENT_WRITE), -28);
		expect_status(c.layout(f, LAYOUT_INTENT_READ), -95);
	});
}

TEST(SimMdt, ClientsMayNotReachWhatIsTheServersOwn)
{
	with_client([](Client &c) {
		Fid own = wire::make_fid(wire::FID_SEQ_LOCAL_FILE, 0xb);
		expect_status(c.getattr(own), -2);
		expect_status(c.getattr(wire::make_fid(0, 5)), -22);
		expect_status(c.create(kRootFid, "x", osd::kTypeFile | 0600, own), -71);
		expect_status(c.mkdir(kRootFid, ".."), -17);
		expect_status(c.mkdir(kRootFid, "a/b"), -71);
		expect_status(c.mkdir(kRootFid, std::string(256, 'n')), -36);
	});
}

// ---- layouts ----

const wire::LovMdsMdV1 &layout_of(const Answer &a)
{
	check(a.md.size() >= sizeof(wire::LovMdsMdV1), "no layout");
	return *reinterpret_cast<const wire::LovMdsMdV1 *>(a.md.data());
}
const wire::LovOstData &stripe_of(const Answer &a, unsigned i)
{
	std::size_t at = sizeof(wire::LovMdsMdV1) + i * sizeof(wire::LovOstData);
	check(a.md.size() >= at + sizeof(wire::LovOstData), "no stripe");
	return *reinterpret_cast<const wire::LovOstData *>(a.md.data() + at);
}
std::vector<std::byte> wish(u32 count, u32 bytes, u32 room = sizeof(wire::LovUserMdV1))
{
	wire::LovUserMdV1 m{};
	m.magic = wire::LOV_USER_MAGIC_V1;
	m.pattern = wire::LOV_PATTERN_RAID0;
	m.stripe_count = static_cast<std::uint16_t>(count);
	m.stripe_size = bytes;
	m.stripe_offset = static_cast<std::uint16_t>(wire::LOV_OFFSET_DEFAULT);
	auto b = cfs::bytes_of(m);
	std::vector<std::byte> v(b.begin(), b.end());
	v.resize(room);
	return v;
}

TEST(SimMdt, FilesThatAreWrittenGetObjects)
{
	with_osts(2, [](Client &c, const Osts &osts) {
		Fid f = c.new_fid();
		auto made = c.open(kRootFid, "f", {.flags = kWrite | kCreate, .fid = f});
		expect(made.status == 0 && made.disposition == 0x37, "created");
		expect(made.body.valid == 0x1100008080022f8f, "attributes");
		const auto &l = layout_of(made);
		expect(made.md.size() == 56 && made.body.eadatasize == 56, "size of the layout");
		expect(l.magic == wire::LOV_MAGIC_V1 && l.stripe_count == 1 &&
			       l.stripe_size == 4u << 20 && l.layout_gen == 0,
		       "layout");
		expect(l.oi.oi.oi_id == f.oid && l.oi.oi.oi_seq == f.seq, "owner");
		const auto &o = stripe_of(made, 0);
		expect(o.ost_idx < 2 && o.ost_oi.oi.oi_id == 1 && o.ost_oi.oi.oi_seq == 0,
		       "object");
		expect_status(c.close(f, made.body.open_handle), 0);
		expect(c.lookup(kRootFid, "f").md == made.md, "kept");
		expect(c.getxattr(f, "trusted.lov").md == made.md, "attribute");

		wire::MdtRecSetattr rec{};
		rec.fid = f;
		rec.valid = wire::MDS_ATTR_UID;
		rec.uid = 5;
		expect_status(c.setattr(rec), 0);
		u32 ost = o.ost_idx;
		expect(osts[ost]->owners.size() == 1 && osts[ost]->owners[0].uid == 5, "owner");
		expect_status(c.unlink(kRootFid, "f"), 0);
		expect(osts[ost]->destroyed.size() == 1 && osts[1 - ost]->destroyed.empty(),
		       "objects of a removed file");
	});
}

TEST(SimMdt, StripesAreMadeAsAskedForOnce)
{
	with_osts(2, [](Client &c, const Osts &osts) {
		Fid f = c.new_fid();
		auto made =
			c.open(kRootFid, "f",
			       {.flags = kWrite | kCreate | wire::MDS_OPEN_DELAY_CREATE, .fid = f});
		expect(made.disposition == 0x8000037 && made.md.empty(), "delayed");
		// The room behind the layout is garbage to be left alone.
		auto set = c.open(
			kRootFid, "f",
			{.flags = kWrite | wire::MDS_OPEN_HAS_EA, .ea = wish(2, 1 << 20, 392)});
		expect(set.status == 301 && set.disposition == 0x800002b, "setstripe");
		expect(layout_of(set).stripe_count == 2 && layout_of(set).stripe_size == 1u << 20,
		       "layout");
		expect(stripe_of(set, 0).ost_idx != stripe_of(set, 1).ost_idx, "OSTs");
		auto bad = c.open(kRootFid, "f", {.flags = kWrite | wire::MDS_OPEN_HAS_EA});
		expect_status(bad, -22);
		auto again = c.open(kRootFid, "f", {.flags = kWrite});
		expect(again.disposition == 0x2b && again.md == set.md, "made again");
		expect(osts[0]->taken() == 1 && osts[1]->taken() == 1, "objects");
		for (const auto &a : {made, set, again})
			expect_status(c.close(f, a.body.open_handle), 0);
	});
}

TEST(SimMdt, LayoutIntentsMakeObjects)
{
	with_osts(2, [](Client &c, const Osts &osts) {
		using enum wire::LayoutIntentOp;
		Fid f = c.mknod(kRootFid, "f").body.fid1;
		auto a = c.layout(f, LAYOUT_INTENT_WRITE);
		expect(a.status == 0 && a.locked && a.disposition == 1 && a.transno, "write");
		expect(a.lock_mode == ldlm::LCK_CR && a.lock_bits == 0xa, "lock");
		expect(layout_of(a).stripe_count == 1, "layout");
		expect(c.layout(f, LAYOUT_INTENT_WRITE).md == a.md, "made again");
		expect(c.layout(f, LAYOUT_INTENT_ACCESS).md == a.md, "read");
		expect(osts[0]->taken() + osts[1]->taken() == 1, "objects");
	});
}

TEST(SimMdt, DirectoriesGiveTheirDefaultOn)
{
	with_osts(2, [](Client &c, const Osts &) {
		Fid d = c.mkdir(kRootFid, "d").body.fid1;
		wire::MdtRecSetattr rec{};
		rec.fid = d;
		expect_status(c.setattr(rec, wish(2, 1 << 20)), 0);
		rec.valid = wire::MDS_ATTR_MODE;
		expect_status(c.setattr(rec, wish(2, 1 << 20)), -71);
		Fid sub = c.mkdir(d, "sub").body.fid1;
		auto made = c.open(sub, "f", {.flags = kWrite | kCreate, .fid = c.new_fid()});
		expect(layout_of(made).stripe_count == 2 && layout_of(made).stripe_size == 1u << 20,
		       "default");
		expect_status(c.close(made.body.fid1, made.body.open_handle), 0);
		auto seen = c.getattr(d, wire::OBD_MD_FLGETATTR | wire::OBD_MD_FLDIREA |
						 wire::OBD_MD_FLEASIZE);
		expect((seen.body.valid & wire::OBD_MD_FLDIREA) && seen.body.eadatasize == 32,
		       "getstripe");
	});
}

// ---- restarts ----

TEST(SimMdt, WhatWasAnsweredSurvivesCrashes)
{
	run_seeds(20, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		serve(*nodes[0], disk);
		cluster::start(*nodes[1], [nid, nodes](cluster::Stack &s) {
			{
				Client c(s, nid, "client-a");
				for (unsigned i = 0; i < 30; i++) {
					std::string name = "d" + std::to_string(i);
					expect_status(c.mkdir(kRootFid, name), 0);
					if (i % 3 == 2)
						expect_status(c.rmdir(kRootFid, name), 0);
					sleep_for(this_world().rng().below(kSecond));
				}
				expect(c.readdir(kRootFid).size() == 22, "names are missing");
			}
			nodes[0]->stop();
		});
		w.spawn("script", [nodes] {
			sleep_for(5 * kSecond + this_world().rng().below(5 * kSecond));
			nodes[0]->crash();
			sleep_for(kSecond);
			nodes[0]->restart();
		});
	});
}

TEST(SimMdt, ReplayedCreatesKeepTheirObjects)
{
	run_seeds(5, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		Osts osts{std::make_shared<FakeOsp>(0u)};
		serve(*nodes[0], disk, osts);
		cluster::start(*nodes[1], [nid, nodes, osts](cluster::Stack &s) {
			{
				Client c(s, nid, "client-a");
				expect_status(c.mkdir(kRootFid, "first"), 0);
				// What a client puts there when it has the reply: the layout, in
				// the form of a wish. It counts in the replay only.
				auto ea = wish(1, 1 << 20, 56);
				auto &o = *reinterpret_cast<wire::LovOstData *>(ea.data() + 32);
				o.ost_oi.oi.oi_id = 77;
				Fid f = c.new_fid();
				auto made = c.open(kRootFid, "f",
						   {.flags = kWrite | kCreate, .fid = f, .ea = ea});
				expect(stripe_of(made, 0).ost_oi.oi.oi_id == 1, "a wish counted");
				nodes[0]->crash();
				nodes[0]->restart();
				auto seen = c.lookup(kRootFid, "f");
				expect(seen.status == 0 && seen.body.fid1 == f, "replayed");
				expect(stripe_of(seen, 0).ost_oi.oi.oi_id == 77, "object");
				expect(layout_of(seen).layout_gen == 0, "generation");
				expect(osts[0]->noted.size() == 1 && osts[0]->taken() == 1,
				       "taken anew");
			}
			nodes[0]->stop();
		});
	});
}

/// Likewise of a file that was there before, and got its layout when it was opened for writing.
TEST(SimMdt, ReplayedOpensKeepTheObjectsOfFilesThatHadNone)
{
	run_seeds(5, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		Osts osts{std::make_shared<FakeOsp>(0u)};
		serve(*nodes[0], disk, osts);
		cluster::start(*nodes[1], [nid, nodes](cluster::Stack &s) {
			{
				Client c(s, nid, "client-a");
				Fid f = c.mknod(kRootFid, "f").body.fid1;
				sleep_for(5 * kSecond);
				auto ea = wish(1, 1 << 20, 56);
				auto &o = *reinterpret_cast<wire::LovOstData *>(ea.data() + 32);
				o.ost_oi.oi.oi_id = 77;
				auto open = c.open(kRootFid, "f",
						   {.flags = kWrite, .fid = f, .ea = ea});
				expect(stripe_of(open, 0).ost_oi.oi.oi_id == 1, "object");
				nodes[0]->crash();
				nodes[0]->restart();
				auto seen = c.lookup(kRootFid, "f");
				expect(seen.status == 0 && stripe_of(seen, 0).ost_oi.oi.oi_id == 77,
				       "the layout is lost");
			}
			nodes[0]->stop();
		});
	});
}

/// A client is evicted while an open of it waits for an object, or is in its transaction.
TEST(SimMdt, NothingIsLeftOfAClientThatGoesInTheMiddle)
{
	run_seeds(8, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		Osts osts{std::make_shared<FakeOsp>(0u)};
		auto mdt = std::make_shared<mdt::Mdt *>();
		bool in_transaction = w.rng().below(2), existing = w.rng().below(2);
		serve(*nodes[0], disk, osts, [mdt](mdt::Mdt &t) { *mdt = &t; });
		cluster::start(*nodes[1], [=](cluster::Stack &s) {
			Client c(s, nid, "client-a"), other(s, nid, "client-b");
			Fid f = c.mknod(kRootFid, "f").body.fid1;
			auto &when = in_transaction ? osts[0]->on_take : osts[0]->on_reserve;
			when = [mdt, done = std::make_shared<bool>(false)] {
				if (std::exchange(*done, true))
					return;
				expect((*mdt)->target().registration()->evict("client-a") == 1,
				       "evicted");
				sleep_for(kSecond);
			};
			// The answer is as if it had gone right after it.
			if (existing)
				(void)c.open(kRootFid, "f", {.flags = kWrite, .fid = f});
			else
				(void)c.open(kRootFid, "g",
					     {.flags = kWrite | kCreate, .fid = c.new_fid()});
			// Whoever got its place on disk has it for itself.
			expect_status(other.mkdir(kRootFid, "d"), 0);
			nodes[0]->crash();
			nodes[0]->restart();
			expect_status(other.rmdir(kRootFid, "d"), 0);
			nodes[0]->stop();
		});
	});
}

TEST(SimMdt, OpenFilesSurviveCrashesAndOrphansDoNotOutliveTheirClients)
{
	run_seeds(10, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		serve(*nodes[0], disk);
		cluster::start(*nodes[1], [nid, nodes](cluster::Stack &s) {
			Fid f, g;
			{
				Client c(s, nid, "client-a");
				f = c.mknod(kRootFid, "f").body.fid1;
				auto open = c.open(kRootFid, "f", {});
				expect_status(c.unlink(kRootFid, "f"), 0);
				g = c.mknod(kRootFid, "g").body.fid1;
				expect(c.open(kRootFid, "g", {}).status == 0, "open");
				expect_status(c.unlink(kRootFid, "g"), 0);
				expect_status(c.close(f, open.body.open_handle), 0);
				expect_status(c.getattr(f), -2);
				expect_status(c.getattr(g), 0);
			}
			// It goes with its open file, soon.
			Client other(s, nid, "client-b");
			for (int i = 0; i < 10 && other.getattr(g).status == 0; i++)
				cfs::sim::sleep_for(cfs::sim::kSecond);
			expect_status(other.getattr(g), -2);
			u64 before = (other.new_fid(), other.sequence());
			expect(before >= wire::FID_SEQ_NORMAL, "sequence");
			nodes[0]->stop();
		});
	});
}

TEST(SimMdt, SequencesAreNeverGivenTwice)
{
	run_seeds(5, [](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		serve(*nodes[0], disk);
		cluster::start(*nodes[1], [nid, nodes](cluster::Stack &s) {
			u64 last = 0;
			for (unsigned i = 0; i < 4; i++) {
				Client c(s, nid, "client-" + std::to_string(i));
				(void)c.new_fid();
				expect(c.sequence() > last, "a sequence was given again");
				expect(i != 0 || c.sequence() == wire::FID_SEQ_NORMAL, "first");
				last = c.sequence();
				if (i == 1) {
					nodes[0]->crash();
					nodes[0]->restart();
					// Until it has recovered.
					expect_status(c.root(), 0);
				}
			}
			nodes[0]->stop();
		});
	});
}

} // namespace
