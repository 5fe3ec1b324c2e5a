// SPDX-License-Identifier: GPL-2.0
//
// Gates.
#include "libcfs/gate.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/selftest/selftest.hpp"

namespace cfs::selftest
{

namespace
{

enum { kRead, kPing };
constexpr const char *kKinds[] = {"read", "ping"};

Instant patience() noexcept
{
	return after(kPatience);
}

Result<> closed_gates_refuse(Run &run) noexcept
{
	Gate gate(CFS_S_LIBCFS, "selftest gate", kKinds);
	{
		auto a = gate.enter(kRead);
		auto b = gate.enter(kPing);
		CHECK(a && b);
		CHECK(gate.inside() == 2 && gate.inside(kRead) == 1);
		auto moved = std::move(a);
		CHECK(moved && !a && gate.inside() == 2);
		moved.leave();
		CHECK(gate.inside() == 1 && gate.inside(kRead) == 0);
	}
	TRY(gate.close(WaitMode::killable, patience()));
	CHECK(gate.closed() && !gate.enter(kRead));
	CHECK(gate.refused() == 1 && gate.inside() == 0);
	TRY(gate.close(WaitMode::killable, patience()));
	gate.reopen();
	CHECK(gate.enter(kRead));
	return {};
}

Result<> close_gives_up_at_its_deadline(Run &run) noexcept
{
	Gate gate(CFS_S_LIBCFS, "selftest late gate", kKinds);
	auto pass = gate.enter(kPing);
	auto r = gate.close(WaitMode::killable, after(Duration::millis(2)));
	CHECK(!r && r.error() == err::TIMEDOUT);
	CHECK(gate.closed() && !gate.enter(kRead));
	pass.leave();
	TRY(gate.close(WaitMode::killable, patience()));
	return {};
}

/// Close waits for running work, and the gate may be destroyed at once: the memory is spoiled and
/// used again.
Result<> close_waits_for_running_work(Run &run) noexcept
{
	struct Room {
		alignas(Gate) unsigned char bytes[sizeof(Gate)];
	} room;
	unsigned rounds = run.scale(200);
	for (unsigned i = 0; i < rounds; i++) {
		auto *gate = ::new (room.bytes) Gate(CFS_S_LIBCFS, "selftest running gate");
		std::atomic<unsigned> running{0};
		auto work = [&](unsigned) -> Result<> {
			running.fetch_sub(1);
			return {};
		};
		auto pass = gate->enter();
		running.fetch_add(1);
		struct Worker {
			Gate::Pass pass;
			decltype(work) &fn;
			void body() noexcept
			{
				Gate::Pass mine = std::move(pass);
				(void)fn(0);
			}
		} worker{std::move(pass), work};
		Thread t;
		auto started = t.start<&Worker::body>(run.node(), "gate", &worker);
		if (!started)
			worker.pass.leave();
		auto closed = gate->close(WaitMode::idle, patience());
		unsigned left = running.load();
		gate->~Gate();
		__builtin_memset(room.bytes, 0xee, sizeof(room.bytes));
		t.join();
		TRY(started);
		TRY(closed);
		CHECK(left == 0);
	}
	return {};
}

/// Many threads go in and out while the gate closes and opens: nobody is inside a closed one.
Result<> nobody_is_inside_a_closed_gate(Run &run) noexcept
{
	Gate gate(CFS_S_LIBCFS, "selftest busy gate");
	std::atomic<unsigned> inside{0};
	std::atomic<bool> over{false};
	unsigned rounds = run.scale(300);
	return in_threads(run, 4, [&](unsigned index) -> Result<> {
		if (index != 0) {
			while (!over.load()) {
				if (auto pass = gate.enter()) {
					inside.fetch_add(1);
					inside.fetch_sub(1);
				}
				cfs_yield();
			}
			return {};
		}
		Result<> r;
		unsigned seen = 0;
		for (unsigned i = 0; i < rounds && r; i++) {
			r = gate.close(WaitMode::idle, patience());
			seen += inside.load();
			if (r)
				gate.reopen();
		}
		over.store(true);
		CHECK(seen == 0);
		return r;
	});
}

constexpr Test kTests[] = {
	{"Gate", "ClosedOnesRefuse", closed_gates_refuse},
	{"Gate", "CloseGivesUpAtItsDeadline", close_gives_up_at_its_deadline},
	{"Gate", "CloseWaitsForRunningWork", close_waits_for_running_work},
	{"Gate", "NobodyIsInsideAClosedOne", nobody_is_inside_a_closed_gate},
};

} // namespace

std::span<const Test> gate_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
