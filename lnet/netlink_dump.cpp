// SPDX-License-Identifier: GPL-2.0
//
// Listings through generic netlink (spec 01 section 16.3). A dump is a key table and one message
// for each entry. What is listed is collected when the dump is opened, in blocks, and made into
// messages when they are asked for. A message that leaves out the first key of an entry adds to the
// entry before it: interfaces of the same network, NIDs of the same peer.

#include <algorithm>

#include "libcfs/node.hpp"
#include "lnet/netlink_server.hpp"
#include "lnet/tunables.hpp"

namespace lnet::nl
{

using namespace cfs::err;

namespace
{

// ---- key tables ----

struct Level;
struct Key {
	const char *name;
	std::uint16_t type;
	std::uint16_t format = 0;
	const Level *below = nullptr;
};
struct Level {
	const Key *keys;
	unsigned count;
};
template <unsigned N>
constexpr Level level(const Key (&keys)[N]) noexcept
{
	return {keys, N};
}

constexpr Key counter(const char *name) noexcept
{
	return {name, kNlaU32};
}

constexpr Key kCountKeys[] = {counter("send_count"), counter("recv_count"), counter("drop_count")};
constexpr Level kCounts = level(kCountKeys);
constexpr Key kUdspKeys[] = {{"net priority", kNlaS32}, {"nid priority", kNlaS32}};
constexpr Level kUdsp = level(kUdspKeys);
constexpr Key kTypeKeys[] = {counter("put"), counter("get"), counter("reply"), counter("ack"),
			     counter("hello")};
constexpr Level kTypes = level(kTypeKeys);
constexpr Key kIfKeys[] = {{"0", kNlaString}};
constexpr Level kIfs = level(kIfKeys);
constexpr Key kNiHealthKeys[] = {
	counter("fatal_error"), {"health value", kNlaS32}, counter("interrupts"),
	counter("dropped"),	counter("aborted"),	   counter("no route"),
	counter("timeouts"),	counter("error"),	   counter("ping_count"),
	{"next_ping", kNlaU64},
};
constexpr Level kNiHealth = level(kNiHealthKeys);
constexpr Key kTunableKeys[] = {{"peer_timeout", kNlaS32},
				{"peer_credits", kNlaS32},
				{"peer_buffer_credits", kNlaS32},
				{"credits", kNlaS32}};
constexpr Level kTunablesLevel = level(kTunableKeys);
constexpr Key kLndKeys[] = {{"conns_per_peer", kNlaU16}, {"timeout", kNlaU32}, {"tos", kNlaS16}};
constexpr Level kLnd = level(kLndKeys);
enum : std::uint16_t {
	kNiNid = 1,
	kNiStatus,
	kNiInterface,
	kNiStats,
	kNiUdsp,
	kNiSent,
	kNiReceived,
	kNiDropped,
	kNiHealthStats,
	kNiTunables,
	kNiLnd,
	kNiDevCpt,
	kNiCpts,
};
constexpr Key kNiKeys[] = {
	{"nid", kNlaString},
	{"status", kNlaString},
	{"interfaces", kNlaNested, kMapping, &kIfs},
	{"statistics", kNlaNested, kMapping, &kCounts},
	{"udsp info", kNlaNested, kMapping, &kUdsp},
	{"sent_stats", kNlaNested, kMapping, &kTypes},
	{"received_stats", kNlaNested, kMapping, &kTypes},
	{"dropped_stats", kNlaNested, kMapping, &kTypes},
	{"health stats", kNlaNested, kMapping, &kNiHealth},
	{"tunables", kNlaNested, kMapping, &kTunablesLevel},
	{"lnd tunables", kNlaNested, kMapping, &kLnd},
	{"dev cpt", kNlaS32},
	{"CPT", kNlaString},
};
constexpr Level kNis = level(kNiKeys);
enum : std::uint16_t { kHeader = 1, kNetType, kNetLocal };
constexpr Key kNetKeys[] = {{"net", kNlaNulString, kSequence | kMapping},
			    {"net type", kNlaString},
			    {"local NI(s)", kNlaNested, kMapping | kSequence, &kNis}};
constexpr Level kNets = level(kNetKeys);

constexpr Key kPeerHealthKeys[] = {
	{"health value", kNlaS32},  counter("dropped"),	   counter("timeout"),	  counter("error"),
	counter("network timeout"), counter("ping_count"), {"next_ping", kNlaU64}};
constexpr Level kPeerHealth = level(kPeerHealthKeys);
enum : std::uint16_t {
	kPeerNiNid = 1,
	kPeerNiUdsp,
	kPeerNiState,
	kPeerNiMaxTx,
	kPeerNiTx,
	kPeerNiMinTx,
	kPeerNiQueue,
	kPeerNiRtr,
	kPeerNiMinRtr,
	kPeerNiRefs,
	kPeerNiStats,
	kPeerNiSent,
	kPeerNiReceived,
	kPeerNiDropped,
	kPeerNiHealth,
};
constexpr Key kPeerNiKeys[] = {
	{"nid", kNlaString},
	{"udsp info", kNlaNested, kMapping, &kUdsp},
	{"state", kNlaString},
	{"max_ni_tx_credits", kNlaU32},
	{"available_tx_credits", kNlaS32},
	{"min_tx_credits", kNlaS32},
	{"tx_q_num_of_buf", kNlaU32},
	{"available_rtr_credits", kNlaS32},
	{"min_rtr_credits", kNlaS32},
	{"refcount", kNlaU32},
	{"statistics", kNlaNested, kMapping, &kCounts},
	{"sent_stats", kNlaNested, kMapping, &kTypes},
	{"received_stats", kNlaNested, kMapping, &kTypes},
	{"dropped_stats", kNlaNested, kMapping, &kTypes},
	{"health stats", kNlaNested, kMapping, &kPeerHealth},
};
constexpr Level kPeerNis = level(kPeerNiKeys);
enum : std::uint16_t { kPeerPrimary = 2, kPeerMultiRail, kPeerStateBits, kPeerList };
constexpr Key kPeerKeys[] = {{"peer", kNlaNulString, kSequence | kMapping},
			     {"primary nid", kNlaString},
			     {"Multi-Rail", kNlaFlag},
			     {"peer state", kNlaU32},
			     {"peer ni", kNlaNested, kMapping | kSequence, &kPeerNis}};
constexpr Level kPeers = level(kPeerKeys);

enum : std::uint16_t {
	kRouteNet = 2,
	kRouteGateway,
	kRouteHop,
	kRoutePriority,
	kRouteSensitivity,
	kRouteState,
	kRouteType,
};
constexpr Key kRouteKeys[] = {{"route", kNlaNulString, kSequence | kMapping},
			      {"net", kNlaString},
			      {"gateway", kNlaString},
			      {"hop", kNlaS32},
			      {"priority", kNlaU32},
			      {"health_sensitivity", kNlaU32},
			      {"state", kNlaString},
			      {"type", kNlaString}};
constexpr Level kRoutes = level(kRouteKeys);

constexpr Key kPingNiKeys[] = {{"nid", kNlaString}};
constexpr Level kPingNis = level(kPingNiKeys);
enum : std::uint16_t { kPingPrimary = 2, kPingErrno, kPingMultiRail, kPingList };
constexpr Key kPingKeys[] = {{"ping", kNlaNulString, kSequence | kMapping},
			     {"primary nid", kNlaString},
			     {"errno", kNlaS16},
			     {"Multi-Rail", kNlaFlag},
			     {"peer_ni", kNlaNested, kMapping | kSequence, &kPingNis}};
constexpr Level kPing = level(kPingKeys);
constexpr Key kDiscoverKeys[] = {{"discover", kNlaNulString, kSequence | kMapping},
				 kPingKeys[1],
				 kPingKeys[2],
				 kPingKeys[3],
				 kPingKeys[4]};
constexpr Level kDiscover = level(kDiscoverKeys);
enum : std::uint16_t { kFailedWhat = 2, kFailedErrno, kFailedText };
constexpr Key kPingFailKeys[] = {{"manage", kNlaNulString, kSequence | kMapping},
				 {"ping", kNlaString},
				 {"errno", kNlaS16},
				 {"descr", kNlaString}};
constexpr Level kPingFail = level(kPingFailKeys);
constexpr Key kDiscoverFailKeys[] = {
	kPingFailKeys[0], {"discover", kNlaString}, kPingFailKeys[2], kPingFailKeys[3]};
constexpr Level kDiscoverFail = level(kDiscoverFailKeys);

constexpr Key kCptKeys[] = {
	{"cpt-of-nid", kNlaNulString, kSequence | kMapping}, {"nid", kNlaString}, {"cpt", kNlaU32}};
constexpr Level kCpt = level(kCptKeys);
constexpr Key kDistKeys[] = {{"peer", kNlaNulString, kSequence | kMapping},
			     {"nid", kNlaString},
			     {"distance", kNlaU32},
			     {"order", kNlaU32}};
constexpr Level kDist = level(kDistKeys);

constexpr Key kPoolKeys[] = {
	counter("npages"), counter("nbuffers"), {"credits", kNlaS32}, {"mincredits", kNlaS32}};
constexpr Level kPool = level(kPoolKeys);
constexpr Key kPoolsKeys[] = {{"tiny", kNlaNested, kMapping, &kPool},
			      {"small", kNlaNested, kMapping, &kPool},
			      {"large", kNlaNested, kMapping, &kPool}};
constexpr Level kPools = level(kPoolsKeys);
constexpr Key kRoutingKeys[] = {{"routing", kNlaNulString, kSequence | kMapping},
				{"cpt[0]", kNlaNested, kMapping, &kPools},
				{"enable", kNlaU32}};
constexpr Level kRouting = level(kRoutingKeys);
constexpr Key kBufferKeys[] = {
	{"buffers", kNlaNulString, kMapping}, counter("tiny"), counter("small"), counter("large")};
constexpr Level kBuffers = level(kBufferKeys);
constexpr Key kNumaKeys[] = {{"numa", kNlaNulString, kMapping}, counter("range")};
constexpr Level kNuma = level(kNumaKeys);

/// Levels of a table are few, so this recursion is bounded.
void put_level(AttrWriter &w, const Level &l) noexcept
{
	auto list = w.begin(kList);
	for (std::uint16_t n = 1; n <= l.count; n++) {
		const Key &k = l.keys[n - 1];
		auto entry = w.begin(n);
		if (n == 1)
			w.put_u16(kListSize, static_cast<std::uint16_t>(l.count));
		w.put_u16(kIndex, n);
		w.put_text(kValue, k.name);
		if (k.format)
			w.put_u16(kKeyFormat, k.format);
		w.put_u16(kNlaType, k.type);
		if (k.below)
			put_level(w, *k.below);
		w.end(entry);
	}
	w.end(list);
}

// ---- entries ----

template <typename T>
void put_formatted(AttrWriter &w, std::uint16_t type, const T &v) noexcept
{
	char text[LNET_NIDSTR_SIZE];
	w.put_text(type, cfs::format_to(text, "{}", v));
}

void put_counts(AttrWriter &w, std::uint16_t type, const Counts &c) noexcept
{
	auto at = w.begin(type);
	w.put_u32(1, static_cast<std::uint32_t>(c.sent));
	w.put_u32(2, static_cast<std::uint32_t>(c.received));
	w.put_u32(3, static_cast<std::uint32_t>(c.dropped));
	w.end(at);
}

void put_types(AttrWriter &w, std::uint16_t type,
	       const std::uint64_t (&by)[Counts::kTypes]) noexcept
{
	using enum wire::MsgType;
	auto at = w.begin(type);
	std::uint16_t n = 1;
	for (auto t : {put, get, reply, ack})
		w.put_u32(n++, static_cast<std::uint32_t>(by[static_cast<unsigned>(t)]));
	w.put_u32(n, 0); // HELLO is the driver's
	w.end(at);
}

void put_udsp(AttrWriter &w, std::uint16_t type) noexcept
{
	auto at = w.begin(type);
	w.put_s32(1, -1);
	w.put_s32(2, -1);
	w.end(at);
}

std::uint32_t failed(const Counts &c, SendStatus s) noexcept
{
	return c.failed_by[static_cast<unsigned>(s)];
}

void put_ni_health(AttrWriter &w, const NiInfo &i) noexcept
{
	using enum SendStatus;
	auto at = w.begin(kNiHealthStats);
	w.put_u32(1, i.fatal ? 1 : 0);
	w.put_s32(2, i.health);
	std::uint16_t n = 3;
	for (auto s : {local_interrupt, local_dropped, local_aborted, local_no_route, local_timeout,
		       local_error})
		w.put_u32(n++, failed(i.counts, s));
	w.put_u32(n++, i.counts.recovery_pings);
	w.put_int<std::uint64_t>(n, 0); // no ping is due that could be told
	w.end(at);
}

void put_peer_health(AttrWriter &w, const PeerNiInfo &i) noexcept
{
	using enum SendStatus;
	auto at = w.begin(kPeerNiHealth);
	w.put_s32(1, i.health);
	std::uint16_t n = 2;
	for (auto s : {remote_dropped, remote_timeout, remote_error, network_timeout})
		w.put_u32(n++, failed(i.counts, s));
	w.put_u32(n++, i.counts.recovery_pings);
	w.put_int<std::uint64_t>(n, 0);
	w.end(at);
}

/// How much a request wants to know.
struct Detail {
	unsigned verbosity = 0;
	bool backup = false; ///< only what recreates the configuration
};

void put_ni_tunables(AttrWriter &w, const NiInfo &i, const Detail &d) noexcept
{
	bool lo = i.nid.is_lo(); // it takes no credits
	auto value = [&](std::uint32_t v) { return lo ? 0 : static_cast<std::int32_t>(v); };
	auto at = w.begin(kNiTunables);
	w.put_s32(1, value(i.tunables.peer_timeout));
	w.put_s32(2, value(i.tunables.peer_credits));
	w.put_s32(3, value(i.tunables.peer_buffer_credits));
	w.put_s32(4, value(i.tunables.credits));
	w.end(at);
	bool conns = i.lnd.conns_per_peer >= 0; // who has them sends packets with a type of service
	if (!lo && (conns || (!d.backup && i.lnd.timeout >= 0))) {
		at = w.begin(kNiLnd);
		if (conns)
			w.put_u16(1, static_cast<std::uint16_t>(i.lnd.conns_per_peer));
		if (!d.backup)
			w.put_u32(2, static_cast<std::uint32_t>(i.lnd.timeout));
		if (conns)
			w.put_s16(3, static_cast<std::int16_t>(i.lnd.tos));
		w.end(at);
	}
	if (!d.backup)
		w.put_s32(kNiDevCpt, lo ? 0 : -1);
	char cpts[3 * CptSet::kMax + 4];
	cfs::FormatSink out(cpts);
	const char *before = "[";
	for (unsigned c = 0; c < CptSet::kMax; c++)
		if (i.cpts.has(c))
			out.print("{}{}", std::exchange(before, ","), c);
	out.put("]");
	w.put_text(kNiCpts, out.text());
}

void put_ni(AttrWriter &w, const NiInfo &i, const Detail &d) noexcept
{
	auto item = w.begin(1);
	if (!d.backup) {
		put_formatted(w, kNiNid, i.nid);
		w.put_text(kNiStatus, i.up ? "up" : "down");
	}
	if (!i.nid.is_lo() && i.if_name[0]) {
		auto ifs = w.begin(kNiInterface);
		w.put_text(1, static_cast<const char *>(i.if_name));
		w.end(ifs);
	}
	if (!d.backup && d.verbosity >= 1)
		put_counts(w, kNiStats, i.counts);
	if (!d.backup && d.verbosity >= 4)
		put_udsp(w, kNiUdsp);
	if (!d.backup && d.verbosity >= 2) {
		put_types(w, kNiSent, i.counts.sent_by);
		put_types(w, kNiReceived, i.counts.received_by);
		put_types(w, kNiDropped, i.counts.dropped_by);
		put_ni_health(w, i);
	}
	if (d.backup || d.verbosity >= 1)
		put_ni_tunables(w, i, d);
	w.end(item);
}

void put_peer_credits(AttrWriter &w, const PeerNiInfo &i) noexcept
{
	w.put_u32(kPeerNiMaxTx, static_cast<std::uint32_t>(i.tx.max));
	w.put_s32(kPeerNiTx, i.tx.available);
	w.put_s32(kPeerNiMinTx, i.tx.min);
	w.put_u32(kPeerNiQueue, static_cast<std::uint32_t>(std::max(0, -i.tx.available)));
	w.put_s32(kPeerNiRtr, i.router.available);
	w.put_s32(kPeerNiMinRtr, i.router.min);
	w.put_u32(kPeerNiRefs, i.refs);
	put_counts(w, kPeerNiStats, i.counts);
}

void put_peer_ni(AttrWriter &w, const PeerNiInfo &i, const Detail &d, bool routing) noexcept
{
	auto item = w.begin(1);
	put_formatted(w, kPeerNiNid, i.nid);
	if (!d.backup) {
		if (d.verbosity >= 4)
			put_udsp(w, kPeerNiUdsp);
		w.put_text(kPeerNiState, !routing ? "NA" : i.alive ? "up" : "down");
		if (d.verbosity >= 1)
			put_peer_credits(w, i);
		if (d.verbosity >= 2) {
			put_types(w, kPeerNiSent, i.counts.sent_by);
			put_types(w, kPeerNiReceived, i.counts.received_by);
			put_types(w, kPeerNiDropped, i.counts.dropped_by);
			put_peer_health(w, i);
		}
	}
	w.end(item);
}

// ---- what is collected ----

/// A growing list in blocks, so that no allocation is large.
template <typename T>
class Blocks
{
	static constexpr std::size_t kPerBlock = 16;
	struct Block {
		static constexpr cfs_subsys kSubsys = CFS_S_LNET;
		T items[kPerBlock];
		cfs::UniquePtr<Block> next;
	};
	cfs::UniquePtr<Block> first_;
	Block *last_ = nullptr;
	std::size_t count_ = 0;
	// where reading is
	Block *at_ = nullptr;
	std::size_t index_ = 0;

public:
	/// More are refused with err::NOSPC.
	static constexpr std::size_t kMax = 1u << 20;

	Blocks() = default;
	Blocks(const Blocks &) = delete;
	Blocks &operator=(const Blocks &) = delete;
	/// One by one: a chain of destructors would be deep.
	~Blocks()
	{
		while (first_) {
			auto next = std::move(first_->next);
			first_ = std::move(next);
		}
	}
	[[nodiscard]] std::size_t size() const noexcept { return count_; }
	[[nodiscard]] cfs::Result<> add(const T &t) noexcept
	{
		if (count_ == kMax)
			return cfs::fail(NOSPC);
		if (count_ % kPerBlock == 0) {
			auto fresh = TRY(cfs::try_make<Block>());
			Block *b = fresh.get();
			(last_ ? last_->next : first_) = std::move(fresh);
			last_ = b;
		}
		last_->items[count_++ % kPerBlock] = t;
		return {};
	}
	/// The present one, beginning with the first; null behind the last.
	[[nodiscard]] T *current() noexcept
	{
		if (!at_ && index_ == 0)
			at_ = first_.get();
		return index_ < count_ ? &at_->items[index_ % kPerBlock] : nullptr;
	}
	void step() noexcept
	{
		if (++index_ % kPerBlock == 0)
			at_ = at_->next.get();
	}
};

template <typename T>
class Collect final : public Listing<T>
{
public:
	explicit Collect(Blocks<T> &to) noexcept : to_(to) {}
	bool entry(const T &t) noexcept override
	{
		if (wanted && !wanted(context, t))
			return true;
		result = to_.add(t);
		return static_cast<bool>(result);
	}
	bool (*wanted)(const void *context, const T &t) noexcept = nullptr;
	const void *context = nullptr;
	cfs::Result<> result;

private:
	Blocks<T> &to_;
};

/// A NID that was asked for by name, and what came of it.
struct Target {
	char name[LNET_NIDSTR_SIZE] = {};
	Nid nid;
	bool valid = false;
};

} // namespace

} // namespace lnet::nl

using namespace lnet;
using namespace lnet::nl;

/// A dump under way.
struct lnet_nl_dump {
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	virtual void destroy() noexcept = 0;

	/// Puts the next message into w: true; false at the end. What has been put into `flags`
	/// goes with it.
	[[nodiscard]] virtual cfs::Result<bool> make(AttrWriter &w,
						     std::uint16_t &flags) noexcept = 0;

	cfs::Array<std::byte> buffer; // of the message that is next
	std::size_t length = 0;
	std::uint16_t flags = 0;
	bool made = false;

protected:
	~lnet_nl_dump() = default;
};

namespace lnet::nl
{

namespace
{

/// What the dumps share: how they begin and end.
template <typename Self>
class Dump : public lnet_nl_dump
{
public:
	void destroy() noexcept override
	{
		auto *self = static_cast<Self *>(this);
		self->~Self();
		cfs_free(kSubsys, self, sizeof(Self));
	}

protected:
	~Dump() = default;
	/// The key table, once.
	[[nodiscard]] bool table(AttrWriter &w, std::uint16_t &flags, const Level &l,
				 std::uint16_t how = kFlagCreate) noexcept
	{
		if (table_ == &l)
			return false;
		table_ = &l;
		put_level(w, l);
		flags = how;
		return true;
	}

private:
	const Level *table_ = nullptr;
};

struct Query {
	Control &control;
	const Item *root; ///< null: no attributes
	Detail detail;
	std::uint16_t flags;
	Complaint &complaint;
};

class NetDump final : public Dump<NetDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q) noexcept
	{
		detail_ = q.detail;
		Net only = Net::any;
		if (q.root)
			TRY(for_each_object(
				*q.root, "net", [&](const Item &m) noexcept -> cfs::Result<> {
					if (auto name = text_of(m, "net type"))
						only = TRY(q.complaint.note(parse_net(*name),
									    "cannot parse net"));
					return {};
				}));
		Collect<NiInfo> all(nis_);
		struct Filter {
			Net only;
			bool backup;
		} filter{only, q.detail.backup};
		all.context = &filter;
		all.wanted = [](const void *c, const NiInfo &i) noexcept {
			const auto *f = static_cast<const Filter *>(c);
			return (f->only == Net::any || i.nid.net() == f->only) &&
			       !(f->backup && i.nid.is_lo());
		};
		TRY(q.control.list_nis(all));
		TRY(all.result);
		if (only != Net::any && nis_.size() == 0)
			return q.complaint.say(kSrch, "Network is down");
		return {};
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (table(w, flags, kNets))
			return true;
		const NiInfo *i = nis_.current();
		if (!i)
			return false;
		w.put_text(kHeader, "");
		if (i->nid.net() != last_) {
			last_ = i->nid.net();
			put_formatted(w, kNetType, last_);
		}
		auto local = w.begin(kNetLocal);
		put_ni(w, *i, detail_);
		w.end(local);
		nis_.step();
		return true;
	}

private:
	Blocks<NiInfo> nis_;
	Detail detail_;
	Net last_ = Net::any;
};

class PeerDump final : public Dump<PeerDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q) noexcept
	{
		detail_ = q.detail;
		routing_ = q.control.routing();
		Filter filter;
		if (q.root)
			TRY(for_each_object(*q.root, "peer",
					    [&](const Item &m) noexcept -> cfs::Result<> {
						    auto text = text_of(m, "primary nid");
						    if (!text)
							    return {};
						    filter.only = TRY(parse_nid(*text));
						    filter.any = false;
						    return {};
					    }));
		if (!filter.any)
			TRY(find_primary(q.control, filter));
		Collect<PeerNiInfo> all(peers_);
		all.context = &filter;
		all.wanted = [](const void *c, const PeerNiInfo &i) noexcept {
			const auto *f = static_cast<const Filter *>(c);
			return !i.nid.is_lo() && (f->any || i.primary == f->only);
		};
		TRY(q.control.list_peers(all));
		TRY(all.result);
		return !filter.any && peers_.size() == 0 ? cfs::fail(INVAL) : cfs::Result<>{};
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (table(w, flags, kPeers))
			return true;
		const PeerNiInfo *i = peers_.current();
		if (!i)
			return false;
		w.put_text(kHeader, "");
		if (i->primary != last_) {
			last_ = i->primary;
			put_formatted(w, kPeerPrimary, last_);
			w.put_u8(kPeerMultiRail, i->multi_rail ? 1 : 0);
			if (!detail_.backup && detail_.verbosity >= 3)
				w.put_u32(kPeerStateBits, i->peer_state);
		}
		auto list = w.begin(kPeerList);
		put_peer_ni(w, *i, detail_, routing_);
		w.end(list);
		peers_.step();
		return true;
	}

private:
	struct Filter {
		Nid only;
		bool any = true;
	};
	/// A peer may be asked for by any of its NIDs.
	[[nodiscard]] static cfs::Result<> find_primary(Control &c, Filter &f) noexcept
	{
		class Find final : public Listing<PeerNiInfo>
		{
		public:
			explicit Find(const Nid &nid) noexcept : primary(nid), nid_(nid) {}
			bool entry(const PeerNiInfo &i) noexcept override
			{
				if (i.nid == nid_)
					primary = i.primary;
				return i.nid != nid_;
			}
			Nid primary;

		private:
			const Nid nid_;
		} find(f.only);
		TRY(c.list_peers(find));
		f.only = find.primary;
		return {};
	}

	Blocks<PeerNiInfo> peers_;
	Detail detail_;
	bool routing_ = false;
	Nid last_;
};

class RouteDump final : public Dump<RouteDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q) noexcept
	{
		detail_ = q.detail;
		Filter filter;
		if (q.root)
			TRY(for_each_object(*q.root, "route", [&](const Item &m) noexcept {
				return filter.read(q, m);
			}));
		Collect<RouteInfo> all(routes_);
		all.context = &filter;
		all.wanted = [](const void *c, const RouteInfo &i) noexcept {
			return static_cast<const Filter *>(c)->wants(i);
		};
		TRY(q.control.list_routes(all));
		return all.result;
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (table(w, flags, kRoutes))
			return true;
		const RouteInfo *i = routes_.current();
		if (!i)
			return false;
		w.put_text(kHeader, "");
		put_formatted(w, kRouteNet, i->net);
		put_formatted(w, kRouteGateway, i->gateway);
		if (detail_.verbosity >= 1 || detail_.backup) {
			w.put_s32(kRouteHop, static_cast<std::int32_t>(i->hops));
			w.put_u32(kRoutePriority, i->priority);
		}
		if (detail_.verbosity >= 1 && !detail_.backup) {
			w.put_text(kRouteState, i->alive ? "up" : "down");
			w.put_text(kRouteType, i->multi_hop ? "multi-hop" : "single-hop");
		}
		routes_.step();
		return true;
	}

private:
	struct Filter {
		Net net = Net::any;
		Nid gateway;
		bool by_gateway = false;
		std::int64_t hops = -2, priority = -1;

		[[nodiscard]] cfs::Result<> read(Query &q, const Item &m) noexcept
		{
			if (auto t = text_of(m, "net"))
				net = TRY(q.complaint.note(parse_net(*t), "cannot parse net"));
			if (auto t = text_of(m, "gateway")) {
				gateway = TRY(
					q.complaint.note(parse_nid(*t), "cannot parse gateway"));
				by_gateway = true;
			}
			hops = TRY(number_of(m, "hop", -2, -1, 255));
			priority = TRY(number_of(m, "priority", -1, 0, UINT32_MAX));
			return {};
		}
		[[nodiscard]] bool wants(const RouteInfo &i) const noexcept
		{
			return (net == Net::any || net == i.net) &&
			       (!by_gateway || gateway == i.gateway) &&
			       (hops == -2 || static_cast<std::uint32_t>(hops) == i.hops) &&
			       (priority == -1 || priority == i.priority);
		}
	};
	Blocks<RouteInfo> routes_;
	Detail detail_;
};

/// The NIDs of a request: texts in the list behind `nids`, or mappings with a `nid`.
cfs::Result<> read_targets(const Item *list, Blocks<Target> &out, bool &all_valid) noexcept
{
	if (!list || !list->is_list())
		return cfs::fail(INVAL);
	for (const Item *i = list->first(); i; i = i->next()) {
		const Item *text = i->is_list() ? i->find("nid") : i;
		if (!text || !text->is_text())
			return cfs::fail(INVAL);
		Target t;
		cfs::format_cstr(t.name, "{}", text->text());
		auto nid = parse_nid(text->text());
		t.valid = static_cast<bool>(nid);
		if (nid)
			t.nid = *nid;
		all_valid = all_valid && t.valid;
		TRY(out.add(t));
	}
	return out.size() ? cfs::Result<>{} : cfs::fail(INVAL);
}

/// Pings or discovers as it goes: each target when its message is asked for.
class PingDump final : public Dump<PingDump>
{
public:
	static constexpr std::int64_t kTimeoutMaxMs = 180000;

	[[nodiscard]] cfs::Result<> open(Query &q) noexcept
	{
		control_ = &q.control;
		discover_ = (q.flags & kFlagCreate) != 0;
		timeout_ms_ = discover_ ? 60000 : 1000;
		if (!q.root)
			return q.complaint.say(NOMSG, "no NIDs are given");
		bool valid = true;
		auto read = for_each_object(*q.root, "ping", [&](const Item &m) noexcept {
			return read_request(m, valid);
		});
		if (!read || !valid)
			return q.complaint.say(INVAL, "Unable to parse nidlist: no valid NIDs in "
						      "string");
		return {};
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		const Target *t = targets_.current();
		if (!t)
			return false;
		if (!asked_)
			ask(*t);
		bool fine = status_ == cfs::Errno{};
		const Level &good = discover_ ? kDiscover : kPing;
		const Level &bad = discover_ ? kDiscoverFail : kPingFail;
		// Errors are a table of their own, which replaces the one before.
		if (table(w, flags, fine ? good : bad, first_ ? kFlagCreate : kFlagReplace)) {
			first_ = false;
			return true;
		}
		if (fine)
			put_answer(w);
		else
			put_failure(w, *t);
		asked_ = false;
		answer_ = {};
		targets_.step();
		return true;
	}

private:
	[[nodiscard]] cfs::Result<> read_request(const Item &m, bool &valid) noexcept
	{
		timeout_ms_ = TRY(number_of(m, "timeout", timeout_ms_, 1, kTimeoutMaxMs));
		force_ = force_ || TRY(number_of(m, "force", 0, 0, 1)) != 0;
		if (auto text = text_of(m, "source"))
			source_ = TRY(parse_nid(*text));
		return read_targets(m.find("nids"), targets_, valid);
	}
	void ask(const Target &t) noexcept
	{
		asked_ = true;
		status_ = {};
		auto deadline = cfs::after(cfs::Duration::nanos(timeout_ms_ * 1000000));
		if (discover_) {
			auto r = control_->discover(t.nid, force_, deadline);
			if (!r) {
				status_ = r.error();
				return;
			}
			primary_ = *r;
		}
		auto r = control_->ping({t.nid, LNET_PID_LUSTRE}, source_, deadline);
		if (!r)
			status_ = r.error();
		else
			answer_ = std::move(*r);
		if (!discover_ && r)
			primary_ = answer_.nids.empty() ? t.nid : answer_.nids[0].nid;
	}
	void put_answer(AttrWriter &w) noexcept
	{
		w.put_text(kHeader, "");
		put_formatted(w, kPingPrimary, primary_);
		w.put_u8(kPingMultiRail,
			 (answer_.features & wire::LNET_PING_FEAT_MULTI_RAIL) != 0 ? 1 : 0);
		auto list = w.begin(kPingList);
		for (const PingEntryInfo &e : answer_.nids) {
			auto item = w.begin(1);
			put_formatted(w, 1, e.nid);
			w.end(item);
		}
		w.end(list);
	}
	void put_failure(AttrWriter &w, const Target &t) noexcept
	{
		char text[LNET_NIDSTR_SIZE + 64];
		w.put_text(kHeader, "");
		w.put_text(kFailedWhat, "");
		w.put_s16(kFailedErrno, static_cast<std::int16_t>(cfs::to_rc(status_)));
		w.put_text(kFailedText,
			   cfs::format_to(text, "failed to {} {}", discover_ ? "discover" : "ping",
					  static_cast<const char *>(t.name)));
	}

	Control *control_ = nullptr;
	Blocks<Target> targets_;
	bool discover_ = false, force_ = false, asked_ = false, first_ = true;
	std::int64_t timeout_ms_ = 1000;
	Nid source_, primary_;
	cfs::Errno status_{};
	PingInfo answer_;
};

/// Both of them ask something of each NID that is given.
class NidDump final : public Dump<NidDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q, Network &network, bool distance) noexcept
	{
		network_ = &network;
		distance_ = distance;
		bool valid = true;
		const char *name = distance ? "peer" : "cpt-of-nid";
		if (!q.root)
			return q.complaint.say(NOMSG, "no NIDs are given");
		auto read = for_each_object(*q.root, name, [&](const Item &m) noexcept {
			return read_targets(m.find("nids"), targets_, valid);
		});
		if (!read || !valid)
			return q.complaint.say(INVAL, "cannot parse the NIDs");
		return {};
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (table(w, flags, distance_ ? kDist : kCpt))
			return true;
		const Target *t = targets_.current();
		if (!t)
			return false;
		w.put_text(kHeader, "");
		put_formatted(w, 2, t->nid);
		if (distance_) {
			auto d = network_->distance(t->nid);
			w.put_u32(3, d ? d->hops : UINT32_MAX);
			w.put_u32(4, d ? d->order : UINT32_MAX);
		} else {
			w.put_u32(3, network_->cpt_of(t->nid));
		}
		targets_.step();
		return true;
	}
	~NidDump()
	{
		if (node_)
			lnet_network_release(node_);
	}
	/// LNet stays up until the dump ends.
	void keep(cfs_node *node) noexcept { node_ = node; }

private:
	Network *network_ = nullptr;
	cfs_node *node_ = nullptr;
	Blocks<Target> targets_;
	bool distance_ = false;
};

/// Router pools; nothing while this node has never routed.
class RoutingDump final : public Dump<RoutingDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q, bool buffers) noexcept
	{
		buffers_ = buffers;
		enabled_ = q.control.routing();
		class Take final : public Listing<RouterPoolInfo>
		{
		public:
			explicit Take(RouterPoolInfo (&to)[3]) noexcept : to_(to) {}
			bool entry(const RouterPoolInfo &i) noexcept override
			{
				if (n_ < 3)
					to_[n_++] = i;
				return true;
			}

		private:
			RouterPoolInfo (&to_)[3];
			unsigned n_ = 0;
		} take(pools_);
		return q.control.list_router_pools(take);
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (!enabled_)
			return false;
		if (table(w, flags, buffers_ ? kBuffers : kRouting))
			return true;
		if (turn_ == (buffers_ ? 1u : 2u))
			return false;
		w.put_text(kHeader, "");
		if (buffers_) {
			for (std::uint16_t i = 0; i < 3; i++)
				w.put_u32(static_cast<std::uint16_t>(i + 2), pools_[i].buffers);
		} else if (turn_ == 0) {
			put_pools(w);
		} else {
			w.put_u32(3, kRunning);
		}
		turn_++;
		return true;
	}

private:
	static constexpr std::uint32_t kRunning = 3;

	void put_pools(AttrWriter &w) noexcept
	{
		auto cpt = w.begin(2);
		for (std::uint16_t i = 0; i < 3; i++) {
			auto pool = w.begin(static_cast<std::uint16_t>(i + 1));
			w.put_u32(1, pools_[i].pages);
			w.put_u32(2, pools_[i].buffers);
			w.put_s32(3, pools_[i].credits.available);
			w.put_s32(4, pools_[i].credits.min);
			w.end(pool);
		}
		w.end(cpt);
	}

	RouterPoolInfo pools_[3];
	unsigned turn_ = 0;
	bool buffers_ = false, enabled_ = false;
};

class NumaDump final : public Dump<NumaDump>
{
public:
	[[nodiscard]] cfs::Result<> open(Query &q) noexcept
	{
		range_ = q.control.settings().numa_range;
		return {};
	}
	[[nodiscard]] cfs::Result<bool> make(AttrWriter &w, std::uint16_t &flags) noexcept override
	{
		if (table(w, flags, kNuma))
			return true;
		if (done_)
			return false;
		w.put_text(kHeader, "");
		w.put_u32(2, range_);
		done_ = true;
		return true;
	}

private:
	std::uint32_t range_ = 0;
	bool done_ = false;
};

template <typename T, typename... Args>
cfs::Result<lnet_nl_dump *> opened(Query &q, Args... args) noexcept
{
	auto d = TRY(cfs::try_make<T>());
	TRY(d->open(q, args...));
	return d.release();
}

cfs::Result<lnet_nl_dump *> open_nids(Query &q, cfs_node *node, bool distance) noexcept
{
	if (!q.control.configured())
		return cfs::fail(NETDOWN);
	lnet_network *net = nullptr;
	TRY(cfs::to_result(lnet_network_hold(node, &net)));
	auto release = cfs::ScopeExit([&] { lnet_network_release(node); });
	auto d = TRY(cfs::try_make<NidDump>());
	TRY(d->open(q, static_cast<Network &>(*net), distance));
	d->keep(node);
	release.dismiss();
	return d.release();
}

cfs::Result<lnet_nl_dump *> open_dump(const lnet_nl_request &r, Complaint &complaint) noexcept
{
	auto *control = TRY(control_of(r.node));
	Tree tree;
	if (r.length)
		tree = TRY(complaint.note(
			Tree::read({static_cast<const std::byte *>(r.attrs), r.length}),
			"the request cannot be understood"));
	Detail detail{r.version, (r.flags & kFlagFiltered) != 0};
	Query q{*control, r.length ? &tree.root() : nullptr, detail, r.flags, complaint};
	switch (static_cast<Command>(r.command)) {
	case Command::nets:
		return opened<NetDump>(q);
	case Command::peers:
		return opened<PeerDump>(q);
	case Command::routes:
		return opened<RouteDump>(q);
	case Command::ping:
		return opened<PingDump>(q);
	case Command::cpt_of_nid:
		return open_nids(q, r.node, false);
	case Command::peer_dist:
		return open_nids(q, r.node, true);
	case Command::routing:
		return opened<RoutingDump>(q, false);
	case Command::buffers:
		return opened<RoutingDump>(q, true);
	case Command::numa:
		return opened<NumaDump>(q);
	default:
		return complaint.say(OPNOTSUPP, "this listing is not built");
	}
}

} // namespace

} // namespace lnet::nl

int lnet_nl_dump_open(const lnet_nl_request *r, lnet_nl_dump **out, const char **message) noexcept
{
	Complaint complaint(message);
	auto open = [&]() noexcept -> cfs::Result<> {
		auto buffer = TRY(cfs::Array<std::byte>::make(CFS_S_LNET, LNET_NL_MESSAGE_MAX));
		*out = TRY(open_dump(*r, complaint));
		(*out)->buffer = std::move(buffer);
		return {};
	};
	return to_rc(open());
}

int lnet_nl_dump_peek(lnet_nl_dump *d, const void **attrs, size_t *length, uint16_t *flags) noexcept
{
	if (!d->made) {
		AttrWriter w(d->buffer);
		d->flags = 0;
		auto more = d->make(w, d->flags);
		if (!more)
			return to_rc(more);
		if (!*more)
			return 0;
		if (!w.ok())
			return cfs::to_rc(MSGSIZE);
		d->length = w.done().size();
		d->made = true;
	}
	*attrs = d->buffer.data();
	*length = d->length;
	*flags = d->flags;
	return 1;
}

void lnet_nl_dump_step(lnet_nl_dump *d) noexcept
{
	d->made = false;
}

void lnet_nl_dump_close(lnet_nl_dump *d) noexcept
{
	d->destroy();
}
