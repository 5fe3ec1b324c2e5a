// SPDX-License-Identifier: GPL-2.0
//
// The settings that are module parameters; see tunables.hpp.

#include "lnet/tunables.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr std::int64_t kSecondsMax = 1000000;
constexpr std::uint32_t kRetriesMax = 5;

struct Tunable {
	std::int64_t min, max;
	std::int64_t (*get)(const Settings &) noexcept;
	void (*set)(Settings &, std::int64_t) noexcept;
};

template <auto Member>
constexpr Tunable number(std::int64_t min, std::int64_t max) noexcept
{
	return {min, max,
		[](const Settings &s) noexcept { return static_cast<std::int64_t>(s.*Member); },
		[](Settings &s, std::int64_t v) noexcept {
			s.*Member = static_cast<std::remove_reference_t<decltype(s.*Member)>>(v);
		}};
}

constexpr Tunable kDiscoveryDisabled = {
	0, INT32_MAX,
	[](const Settings &s) noexcept -> std::int64_t { return s.discovery ? 0 : 1; },
	[](Settings &s, std::int64_t v) noexcept { s.discovery = v == 0; }};

/// In the order of LNET_TUNABLES.
constexpr Tunable kTunables[] = {
	kDiscoveryDisabled,
	number<&Settings::transaction_timeout>(1, kSecondsMax),
	number<&Settings::retry_count>(0, kRetriesMax),
	number<&Settings::health_sensitivity>(0, 1000),
	number<&Settings::recovery_interval>(1, kSecondsMax),
	number<&Settings::recovery_limit>(0, UINT32_MAX),
	number<&Settings::max_recovery_ping_interval>(1, kSecondsMax),
	number<&Settings::response_tracking>(0, 3),
	number<&Settings::interfaces_max>(16, PingInfo::kNidsMax),
	number<&Settings::numa_range>(0, UINT32_MAX),
	number<&Settings::drop_asym_route>(0, 1),
	number<&Settings::lock_prim_nid>(0, 1),
	number<&Settings::router_sensitivity>(0, 100),
	number<&Settings::avoid_asym_router_failure>(0, 1),
	number<&Settings::router_check_interval>(1, kSecondsMax),
	number<&Settings::router_ping_timeout>(1, kSecondsMax),
};
static_assert(std::size(kTunables) == LNET_TUNABLE_COUNT);

} // namespace

cfs::Result<> check_settings(const Settings &s) noexcept
{
	for (const Tunable &t : kTunables)
		if (t.get(s) < t.min || t.get(s) > t.max)
			return cfs::fail(INVAL);
	if (s.transaction_timeout <= s.retry_count)
		return cfs::fail(INVAL);
	return {};
}

cfs::Result<> change_tunable(Settings &s, unsigned which, std::int64_t value) noexcept
{
	if (which >= std::size(kTunables))
		return cfs::fail(INVAL);
	const Tunable &t = kTunables[which];
	if (value < t.min || value > t.max)
		return cfs::fail(INVAL);
	t.set(s, value);
	return {};
}

std::int64_t read_tunable(const Settings &s, unsigned which) noexcept
{
	return which < std::size(kTunables) ? kTunables[which].get(s) : 0;
}

Settings configured_settings(const lnet_config &c) noexcept
{
	Settings s;
	for (unsigned i = 0; i < LNET_TUNABLE_COUNT; i++)
		if (c.given & 1u << i)
			kTunables[i].set(s, c.tunables[i]);
	return s;
}

} // namespace lnet
