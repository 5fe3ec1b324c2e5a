// SPDX-License-Identifier: GPL-2.0
//
// What ksocklnd.ko registers with LNet: makes socklnd for each node, from the parameters of both
// modules.

#include "lnet/socklnd/ksocklnd.h"

#include "libcfs/node.hpp"
#include "lnet/socklnd/socklnd.hpp"

namespace lnet::sock
{

namespace
{

#define SAME_DEFAULT(name, value, doc) static_assert(Tunables{}.name == value);
KSOCKLND_PARAMS(SAME_DEFAULT)
#undef SAME_DEFAULT

Accept accept_of(std::string_view word) noexcept
{
	// LNet has checked that it is one of the three.
	return word == "all" ? Accept::all : word == "none" ? Accept::none : Accept::secure;
}

class SockDriver final : public Driver
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	explicit SockDriver(const ksocklnd_params &p) noexcept
	{
#define COPY(name, value, doc) tunables_.name = static_cast<decltype(tunables_.name)>(p.name);
		KSOCKLND_PARAMS(COPY)
#undef COPY
	}
	void destroy() noexcept
	{
		this->~SockDriver();
		cfs_free(kSubsys, this, sizeof(*this));
	}
	[[nodiscard]] LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<Lnd *> start(cfs::Node &node, const lnet_config &config) noexcept override
	{
		Tunables t = tunables_;
		t.accept = accept_of(config.accept);
		t.accept_port = config.accept_port;
		t.accept_backlog = config.accept_backlog;
		t.accept_timeout = config.accept_timeout;
		auto lnd = TRY(cfs::try_make<SockLnd>(node.plat(), t));
		TRY(lnd->start());
		return lnd.release();
	}
	void stop(Lnd *lnd) noexcept override
	{
		cfs::UniquePtr<SockLnd>(static_cast<SockLnd *>(lnd)).reset();
	}

private:
	Tunables tunables_;
};

} // namespace

} // namespace lnet::sock

namespace
{

/// What a parameter may be. TCP refuses keepalive values beyond its own limits, and then no
/// connection could be made.
struct Range {
	const char *name;
	std::uint32_t value, min, max;
};

bool in_range(const ksocklnd_params &p) noexcept
{
	constexpr std::uint32_t kSecondsMax = 1000000, kCreditsMax = 1u << 20;
	const Range ranges[] = {
		{"sock_timeout", p.sock_timeout, 1, kSecondsMax},
		{"credits", p.credits, 1, kCreditsMax},
		{"peer_credits", p.peer_credits, 1, kCreditsMax},
		{"nconnds_max", p.nconnds_max, 1, 512},
		{"min_reconnectms", p.min_reconnectms, 1, kSecondsMax},
		{"max_reconnectms", p.max_reconnectms, p.min_reconnectms, kSecondsMax},
		{"keepalive", p.keepalive, 0, kSecondsMax},
		{"keepalive_idle", p.keepalive_idle, 0, 32767},
		{"keepalive_intvl", p.keepalive_intvl, 1, 32767},
		{"keepalive_count", p.keepalive_count, 1, 127},
		{"conns_per_peer", p.conns_per_peer, 0, lnet::sock::kConnsPerTypeMax},
	};
	for (const Range &r : ranges) {
		if (r.value >= r.min && r.value <= r.max)
			continue;
		LCONSOLE_ERROR(CFS_S_LND, "ksocklnd: {}={} must be from {} to {}", r.name, r.value,
			       r.min, r.max);
		return false;
	}
	return true;
}

} // namespace

int ksocklnd_driver_make(const ksocklnd_params *p, lnet_driver **out) noexcept
{
	if (!in_range(*p))
		return cfs::to_rc(cfs::err::INVAL);
	auto made = cfs::try_make<lnet::sock::SockDriver>(*p);
	if (made)
		*out = made->release();
	return to_rc(made);
}

void ksocklnd_driver_free(lnet_driver *driver) noexcept
{
	cfs::UniquePtr<lnet::sock::SockDriver>(static_cast<lnet::sock::SockDriver *>(driver))
		.reset();
}
