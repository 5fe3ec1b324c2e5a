// SPDX-License-Identifier: GPL-2.0
//
// The loopback driver (spec 01 section 14): a message sent is at once a message received by the
// same node. Its sender's TxMessage is the RxHandle; it is given back when the payload has been
// copied. Messages take no credits here: what a lazy portal holds would keep those that its
// receiver needs to get on.

#include "lnet/buffer.hpp"
#include "lnet/ni.hpp"

namespace lnet
{

namespace
{

class Loopback final : public NetworkInterface
{
	Upcalls &up_;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	explicit Loopback(Upcalls &up) noexcept : up_(up) {}
	void destroy() noexcept override
	{
		this->~Loopback();
		cfs_free(kSubsys, this, sizeof(*this));
	}
	[[nodiscard]] Nid nid() const noexcept override { return Nid::lo(); }
	[[nodiscard]] const char *if_name() const noexcept override { return "lo"; }
	[[nodiscard]] NiTunables tunables() const noexcept override { return {}; }
	[[nodiscard]] bool peer_usable(const Nid &) noexcept override { return true; }
	cfs::Result<> open() noexcept override { return {}; }
	// Nothing is ever kept here: a message is with its receiver or done.
	void shutdown() noexcept override {}

	void send(TxMessage &msg) noexcept override
	{
		auto r = up_.received(msg.header, Nid::lo(), RxHandle{&msg});
		if (!r)
			up_.sent(msg, r.error(), SendStatus::local_error);
	}

	void recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept override
	{
		auto &msg = *static_cast<TxMessage *>(rx.p);
		copy(to, msg.payload);
		// The receiver first: the sender's memory is free once sent() has been called.
		up_.recv_done(lnet_msg, cfs::Errno{});
		up_.sent(msg, cfs::Errno{}, SendStatus::ok);
	}
};

} // namespace

cfs::Result<cfs::UniquePtr<NetworkInterface>>
LoopbackLnd::startup(cfs::Node &, Net, std::string_view, Upcalls &up) noexcept
{
	return cfs::UniquePtr<NetworkInterface>(TRY(cfs::try_make<Loopback>(up)));
}

} // namespace lnet
