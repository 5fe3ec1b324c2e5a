// SPDX-License-Identifier: GPL-2.0
//
// Runs the conformance suite over osd_ldiskfs. A crash is the journal's abort: what was not
// committed is gone, and the next mount replays the rest. Real power cuts are the test script's:
// churn() and verify() are its two halves.

#include <cstring>

#include "lustre/osd/conformance/conformance.hpp"
#include "osd/plat_driver.h"
#include "suite.h"

using namespace osd;
using namespace osd::conformance;

namespace
{

Result<DeviceRef> mount_device(cfs_node *node, const osd_mount &m) noexcept
{
	osd_device *d = nullptr;
	TRY(cfs::to_result(osd_ldiskfs_mount(node, &m, &d)));
	return adopt_device(d);
}

class LdiskfsEnv final : public Env
{
	const osd_mount &mount_;

	Result<DeviceRef> crash_device(DeviceRef d) noexcept override
	{
		d->set_read_only();
		return remount_device(std::move(d));
	}
	Result<DeviceRef> remount_device(DeviceRef d) noexcept override
	{
		d.reset();
		return mount_device(node(), mount_);
	}

public:
	LdiskfsEnv(cfs_node *node, unsigned percent, DeviceRef d, std::uint32_t first,
		   const osd_mount &m) noexcept
	    : Env(node, percent, std::move(d), first), mount_(m)
	{
	}
};

// ---- churn and verify ----
//
// Round n makes the object [kChurnSeq:n] under the name "n<n>" in the root, with version n, and
// destroys that of round n - kKeep, in one transaction; another one writes its body. Every
// kSyncEvery rounds it waits for the disk, and stores n durably in LAST_ID of the sequence.

constexpr std::uint64_t kChurnSeq = 0x200000400;
constexpr std::uint32_t kKeep = 40, kSyncEvery = 8;
constexpr std::size_t kChurnBytes = 9000;

Fid churn_fid(std::uint32_t n) noexcept
{
	return wire::make_fid(kChurnSeq, n);
}

Result<> store_durable(LastId &ids, Device &d, std::uint64_t n) noexcept
{
	return in_tx(
		d, [&](Transaction &tx) { return ids.declare(tx); },
		[&](Transaction &tx) { return ids.raise(tx, n); }, true);
}

Result<> churn_one(Device &d, std::uint32_t n, cfs::Array<std::byte> &data) noexcept
{
	ObjectRef root = d.root(), old, fresh = TRY(d.object(churn_fid(n)));
	Directory *dir = TRY(root->directory());
	if (n > kKeep)
		old = TRY(d.object(churn_fid(n - kKeep)));
	bool remove = old && old->exists();
	TRY(in_tx(
		d,
		[&](Transaction &tx) -> Result<> {
			TRY(fresh->declare_create(tx, file_spec()));
			TRY(dir->declare_insert(tx, Name(n)));
			TRY(fresh->declare_version_set(tx));
			if (!remove)
				return {};
			TRY(dir->declare_remove(tx, Name(n - kKeep)));
			return old->declare_destroy(tx);
		},
		[&](Transaction &tx) -> Result<> {
			TRY(fresh->create(tx, file_spec()));
			TRY(dir->insert(tx, Name(n), *fresh));
			TRY(fresh->version_set(tx, n));
			if (!remove)
				return {};
			TRY(dir->remove(tx, Name(n - kKeep)));
			return old->destroy(tx);
		}));
	fill(data, 0, n);
	return put(*fresh, 0, data);
}

Result<> churn(cfs_node *node, const osd_mount &m, unsigned rounds) noexcept
{
	auto d = TRY(mount_device(node, m));
	LastId ids;
	TRY(ids.open(*d, kChurnSeq, 0));
	auto data = TRY(cfs::Array<std::byte>::make(CFS_S_OSD, kChurnBytes));
	auto first = static_cast<std::uint32_t>(ids.last()) + 1;
	while (TRY(d->object(churn_fid(first)))->exists())
		first++; // what a power cut left behind the last durable one
	for (std::uint32_t n = first; n < first + rounds; n++) {
		TRY(churn_one(*d, n, data));
		if (n % kSyncEvery == 0)
			TRY(store_durable(ids, *d, n));
	}
	ids.close();
	return {};
}

/// Name and object are there both or none, and the body is whole, or not yet written in the newest.
Result<> verify_one(Env &run, std::uint32_t n, bool newest, cfs::Array<std::byte> &data) noexcept
{
	ObjectRef root = run.device().root(), o = TRY(run.device().object(churn_fid(n)));
	Directory *dir = TRY(root->directory());
	auto found = dir->lookup(Name(n));
	CHECK(bool(found) == o->exists());
	if (!o->exists())
		return {};
	CHECK(*found == churn_fid(n));
	CHECK(TRY(o->version()) == n);
	Body *body = TRY(o->body());
	auto size = TRY(body->read(0, data));
	CHECK(size == kChurnBytes || (newest && size == 0));
	CHECK(!size || filled(data, 0, n));
	return {};
}

Result<bool> is_there(Env &run, std::uint32_t n) noexcept
{
	ObjectRef o = TRY(run.device().object(churn_fid(n)));
	return o->exists();
}

/// Of all rounds there are the last kKeep, without a gap, and what was durable is among them.
Result<> verify(Env &run) noexcept
{
	LastId ids;
	TRY(ids.open(run.device(), kChurnSeq, 0));
	auto durable = static_cast<std::uint32_t>(ids.last());
	ids.close();
	auto data = TRY(cfs::Array<std::byte>::make(CFS_S_OSD, kChurnBytes));
	CHECK(durable > kKeep);
	std::uint32_t last = durable;
	while (TRY(is_there(run, last + 1)))
		last++;
	for (std::uint32_t n = last - kKeep - 2; n < last + 2 * kKeep; n++) {
		bool there = TRY(is_there(run, n));
		CHECK(there == (n + kKeep > last && n <= last));
		TRY(verify_one(run, n, n == last, data));
	}
	return {};
}

} // namespace

unsigned int osd_suite_count() noexcept
{
	return static_cast<unsigned>(test_count());
}

void osd_suite_name(unsigned int n, char *buf, std::size_t size) noexcept
{
	const Test &t = test(n);
	auto text = cfs::format_to(std::span<char>(buf, size - 1), "{}.{}", t.suite, t.name);
	buf[text.size()] = '\0';
}

int osd_suite_run(cfs_node *node, const osd_mount *mount, unsigned int n, unsigned int percent,
		  std::uint32_t *first_oid, char *why, std::size_t size) noexcept
{
	auto d = mount_device(node, *mount);
	if (!d)
		return cfs::to_rc(d);
	LdiskfsEnv env(node, percent, std::move(*d), *first_oid, *mount);
	auto r = test(n).run(env);
	cfs::FormatSink out(std::span<char>(why, size - 1));
	env.why(out);
	why[out.size()] = '\0';
	env.close();
	*first_oid = env.next_oid();
	return cfs::to_rc(r);
}

int osd_suite_churn(cfs_node *node, const osd_mount *mount, unsigned int rounds) noexcept
{
	return cfs::to_rc(churn(node, *mount, rounds));
}

int osd_suite_verify(cfs_node *node, const osd_mount *mount, char *why, std::size_t size) noexcept
{
	auto d = mount_device(node, *mount);
	if (!d)
		return cfs::to_rc(d);
	LdiskfsEnv env(node, 100, std::move(*d), 1, *mount);
	auto r = verify(env);
	cfs::FormatSink out(std::span<char>(why, size - 1));
	env.why(out);
	why[out.size()] = '\0';
	env.close();
	return cfs::to_rc(r);
}
