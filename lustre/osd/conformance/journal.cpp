// SPDX-License-Identifier: GPL-2.0
//
// Conformance: transactions, crashes, many threads, the device as a whole, and local objects.
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

using cfs::selftest::Numbers;

/// Counts commits, and checks that they come in order.
struct Commits {
	std::atomic<unsigned> next{0};
	std::atomic<unsigned> failed{0};
	std::atomic<bool> in_order{true};
};

class OnCommit final : public CommitCallback
{
	Commits *all_ = nullptr;
	unsigned number_ = 0;

public:
	void set(Commits &all, unsigned number) noexcept
	{
		all_ = &all;
		number_ = number;
	}
	void committed(cfs::Errno status) noexcept override
	{
		if (status != cfs::Errno{})
			all_->failed.fetch_add(1);
		if (all_->next.fetch_add(1) != number_)
			all_->in_order = false;
	}
};

Result<> callbacks_come_in_order(Env &run) noexcept
{
	constexpr unsigned kMost = 100;
	ObjectRef o = TRY(run.make_file());
	Commits commits;
	auto cbs = TRY(cfs::Array<OnCommit>::make(CFS_S_OSD, kMost));
	// From here on the callbacks are in use until all have come, whatever fails.
	Result<> done;
	unsigned n = 0;
	while (done && n < kMost) {
		done = in_tx(
			run.device(), [&](Transaction &tx) { return o->declare_version_set(tx); },
			[&](Transaction &tx) -> Result<> {
				for (unsigned i = 0; i < 2; i++, n++) {
					cbs[n].set(commits, n);
					tx.on_commit(cbs[n]);
				}
				return o->version_set(tx, n);
			});
		if (n == kMost / 2)
			run.device().start_commit();
	}
	Result<> synced = run.device().sync();
	TRY(cfs::selftest::poll([&] { return commits.next == n; }));
	TRY(done);
	TRY(synced);
	CHECK(commits.in_order && commits.failed == 0);
	return {};
}

Result<> unmount_commits(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Commits commits;
	OnCommit cb;
	cb.set(commits, 0);
	TRY(in_tx(
		run.device(), [&](Transaction &tx) { return o->declare_version_set(tx); },
		[&](Transaction &tx) {
			tx.on_commit(cb);
			return o->version_set(tx, 5);
		}));
	Fid fid = o->fid();
	o.reset();
	Result<> mounted = run.remount();
	TRY(cfs::selftest::poll([&] { return commits.next == 1; }));
	TRY(mounted);
	o = TRY(run.device().object(fid));
	CHECK(TRY(o->version()) == 5);
	return {};
}

Result<> transactions_may_do_less(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	TRY(in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(o->declare_version_set(tx));
			TRY(o->declare_destroy(tx));
			return TRY(o->body())->declare_write(tx, 0, 100000);
		},
		[&](Transaction &) -> Result<> { return {}; }));
	CHECK(o->exists() && TRY(o->version()) == 0);
	{
		TransactionPtr never_started = TRY(run.device().begin());
		TRY(o->declare_destroy(*never_started));
	}
	CHECK(o->exists());
	{
		TransactionPtr given_up = TRY(run.device().begin());
		TRY(o->declare_version_set(*given_up));
		TRY(given_up->start());
		TRY(o->version_set(*given_up, 7));
	}
	CHECK(TRY(o->version()) == 7); // there is no rollback
	return {};
}

Result<> failed_operations_leave_the_rest(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	ObjectRef d = TRY(run.make_dir());
	Directory *dir = TRY(d->directory());
	auto r = in_tx(
		run.device(),
		[&](Transaction &tx) -> Result<> {
			TRY(o->declare_version_set(tx));
			return dir->declare_remove(tx, "none");
		},
		[&](Transaction &tx) -> Result<> {
			TRY(o->version_set(tx, 3));
			return dir->remove(tx, "none");
		});
	CHECK_FAILS(r, err::NOENT);
	CHECK(TRY(o->version()) == 3);
	return {};
}

// ---- crashes ----

/// Objects that every step changes together.
struct Group {
	ObjectRef file, dir, index;

	static Result<Group> make(Env &run) noexcept
	{
		Group g;
		g.file = TRY(run.make_file());
		g.dir = TRY(run.make_dir());
		g.index = TRY(run.make_index({8, 8}));
		return g;
	}
	static Result<Group> find(Env &run, const Fid &file, const Fid &dir,
				  const Fid &index) noexcept
	{
		Group g;
		g.file = TRY(run.device().object(file));
		g.dir = TRY(run.device().object(dir));
		g.index = TRY(run.device().object(index));
		return g;
	}
};

/// Step n (from 1 on): a version, a name, a record, a value and eight bytes, or nothing of them.
Result<> step(Group &g, std::uint64_t n, bool sync) noexcept
{
	Body *body = TRY(g.file->body());
	Directory *dir = TRY(g.dir->directory());
	Index *index = TRY(g.index->index());
	cfs::be64 key{n};
	cfs::be64 previous{n - 1};
	Bytes k = cfs::bytes_of(key);
	return in_tx(
		g.file->device(),
		[&](Transaction &tx) -> Result<> {
			TRY(g.file->declare_version_set(tx));
			TRY(dir->declare_insert(tx, Name(n)));
			TRY(dir->declare_remove(tx, Name(n - 1)));
			TRY(index->declare_insert(tx));
			TRY(index->declare_remove(tx));
			TRY(g.dir->declare_xattr_set(tx, "trusted.step", 8));
			return body->declare_write(tx, (n - 1) * 8, 8);
		},
		[&](Transaction &tx) -> Result<> {
			TRY(g.file->version_set(tx, n));
			TRY(dir->insert(tx, Name(n), *g.file));
			TRY(index->insert(tx, k, k));
			TRY(g.dir->xattr_set(tx, "trusted.step", k));
			if (n > 1) {
				TRY(dir->remove(tx, Name(n - 1)));
				TRY(index->remove(tx, cfs::bytes_of(previous)));
			}
			return body->write(tx, (n - 1) * 8, k);
		},
		sync);
}

/// The step everything agrees on; err::BADMSG when it does not.
Result<std::uint64_t> step_reached(Env &run, Group &g) noexcept
{
	std::uint64_t n = TRY(g.file->version());
	Directory *dir = TRY(g.dir->directory());
	Index *index = TRY(g.index->index());
	CHECK(TRY(attr_of(*g.file)).size == n * 8);
	cfs::be64 key{n};
	cfs::be64 got{};
	MutBytes to(reinterpret_cast<std::byte *>(&got), 8);
	if (n == 0) {
		CHECK(TRY(dir->empty()));
		CHECK_FAILS(g.dir->xattr_get("trusted.step", {}), err::NODATA);
		return n;
	}
	CHECK(TRY(g.dir->xattr_get("trusted.step", to)) == 8 && got == n);
	CHECK(TRY(dir->lookup(Name(n))) == g.file->fid());
	CHECK_FAILS(dir->lookup(Name(n + 1)), err::NOENT);
	CHECK_FAILS(dir->lookup(Name(n - 1)), err::NOENT);
	TRY(index->lookup(cfs::bytes_of(key), to));
	CHECK(got == n);
	auto cursor = TRY(index->open());
	CHECK(TRY(cursor->next()) && !TRY(cursor->next()));
	for (std::uint64_t i = 1; i <= n; i++) {
		TRY(read_exactly(*TRY(g.file->body()), (i - 1) * 8, to));
		CHECK(got == i);
	}
	return n;
}

Result<> crash_takes_whole_transactions(Env &run) noexcept
{
	Numbers rng(run.next_oid());
	for (unsigned round = 0; round < run.scale(10); round++) {
		Group g = TRY(Group::make(run));
		Fid file = g.file->fid();
		Fid dir = g.dir->fid();
		Fid index = g.index->fid();
		TRY(run.device().sync()); // the objects themselves are there
		std::uint64_t durable = 0;
		std::uint64_t steps = rng.below(60);
		for (std::uint64_t n = 1; n <= steps; n++) {
			bool sync = rng.below(12) == 0;
			TRY(step(g, n, sync));
			if (sync)
				durable = n;
			else if (rng.below(20) == 0)
				run.device().start_commit();
		}
		if (rng.below(4) == 0) {
			TRY(run.device().sync());
			durable = steps;
		}
		g = Group{};
		TRY(run.crash());
		g = TRY(Group::find(run, file, dir, index));
		std::uint64_t n = TRY(step_reached(run, g));
		CHECK(n >= durable && n <= steps);
		TRY(step(g, n + 1, false)); // and it goes on
		CHECK(TRY(step_reached(run, g)) == n + 1);
	}
	return {};
}

Result<> crash_undoes_making_and_ending(Env &run) noexcept
{
	ObjectRef kept = TRY(run.make_file());
	ObjectRef dir = TRY(run.make_dir());
	TRY(put(*kept, 0, cfs::as_bytes("content")));
	TRY(set_xattr(*kept, "user.a", cfs::as_bytes("b")));
	TRY(enter(*dir, "kept", *kept));
	Fid kept_fid = kept->fid();
	Fid dir_fid = dir->fid();
	TRY(run.device().sync());
	// Back ends commit when they like: only if nothing of this was committed is there something
	// to see.
	ObjectRef made = TRY(run.make_file());
	Fid made_fid = made->fid();
	TRY(leave(*dir, "kept"));
	TRY(destroy(*kept));
	kept.reset();
	dir.reset();
	made.reset();
	TRY(run.crash());
	kept = TRY(run.device().object(kept_fid));
	dir = TRY(run.device().object(dir_fid));
	made = TRY(run.device().object(made_fid));
	bool there = TRY(dir->directory())->lookup("kept").has_value();
	CHECK(there || made->exists()); // in their order
	CHECK(kept->exists() || !there);
	if (kept->exists()) {
		std::byte b[7];
		TRY(read_exactly(*TRY(kept->body()), 0, b));
		CHECK(cfs::as_string(b) == "content");
		CHECK(TRY(kept->xattr_get("user.a", {})) == 1);
	}
	return {};
}

Result<> fenced_device_refuses_changes(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	Fid fid = o->fid();
	TRY(set_version(*o, 1));
	TRY(run.device().sync());
	run.device().set_read_only();
	CHECK(!run.device().healthy());
	CHECK_FAILS(set_version(*o, 2), err::ROFS);
	CHECK(TRY(o->version()) == 1);
	o.reset();
	TRY(run.crash());
	CHECK(run.device().healthy());
	o = TRY(run.device().object(fid));
	CHECK(TRY(o->version()) == 1);
	TRY(set_version(*o, 2));
	return {};
}

// ---- many threads ----

Result<> threads_share_a_directory(Env &run) noexcept
{
	constexpr unsigned kThreads = 4;
	ObjectRef d = TRY(run.make_dir());
	ObjectRef o = TRY(run.make_file());
	unsigned count = run.scale(100);
	TRY(cfs::selftest::in_threads(run, kThreads, [&](unsigned t) -> Result<> {
		Directory *dir = TRY(d->directory());
		for (unsigned i = 0; i < count; i++) {
			TRY(enter(*d, Name(i * kThreads + t), *o));
			CHECK(TRY(dir->lookup(Name(i * kThreads + t))) == o->fid());
			// All want this one; one at a time has it.
			auto r = enter(*d, "shared", *o);
			if (r)
				TRY(leave(*d, "shared"));
			else
				CHECK_FAILS(r, err::EXIST);
			if (i % 2)
				TRY(leave(*d, Name((i - 1) * kThreads + t)));
		}
		return {};
	}));
	auto cursor = TRY(TRY(d->directory())->open());
	std::size_t entries = 0;
	while (TRY(cursor->next()))
		entries++;
	CHECK(entries == 2 + std::size_t{kThreads} * (count - count / 2));
	return {};
}

Result<> one_of_many_creates(Env &run) noexcept
{
	for (unsigned round = 0; round < run.scale(20); round++) {
		Fid fid = run.new_fid();
		std::atomic<unsigned> made{0};
		TRY(cfs::selftest::in_threads(run, 3, [&](unsigned) -> Result<> {
			auto o = run.make(fid, file_spec());
			if (!o)
				CHECK_FAILS(o, err::EXIST);
			made += o.has_value();
			return {};
		}));
		CHECK(made == 1);
	}
	return {};
}

Result<> lock_makes_operations_one(Env &run) noexcept
{
	constexpr unsigned kThreads = 4;
	ObjectRef o = TRY(run.make_file());
	unsigned count = run.scale(50);
	TRY(cfs::selftest::in_threads(run, kThreads, [&](unsigned) -> Result<> {
		for (unsigned i = 0; i < count; i++) {
			TRY(in_tx(
				run.device(),
				[&](Transaction &tx) { return o->declare_version_set(tx); },
				[&](Transaction &tx) -> Result<> {
					ObjectGuard g(*o);
					return o->version_set(tx, TRY(o->version()) + 1);
				}));
			ObjectReadGuard g(*o);
			std::uint64_t v = TRY(o->version());
			CHECK(TRY(o->version()) == v);
		}
		return {};
	}));
	CHECK(TRY(o->version()) == std::uint64_t{kThreads} * count);
	return {};
}

Result<> commits_meet_transactions(Env &run) noexcept
{
	ObjectRef o[3];
	for (ObjectRef &x : o)
		x = TRY(run.make_file());
	unsigned count = run.scale(60);
	TRY(cfs::selftest::in_threads(run, 4, [&](unsigned t) -> Result<> {
		for (unsigned i = 0; i < count; i++) {
			if (t == 3)
				TRY(run.device().sync());
			else
				TRY(in_tx(
					run.device(),
					[&](Transaction &tx) {
						return o[t]->declare_version_set(tx);
					},
					[&](Transaction &tx) { return o[t]->version_set(tx, i); },
					i % 8 == 0));
		}
		return {};
	}));
	for (ObjectRef &x : o)
		CHECK(TRY(x->version()) == count - 1);
	return {};
}

// ---- the device ----

Result<> says_what_it_is(Env &run) noexcept
{
	const DeviceInfo &i = run.device().info();
	CHECK(i.name[0] && i.fstype[0] && i.block_bytes >= 1024 && i.object_max >= 1u << 30);
	CHECK(i.link_max >= 2 && i.xattr_max >= 1024 && i.statfs_type != 0 && !i.read_only);
	CHECK(run.device().healthy());
	wire::ObdStatfs s{};
	TRY(run.device().statfs(s));
	CHECK(s.type == i.statfs_type && s.bsize == i.block_bytes && s.maxbytes == i.object_max);
	CHECK(s.blocks > 0 && s.bfree <= s.blocks && s.bavail <= s.bfree && s.ffree <= s.files);
	CHECK(s.namelen == kNameMax && !(s.state & wire::OS_STATFS_READONLY));
	ObjectRef root = run.device().root();
	CHECK(root->exists() && root->type() == kTypeDir && root->fid() == kBackingRootFid);
	CHECK(TRY(run.device().object(kBackingRootFid)) == root);
	return {};
}

Result<> owners_pay(Env &run) noexcept
{
	if (!run.device().usage(QuotaType::user, 4711))
		return cfs::fail(err::OPNOTSUPP);
	ObjectRef o = TRY(run.make_file());
	auto b = TRY(Buffer::make(65536));
	TRY(put(*o, 0, b));
	QuotaUsage before = TRY(run.device().usage(QuotaType::user, 4711));
	Attr a;
	a.valid = kAttrUid;
	a.uid = 4711;
	TRY(in_tx(
		run.device(), [&](Transaction &tx) { return o->declare_attr_set(tx, a); },
		[&](Transaction &tx) { return o->attr_set(tx, a); }));
	QuotaUsage is = TRY(run.device().usage(QuotaType::user, 4711));
	CHECK(is.inodes == before.inodes + 1 && is.bytes >= before.bytes + 65536);
	TRY(destroy(*o));
	o.reset();
	return {};
}

Result<> space_is_given_back(Env &run) noexcept
{
	ObjectRef o = TRY(run.make_file());
	auto b = TRY(Buffer::make(1 << 20));
	fill(b, 0, 1);
	wire::ObdStatfs before{};
	TRY(run.device().statfs(before));
	TRY(put(*o, 0, b));
	wire::ObdStatfs full{};
	auto less = [&]() -> bool {
		return run.device().statfs(full) && full.bfree < before.bfree;
	};
	TRY(cfs::selftest::poll(less)); // what it says may be a second old
	TRY(destroy(*o));
	o.reset();
	wire::ObdStatfs after{};
	TRY(cfs::selftest::poll(
		[&]() -> bool { return run.device().statfs(after) && after.bfree > full.bfree; }));
	return {};
}

// ---- local objects ----

Result<> numbers_are_not_used_twice(Env &run) noexcept
{
	// A sequence that nothing else of the suite uses.
	constexpr std::uint64_t kSeq = wire::FID_SEQ_ECHO;
	std::uint64_t last = 0;
	for (unsigned round = 0; round < 3; round++) {
		LastId ids;
		TRY(ids.open(run.device(), kSeq, 1));
		CHECK(ids.last() >= 1 && ids.last() >= last);
		last = ids.last();
		for (unsigned i = 0; i < 5; i++) {
			Fid fid = TRY(ids.reserve());
			CHECK(fid.seq == kSeq && fid.oid == last + 1);
			TRY(in_tx(
				run.device(), [&](Transaction &tx) { return ids.declare(tx); },
				[&](Transaction &tx) { return ids.store(tx); }));
			last++;
		}
		(void)TRY(ids.reserve()); // lost
		TRY(in_tx(
			run.device(), [&](Transaction &tx) { return ids.declare(tx); },
			[&](Transaction &tx) { return ids.raise(tx, last + 10); }));
		last += 10;
		ids.close();
		TRY(run.remount());
	}
	return {};
}

Result<> named_objects_are_made_once(Env &run) noexcept
{
	ObjectRef dir = TRY(run.dir());
	LastId ids;
	TRY(ids.open(run.device(), wire::FID_SEQ_LLOG_NAME, 1));
	CreateSpec s = file_spec();
	ObjectRef a = TRY(find_or_create_named(*dir, "log", s, ids));
	CHECK(a->fid().seq == wire::FID_SEQ_LLOG_NAME && a->exists());
	ObjectRef again = TRY(find_or_create_named(*dir, "log", s, ids));
	CHECK(again == a);
	Attr before = TRY(attr_of(*dir));
	ObjectRef sub = TRY(find_or_create_named(*dir, "sub", file_spec(kTypeDir | 0755), ids));
	CHECK(sub->type() == kTypeDir && TRY(attr_of(*dir)).nlink == before.nlink + 1);
	CHECK(TRY(TRY(sub->directory())->lookup("..")) == dir->fid());
	ids.close();
	ObjectRef b = TRY(find_or_create_named(*dir, "local", s));
	CHECK(b->fid().seq == wire::FID_SEQ_LOCAL_NAME && b->exists());
	CHECK(TRY(find_or_create_named(*dir, "local", s)) == b);
	Fid claimed = TRY(claim_local_name(run.device()));
	CHECK(claimed.seq == b->fid().seq && claimed.oid > b->fid().oid);
	return {};
}

Result<> well_known_files_have_names(Env &run) noexcept
{
	constexpr Fid kFid = local_fid(wire::LocalOid::BATCHID_COMMITTED_OID);
	static_assert(root_name(kFid) == "BATCHID");
	ObjectRef o = TRY(find_or_create(run.device(), kFid, file_spec()));
	ObjectRef root = run.device().root();
	Directory *dir = TRY(root->directory());
	CHECK(TRY(dir->lookup("BATCHID")) == kFid);
	CHECK(TRY(find_path(run.device(), "/BATCHID")) == o);
	TRY(destroy(*o));
	CHECK_FAILS(dir->lookup("BATCHID"), err::NOENT);
	return {};
}

Result<> paths_are_walked(Env &run) noexcept
{
	ObjectRef configs = TRY(find_path(run.device(), "CONFIGS"));
	CHECK(configs->fid() == kConfigsFid && configs->type() == kTypeDir);
	CHECK_FAILS(find_path(run.device(), "CONFIGS/none"), err::NOENT);
	CHECK_FAILS(find_path(run.device(), "CONFIGS/mountdata/x"), err::NOTDIR);
	auto data = TRY(cfs::Array<wire::LustreDiskData>::make(CFS_S_OSD, 1));
	TRY(read_mount_data(run.device(), data[0]));
	CHECK(data[0].magic == wire::LDD_MAGIC);
	return {};
}

constexpr Test kJournalTests[] = {
	{"Transaction", "CallbacksComeInOrder", callbacks_come_in_order},
	{"Transaction", "UnmountCommits", unmount_commits},
	{"Transaction", "MayDoLess", transactions_may_do_less},
	{"Transaction", "FailedOperationsLeaveTheRest", failed_operations_leave_the_rest},
	{"Crash", "TakesWholeTransactions", crash_takes_whole_transactions},
	{"Crash", "UndoesMakingAndEnding", crash_undoes_making_and_ending},
	{"Crash", "FencedDeviceRefusesChanges", fenced_device_refuses_changes},
	{"Threads", "ShareADirectory", threads_share_a_directory},
	{"Threads", "OneOfManyCreates", one_of_many_creates},
	{"Threads", "LockMakesOperationsOne", lock_makes_operations_one},
	{"Threads", "CommitsMeetTransactions", commits_meet_transactions},
};

constexpr Test kLocalTests[] = {
	{"Device", "SaysWhatItIs", says_what_it_is},
	{"Device", "OwnersPay", owners_pay},
	{"Device", "SpaceIsGivenBack", space_is_given_back},
	{"Local", "NumbersAreNotUsedTwice", numbers_are_not_used_twice},
	{"Local", "NamedObjectsAreMadeOnce", named_objects_are_made_once},
	{"Local", "WellKnownFilesHaveNames", well_known_files_have_names},
	{"Local", "PathsAreWalked", paths_are_walked},
};

} // namespace

std::span<const Test> journal_tests() noexcept
{
	return kJournalTests;
}

std::span<const Test> local_tests() noexcept
{
	return kLocalTests;
}

} // namespace osd::conformance
