// SPDX-License-Identifier: GPL-2.0
//
// Talks to lnet.ko: generic netlink (with libnl), /dev/lnet and /sys/module.

#include "lnetctl/kernel.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace lnetctl
{

namespace nl = lnet::nl;

namespace
{

constexpr const char *kDevice = "/dev/lnet";
constexpr const char *kParameters = "/sys/module/lnet/parameters/";
constexpr std::size_t kReceiveBytes = 65536;

template <auto F>
struct Free {
	template <typename T>
	void operator()(T *p) const
	{
		F(p);
	}
};
using Socket = std::unique_ptr<nl_sock, Free<nl_socket_free>>;
using Message = std::unique_ptr<nl_msg, Free<nlmsg_free>>;
using Buffer = std::unique_ptr<unsigned char, Free<free>>;

class Kernel final : public System
{
public:
	Outcome request(nl::Command c, std::uint16_t flags, cfs::Bytes attrs) override
	{
		return talk(c, flags, 0, attrs, nullptr);
	}
	Outcome dump(nl::Command c, std::uint16_t flags, std::uint8_t version, cfs::Bytes attrs,
		     const Take &take) override
	{
		return talk(c, static_cast<std::uint16_t>(flags | NLM_F_DUMP), version, attrs,
			    &take);
	}
	Outcome ioctl(unsigned number, unsigned size, std::span<std::byte> argument) override
	{
		int fd = open(kDevice, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			int e = errno;
			return {-e, std::string("opening ") + kDevice + " failed: " + strerror(e) +
					    "\nhint: the kernel modules may not be loaded\n"};
		}
		int rc = ::ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'e', number, size),
				 argument.data());
		int e = rc < 0 ? errno : 0;
		close(fd);
		return {-e, ""};
	}
	int read_param(const std::string &name, std::string &value) override
	{
		std::ifstream in(kParameters + name);
		if (!in)
			return -errno;
		value.assign(std::istreambuf_iterator<char>(in), {});
		return 0;
	}
	int write_param(const std::string &name, const std::string &value) override
	{
		int fd = open((kParameters + name).c_str(), O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		ssize_t n = write(fd, value.data(), value.size());
		int rc = n < 0 ? -errno : 0;
		close(fd);
		return rc;
	}
	std::vector<Interface> interfaces() override
	{
		std::vector<Interface> out;
		ifaddrs *all = nullptr;
		if (getifaddrs(&all))
			return out;
		for (ifaddrs *i = all; i; i = i->ifa_next) {
			Interface one{i->ifa_name, ""};
			char text[INET6_ADDRSTRLEN] = "";
			int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
			if (family == AF_INET)
				inet_ntop(family,
					  &reinterpret_cast<sockaddr_in *>(i->ifa_addr)->sin_addr,
					  text, sizeof(text));
			else if (family == AF_INET6)
				inet_ntop(family,
					  &reinterpret_cast<sockaddr_in6 *>(i->ifa_addr)->sin6_addr,
					  text, sizeof(text));
			one.address = text;
			out.push_back(one);
		}
		freeifaddrs(all);
		return out;
	}

private:
	/// Connects once; false when there is no such family.
	bool ready()
	{
		if (family_ >= 0)
			return true;
		socket_.reset(nl_socket_alloc());
		if (!socket_ || genl_connect(socket_.get()))
			return false;
		nl_socket_set_msg_buf_size(socket_.get(), kReceiveBytes);
		int on = 1, fd = nl_socket_get_fd(socket_.get());
		(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
		(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
		family_ = genl_ctrl_resolve(socket_.get(), nl::kFamily);
		return family_ >= 0;
	}

	Outcome talk(nl::Command c, std::uint16_t flags, std::uint8_t version, cfs::Bytes attrs,
		     const Take *take)
	{
		if (!ready())
			return {kNoFamily, ""};
		Message m(nlmsg_alloc_size(attrs.size() + 256));
		if (!m || !genlmsg_put(m.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family_, 0, flags,
				       static_cast<std::uint8_t>(c), version))
			return {-ENOMEM, ""};
		if (!attrs.empty() && nlmsg_append(m.get(), const_cast<std::byte *>(attrs.data()),
						   attrs.size(), NLMSG_ALIGNTO) < 0)
			return {-ENOMEM, ""};
		int rc = nl_send_auto(socket_.get(), m.get());
		if (rc < 0)
			return {-EIO, nl_geterror(rc)};
		const nlmsghdr *sent = nlmsg_hdr(m.get());
		for (;;) {
			Outcome o;
			if (receive(sent->nlmsg_seq, take, o))
				return o;
		}
	}

	/// Takes what came; true when that was the end.
	bool receive(std::uint32_t sequence, const Take *take, Outcome &o)
	{
		sockaddr_nl from{};
		unsigned char *raw = nullptr;
		int n = nl_recv(socket_.get(), &from, &raw, nullptr);
		Buffer buffer(raw);
		if (n <= 0) {
			o = {-EIO, n < 0 ? nl_geterror(n) : "the kernel hung up"};
			return true;
		}
		int left = n;
		for (auto *h = reinterpret_cast<nlmsghdr *>(raw); nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			if (h->nlmsg_seq == sequence && take_one(h, take, o))
				return true;
		return false;
	}

	static bool take_one(const nlmsghdr *h, const Take *take, Outcome &o)
	{
		auto *data = reinterpret_cast<const std::byte *>(h) + NLMSG_HDRLEN;
		std::size_t length = h->nlmsg_len - NLMSG_HDRLEN;
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
			std::size_t skip =
				h->nlmsg_type == NLMSG_ERROR ? sizeof(nlmsgerr) : sizeof(int);
			if (length >= sizeof(int))
				std::memcpy(&o.rc, data, sizeof(int));
			if ((h->nlmsg_flags & NLM_F_ACK_TLVS) && length > skip)
				o.message = message_in({data + skip, length - skip});
			return true;
		}
		if (h->nlmsg_type < NLMSG_MIN_TYPE || length < GENL_HDRLEN)
			return false;
		if (take && *take)
			(*take)({data + GENL_HDRLEN, length - GENL_HDRLEN}, h->nlmsg_flags);
		return false;
	}

	static std::string message_in(cfs::Bytes attrs)
	{
		nl::AttrReader r(attrs);
		while (!r.empty()) {
			auto a = r.next();
			if (!a)
				break;
			if (a->type == NLMSGERR_ATTR_MSG)
				return std::string(a->text());
		}
		return {};
	}

	Socket socket_;
	int family_ = -1;
};

} // namespace

std::unique_ptr<System> make_kernel()
{
	return std::make_unique<Kernel>();
}

} // namespace lnetctl
