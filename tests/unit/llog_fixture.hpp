// SPDX-License-Identifier: GPL-2.0
//
// What tests of logs share: an object store in memory, and logs that a stock system wrote.
#pragma once

#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <set>

#include "llog/catalog.hpp"
#include "llog/config.hpp"
#include "lustre/osd/conformance/conformance.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "tests/unit/libcfs_machine.hpp"

namespace llog_test
{

using llog::Log;
using llog::LogRef;
using llog::LogSpec;
using llog::Record;
using wire::LlogRecType;

inline std::string golden(const std::string &name)
{
	std::ifstream in(CFS_GOLDEN_DATA "/disk/" + name, std::ios::binary);
	std::string s{std::istreambuf_iterator<char>(in), {}};
	EXPECT_GE(s.size(), 8192u) << name;
	return s;
}

inline cfs::Bytes bytes(const std::string &s)
{
	return cfs::as_bytes(s);
}

/// Collects what it is shown.
class Collector final : public llog::RecordVisitor
{
public:
	struct Item {
		std::uint32_t index;
		LlogRecType type;
		std::uint32_t id;
		std::string body;
		std::uint64_t offset;
	};
	std::vector<Item> items;
	std::size_t stop_after = ~std::size_t{0};

	cfs::Result<Next> record(const Record &r) noexcept override
	{
		items.push_back({r.index,
				 r.type,
				 r.id,
				 {reinterpret_cast<const char *>(r.body.data()), r.body.size()},
				 r.offset});
		return items.size() < stop_after ? Next::go_on : Next::stop;
	}
	[[nodiscard]] std::vector<std::uint32_t> indices() const
	{
		std::vector<std::uint32_t> v;
		for (auto &i : items)
			v.push_back(i.index);
		return v;
	}
};

/// All records of a log file, cancelled ones and pads included.
inline std::vector<Collector::Item> raw_records(const std::string &file, std::size_t chunk)
{
	std::vector<Collector::Item> all;
	for (std::size_t at = chunk; at < file.size(); at += chunk) {
		std::string part = file.substr(at, chunk);
		part.resize(chunk);
		llog::ChunkWalker w(bytes(part), at);
		Record r;
		const char *why = nullptr;
		while (w.next(r, &why) == llog::ChunkWalker::Step::record)
			all.push_back(
				{r.index,
				 r.type,
				 r.id,
				 {reinterpret_cast<const char *>(r.body.data()), r.body.size()},
				 r.offset});
	}
	return all;
}

/// A log in memory, as it came from somewhere.
class FileSource final : public llog::LogSource
{
	std::string file_;

public:
	explicit FileSource(std::string file) : file_(std::move(file)) {}

	cfs::Result<std::size_t> read_header(cfs::MutBytes out) noexcept override
	{
		std::size_t n = std::min(out.size(), file_.size());
		std::memcpy(out.data(), file_.data(), n);
		if (file_.size() < sizeof(wire::LlogRecHdr))
			return file_.size();
		wire::LlogRecHdr h{};
		std::memcpy(&h, file_.data(), sizeof(h));
		return std::min<std::size_t>(h.len, file_.size());
	}
	cfs::Result<Block> next_block(std::uint32_t index, std::uint32_t, std::uint64_t offset,
				      cfs::MutBytes out) noexcept override
	{
		std::uint64_t chunk = out.size();
		for (std::uint64_t at = offset / chunk * chunk; at < file_.size(); at += chunk) {
			std::size_t n = std::min<std::size_t>(chunk, file_.size() - at);
			std::memset(out.data(), 0, chunk);
			std::memcpy(out.data(), file_.data() + at, n);
			Block b{at + n, 0};
			llog::ChunkWalker w(out, at);
			Record r;
			const char *why = nullptr;
			while (w.next(r, &why) == llog::ChunkWalker::Step::record)
				b.last_index = std::max(b.last_index, r.index);
			if (b.last_index >= index)
				return b;
		}
		return cfs::fail(cfs::err::NODATA);
	}
};

class LlogTest : public MachineTest
{
protected:
	static constexpr const char *kTarget = "lfs1-MDT0000";

	osd::mem::DiskOptions options_{.svname = kTarget};
	std::unique_ptr<osd::mem::Disk> disk_;
	osd::DeviceRef device_;
	osd::LastId ids_;
	std::uint32_t next_oid_ = 1000;

	void SetUp() override
	{
		MachineTest::SetUp();
		mount();
	}
	void TearDown() override
	{
		unmount();
		MachineTest::TearDown();
	}
	void mount()
	{
		if (!disk_)
			disk_ = std::make_unique<osd::mem::Disk>(options_);
		auto d = osd::mem::mount(cfs_node_current(), *disk_, kTarget);
		ASSERT_TRUE(d);
		device_ = std::move(*d);
		ASSERT_TRUE(ids_.open(*device_, wire::FID_SEQ_LLOG, 1));
	}
	void unmount()
	{
		ids_.close();
		device_.reset();
	}
	osd::ObjectRef make(const wire::Fid &fid)
	{
		auto o = osd::find_or_create(*device_, fid, osd::conformance::file_spec());
		EXPECT_TRUE(o);
		return *o;
	}
	osd::ObjectRef make() { return make(wire::make_fid(wire::FID_SEQ_LLOG_NAME, next_oid_++)); }
	/// An object with this content.
	osd::ObjectRef import(const std::string &file, const wire::Fid &fid)
	{
		osd::ObjectRef o = make(fid);
		EXPECT_TRUE(osd::conformance::put(*o, 0, bytes(file)));
		return o;
	}
	static std::string content(osd::Object &o)
	{
		osd::Attr a;
		EXPECT_TRUE(o.attr_get(a));
		std::string s(a.size, '\0');
		auto n = (*o.body())->read(0, {reinterpret_cast<std::byte *>(s.data()), s.size()});
		EXPECT_TRUE(n && *n == s.size());
		return s;
	}
	LogRef open(osd::ObjectRef o, const LogSpec &spec = {}, std::string_view name = "test")
	{
		auto l = Log::open(std::move(o), name, spec);
		EXPECT_TRUE(l);
		return l ? *l : LogRef();
	}
	static cfs::Result<std::uint32_t> append(Log &log, const std::string &body,
						 LlogRecType type = LlogRecType::OBD_CFG_REC)
	{
		return llog::append_now(log, type, bytes(body));
	}
	static cfs::Result<bool> cancel(Log &log, std::uint32_t index)
	{
		bool empty = false;
		TRY(osd::conformance::in_tx(
			log.object().device(),
			[&](osd::Transaction &tx) { return log.declare_cancel(tx); },
			[&](osd::Transaction &tx) -> cfs::Result<> {
				empty = TRY(log.cancel(tx, index));
				return {};
			}));
		return empty;
	}
	static Collector read(llog::LogSource &log)
	{
		Collector c;
		auto r = llog::process(log, "test", c);
		EXPECT_TRUE(r);
		EXPECT_EQ(r ? r->corrupt : 0, 0u);
		return c;
	}
};

} // namespace llog_test
