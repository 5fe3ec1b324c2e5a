// SPDX-License-Identifier: GPL-2.0
//
// Catalogs: queues of records over many plain logs.
#include "tests/unit/llog_fixture.hpp"

namespace
{

using namespace llog_test;
using cfs::err::NOENT;
using cfs::err::NOSPC;
using llog::Catalog;
using llog::CatalogSpec;
using llog::Cookie;

class Cookies final : public llog::CatalogVisitor
{
public:
	std::vector<std::pair<Cookie, std::string>> items;
	std::size_t stop_after = ~std::size_t{0};

	cfs::Result<Next> record(const Cookie &c, const Record &r) noexcept override
	{
		items.emplace_back(c, std::string(reinterpret_cast<const char *>(r.body.data()),
						  r.body.size()));
		return items.size() < stop_after ? Next::go_on : Next::stop;
	}
};

class LlogCatalog : public LlogTest
{
protected:
	cfs::UniquePtr<Catalog> catalog_;
	wire::Fid fid_ = wire::make_fid(wire::FID_SEQ_LLOG, 1);
	// About ten records of 1000 bytes in a plain log.
	CatalogSpec spec_{.plain_bytes = 8192 + 10 * 1024};

	void open_catalog()
	{
		auto c = Catalog::open(make(fid_), "catalog", ids_, spec_);
		ASSERT_TRUE(c);
		catalog_ = std::move(*c);
	}
	void TearDown() override
	{
		catalog_.reset();
		LlogTest::TearDown();
	}
	cfs::Result<Cookie> add(const std::string &text, std::size_t size = 1000)
	{
		std::string body = text + std::string(size - text.size(), '\0');
		llog::CatalogAdd a(*catalog_);
		TRY(a.prepare(body.size()));
		cfs::Bytes b = bytes(body);
		Cookie c;
		TRY(osd::conformance::in_tx(
			*device_, [&](osd::Transaction &tx) { return a.declare(tx); },
			[&](osd::Transaction &tx) -> cfs::Result<> {
				c = TRY(a.add(tx, LlogRecType::MDS_UNLINK64_REC, {&b, 1}));
				return {};
			}));
		return c;
	}
	cfs::Result<> cancel(const Cookie &c)
	{
		llog::CatalogCancel x(*catalog_);
		TRY(x.prepare(c));
		return osd::conformance::in_tx(
			*device_, [&](osd::Transaction &tx) { return x.declare(tx); },
			[&](osd::Transaction &tx) { return x.cancel(tx); });
	}
	std::vector<std::string> texts()
	{
		Cookies v;
		auto r = catalog_->process(v);
		EXPECT_TRUE(r);
		EXPECT_EQ(r ? r->corrupt : 1, 0u);
		std::vector<std::string> t;
		for (auto &[c, body] : v.items)
			t.push_back(body.c_str());
		return t;
	}
	static std::vector<std::string> numbers(unsigned from, unsigned to)
	{
		std::vector<std::string> t;
		for (unsigned i = from; i < to; i++)
			t.push_back(std::to_string(i));
		return t;
	}
};

TEST_F(LlogCatalog, RecordsComeBackOldestFirst)
{
	open_catalog();
	for (unsigned i = 0; i < 100; i++)
		ASSERT_TRUE(add(std::to_string(i)));
	EXPECT_EQ(texts(), numbers(0, 100));
	EXPECT_GT(catalog_->log().info().count, 8u);
	EXPECT_EQ(catalog_->log().info().flags, 0x12u);
	// After a mount too, and it goes on in the newest log.
	catalog_.reset();
	unmount();
	mount();
	open_catalog();
	std::uint32_t logs = catalog_->log().info().count;
	ASSERT_TRUE(add("100"));
	EXPECT_LE(catalog_->log().info().count, logs + 1);
	EXPECT_EQ(texts(), numbers(0, 101));
}

TEST_F(LlogCatalog, EmptyPlainLogsGo)
{
	open_catalog();
	std::string before = disk_->dump();
	std::vector<Cookie> cookies;
	for (unsigned i = 0; i < 100; i++)
		cookies.push_back(*add(std::to_string(i)));
	wire::ObdStatfs full{};
	ASSERT_TRUE(device_->statfs(full));
	std::uint32_t logs = catalog_->log().info().count;
	for (auto &c : cookies)
		EXPECT_TRUE(cancel(c));
	EXPECT_TRUE(texts().empty());
	EXPECT_GT(logs, 8u);
	EXPECT_EQ(catalog_->log().info().count, 2u); // itself, and the newest log
	EXPECT_EQ(catalog_->log().info().cat_idx + 1, catalog_->log().info().last_index);
	wire::ObdStatfs empty{};
	ASSERT_TRUE(device_->statfs(empty));
	EXPECT_EQ(empty.ffree.get(), full.ffree + logs - 2);
	EXPECT_EQ(cancel(cookies[0]).error(), NOENT);
	EXPECT_EQ(cancel(cookies.back()).error(), NOENT);
	// Plain logs are flagged as stock does.
	ASSERT_TRUE(add("x"));
	EXPECT_EQ(texts(), std::vector<std::string>{"x"});
}

TEST_F(LlogCatalog, CancelledFromTheMiddleOn)
{
	open_catalog();
	std::vector<Cookie> cookies;
	for (unsigned i = 0; i < 60; i++)
		cookies.push_back(*add(std::to_string(i)));
	for (unsigned i = 20; i < 40; i++)
		EXPECT_TRUE(cancel(cookies[i]));
	auto expected = numbers(0, 20);
	for (auto &t : numbers(40, 60))
		expected.push_back(t);
	EXPECT_EQ(texts(), expected);
	EXPECT_EQ(catalog_->log().info().cat_idx, 0u); // the oldest entry is alive
	for (unsigned i = 0; i < 20; i++)
		EXPECT_TRUE(cancel(cookies[i]));
	EXPECT_GT(catalog_->log().info().cat_idx, 2u); // over the hole
	EXPECT_EQ(texts(), numbers(40, 60));
}

TEST_F(LlogCatalog, WrapsAndFillsUp)
{
	spec_.max_index = 5;
	open_catalog();
	std::deque<std::pair<Cookie, std::string>> live;
	unsigned next = 0;
	// The catalog goes around several times, with some logs alive all the while.
	for (unsigned round = 0; round < 300; round++) {
		auto c = add(std::to_string(next));
		ASSERT_TRUE(c) << next;
		live.emplace_back(*c, std::to_string(next++));
		if (live.size() > 25) {
			ASSERT_TRUE(cancel(live.front().first));
			live.pop_front();
		}
	}
	std::vector<std::string> expected;
	for (auto &[c, t] : live)
		expected.push_back(t);
	EXPECT_EQ(texts(), expected);
	// And a mount in between changes nothing.
	catalog_.reset();
	unmount();
	mount();
	open_catalog();
	EXPECT_EQ(texts(), expected);
	// Full.
	cfs::Result<Cookie> r{Cookie{}};
	while ((r = add(std::to_string(next))))
		expected.push_back(std::to_string(next++));
	EXPECT_EQ(r.error(), NOSPC);
	EXPECT_EQ(texts(), expected);
	// The oldest log goes, and there is room again.
	for (unsigned i = 0; i < 12; i++) {
		Cookies v;
		v.stop_after = 1;
		ASSERT_TRUE(catalog_->process(v));
		ASSERT_TRUE(cancel(v.items[0].first));
		expected.erase(expected.begin());
	}
	ASSERT_TRUE(add("again"));
	expected.push_back("again");
	EXPECT_EQ(texts(), expected);
}

TEST_F(LlogCatalog, MissingLogIsPassedOver)
{
	open_catalog();
	std::vector<Cookie> cookies;
	for (unsigned i = 0; i < 40; i++)
		cookies.push_back(*add(std::to_string(i)));
	catalog_.reset();
	auto fid = llog::to_fid(cookies[15].log);
	ASSERT_TRUE(fid);
	{
		auto o = device_->object(*fid);
		ASSERT_TRUE(osd::conformance::destroy(**o));
	}
	open_catalog();
	Cookies v;
	auto r = catalog_->process(v);
	ASSERT_TRUE(r);
	EXPECT_EQ(r->corrupt, 1u);
	EXPECT_GT(v.items.size(), 25u);
	EXPECT_LT(v.items.size(), 40u);
}

TEST_F(LlogCatalog, StockCatalogThatWrappedIsReadOldestFirst)
{
	catalog_.reset();
	osd::ObjectRef cat = import(golden("llog/osp-catalog-wrapped.O-1-7"), fid_);
	for (unsigned n : {40u, 41u, 44u, 45u, 46u, 47u, 48u})
		(void)import(golden("llog/osp-wrapped-plain.O-1-" + std::to_string(n)),
			     wire::make_fid(wire::FID_SEQ_LLOG, n));
	auto c = Catalog::open(cat, "stock", ids_, {});
	ASSERT_TRUE(c);
	Cookies v;
	auto r = (*c)->process(v);
	ASSERT_TRUE(r);
	EXPECT_EQ(r->corrupt, 0u);
	std::vector<std::uint32_t> objects;
	for (auto &[cookie, body] : v.items) {
		wire::Fid f{};
		std::memcpy(&f, body.data(), sizeof(f));
		EXPECT_EQ(f.seq, 0x2c0000401u);
		objects.push_back(f.oid);
	}
	// Objects 0x122 to 0x151 were removed, in this order.
	ASSERT_EQ(objects.size(), 0x151u - 0x122u + 1);
	for (std::size_t i = 0; i < objects.size(); i++)
		EXPECT_EQ(objects[i], 0x122 + i);
}

} // namespace
