// SPDX-License-Identifier: GPL-2.0
//
// Two clients use one file at the same time. What they see must be as if their calls had come one
// after the other: appended records are whole, each once, those of a client in its order; a region
// that is always written as a whole reads as one of the writes, no older than what anybody knows to
// be done. One thread of a client uses one file: threads of one machine see each other's calls
// page by page.
#include <fcntl.h>

#include <cstring>

#include "tests/sim/fs_tree.hpp"

namespace
{

using namespace cfs::sim;
using client::host::FilePtr;
using client::host::Vfs;
using cluster::check;
using cluster::ClientNode;
using cluster::Data;
using cluster::must;

constexpr Nanos kNever = ~Nanos{0};
constexpr std::size_t kRegions = 8;

Nanos now()
{
	return this_world().now();
}

void pause()
{
	sleep_for(this_world().rng().below(20 * kMillisecond));
}

// ---- regions ----

/// A write of a region, or the state before the first one: number 0.
struct Write {
	std::uint32_t number = 0;
	Nanos begin = 0, end = 0;
};
struct Read {
	Write saw;
	Nanos end = 0;
};
struct Region {
	std::vector<Write> writes{{}};
	std::vector<Read> reads;

	[[nodiscard]] const Write *find(std::uint32_t number) const
	{
		for (auto &w : writes)
			if (w.number == number)
				return &w;
		return nullptr;
	}
	/// A read that began and ends now saw this.
	void seen(std::uint32_t number, Nanos begin)
	{
		const Write *w = find(number);
		check(w != nullptr, "a region has what nobody wrote");
		for (auto &later : writes)
			check(!(w->end < later.begin && later.end < begin),
			      "a region is older than a write that was done before");
		for (auto &r : reads)
			check(!(r.end < begin && w->end < r.saw.begin),
			      "a region is older than what was read before");
		reads.push_back({*w, now()});
	}
};

// ---- records ----

struct Record {
	std::uint32_t bytes = 0; ///< with this
	std::uint32_t client = 0;
	std::uint32_t number = 0; ///< of the client's, from 1 on
	std::uint32_t zero = 0;
};

Data make_record(std::size_t bytes, std::uint32_t client, std::uint32_t number)
{
	Data d = cluster::make_data(bytes, std::uint64_t{client} << 32 | number);
	Record r{static_cast<std::uint32_t>(bytes), client, number, 0};
	std::memcpy(d.data(), &r, sizeof(r));
	return d;
}

/// What the fibers of all clients share.
struct Shared {
	std::size_t region_bytes = 0;
	std::size_t record_bytes_max = 0;
	std::uint32_t last_write = 0;
	Region regions[kRegions];
	/// Records of each client that are known to be in the file; where each one went.
	std::uint32_t appended[2] = {};
	std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> places;
	unsigned ready = 0, working = 0;
};

/// The records in the file, from its beginning: as many as each client had appended at `begin`,
/// whole, and at the end nothing else.
void check_records(const Shared &s, cfs::Bytes all, const std::uint32_t (&known)[2])
{
	std::uint32_t last[2] = {};
	for (std::size_t at = 0; at < all.size();) {
		Record r;
		check(all.size() - at >= sizeof(r), "a record is cut");
		std::memcpy(&r, all.data() + at, sizeof(r));
		check(r.client < 2 && r.bytes >= sizeof(r) && r.bytes <= s.record_bytes_max,
		      "no record at " + std::to_string(at));
		check(r.bytes <= all.size() - at, "a record is cut");
		Data want = make_record(r.bytes, r.client, r.number);
		check(std::memcmp(want.data(), all.data() + at, r.bytes) == 0, "a record is torn");
		check(r.number == ++last[r.client], "a record is missing, or there twice");
		auto place = s.places.find({r.client, r.number});
		check(place == s.places.end() || place->second == at,
		      "a record is not where its writer was told");
		at += r.bytes;
	}
	for (unsigned c = 0; c < 2; c++)
		check(last[c] >= known[c], "appended records are not there");
}

// ---- what clients do ----

class Worker
{
	Vfs &v_;
	Shared &s_;
	std::uint32_t client_;
	Rng &rng_ = this_world().rng();

	void write_region(client::host::File &f)
	{
		std::size_t at = rng_.below(kRegions);
		Region &r = s_.regions[at];
		std::uint32_t number = ++s_.last_write;
		std::vector<std::uint32_t> words(s_.region_bytes / 4, number);
		r.writes.push_back({number, now(), kNever});
		std::size_t i = r.writes.size() - 1;
		must(f.write(at * s_.region_bytes, std::as_bytes(std::span(words))), "write");
		r.writes[i].end = now();
	}
	void read_region(client::host::File &f)
	{
		std::size_t at = rng_.below(kRegions);
		std::vector<std::uint32_t> words(s_.region_bytes / 4);
		Nanos begin = now();
		auto to = std::as_writable_bytes(std::span(words));
		check(must(f.read(at * s_.region_bytes, to), "read") == to.size(), "short read");
		for (auto w : words)
			check(w == words[0], "a region is a mix of two writes");
		s_.regions[at].seen(words[0], begin);
	}

	void read_log()
	{
		auto f = must(v_.open("/log", O_RDONLY), "open log");
		std::uint32_t known[2] = {s_.appended[0], s_.appended[1]};
		Data all(100 * s_.record_bytes_max);
		std::size_t n = must(f->read(0, all), "read log");
		check_records(s_, {all.data(), n}, known);
		must(f->close(), "close");
	}

public:
	Worker(Vfs &v, Shared &s, std::uint32_t client) : v_(v), s_(s), client_(client) {}

	void overwrite(unsigned steps)
	{
		auto f = must(v_.open("/regions", O_RDWR), "open regions");
		while (steps--) {
			rng_.chance(2) ? write_region(*f) : read_region(*f);
			if (rng_.chance(10))
				must(f->fsync(), "fsync");
			pause();
		}
		must(f->close(), "close");
	}
	void append(unsigned steps)
	{
		auto f = must(v_.open("/log", O_WRONLY | O_APPEND), "open log");
		for (std::uint32_t number = 1; number <= steps; number++) {
			std::size_t n = rng_.between(sizeof(Record), s_.record_bytes_max);
			auto at = must(f->append(make_record(n, client_, number)), "append");
			s_.places[{client_, number}] = at;
			s_.appended[client_] = number;
			pause();
			if (rng_.chance(2))
				read_log();
		}
		must(f->close(), "close");
	}
	/// One after the other.
	void final_look()
	{
		auto f = must(v_.open("/regions", O_RDWR), "open regions");
		for (unsigned i = 0; i < 2 * kRegions; i++)
			read_region(*f);
		must(f->close(), "close");
		read_log();
	}
};

void prepare(Vfs &v, Shared &s, Rng &rng)
{
	constexpr std::size_t kRegionBytes[] = {100, 4096, 5000, 12288, 70'000};
	constexpr std::size_t kRecordBytes[] = {100, 5000, 100'000};
	s.region_bytes = kRegionBytes[rng.below(std::size(kRegionBytes))];
	s.record_bytes_max = kRecordBytes[rng.below(std::size(kRecordBytes))];
	cluster::Model model;
	cluster::Tree t(v, model, rng);
	for (const char *name : {"regions", "log"})
		t.setstripe(name, {"-c", rng.chance(3) ? "1" : "2", "-S", "64K"});
	t.write("regions", Data(kRegions * s.region_bytes));
}

void share(ClientNode &c, Shared &s, std::uint32_t me)
{
	if (me == 0)
		prepare(*c.vfs, s, this_world().rng());
	s.ready++;
	while (s.ready < 2)
		sleep_for(kMillisecond);
	Worker w(*c.vfs, s, me);
	unsigned running = 2;
	Node &node = this_node();
	s.working++;
	node.spawn("overwriter", [&] { w.overwrite(30), running--; });
	node.spawn("appender", [&] { w.append(12), running--; });
	while (running)
		sleep_for(10 * kMillisecond);
	s.working--;
	while (s.working)
		sleep_for(10 * kMillisecond);
	w.final_look();
}

TEST(SimFsShared, CallsOfTwoClientsLookAsIfOneAfterTheOther)
{
	run_seeds(200, [](World &w) {
		auto fs = cluster::make_fs(w);
		auto shared = std::make_shared<Shared>();
		for (unsigned n = 0; n < 2; n++)
			cluster::on_client(fs, n,
					   [shared, n](ClientNode &c) { share(c, *shared, n); });
	});
}

} // namespace
