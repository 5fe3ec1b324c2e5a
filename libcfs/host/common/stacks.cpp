// SPDX-License-Identifier: GPL-2.0
//
// Capture and symbols. Symbols come from libbacktrace, which reads the binary's own debug
// information; nothing here runs except when something is about to be reported.
#include "libcfs/host/common/stacks.hpp"

#include <backtrace.h>
#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "libcfs/host/common/task.hpp"

extern "C" const char __executable_start;

namespace cfs::hosted
{

namespace
{

backtrace_state *symbols()
{
	static backtrace_state *state =
		backtrace_create_state(nullptr, 1, [](void *, const char *, int) {}, nullptr);
	return state;
}

// Paths of the build machine mean nothing to the reader; what counts is the place in the tree.
std::string_view short_path(std::string_view path)
{
	for (std::string_view top : {"/libcfs/", "/lnet/", "/lustre/", "/tests/", "/utils/"}) {
		auto at = path.rfind(top);
		if (at != std::string_view::npos)
			return path.substr(at + 1);
	}
	auto slash = path.rfind('/');
	return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string demangled(const char *name)
{
	if (!name)
		return "??";
	int status = 0;
	char *text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
	std::string out = status == 0 && text ? text : name;
	std::free(text);
	return out;
}

struct Frame {
	std::string name;
	std::string_view path;
	int line = 0;
};

void ignore_error(void *, const char *, int) {}

int add_frame(void *ctx, std::uintptr_t, const char *file, int line, const char *func)
{
	auto *frames = static_cast<std::vector<Frame> *>(ctx);
	if (func || file)
		frames->push_back({demangled(func), file ? short_path(file) : "", line});
	return 0;
}

// The insides of std::function and of lambdas as function pointers say nothing.
bool noise(const Frame &f)
{
	return f.path == "invoke.h" || f.path == "std_function.h" ||
	       f.name.ends_with("::_FUN(void*)");
}

void set_symbol(void *ctx, std::uintptr_t, const char *symbol, std::uintptr_t, std::uintptr_t)
{
	if (symbol)
		*static_cast<std::string *>(ctx) = demangled(symbol);
}

// What a return address stands for: functions inlined into each other, innermost first. Debug
// information knows lines and inlining, the symbol table the full name of the outermost.
std::vector<Frame> resolve(std::uintptr_t ret)
{
	std::vector<Frame> frames;
	backtrace_pcinfo(symbols(), ret - 1, add_frame, ignore_error, &frames);
	std::string symbol;
	backtrace_syminfo(symbols(), ret - 1, set_symbol, ignore_error, &symbol);
	if (!symbol.empty() && !frames.empty())
		frames.back().name = symbol;
	return frames;
}

// A name for a one-line description: the parameter list is noise there.
std::string bare_name(std::string s)
{
	constexpr std::string_view anon = "(anonymous namespace)::";
	for (auto at = s.find(anon); at != std::string::npos; at = s.find(anon))
		s.erase(at, anon.size());
	auto paren = s.find('(');
	if (paren != std::string::npos && paren > 0)
		s.resize(paren);
	return s;
}

int collect_pc(void *ctx, std::uintptr_t pc)
{
	auto *pcs = static_cast<std::vector<std::uintptr_t> *>(ctx);
	pcs->push_back(pc);
	return pcs->size() >= 64;
}

} // namespace

[[gnu::noinline, gnu::no_sanitize_address, gnu::no_sanitize_thread]] void
capture_site(Site &out) noexcept
{
	const Task &t = task();
	out.n = 0;
	auto fp = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
	// Our own frame's return address is our caller; its callers are what is asked for.
	for (unsigned depth = 0; out.n < kSiteFramesMax; depth++) {
		if (fp < t.stack_low || fp + 16 > t.stack_high || fp >= t.site_end || fp % 8 != 0)
			break;
		auto next = reinterpret_cast<const std::uintptr_t *>(fp)[0];
		auto ret = reinterpret_cast<const std::uintptr_t *>(fp)[1];
		if (depth > 0) {
			if (ret < 4096)
				break;
			out.pc[out.n++] = ret;
		}
		if (next <= fp)
			break;
		fp = next;
	}
}

std::uint64_t site_hash(const Site &s) noexcept
{
	auto base = reinterpret_cast<std::uintptr_t>(&__executable_start);
	std::uint64_t h = 0xcbf29ce484222325u;
	for (unsigned i = 0; i < s.n; i++) {
		h ^= s.pc[i] - base;
		h *= 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

std::string describe_site(const Site &s)
{
	std::string out;
	for (unsigned i = 0; i < s.n; i++) {
		for (Frame &f : resolve(s.pc[i])) {
			if (noise(f) || f.path.starts_with("libcfs/host/") ||
			    f.path.starts_with("libcfs/sim/"))
				continue;
			if (!out.empty())
				out += " < ";
			out += bare_name(std::move(f.name));
		}
	}
	return out.empty() ? "unknown place" : out;
}

[[gnu::noinline]] std::string current_stack(int skip)
{
	std::vector<std::uintptr_t> pcs;
	backtrace_simple(symbols(), skip + 1, collect_pc, ignore_error, &pcs);
	std::string out;
	int n = 0;
	for (auto pc : pcs) {
		// backtrace_simple() gives addresses inside the calls already.
		for (const Frame &f : resolve(pc + 1)) {
			if (noise(f))
				continue;
			out += "    #" + std::to_string(n++) + " " + f.name;
			if (!f.path.empty())
				out += "  " + std::string(f.path) + ":" + std::to_string(f.line);
			out += "\n";
		}
	}
	return out.empty() ? "    (no debug information)\n" : out;
}

} // namespace cfs::hosted
