// SPDX-License-Identifier: GPL-2.0
//
// The conformance suite of object stores over osd/mem, on POSIX threads: each test as it is, on a
// disk whose directories are full of collisions, and with every allocation failing in turn.
#include "libcfs/host/alloc_fault.hpp"
#include "lustre/osd/conformance/conformance.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "tests/unit/libcfs_machine.hpp"

namespace
{

using osd::mem::Disk;

constexpr const char *kTarget = "lfs1-MDT0000";

osd::mem::MountOptions options()
{
	osd::mem::MountOptions o;
	o.commit_interval = cfs::Duration::millis(2);
	o.commit_max = cfs::Duration::micros(200);
	return o;
}

class MemEnv final : public osd::conformance::Env
{
	Disk &disk_;

public:
	MemEnv(Disk &disk, osd::DeviceRef d, unsigned percent, std::uint32_t first_oid)
	    : Env(cfs_node_current(), percent, std::move(d), first_oid), disk_(disk)
	{
	}

protected:
	cfs::Result<osd::DeviceRef> crash_device(osd::DeviceRef d) noexcept override
	{
		d->set_read_only();
		return remount_device(std::move(d));
	}
	cfs::Result<osd::DeviceRef> remount_device(osd::DeviceRef d) noexcept override
	{
		d.reset();
		return osd::mem::mount(cfs_node_current(), disk_, kTarget, options());
	}
};

class OsdConformance : public testing::WithParamInterface<std::size_t>, public MachineTest
{
protected:
	std::string why_;
	std::uint32_t first_oid_ = 10;

	cfs::Result<> run(Disk &disk, unsigned percent)
	{
		auto device = osd::mem::mount(cfs_node_current(), disk, kTarget, options());
		if (!device)
			return cfs::fail(device.error());
		MemEnv env(disk, std::move(*device), percent, first_oid_);
		auto r = osd::conformance::test(GetParam()).run(env);
		char buf[300];
		cfs::FormatSink why(buf);
		env.why(why);
		why_ = why.text();
		env.close();
		first_oid_ = env.next_oid();
		return r;
	}
};

TEST_P(OsdConformance, OfMem)
{
	osd::mem::DiskOptions o;
	o.svname = kTarget;
	Disk disk(o);
	auto r = run(disk, 100);
	EXPECT_TRUE(r) << to_rc(r) << " " << why_;
	EXPECT_EQ(disk.uncommitted(), 0u);
}

TEST_P(OsdConformance, OfMemWithCollidingNames)
{
	osd::mem::DiskOptions o;
	o.svname = kTarget;
	o.hash_bits = 5;
	Disk disk(o);
	auto r = run(disk, 20);
	EXPECT_TRUE(r) << to_rc(r) << " " << why_;
}

TEST_P(OsdConformance, ReturnsAnErrorWhenMemoryIsRefused)
{
	osd::mem::DiskOptions o;
	o.svname = kTarget;
	Disk disk(o);
	auto report = cfs::host::fail_each_site([&]() -> cfs::Result<> {
		auto r = run(disk, 2);
		EXPECT_NE(to_rc(r), -EBADMSG) << why_;
		return r;
	});
	EXPECT_TRUE(report.clean_run_ok && !report.gave_up) << why_;
	for (auto &r : report.runs)
		EXPECT_EQ(r.leaks, "") << r.site;
}

INSTANTIATE_TEST_SUITE_P(All, OsdConformance,
			 testing::Range(std::size_t{0}, osd::conformance::test_count()),
			 [](const testing::TestParamInfo<std::size_t> &info) {
				 const auto &t = osd::conformance::test(info.param);
				 return std::string(t.suite) + "_" + t.name;
			 });

} // namespace
