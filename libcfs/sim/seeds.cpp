// SPDX-License-Identifier: GPL-2.0
//
// Seeds and their flags.
#include "libcfs/sim/seeds.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cfs::sim
{

namespace
{

std::uint64_t number(std::string_view name, std::string_view text)
{
	std::uint64_t v = 0;
	auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
	if (ec != std::errc{} || end != text.data() + text.size()) {
		std::fprintf(stderr, "%.*s wants a number, not \"%.*s\"\n",
			     static_cast<int>(name.size()), name.data(),
			     static_cast<int>(text.size()), text.data());
		std::exit(2);
	}
	return v;
}

bool set_flag(SeedFlags &f, std::string_view name, std::string_view value)
{
	if (name == "seed")
		f.only = number(name, value);
	else if (name == "seeds")
		f.count = static_cast<unsigned>(number(name, value));
	else if (name == "first")
		f.first = number(name, value);
	else if (name == "trace")
		f.trace = value != "0";
	else if (name == "twice")
		f.twice = value != "0";
	else if (name == "report")
		f.report_file = value;
	else
		return false;
	return true;
}

SeedFlags from_environment()
{
	SeedFlags f;
	for (auto [env, name] : {std::pair{"CFS_SIM_SEED", "seed"},
				 {"CFS_SIM_SEEDS", "seeds"},
				 {"CFS_SIM_FIRST", "first"},
				 {"CFS_SIM_TRACE", "trace"},
				 {"CFS_SIM_TWICE", "twice"}})
		if (const char *v = std::getenv(env))
			set_flag(f, name, v);
	return f;
}

} // namespace

SeedFlags &seed_flags()
{
	static SeedFlags flags = from_environment();
	return flags;
}

void parse_seed_flags(int &argc, char **argv)
{
	int kept = 1;
	for (int i = 1; i < argc; i++) {
		std::string_view arg = argv[i];
		constexpr std::string_view prefix = "--sim-";
		if (!arg.starts_with(prefix)) {
			argv[kept++] = argv[i];
			continue;
		}
		arg.remove_prefix(prefix.size());
		auto eq = arg.find('=');
		auto value = eq == std::string_view::npos ? std::string_view{} : arg.substr(eq + 1);
		if (!set_flag(seed_flags(), arg.substr(0, eq), value)) {
			std::fprintf(stderr, "unknown flag %s\n", argv[i]);
			std::exit(2);
		}
	}
	argc = kept;
	argv[argc] = nullptr;
}

namespace
{

Outcome run_once(std::uint64_t seed, const Options &options, const Scenario &scenario)
{
	Options o = options;
	o.trace = o.trace || seed_flags().trace;
	World w(seed, o);
	scenario(w);
	if (!w.ran())
		w.run();
	if (!w.outcome().ok() && !seed_flags().report_file.empty()) {
		if (std::FILE *f = std::fopen(seed_flags().report_file.c_str(), "w")) {
			std::fputs(w.outcome().report.c_str(), f);
			std::fclose(f);
		}
	}
	return w.outcome();
}

} // namespace

Outcome run_seed(std::uint64_t seed, const Options &options, const Scenario &scenario)
{
	Outcome first = run_once(seed, options, scenario);
	if (!seed_flags().twice)
		return first;
	Outcome second = run_once(seed, options, scenario);
	if (second.trace_hash == first.trace_hash && second.report == first.report)
		return first;
	second.failure = Failure::check;
	second.title = "two runs of one seed differ: something depends on addresses, the host's "
		       "clock or static variables";
	second.report = "==== " + second.title + "\nseed " + std::to_string(seed) + ", steps " +
			std::to_string(first.steps) + " and " + std::to_string(second.steps) +
			"\n---- first:\n" + first.report + "---- second:\n" + second.report;
	return second;
}

SeedResult run_until_failure(unsigned count, const Options &options, const Scenario &scenario,
			     const std::function<bool(const Outcome &)> &after_each)
{
	const SeedFlags &flags = seed_flags();
	SeedResult r;
	unsigned n = flags.only ? 1 : flags.count.value_or(count);
	for (unsigned i = 0; i < n; i++) {
		Outcome o = run_seed(flags.only.value_or(flags.first + i), options, scenario);
		r.runs++;
		if (after_each && !after_each(o))
			break;
		if (!o.ok()) {
			r.failure = std::move(o);
			break;
		}
	}
	return r;
}

} // namespace cfs::sim
