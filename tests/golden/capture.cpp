// SPDX-License-Identifier: GPL-2.0

#include "capture.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <tuple>

#include "rpc/format/message.hpp"

namespace golden
{

namespace
{

using Buffer = std::vector<std::byte>;

/// Values of the formats read here.
constexpr std::uint32_t kPcapMagic = 0xa1b2c3d4;
constexpr std::size_t kPcapHeader = 24, kPcapRecord = 16;
constexpr std::uint16_t kLnetPort = 988;
constexpr std::uint32_t kAcceptorMagic = 0xacce7100, kHelloMagic = 0x45726963;
constexpr std::size_t kConnreq = 16, kHello = 56, kKsockHeader = 24, kLnetHeader = 72;
constexpr std::uint32_t kKsockNoop = 0xc0, kKsockLnet = 0xc1;
constexpr std::uint32_t kLnetPut = 1, kLnetGet = 2;
constexpr std::uint32_t kLnetPortal = 0; // of LNet's own messages

template <typename T>
T get(const Buffer &b, std::size_t at, bool big_endian = false)
{
	T v{};
	if (at + sizeof(T) > b.size())
		throw std::out_of_range("capture ends early");
	for (std::size_t i = 0; i < sizeof(T); i++) {
		std::size_t shift = 8 * (big_endian ? sizeof(T) - 1 - i : i);
		v = static_cast<T>(v | static_cast<T>(std::to_integer<T>(b[at + i]) << shift));
	}
	return v;
}

/// One direction of one TCP connection.
struct Stream {
	std::string from, to;
	bool from_start = false;
	bool started = false;
	std::uint32_t next = 0;
	Buffer data;
	std::map<std::size_t, std::size_t> packet_at; // stream offset -> packet number
	std::map<std::uint32_t, std::pair<std::size_t, Buffer>> waiting;

	void append(std::size_t packet, const Buffer &payload, std::size_t skip)
	{
		packet_at.emplace(data.size(), packet);
		data.insert(data.end(), payload.begin() + static_cast<std::ptrdiff_t>(skip),
			    payload.end());
		next += static_cast<std::uint32_t>(payload.size() - skip);
	}
	void add(std::size_t packet, std::uint32_t seq, bool syn, const Buffer &payload)
	{
		if (syn) {
			from_start = started = true;
			next = seq + 1;
			return;
		}
		// A payload of one byte without a connection is the probe of an idle one.
		if (!started && payload.size() <= 1)
			return;
		if (!started) {
			started = true;
			next = seq;
		}
		if (!payload.empty())
			waiting.emplace(seq, std::pair(packet, payload));
		drain();
	}
	void drain()
	{
		for (auto it = waiting.begin(); it != waiting.end();) {
			auto ahead = static_cast<std::int32_t>(it->first - next);
			if (ahead > 0) {
				++it;
				continue;
			}
			auto skip = static_cast<std::size_t>(-static_cast<std::int64_t>(ahead));
			if (skip < it->second.second.size())
				append(it->second.first, it->second.second, skip);
			waiting.erase(it);
			it = waiting.begin();
		}
	}
	[[nodiscard]] std::size_t packet(std::size_t offset) const
	{
		return std::prev(packet_at.upper_bound(offset))->second;
	}
};

/// A message and the packet its last byte came in.
struct Ordered {
	std::size_t packet;
	std::size_t found; // keeps the order within a packet
	CapturedMessage message;
};

class Reader
{
	Capture &out_;
	std::string file_;
	// One stream per direction and connection: a new SYN starts a new one.
	std::map<std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>, std::size_t>
		live_;
	std::vector<Stream> streams_;
	std::vector<Ordered> found_;

	void problem(const std::string &what) { out_.problems.push_back(file_ + ": " + what); }

	Stream &stream(const std::string &src, std::uint16_t sport, const std::string &dst,
		       std::uint16_t dport, bool syn)
	{
		auto key = std::tuple(src, sport, dst, dport);
		auto it = live_.find(key);
		if (it == live_.end() || (syn && !streams_[it->second].data.empty())) {
			live_[key] = streams_.size();
			streams_.push_back({});
			streams_.back().from = src;
			streams_.back().to = dst;
			return streams_.back();
		}
		return streams_[it->second];
	}

	static std::string address(const Buffer &b, std::size_t at)
	{
		std::string s;
		for (std::size_t i = 0; i < 4; i++)
			s += (i ? "." : "") + std::to_string(std::to_integer<int>(b[at + i]));
		return s;
	}

	void packet(std::size_t number, const Buffer &frame)
	{
		constexpr std::size_t ip = 14;
		if (get<std::uint16_t>(frame, 12, true) != 0x0800 || frame[ip + 9] != std::byte{6})
			return;
		std::size_t tcp = ip + 4 * (std::to_integer<std::size_t>(frame[ip]) & 15);
		std::size_t end = ip + get<std::uint16_t>(frame, ip + 2, true);
		auto sport = get<std::uint16_t>(frame, tcp, true);
		auto dport = get<std::uint16_t>(frame, tcp + 2, true);
		if (sport != kLnetPort && dport != kLnetPort)
			return;
		std::size_t payload =
			tcp + 4 * (std::to_integer<std::size_t>(frame[tcp + 12]) >> 4);
		bool syn = (frame[tcp + 13] & std::byte{2}) != std::byte{0};
		Buffer data(frame.begin() + static_cast<std::ptrdiff_t>(payload),
			    frame.begin() + static_cast<std::ptrdiff_t>(std::max(end, payload)));
		stream(address(frame, ip + 12), sport, address(frame, ip + 16), dport, syn)
			.add(number, get<std::uint32_t>(frame, tcp + 4, true), syn, data);
	}

	void piece(LnetPiece::Kind kind, const Stream &s, std::size_t at, std::size_t bytes,
		   std::size_t payload = 0)
	{
		auto first = s.data.begin() + static_cast<std::ptrdiff_t>(at);
		auto end = first + static_cast<std::ptrdiff_t>(bytes);
		out_.pieces.push_back({kind,
				       file_,
				       {first, end},
				       {end, end + static_cast<std::ptrdiff_t>(payload)}});
	}

	/// Bytes of connection set-up at the front of a stream recorded from its first byte.
	std::size_t preamble(const Stream &s)
	{
		if (!s.from_start || s.data.empty())
			return 0;
		std::size_t at = 0;
		if (get<std::uint32_t>(s.data, 0) == kAcceptorMagic) {
			piece(LnetPiece::Kind::acceptor, s, 0, kConnreq);
			at += kConnreq;
		}
		if (get<std::uint32_t>(s.data, at) != kHelloMagic) {
			problem("no hello");
			return s.data.size();
		}
		std::size_t hello = kHello + 4 * get<std::uint32_t>(s.data, at + 52);
		piece(LnetPiece::Kind::hello, s, at, hello);
		return at + hello;
	}

	void put(const Stream &s, std::size_t at, std::size_t length)
	{
		std::size_t body = at + 32; // destination, source, pids, type, length
		CapturedMessage m;
		m.file = file_;
		m.from = s.from;
		m.to = s.to;
		m.match_bits = get<std::uint64_t>(s.data, body + 16);
		m.portal = get<std::uint32_t>(s.data, body + 32);
		m.offset = get<std::uint32_t>(s.data, body + 36);
		if (m.portal == kLnetPortal) {
			out_.others++;
			return;
		}
		using wire::Portal;
		switch (static_cast<Portal>(m.portal)) {
		case Portal::OST_BULK_PORTAL:
		case Portal::MDS_BULK_PORTAL:
		case Portal::MGS_BULK_PORTAL:
			out_.bulks++;
			return;
		case Portal::OSC_REPLY_PORTAL:
		case Portal::MDC_REPLY_PORTAL:
		case Portal::LDLM_CB_REPLY_PORTAL:
		case Portal::LDLM_CANCEL_REPLY_PORTAL:
		case Portal::MGC_REPLY_PORTAL:
			break;
		default:
			m.request = true;
		}
		auto first = s.data.begin() + static_cast<std::ptrdiff_t>(at + kLnetHeader);
		m.bytes.assign(first, first + static_cast<std::ptrdiff_t>(length));
		found_.push_back(
			{s.packet(at + kLnetHeader + length - 1), found_.size(), std::move(m)});
	}

	void frames(const Stream &s)
	{
		std::size_t at = preamble(s);
		while (at < s.data.size()) {
			auto type = get<std::uint32_t>(s.data, at);
			if (type == kKsockNoop) {
				piece(LnetPiece::Kind::noop, s, at, kKsockHeader);
				at += kKsockHeader;
				out_.others++;
				continue;
			}
			if (type != kKsockLnet)
				return problem("lost the framing");
			std::size_t lnet = at + kKsockHeader;
			auto kind = get<std::uint32_t>(s.data, lnet + 24);
			auto length = get<std::uint32_t>(s.data, lnet + 28);
			at = lnet + kLnetHeader + length;
			if (at > s.data.size())
				return problem("capture ends inside a message");
			piece(LnetPiece::Kind::message, s, lnet - kKsockHeader,
			      kKsockHeader + kLnetHeader, length);
			if (kind == kLnetPut)
				put(s, lnet, length);
			else if (kind == kLnetGet && get<std::uint32_t>(s.data, lnet + 56) != 0)
				out_.bulks++;
			else
				out_.others++;
		}
	}

	/// Joins replies to requests by the XID or by the match bits the request asked for.
	void join()
	{
		using Key = std::tuple<std::string, std::string, std::uint64_t>;
		std::map<Key, std::size_t> asked;
		for (std::size_t i = 0; i < out_.messages.size(); i++) {
			auto &m = out_.messages[i];
			if (!m.request) {
				auto it = asked.find({m.to, m.from, m.match_bits});
				if (it != asked.end())
					m.request_index = it->second;
				continue;
			}
			asked[{m.from, m.to, m.match_bits}] = i;
			std::size_t mbits = rpc::header_bytes(get<std::uint32_t>(m.bytes, 0)) +
					    offsetof(wire::PtlrpcBodyV2, mbits);
			asked[{m.from, m.to, get<std::uint64_t>(m.bytes, mbits)}] = i;
		}
	}

public:
	Reader(Capture &out, std::string file) : out_(out), file_(std::move(file)) {}

	void read(const Buffer &pcap)
	{
		if (get<std::uint32_t>(pcap, 0) != kPcapMagic)
			return problem("not a little-endian pcap");
		std::size_t at = kPcapHeader;
		for (std::size_t number = 1; at < pcap.size(); number++) {
			auto length = get<std::uint32_t>(pcap, at + 8);
			auto first = pcap.begin() + static_cast<std::ptrdiff_t>(at + kPcapRecord);
			packet(number, Buffer(first, first + length));
			at += kPcapRecord + length;
		}
		for (const auto &s : streams_) {
			if (!s.waiting.empty())
				problem("a packet is missing");
			frames(s);
		}
		std::sort(found_.begin(), found_.end(), [](const auto &a, const auto &b) {
			return std::tie(a.packet, a.found) < std::tie(b.packet, b.found);
		});
		for (auto &f : found_)
			out_.messages.push_back(std::move(f.message));
		join();
	}
};

} // namespace

Capture read_capture(const std::filesystem::path &file)
{
	std::ifstream in(file, std::ios::binary);
	std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
	Buffer bytes(text.size());
	if (!text.empty())
		std::memcpy(bytes.data(), text.data(), text.size());
	Capture out;
	try {
		Reader(out, file.filename().string()).read(bytes);
	} catch (const std::exception &e) {
		out.problems.push_back(file.filename().string() + ": " + e.what());
	}
	return out;
}

std::filesystem::path data_dir()
{
	return GOLDEN_DATA_DIR;
}

const std::vector<Capture> &all_captures()
{
	static const std::vector<Capture> captures = [] {
		std::vector<std::filesystem::path> files;
		for (const auto &e : std::filesystem::directory_iterator(data_dir() / "pcap"))
			files.push_back(e.path());
		std::sort(files.begin(), files.end());
		std::vector<Capture> all;
		for (const auto &f : files)
			all.push_back(read_capture(f));
		return all;
	}();
	return captures;
}

} // namespace golden
