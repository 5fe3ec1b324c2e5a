// SPDX-License-Identifier: GPL-2.0
//
// Job ids; see jobid.hpp. The environment of a process is out of the core's reach, so the name of a
// variable acts as one that is not set: jobid_name is used.

#include "lustre/rpc/jobid.hpp"

#include "libcfs/format.hpp"
#include "libcfs/plat/thread.h"

namespace rpc
{

using namespace cfs::err;

void JobIds::show_var(cfs::FormatSink &out) noexcept
{
	cfs::SpinGuard g(lock_);
	out.put(var_.view());
}

cfs::Result<> JobIds::set_var(std::string_view text) noexcept
{
	if (text.empty() || text.size() > kVarMax)
		return cfs::fail(INVAL);
	Mode m = text == "disable"	  ? Mode::disable
		 : text == "procname_uid" ? Mode::procname_uid
		 : text == "nodelocal"	  ? Mode::nodelocal
		 : text == "session"	  ? Mode::session
					  : Mode::variable;
	cfs::SpinGuard g(lock_);
	var_.set(text);
	mode_.store(m, std::memory_order_relaxed);
	return {};
}

void JobIds::show_name(cfs::FormatSink &out) noexcept
{
	cfs::SpinGuard g(lock_);
	out.put(name_.view());
}

cfs::Result<> JobIds::set_name(std::string_view text) noexcept
{
	if (text.empty() || text.size() > kNameMax)
		return cfs::fail(INVAL);
	cfs::SpinGuard g(lock_);
	name_.set(text);
	return {};
}

void JobIds::show_session(cfs::FormatSink &out) noexcept
{
	cfs::SpinGuard g(lock_);
	out.put(session_.view());
}

cfs::Result<> JobIds::set_session(std::string_view text) noexcept
{
	if (text.size() > kNameMax)
		return cfs::fail(INVAL);
	cfs::SpinGuard g(lock_);
	session_.set(text);
	return {};
}

void JobIds::expand(std::string_view format, std::string_view job, const cfs_node *node,
		    const RequestOptions &who, cfs::FormatSink &out) noexcept
{
	std::string_view host = cfs_node_name(node);
	while (!format.empty()) {
		char c = format.front();
		format.remove_prefix(1);
		if (c != '%' || format.empty()) {
			if (c != ' ' && c != '\t' && c != '\n')
				out.put(c);
			continue;
		}
		std::size_t limit = kNameMax;
		if (format.front() == '.') {
			limit = 0;
			format.remove_prefix(1);
			while (!format.empty() && format.front() >= '0' && format.front() <= '9') {
				limit = limit < 1000 ? limit * 10 + static_cast<unsigned>(
									    format.front() - '0')
						     : limit;
				format.remove_prefix(1);
			}
			if (format.empty())
				return;
		}
		char what = format.front();
		format.remove_prefix(1);
		char piece[kNameMax + 1];
		cfs::FormatSink p(piece);
		char comm[16];
		switch (what) {
		case 'e':
			cfs_thread_comm(comm);
			p.put(std::string_view(comm));
			break;
		case 'g':
			p.print("{}", who.gid);
			break;
		case 'u':
			p.print("{}", who.uid);
			break;
		case 'p':
			p.print("{}", cfs_thread_pid());
			break;
		case 'h':
			p.put(host);
			break;
		case 'H':
			p.put(host.substr(0, host.find('.')));
			break;
		case 'j':
			p.put(job);
			break;
		default:
			break;
		}
		out.put(p.text().substr(0, limit));
	}
}

void JobIds::fill(const cfs_node *node, const RequestOptions &who,
		  char (&out)[wire::LUSTRE_JOBID_SIZE]) noexcept
{
	Mode m = mode_.load(std::memory_order_relaxed);
	if (m == Mode::disable)
		return;
	Text<kNameMax + 1> name, session;
	{
		cfs::SpinGuard g(lock_);
		name = name_;
		session = session_;
	}
	char text[wire::LUSTRE_JOBID_SIZE];
	cfs::FormatSink sink(text);
	if (m == Mode::procname_uid)
		expand("%e.%u", {}, node, who, sink);
	else if (m == Mode::session && !session.view().empty() &&
		 name.view().find("%j") == std::string_view::npos)
		sink.put(session.view());
	else
		expand(name.view(), m == Mode::session ? session.view() : std::string_view{}, node,
		       who, sink);
	std::string_view s = sink.text();
	for (std::size_t i = 0; i < sizeof(out); i++)
		out[i] = i < s.size() && i + 1 < sizeof(out) ? s[i] : '\0';
}

} // namespace rpc
