// SPDX-License-Identifier: GPL-2.0
//
// /dev/lnet (spec 01 section 16.2): the calls of older tools and scripts that are still in use.
// What generic netlink offers is not repeated here.

#include <algorithm>

#include "libcfs/endian.hpp"
#include "libcfs/node.hpp"
#include "lnet/control.hpp"
#include "lnet/plat_netlink.h"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr std::uint32_t kVersionClassic = 0x0001000a, kVersion2 = 0x0001000b;

enum Number : std::uint32_t {
	kGetNi = 50,
	kUnconfigure = 56,
	kDistance = 58,
	kConfigure = 59,
	kConfigRouter = 87,
	kAddBuffers = 88,
	kGetStats = 91,
	kSetNumaRange = 98,
	kGetNumaRange = 99,
	kResetStats = 110,
	kFirst = 30,
	kLast = 112,
};

struct IoctlHeader {
	cfs::le32 length;
	cfs::le32 version;
};

/// The classic argument, without what may follow it.
struct ClassicData {
	IoctlHeader header;
	cfs::le64 nid;
	cfs::le64 u64;
	cfs::le32 flags;
	cfs::le32 count;
	cfs::le32 net;
	cfs::le32 u32[7];
	std::byte buffers[64];
};
static_assert(sizeof(ClassicData) == 128);

struct RouterData { // lnet_ioctl_config_data as the calls about routing use it
	IoctlHeader header;
	std::byte unused[20];
	cfs::le32 enable;
	cfs::le32 buffers[3];
};

struct ValueData {
	IoctlHeader header;
	cfs::le32 value;
};

/// lnet_counters: common and health, in the order that tools know.
struct StatsData {
	IoctlHeader header;
	cfs::le32 msgs_alloc, msgs_max, errors, send_count, recv_count, route_count, drop_count;
	cfs::le64 send_length, recv_length, route_length, drop_length;
	cfs::le32 rst_alloc, resend_count, response_timeout_count;
	cfs::le32 local[6];  // interrupt, dropped, aborted, no route, timeout, error
	cfs::le32 remote[3]; // dropped, error, timeout
	cfs::le32 network_timeout_count;
	cfs::le32 failed_resends, successful_resends;
};
static_assert(sizeof(StatsData) == 128);

template <typename T>
cfs::Result<T *> argument(cfs::MutBytes b, std::uint32_t version) noexcept
{
	auto *p = TRY(cfs::view_at<T>(b, 0));
	if (p->header.version.get() != version)
		return cfs::fail(INVAL);
	return p;
}

void fill_stats(StatsData &out, const StatsInfo &s) noexcept
{
	using enum SendStatus;
	auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
	auto by = [&](SendStatus how) { return low(s.by_status[static_cast<unsigned>(how)]); };
	out.msgs_alloc = low(s.msgs_alloc);
	out.msgs_max = low(s.msgs_max);
	out.errors = low(s.errors);
	out.send_count = low(s.send_count);
	out.recv_count = low(s.recv_count);
	out.route_count = low(s.route_count);
	out.drop_count = low(s.drop_count);
	out.send_length = s.send_length;
	out.recv_length = s.recv_length;
	out.route_length = s.route_length;
	out.drop_length = s.drop_length;
	out.rst_alloc = 0;
	out.resend_count = low(s.resend_count);
	out.response_timeout_count = low(s.response_timeout_count);
	unsigned n = 0;
	for (auto how : {local_interrupt, local_dropped, local_aborted, local_no_route,
			 local_timeout, local_error})
		out.local[n++] = by(how);
	out.remote[0] = by(remote_dropped);
	out.remote[1] = by(remote_error);
	out.remote[2] = by(remote_timeout);
	out.network_timeout_count = by(network_timeout);
	out.failed_resends = 0;
	out.successful_resends = 0;
}

/// LNet of a node, held for the length of a call; err::NETDOWN.
class Held
{
	cfs_node *node_;
	lnet_network *net_ = nullptr;

public:
	explicit Held(cfs_node *node) noexcept : node_(node) {}
	~Held()
	{
		if (net_)
			lnet_network_release(node_);
	}
	Held(const Held &) = delete;
	Held &operator=(const Held &) = delete;
	[[nodiscard]] cfs::Result<Network *> take(Control &c) noexcept
	{
		if (!c.configured())
			return cfs::fail(NETDOWN);
		TRY(cfs::to_result(lnet_network_hold(node_, &net_)));
		return static_cast<Network *>(net_);
	}
};

cfs::Result<> get_ni(Control &c, cfs_node *node, ClassicData &d) noexcept
{
	Held held(node);
	auto *net = TRY(held.take(c));
	// 0@lo comes first.
	std::uint32_t n = d.count.get();
	Nid nid = TRY(parse_nid("0@lo"));
	if (n > 0)
		nid = TRY(net->local_nid(n - 1));
	d.nid = nid.nid4();
	return {};
}

cfs::Result<> distance(Control &c, cfs_node *node, ClassicData &d) noexcept
{
	Held held(node);
	auto *net = TRY(held.take(c));
	auto dist = TRY(net->distance(Nid::from_nid4(d.nid.get())));
	d.u32[0] = dist.hops;
	d.u32[1] = dist.order;
	return {};
}

cfs::Result<> numa_range(Control &c, cfs::MutBytes b, bool set) noexcept
{
	auto *d = TRY(argument<ValueData>(b, kVersion2));
	Settings s = c.settings();
	if (set) {
		s.numa_range = d->value.get();
		return c.set_settings(s);
	}
	d->value = s.numa_range;
	return {};
}

cfs::Result<> call(cfs_node *node, std::uint32_t number, cfs::MutBytes b) noexcept
{
	auto *header = TRY(cfs::view_at<IoctlHeader>(b, 0));
	if (header->length.get() != b.size())
		return cfs::fail(INVAL);
	if (number < kFirst || number > kLast)
		return cfs::fail(NOTTY);
	lnet_control *found = nullptr;
	TRY(cfs::to_result(lnet_control_get(node, &found)));
	auto &c = static_cast<Control &>(*found);
	switch (number) {
	case kGetNi:
		return get_ni(c, node, *TRY(argument<ClassicData>(b, kVersionClassic)));
	case kDistance:
		return distance(c, node, *TRY(argument<ClassicData>(b, kVersionClassic)));
	case kConfigure:
		return c.configure(TRY(argument<ClassicData>(b, kVersionClassic))->flags.get() ==
				   0);
	case kUnconfigure:
		return c.unconfigure();
	case kConfigRouter:
		return c.set_routing(TRY(argument<RouterData>(b, kVersion2))->enable.get() != 0);
	case kAddBuffers: {
		auto *d = TRY(argument<RouterData>(b, kVersion2));
		auto wanted = [&](unsigned i) {
			auto v = static_cast<std::int32_t>(d->buffers[i].get());
			return static_cast<std::uint32_t>(std::max(v, 0)); // -1: leave it
		};
		return c.set_router_buffers(wanted(0), wanted(1), wanted(2));
	}
	case kGetStats:
		fill_stats(*TRY(argument<StatsData>(b, kVersion2)), c.stats());
		return {};
	case kResetStats:
		c.reset_stats();
		return {};
	case kSetNumaRange:
	case kGetNumaRange:
		return numa_range(c, b, number == kSetNumaRange);
	default:
		return cfs::fail(OPNOTSUPP);
	}
}

} // namespace

} // namespace lnet

int lnet_ioctl(cfs_node *node, uint32_t number, void *buffer, size_t length) noexcept
{
	auto r = lnet::call(node, number, {static_cast<std::byte *>(buffer), length});
	return to_rc(r);
}
