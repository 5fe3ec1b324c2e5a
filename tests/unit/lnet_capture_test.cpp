// SPDX-License-Identifier: GPL-2.0
//
// What nodes say to each other over TCP, as another decoder sees it: connections are led through a
// tap that writes what it passes on into a capture, and tests/golden/check-capture reads that.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "tests/unit/lnet_nodes.hpp"

namespace
{

using namespace lnet_test;

/// A capture file, made of TCP segments that never were: as if the connections went to LNet's port.
class CaptureFile
{
	struct Side {
		std::uint32_t addr;
		std::uint16_t port;
		std::uint32_t next; ///< sequence number
	};
	std::ofstream out_;
	std::mutex m_;

	template <typename T>
	static void big(std::string &s, T v)
	{
		for (std::size_t i = sizeof(T); i-- > 0;)
			s += static_cast<char>(v >> (8 * i) & 0xff);
	}
	template <typename T>
	static void little(std::string &s, T v)
	{
		for (std::size_t i = 0; i < sizeof(T); i++)
			s += static_cast<char>(v >> (8 * i) & 0xff);
	}

public:
	struct Connection {
		Side client, server;
	};

	explicit CaptureFile(const std::filesystem::path &file) : out_(file, std::ios::binary)
	{
		std::string head;
		little(head, 0xa1b2c3d4u);
		little(head, std::uint16_t{2});
		little(head, std::uint16_t{4});
		little(head, std::uint64_t{0});
		little(head, 0x40000u); // longest frame
		little(head, 1u);	// Ethernet
		out_ << head;
	}
	Connection connected(std::uint32_t client, std::uint32_t server)
	{
		static std::atomic<std::uint16_t> port{1024};
		Connection c{{client, port++, 1000}, {server, 988, 2000}};
		constexpr std::uint8_t syn = 2, syn_ack = 0x12;
		segment(c.client, c.server, syn, {});
		c.client.next++;
		segment(c.server, c.client, syn_ack, {});
		c.server.next++;
		return c;
	}
	void sent(Connection &c, bool by_client, std::span<const char> bytes)
	{
		constexpr std::uint8_t psh_ack = 0x18;
		Side &from = by_client ? c.client : c.server;
		segment(from, by_client ? c.server : c.client, psh_ack, bytes);
		from.next += static_cast<std::uint32_t>(bytes.size());
	}

private:
	void segment(const Side &from, const Side &to, std::uint8_t flags,
		     std::span<const char> data)
	{
		std::string f(12, 0);
		big(f, std::uint16_t{0x0800});
		big(f, std::uint16_t{0x4500});
		big(f, static_cast<std::uint16_t>(40 + data.size()));
		big(f, 0u);
		big(f, std::uint16_t{0x4006}); // time to live; TCP
		big(f, std::uint16_t{0});
		big(f, from.addr);
		big(f, to.addr);
		big(f, from.port);
		big(f, to.port);
		big(f, from.next);
		big(f, flags == 2 ? 0u : to.next);
		big(f, static_cast<std::uint16_t>(0x5000 | flags));
		big(f, std::uint16_t{0xffff});
		big(f, 0u);
		f.append(data.begin(), data.end());
		std::string record;
		static std::atomic<std::uint32_t> clock{0};
		auto now = clock++;
		little(record, now / 1000);
		little(record, now % 1000 * 1000);
		little(record, static_cast<std::uint32_t>(f.size()));
		little(record, static_cast<std::uint32_t>(f.size()));
		std::lock_guard g(m_);
		out_ << record << f;
		out_.flush();
	}
};

sockaddr_in inet(std::uint32_t addr, std::uint32_t port)
{
	sockaddr_in sa{};
	sa.sin_family = AF_INET;
	sa.sin_addr.s_addr = htonl(addr);
	sa.sin_port = htons(static_cast<std::uint16_t>(port));
	return sa;
}

/// Accepts connections at an address and leads each on to a node's own port there, from the address
/// of the node that connects.
class Tap
{
	CaptureFile &file_;
	const std::uint32_t client_, server_, port_;
	std::mutex order_; ///< of what is passed on and what is written
	int listener_;
	std::mutex m_;
	std::vector<int> sockets_;
	std::vector<std::thread> threads_;
	std::thread acceptor_;

	void pump(int from, int to, bool by_client, std::shared_ptr<CaptureFile::Connection> c)
	{
		char buf[32768];
		for (ssize_t n; (n = read(from, buf, sizeof(buf))) > 0;) {
			std::span<const char> bytes(buf, static_cast<std::size_t>(n));
			{
				std::lock_guard g(order_);
				file_.sent(*c, by_client, bytes);
			}
			while (!bytes.empty()) {
				auto done = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
				if (done <= 0)
					break;
				bytes = bytes.subspan(static_cast<std::size_t>(done));
			}
		}
		shutdown(from, SHUT_RDWR);
		shutdown(to, SHUT_RDWR);
	}
	void run()
	{
		for (int in; (in = accept(listener_, nullptr, nullptr)) >= 0;) {
			int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			auto here = inet(client_, 0), there = inet(server_, port_);
			EXPECT_EQ(bind(out, reinterpret_cast<sockaddr *>(&here), sizeof(here)), 0);
			EXPECT_EQ(connect(out, reinterpret_cast<sockaddr *>(&there), sizeof(there)),
				  0);
			auto c = std::make_shared<CaptureFile::Connection>(
				file_.connected(client_, server_));
			std::lock_guard g(m_);
			sockets_.insert(sockets_.end(), {in, out});
			threads_.emplace_back([=, this] { pump(in, out, true, c); });
			threads_.emplace_back([=, this] { pump(out, in, false, c); });
		}
	}

public:
	/// Takes connections to server:tapped, which are for the node that listens at server:port.
	Tap(CaptureFile &file, std::uint32_t client, std::uint32_t server, std::uint32_t tapped,
	    std::uint32_t port)
	    : file_(file), client_(client), server_(server), port_(port),
	      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
	{
		auto sa = inet(server, tapped);
		int yes = 1;
		setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr *>(&sa), sizeof(sa)), 0);
		EXPECT_EQ(listen(listener_, 16), 0);
		acceptor_ = std::thread([this] { run(); });
	}
	~Tap()
	{
		shutdown(listener_, SHUT_RDWR);
		acceptor_.join();
		for (int s : sockets_)
			shutdown(s, SHUT_RDWR);
		for (auto &t : threads_)
			t.join();
		for (int s : sockets_)
			close(s);
		close(listener_);
	}
};

/// Two nodes, the connections between them tapped.
class LnetCapture : public LnetTest
{
protected:
	static constexpr std::uint32_t kAddrA = 0x7f000001, kAddrB = 0x7f000002;
	/// Payload of portals that tshark does not know is decoded as RPC; bulk data is not.
	static constexpr std::uint32_t kPortal = 8;

	void SetUp() override
	{
		LnetTest::SetUp();
		auto port_a = fresh_port(), port_b = fresh_port();
		file_.emplace(path_);
		to_b_.emplace(*file_, kAddrA, kAddrB, port_a, port_b);
		to_a_.emplace(*file_, kAddrB, kAddrA, port_b, port_a);
		a_.emplace(kAddrA, test_tunables(port_a));
		b_.emplace(kAddrB, test_tunables(port_b));
	}
	void finish()
	{
		a_.reset();
		b_.reset();
		to_b_.reset();
		to_a_.reset();
		file_.reset();
	}
	void TearDown() override
	{
		finish();
		std::filesystem::remove(path_);
		LnetTest::TearDown();
	}
	void put(Node &from, Node &to, std::size_t size)
	{
		auto data = pattern(size, 1);
		std::vector<std::byte> sink(size + 1);
		Waiter src, dst;
		attach(to, dst, sink, LNET_MD_OP_PUT | LNET_MD_TRUNCATE);
		auto h = bind(from, src, data);
		ASSERT_TRUE(from.core->put(Nid{}, h, true, {to.nid}, kPortal, 7, 0, 42));
		ASSERT_TRUE(src.wait_unlinked() && dst.wait_unlinked()) << size;
		EXPECT_TRUE(std::equal(data.begin(), data.end(), sink.begin()));
	}
	void get(Node &from, Node &to, std::size_t size)
	{
		auto data = pattern(size, 2);
		std::vector<std::byte> sink(size);
		Waiter src, dst;
		attach(to, src, data, LNET_MD_OP_GET | LNET_MD_TRUNCATE);
		auto h = bind(from, dst, sink);
		ASSERT_TRUE(from.core->get(Nid{}, h, {to.nid}, kPortal, 7, 0));
		ASSERT_TRUE(src.wait_unlinked() && dst.wait_unlinked()) << size;
		EXPECT_EQ(data, sink);
	}
	/// Whether the capture passes; what is said of it goes to the test's output.
	bool passes()
	{
		std::string command =
			CHECK_CAPTURE " --bin " COMPARE_CAPTURE " --lnet " + path_.string();
		std::cout.flush();
		return std::system(command.c_str()) == 0;
	}

	std::filesystem::path path_ = std::filesystem::path(::testing::TempDir()) /
				      ("lnet-" + std::to_string(getpid()) + ".pcap");
	std::optional<CaptureFile> file_;
	std::optional<Tap> to_a_, to_b_;
	std::optional<Node> a_, b_;

private:
	static MdSpec spec(Waiter &w, std::span<std::byte> mem, int threshold,
			   std::uint32_t options)
	{
		MdSpec md;
		md.buffer = {mem.data(), {}, static_cast<std::uint32_t>(mem.size())};
		md.threshold = threshold;
		md.options = options;
		md.handler = &w;
		return md;
	}
	static void attach(Node &n, Waiter &w, std::span<std::byte> mem, std::uint32_t options)
	{
		MatchSpec m;
		m.portal = kPortal;
		m.match_bits = 7;
		EXPECT_TRUE(n.core->attach(m, spec(w, mem, 1, options)));
	}
	static MdHandle bind(Node &n, Waiter &w, std::span<std::byte> mem)
	{
		auto h = n.core->bind(spec(w, mem, 2, 0));
		EXPECT_TRUE(h);
		return h ? *h : MdHandle{};
	}
};

TEST_F(LnetCapture, AnotherDecoderUnderstandsEveryMessage)
{
	auto soon = [] { return cfs::after(cfs::Duration::seconds(60)); };
	ASSERT_TRUE(a_->core->ping({b_->nid}, Nid{}, soon()));
	ASSERT_TRUE(b_->core->ping({a_->nid}, Nid{}, soon()));
	ASSERT_TRUE(a_->core->discovery().wait(b_->nid, true, cfs::WaitMode::idle, soon()));
	for (std::size_t size : {0u, 1u, 100u, 4095u, 65537u, 1u << 20}) {
		put(*a_, *b_, size);
		put(*b_, *a_, size);
		get(*a_, *b_, size);
		get(*b_, *a_, size);
	}
	finish();
	EXPECT_TRUE(passes());

	// A message of no known type is seen.
	std::fstream f(path_, std::ios::in | std::ios::out | std::ios::binary);
	std::string all(std::istreambuf_iterator<char>(f), {});
	const std::string message("\xc1\0\0\0", 4); // of socklnd, with one of LNet in it
	auto at = all.find(message);
	ASSERT_NE(at, std::string::npos);
	f.clear();
	f.seekp(static_cast<std::streamoff>(at + 24 + 24));
	f.put(9);
	f.close();
	EXPECT_FALSE(passes());
}

} // namespace
