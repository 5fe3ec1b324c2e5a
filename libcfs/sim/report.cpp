// SPDX-License-Identifier: GPL-2.0
//
// Failure reports: every fiber with its stack, the end of the event log, the last steps of the
// scheduler, the seed and the command that replays it. The text of equal runs is equal.
#include "libcfs/sim/report.hpp"

#include <signal.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

#ifdef CFS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace cfs::sim
{

namespace
{

constexpr std::size_t kLogLines = 200;

std::string &replay_template()
{
	static auto *t = new std::string;
	return *t;
}

const char *wait_name(Wait w)
{
	switch (w) {
	case Wait::nothing:
		return "ready to run";
	case Wait::spin:
		return "waits for spinlock";
	case Wait::mutex:
		return "waits for mutex";
	case Wait::read:
		return "waits to read";
	case Wait::write:
		return "waits to write";
	case Wait::queue:
		return "waits on queue";
	case Wait::sleep:
		return "sleeps";
	case Wait::thread_end:
		return "waits for a thread to end";
	case Wait::node:
		return "waits for a node";
	case Wait::rcu:
		return "waits for an RCU grace period";
	case Wait::net:
		return "waits for the network";
	case Wait::disk:
		return "waits for a disk";
	case Wait::stall:
		return "has lost its CPU for a while";
	}
	return "?";
}

std::string seconds(Nanos t)
{
	char buf[32];
	std::snprintf(buf, sizeof(buf), "%" PRIu64 ".%09" PRIu64, t / kSecond, t % kSecond);
	return buf;
}

std::string describe_state(const Fiber &f)
{
	std::string s = wait_name(f.wait);
	if (f.wait_class)
		s += std::string(" \"") + f.wait_class->name + "\"";
	if (f.wait == Wait::queue && !(f.wait_mode & (CFS_WAIT_KILLABLE | CFS_WAIT_INTERRUPTIBLE)))
		s += " (idle)";
	if (f.wait != Wait::nothing) {
		s += ", since " + seconds(f.wait_since);
		if (f.wait_until != UINT64_MAX)
			s += " until " + seconds(f.wait_until);
	}
	return s;
}

} // namespace

std::string_view failure_name(Failure f) noexcept
{
	switch (f) {
	case Failure::none:
		return "none";
	case Failure::deadlock:
		return "deadlock";
	case Failure::lock_order:
		return "lock order";
	case Failure::livelock:
		return "livelock";
	case Failure::hung:
		return "hung";
	case Failure::atomic_sleep:
		return "sleep in atomic context";
	case Failure::bug:
		return "bug";
	case Failure::leftover:
		return "leftover";
	case Failure::check:
		return "check";
	}
	return "?";
}

std::string Fiber::label() const
{
	std::string s = home ? std::string(home->name()) : "outside";
	return s + "/" + comm + " #" + std::to_string(id);
}

void set_replay_command(std::string command)
{
	replay_template() = std::move(command);
}

std::string replay_command(std::uint64_t seed)
{
	std::string s = replay_template();
	auto at = s.find("{seed}");
	if (at != std::string::npos)
		s.replace(at, 6, std::to_string(seed));
	return s;
}

void Sched::note(std::string text)
{
	mix(std::hash<std::string>{}(text));
	if (options.trace)
		std::fprintf(stderr, "[%s] %s\n", seconds(now_).c_str(), text.c_str());
	log_.push_back({now_, std::move(text)});
	if (log_.size() > kLogLines)
		log_.pop_front();
}

void Sched::step_note(const char *what, const char *which) noexcept
{
	step_notes_[step_note_next_++ % step_notes_.size()] = {now_, current_fiber->id, what,
							       which};
	if (options.trace) [[unlikely]]
		std::fprintf(stderr, "[%s] %s: %s \"%s\"\n", seconds(now_).c_str(),
			     current_fiber->label().c_str(), what, which);
}

std::string Sched::stack_of(Fiber *f)
{
	if (f == current_fiber)
		return hosted::current_stack(4);
	f->visitor = current_fiber;
	Fiber *me = current_fiber;
	current_fiber = f;
	context_switch(me->context, f->context);
	current_fiber = me;
	return std::move(visit_answer_);
}

std::string Sched::describe_fibers()
{
	std::string out;
	for (Fiber *f = all_first_; f; f = f->next) {
		bool me = f == current_fiber;
		out += (me ? "* " : "  ") + f->label() + ":";
		if (!me || f->wait != Wait::nothing)
			out += " " + describe_state(*f);
		out += me ? " (here the failure was noticed)\n" : "\n";
		for (const Held &h : f->held)
			out += std::string("      holds \"") + (h.cls ? h.cls->name : "?") +
			       (h.shared ? "\" as a reader\n" : "\"\n");
		out += stack_of(f);
	}
	return out;
}

std::string Sched::describe_logs()
{
	std::string out = "---- last events\n";
	for (const LogLine &l : log_)
		out += "[" + seconds(l.at) + "] " + l.text + "\n";
	out += "---- last steps (fiber number: what)\n";
	auto n = std::min(step_note_next_, step_notes_.size());
	for (std::size_t i = step_note_next_ - n; i < step_note_next_; i++) {
		const StepNote &s = step_notes_[i % step_notes_.size()];
		out += "[" + seconds(s.at) + "] #" + std::to_string(s.fiber) + ": " + s.what +
		       " \"" + s.which + "\"\n";
	}
	return out;
}

void Sched::compose_report(Failure kind, std::string title)
{
	outcome.failure = kind;
	outcome.title = title.substr(0, title.find('\n'));
	std::string &r = outcome.report;
	r = "==== simulation failed (" + std::string(failure_name(kind)) + "): " + title;
	if (r.back() != '\n')
		r += "\n";
	r += "seed " + std::to_string(outcome.seed) + ", virtual time " + seconds(now_) +
	     ", step " + std::to_string(steps_) + ", run " + std::to_string(hash_) + "\n";
	std::string command = replay_command(outcome.seed);
	if (!command.empty())
		r += "replay: " + command + "\n";
	r += "---- fibers\n";
	r += describe_fibers();
	r += describe_logs();
	r += "====\n";
}

void Sched::fail(Failure kind, std::string title)
{
	if (current_fiber == &events_context_)
		current_fiber = interrupted_;
	if (!outcome.ok()) {
		std::fprintf(stderr, "simulator: failed while reporting: %s\n", title.c_str());
		std::abort();
	}
	current_fiber->alloc_faults_off = true;
	compose_report(kind, std::move(title));
	finish();
}

void Sched::fail_after(Failure kind, std::string title)
{
	if (!outcome.ok())
		return;
	compose_report(kind, std::move(title));
}

// ---- the end of the process ----

namespace
{

void say_where()
{
	char buf[512];
	if (!current_sched)
		return;
	auto seed = current_sched->outcome.seed;
	int n = std::snprintf(buf, sizeof(buf), "simulator: in fiber %s of seed %" PRIu64 "\n",
			      current_fiber->label().c_str(), seed);
	std::string command = replay_command(seed);
	if (!command.empty() && n > 0 && static_cast<std::size_t>(n) < sizeof(buf))
		n += std::snprintf(buf + n, sizeof(buf) - static_cast<std::size_t>(n),
				   "replay: %s\n", command.c_str());
	auto len = std::min(static_cast<std::size_t>(n), sizeof(buf) - 1);
	if (write(STDERR_FILENO, buf, len) < 0)
		return;
}

#ifndef CFS_ASAN
void on_signal(int sig, siginfo_t *info, void *)
{
	signal(sig, SIG_DFL);
	if (sig == SIGSEGV && in_guard_page(reinterpret_cast<std::uintptr_t>(info->si_addr)))
		std::fprintf(stderr, "simulator: a fiber's stack overflowed\n");
	say_where();
	std::fprintf(stderr, "%s", hosted::current_stack(2).c_str());
	raise(sig);
}
#endif

} // namespace

void install_crash_reports()
{
	static bool done = false;
	if (std::exchange(done, true))
		return;
#ifdef CFS_ASAN
	__sanitizer_set_death_callback(say_where);
#else
	static char alternate[256 * 1024];
	stack_t ss = {};
	ss.ss_sp = alternate;
	ss.ss_size = sizeof(alternate);
	sigaltstack(&ss, nullptr);
	struct sigaction sa = {};
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	for (int sig : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
		sigaction(sig, &sa, nullptr);
#endif
}

} // namespace cfs::sim
