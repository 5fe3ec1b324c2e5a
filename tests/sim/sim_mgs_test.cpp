// SPDX-License-Identifier: GPL-2.0
//
// The MGS served over RPC in the simulator: targets register, their logs are read back as a client
// reads them, and the lock on them is called back when they change.
#include <string>
#include <vector>

#include "ldlm/rpc_links.hpp"
#include "llog/config.hpp"
#include "mgs/mgs.hpp"
#include "rpc/format/ops_mgs.hpp"
#include "tests/sim/cluster.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::must;
using wire::u32;
using wire::u64;
namespace fld = rpc::fld;
namespace op = rpc::op;

constexpr const char *kName = "MGS";

void serve(Node &n, cluster::DiskPtr disk)
{
	cluster::start(n, [disk](cluster::Stack &s) {
		auto m = must(mgs::Mgs::start(*s.rpc, *s.ldlm, cluster::mount(*disk, kName), {}),
			      "no MGS");
		wait_stop();
		m->stop();
	});
}

/// A log of the MGS's, read by RPC.
class RemoteLog final : public llog::LogSource
{
	rpc::Import &import_;
	wire::LlogLogid id_;

public:
	RemoteLog(rpc::Import &i, const wire::LlogLogid &id) : import_(i), id_(id) {}
	llog::Result<std::size_t> read_header(llog::MutBytes out) noexcept override
	{
		auto req = TRY(rpc::Request<op::LlogReadHeader>::make(import_));
		req.get<fld::LlogdBody>().logid = id_;
		(void)TRY(req.send_wait());
		auto reply = TRY(req.reply());
		auto bytes = cfs::bytes_of(reply.get<fld::LlogHeader>());
		std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
		return bytes.size();
	}
	llog::Result<Block> next_block(std::uint32_t index, std::uint32_t saved,
				       std::uint64_t offset, llog::MutBytes out) noexcept override
	{
		rpc::ReplyLengths<op::LlogNextBlock> n;
		n.bytes<fld::LlogBlock>(out.size());
		auto req = TRY(rpc::Request<op::LlogNextBlock>::make(import_, {}, n));
		auto &b = req.get<fld::LlogdBody>();
		b.logid = id_;
		b.index = index;
		b.saved_index = saved;
		b.cur_offset = offset;
		b.len = static_cast<u32>(out.size());
		(void)TRY(req.send_wait());
		auto reply = TRY(req.reply());
		auto data = reply.get<fld::LlogBlock>();
		std::copy_n(data.begin(), std::min(data.size(), out.size()), out.begin());
		return Block{reply.get<fld::LlogdBody>().cur_offset.get(),
			     reply.get<fld::LlogdBody>().saved_index.get()};
	}
};

/// What a log says, a line for each of its commands that a client follows.
class Listing final : public llog::ConfigHandler
{
public:
	std::vector<std::string> lines;

	llog::Result<> attach(std::string_view device, std::string_view type,
			      std::string_view) noexcept override
	{
		lines.push_back(std::string(type) + " " + std::string(device));
		return {};
	}
	llog::Result<> add_ost(const Target &t) noexcept override
	{
		lines.push_back("ost " + std::string(t.uuid));
		return {};
	}
	llog::Result<> add_mdt(const Target &t) noexcept override
	{
		lines.push_back("mdt " + std::string(t.uuid));
		return {};
	}
	llog::Result<> param(std::string_view device, std::string_view key,
			     std::string_view value) noexcept override
	{
		lines.push_back(std::string(device) + " " + std::string(key) + "=" +
				std::string(value));
		return {};
	}
};

class Client
{
	cfs::RefPtr<rpc::Import> import_;

public:
	Client(cluster::Stack &s, const lnet::Nid &server, std::string_view uuid)
	{
		auto spec = rpc::mgs_import();
		spec.device = "MGC";
		spec.target = "MGS";
		spec.client_uuid = uuid;
		spec.wanted.connect_flags = wire::MGS_CONNECT_SUPPORTED;
		import_ = must(s.rpc->new_import(spec), "no import");
		must(import_->add_connection({&server, 1}), "no connection");
		must(import_->start(), "no start");
		must(import_->wait_full(cfs::WaitMode::idle, cfs::Instant::never()), "no MGS");
	}
	~Client()
	{
		(void)import_->disconnect(cfs::WaitMode::idle,
					  cfs::after(cfs::Duration::seconds(10)));
	}
	int register_target(wire::MgsTargetInfo &mti)
	{
		auto req = must(rpc::Request<op::MgsTargetReg>::make(*import_), "no request");
		*req.get<fld::MgsTargetInfo>() = mti;
		auto status = req.send_wait();
		if (auto reply = req.reply())
			mti = *reply->get<fld::MgsTargetInfo>();
		return status ? *status : cfs::to_rc(status);
	}
	std::vector<std::string> read(std::string_view log)
	{
		rpc::RequestLengths<op::LlogCreate> n;
		n.text<fld::Name>(log);
		auto req = must(rpc::Request<op::LlogCreate>::make(*import_, n), "no request");
		must(req.put<fld::Name>(log), "name");
		auto status = req.send_wait();
		if (!status)
			return {"error " + std::to_string(cfs::to_rc(status))};
		auto reply = must(req.reply(), "no reply");
		RemoteLog remote(*import_, reply.get<fld::LlogdBody>().logid);
		Listing l;
		llog::ConfigReader reader(l, log);
		auto result = must(reader.read(remote), "unreadable");
		check(result.corrupt == 0, "corrupt");
		return l.lines;
	}
	[[nodiscard]] rpc::Import &import() { return *import_; }
};

wire::MgsTargetInfo target(std::string_view svname, u32 index, u32 type, u32 address)
{
	wire::MgsTargetInfo m{};
	m.lustre_ver = wire::LUSTRE_VERSION_CODE;
	m.stripe_index = index;
	m.flags = type | wire::LDD_F_UPDATE | wire::LDD_F_VIRGIN | wire::LDD_F_OPC_REG;
	m.nid_count = 1;
	m.nids[0] = lnet::Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), address).nid4();
	check(m.fsname.set("tfs") && m.svname.set(svname), "names");
	return m;
}
wire::MgsTargetInfo mdt()
{
	return target("tfs-MDT0000", 0, wire::LDD_F_SV_TYPE_MDT, 0x0a000001);
}
wire::MgsTargetInfo ost(u32 index)
{
	return target("", index, wire::LDD_F_SV_TYPE_OST, 0x0a000002 + index);
}

void with_client(const std::function<void(Client &, cluster::Stack &, Node &)> &script)
{
	run_seeds(2, [script](World &w) {
		auto disk = cluster::make_disk(kName);
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
		serve(*nodes[0], disk);
		cluster::start(*nodes[1], [script, nid, nodes](cluster::Stack &s) {
			{
				Client c(s, nid, "client-a");
				script(c, s, *nodes[0]);
			}
			nodes[0]->stop();
		});
	});
}

TEST(SimMgs, RegistrationsAreWrittenForClientsAndForTheTargets)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), o = ost(0);
		check(c.read("tfs-client") == std::vector<std::string>{"error -2"}, "no log yet");
		check(c.read("params").empty(), "parameters");
		check(c.register_target(m) == 0, "MDT");
		check(m.uuid.view() == "tfs-MDT0000_UUID", "uuid");
		check((m.flags & (wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE |
				  wire::LDD_F_REWRITE_LDD)) == wire::LDD_F_REWRITE_LDD,
		      "flags");
		check(c.register_target(o) == 0 && o.svname.view() == "tfs-OST0000", "OST");
		check(c.read("tfs-client") ==
			      std::vector<std::string>{
				      "lov tfs-clilov", "lmv tfs-clilmv", "mdc tfs-MDT0000-mdc",
				      "mdt tfs-MDT0000_UUID", "osc tfs-OST0000-osc",
				      "ost tfs-OST0000_UUID"},
		      "client log");
		check(c.read("tfs-MDT0000") ==
			      std::vector<std::string>{"lov tfs-MDT0000-mdtlov", "mdt tfs-MDT0000",
						       "osc tfs-OST0000-osc-MDT0000",
						       "ost tfs-OST0000_UUID"},
		      "log of the MDT");
		check(c.read("tfs-OST0000") == std::vector<std::string>{"obdfilter tfs-OST0000"},
		      "log of the OST");
	});
}

TEST(SimMgs, TheOrderOfRegistrationsDoesNotMatter)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), o = ost(0), p = ost(1);
		check(c.register_target(o) == 0 && c.register_target(m) == 0 &&
			      c.register_target(p) == 0,
		      "registrations");
		auto log = c.read("tfs-MDT0000");
		check(log == std::vector<std::string>{"lov tfs-MDT0000-mdtlov", "mdt tfs-MDT0000",
						      "osc tfs-OST0000-osc-MDT0000",
						      "ost tfs-OST0000_UUID",
						      "osc tfs-OST0001-osc-MDT0000",
						      "ost tfs-OST0001_UUID"},
		      "log of the MDT");
		check(c.read("tfs-client").size() == 8, "client log");
	});
}

TEST(SimMgs, AnIndexIsGivenOnceAndFoundIfWanted)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), first = ost(0), again = ost(0), any = ost(0), known = ost(0);
		check(c.register_target(m) == 0 && c.register_target(first) == 0, "first");
		check(c.register_target(again) == -98, "taken");
		check((again.flags & wire::LDD_F_ERROR) != 0, "no error flag");
		any.flags = any.flags | wire::LDD_F_NEED_INDEX;
		check(c.register_target(any) == 0 && any.stripe_index == 1 &&
			      any.svname.view() == "tfs-OST0001",
		      "next index");
		known.flags = wire::LDD_F_SV_TYPE_OST | wire::LDD_F_OPC_REG;
		check(c.register_target(known) == 0, "a start is no registration");
		known.stripe_index = 7;
		check(c.register_target(known) == -2, "unknown");
		check(known.fsname.set("toolongname"), "name");
		check(c.register_target(known) == -22, "no file system");
	});
}

TEST(SimMgs, LogsSurviveCrashes)
{
	with_client([](Client &c, cluster::Stack &, Node &server) {
		auto m = mdt(), o = ost(0), p = ost(0);
		check(c.register_target(m) == 0 && c.register_target(o) == 0, "registrations");
		auto before = c.read("tfs-client");
		server.crash();
		server.restart();
		// Who asks the next life of the MGS is told once that it is not known there.
		(void)c.read("tfs-client");
		check(c.read("tfs-client") == before, "client log");
		// It remembers who is registered, too.
		p.flags = p.flags | wire::LDD_F_NEED_INDEX;
		check(c.register_target(p) == 0 && p.stripe_index == 1, "next index");
		check(c.read("tfs-MDT0000").size() == 6, "log of the MDT");
	});
}

TEST(SimMgs, WritingTheConfigurationAnewForgetsTheOldOne)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), o = ost(0), again = mdt();
		check(c.register_target(m) == 0 && c.register_target(o) == 0, "registrations");
		again.flags = wire::LDD_F_SV_TYPE_MDT | wire::LDD_F_WRITECONF | wire::LDD_F_UPDATE |
			      wire::LDD_F_OPC_REG;
		check(c.register_target(again) == 0, "writeconf");
		check(c.read("tfs-client") == std::vector<std::string>{"lov tfs-clilov",
								       "lmv tfs-clilmv",
								       "mdc tfs-MDT0000-mdc",
								       "mdt tfs-MDT0000_UUID"},
		      "client log");
		check(c.read("tfs-OST0000") == std::vector<std::string>{"error -2"}, "OST's log");
	});
}

TEST(SimMgs, ARefusedRegistrationLeavesTheLogsAsTheyWere)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), o = ost(0);
		check(c.register_target(m) == 0 && c.register_target(o) == 0, "registrations");
		auto client = c.read("tfs-client"), own = c.read("tfs-MDT0000");
		auto again = mdt();
		again.flags = again.flags | wire::LDD_F_WRITECONF;
		again.nid_count = 0;
		check(c.register_target(again) == -22, "without a node");
		again = mdt();
		again.flags = again.flags | wire::LDD_F_WRITECONF;
		check(again.params.set("mdt.x=" + std::string(500, 'x')), "parameters");
		check(c.register_target(again) == -36, "too long a parameter");
		check(c.read("tfs-client") == client && c.read("tfs-MDT0000") == own, "logs");
		for (std::string_view name : {"a/b", "..", "a b", "a\nb", "a.b"}) {
			auto bad = mdt();
			check(bad.fsname.set(name), "name");
			check(c.register_target(bad) == -22, "a name");
		}
	});
}

TEST(SimMgs, FailoverNodesAndParametersAreWritten)
{
	with_client([](Client &c, cluster::Stack &, Node &) {
		auto m = mdt(), o = ost(0);
		check(c.register_target(m) == 0, "MDT");
		check(o.params.set("mgsnode=10.0.0.1@tcp failover.node=10.0.0.9@tcp "
				   "osc.max_dirty_mb=64 ost.x=1"),
		      "parameters");
		check(c.register_target(o) == 0, "OST");
		auto log = c.read("tfs-client");
		check(log.size() == 7 && log.back() == "tfs-OST0000-osc osc.max_dirty_mb=64",
		      "client log");
		check(c.read("tfs-OST0000").back() == "tfs-OST0000 ost.x=1", "OST's log");
	});
}

} // namespace
