// SPDX-License-Identifier: GPL-2.0
//
// The list of all self-tests, and running them (selftest/run.h).
#include "libcfs/selftest/selftest.hpp"

#include "libcfs/plat/thread.h"

namespace cfs::selftest
{

namespace
{

/// A constant list: there are no constructors that could register tests.
constexpr std::span<const Test> (*kFiles[])() noexcept = {
	lock_tests,	 wait_tests, thread_tests, memory_tests,
	container_tests, hash_tests, gate_tests,   service_tests,
};

const Test *find(unsigned index) noexcept
{
	for (auto file : kFiles) {
		auto tests = file();
		if (index < tests.size())
			return &tests[index];
		index -= static_cast<unsigned>(tests.size());
	}
	return nullptr;
}

void say(cfs_selftest_report report, void *ctx, std::string_view line) noexcept
{
	if (report)
		report(ctx, line.data(), line.size());
}

Result<> run_test(cfs_node *node, const Test &t, unsigned percent, FormatSink &why) noexcept
{
	Run run(node, percent);
	auto r = t.run(run);
	if (!r && r.error() == kWrong)
		run.why(why);
	else if (!r)
		why.print("{}", r);
	return r;
}

} // namespace

} // namespace cfs::selftest

using namespace cfs::selftest;

unsigned int cfs_selftest_count() noexcept
{
	std::size_t n = 0;
	for (auto file : kFiles)
		n += file().size();
	return static_cast<unsigned>(n);
}

void cfs_selftest_name(unsigned int test, char *buf, std::size_t n) noexcept
{
	const Test *t = find(test);
	CFS_ASSERT(t && n > 0);
	cfs::format_cstr({buf, n}, "{}", *t);
}

int cfs_selftest_run_one(cfs_node *node, unsigned int test, unsigned int percent,
			 cfs_selftest_report report, void *ctx) noexcept
{
	const Test *t = find(test);
	CFS_ASSERT(t);
	char buf[256];
	cfs::FormatSink why(buf);
	auto r = run_test(node, *t, percent, why);
	if (!r)
		say(report, ctx, why.text());
	return to_rc(r);
}

unsigned int cfs_selftest_run(cfs_node *node, const char *prefix, unsigned int percent,
			      cfs_selftest_report report, void *ctx) noexcept
{
	unsigned passed = 0;
	unsigned failed = 0;
	for (unsigned i = 0; const Test *t = find(i); i++) {
		char buf[400];
		if (!cfs::format_to(buf, "{}", *t).starts_with(prefix))
			continue;
		char why_buf[256];
		cfs::FormatSink why(why_buf);
		bool ok = run_test(node, *t, percent, why).has_value();
		(ok ? passed : failed)++;
		if (ok)
			say(report, ctx, cfs::format_to(buf, "ok {}", *t));
		else
			say(report, ctx, cfs::format_to(buf, "not ok {}: {}", *t, why.text()));
	}
	char buf[64];
	say(report, ctx, cfs::format_to(buf, "{} passed, {} failed", passed, failed));
	return failed;
}
