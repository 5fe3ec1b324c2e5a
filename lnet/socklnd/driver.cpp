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

int ksocklnd_driver_make(const ksocklnd_params *p, lnet_driver **out) noexcept
{
	if (p->sock_timeout == 0 || p->credits == 0 || p->peer_credits == 0 || p->nconnds == 0 ||
	    p->nconnds_max == 0 || p->min_reconnectms == 0 ||
	    p->max_reconnectms < p->min_reconnectms) {
		LCONSOLE_ERROR(CFS_S_LND,
			       "sock_timeout, credits, peer_credits, nconnds, nconnds_max and "
			       "min_reconnectms must be above 0, max_reconnectms not below "
			       "min_reconnectms");
		return cfs::to_rc(cfs::err::INVAL);
	}
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
