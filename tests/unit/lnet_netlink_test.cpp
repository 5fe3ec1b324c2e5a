// SPDX-License-Identifier: GPL-2.0
//
// Requests of generic netlink: attributes written, read and refused (spec 01 section 16.3).

#include "lnet/netlink_tree.hpp"

#include <string>
#include <vector>

#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet::nl;

class Netlink : public LnetTest
{
protected:
	std::byte buffer[4096];

	/// {"net": [[KEY, VALUE]...]} as a request.
	cfs::Bytes request(std::initializer_list<std::pair<const char *, const char *>> pairs)
	{
		AttrWriter w(buffer);
		auto top = w.begin(kList);
		w.put_text(kValue, "net");
		auto list = w.begin(kList);
		auto map = w.begin(kList);
		for (auto [key, value] : pairs) {
			w.put_text(kValue, key);
			w.put_text(kValue, value);
		}
		w.end(map);
		w.end(list);
		w.end(top);
		EXPECT_TRUE(w.ok());
		return w.done();
	}
	static cfs::Errno error_of(cfs::Bytes b)
	{
		auto t = Tree::read(b);
		return t ? cfs::Errno{} : t.error();
	}
};

TEST_F(Netlink, WhatIsWrittenIsReadBack)
{
	auto tree = Tree::read(request({{"net type", "tcp1"}, {"hop", "-3"}}));
	ASSERT_TRUE(tree);
	unsigned n = 0;
	ASSERT_TRUE(
		for_each_object(tree->root(), "net", [&](const Item &m) noexcept -> cfs::Result<> {
			n++;
			EXPECT_EQ(m.find("net type")->text(), "tcp1");
			EXPECT_EQ(*m.find("hop")->number(), -3);
			EXPECT_FALSE(m.find("net type")->number());
			EXPECT_EQ(m.find("tcp1"), nullptr); // a value is no key
			EXPECT_EQ(m.find("nothing"), nullptr);
			return {};
		}));
	EXPECT_EQ(n, 1u);
}

TEST_F(Netlink, ObjectsAreFoundHoweverOftenTheyAreWrapped)
{
	for (unsigned wraps : {0u, 1u, 3u}) {
		AttrWriter w(buffer);
		std::vector<std::size_t> open;
		open.push_back(w.begin(kList));
		w.put_text(kValue, "peer");
		for (unsigned i = 0; i < wraps; i++)
			open.push_back(w.begin(kList));
		for (int i = 0; i < 2; i++) {
			auto map = w.begin(kList);
			w.put_text(kValue, "primary nid");
			w.put_text(kValue, "10.0.0.1@tcp");
			w.end(map);
		}
		while (!open.empty()) {
			w.end(open.back());
			open.pop_back();
		}
		auto tree = Tree::read(w.done());
		ASSERT_TRUE(tree);
		unsigned n = 0;
		ASSERT_TRUE(for_each_object(tree->root(), "peer",
					    [&](const Item &m) noexcept -> cfs::Result<> {
						    n += m.find("primary nid") ? 1 : 0;
						    return {};
					    }));
		EXPECT_EQ(n, 2u) << wraps;
	}
}

TEST_F(Netlink, LengthsThatLieAreRefused)
{
	using namespace cfs::err;
	EXPECT_EQ(error_of({}), NOMSG);
	cfs::Bytes good = request({{"net type", "tcp"}});
	std::vector<std::byte> b(good.begin(), good.end());
	EXPECT_EQ(error_of(b), cfs::Errno{});
	for (std::size_t n = 1; n < b.size(); n++) // cut short
		EXPECT_EQ(error_of(cfs::Bytes(b).first(n)), PROTO) << n;
	for (std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 3, 0xffff}) {
		auto bad = b;
		std::memcpy(bad.data() + 4, &length, sizeof(length)); // the first inner one
		EXPECT_EQ(error_of(bad), PROTO) << length;
	}
}

TEST_F(Netlink, DepthAndNumberOfItemsAreBounded)
{
	using namespace cfs::err;
	AttrWriter w(buffer);
	std::vector<std::size_t> open;
	for (unsigned i = 0; i < Tree::kDepthMax; i++)
		open.push_back(w.begin(kList));
	while (!open.empty()) {
		w.end(open.back());
		open.pop_back();
	}
	EXPECT_EQ(error_of(w.done()), TOOBIG);

	std::vector<std::byte> many(4 * (Tree::kItemsMax + 10));
	AttrWriter m(many);
	while (m.ok())
		m.put(kValue, {});
	EXPECT_EQ(error_of(m.done()), TOOBIG);
}

TEST_F(Netlink, AFullBufferIsNoticed)
{
	std::byte small[16];
	AttrWriter w(small);
	w.put_u32(1, 7);
	EXPECT_TRUE(w.ok());
	w.put_u32(2, 8);
	EXPECT_TRUE(w.ok());
	w.put_u8(3, 9);
	EXPECT_FALSE(w.ok());
	EXPECT_EQ(w.done().size(), 16u);
	AttrReader r(w.done());
	EXPECT_EQ(*r.next()->number(), 7);
	EXPECT_EQ(*r.next()->number(), 8);
	EXPECT_TRUE(r.empty());
}

TEST_F(Netlink, NumbersKeepTheirSign)
{
	AttrWriter w(buffer);
	w.put_s16(1, -2);
	w.put_s64(2, -5000000000);
	w.put_text(3, "12345"); // 6 bytes: no number
	AttrReader r(w.done());
	EXPECT_EQ(*r.next()->number(), -2);
	EXPECT_EQ(*r.next()->number(), -5000000000);
	EXPECT_FALSE(r.next()->number());
}

} // namespace
