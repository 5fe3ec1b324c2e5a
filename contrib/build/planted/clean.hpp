// SPDX-License-Identifier: GPL-2.0
//
// A tour of what core code may use.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <ranges>
#include <source_location>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/intrusive/avl_set.hpp>
#include <boost/intrusive/avltree.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/rbtree.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/intrusive/slist.hpp>
#include <boost/intrusive/unordered_set.hpp>

int planted_twin(int n);

namespace planted
{

namespace bi = boost::intrusive;

struct Item : bi::list_base_hook<>,
	      bi::slist_base_hook<>,
	      bi::set_base_hook<>,
	      bi::avl_set_base_hook<>,
	      bi::unordered_set_base_hook<> {
	int v = 0;

	friend bool operator<(const Item &a, const Item &b) { return a.v < b.v; }
	friend bool operator==(const Item &a, const Item &b) { return a.v == b.v; }
	friend std::size_t hash_value(const Item &a) { return static_cast<std::size_t>(a.v); }
};

struct Shape {
	virtual ~Shape() = default;
	virtual int area() const = 0;
};

struct Square final : Shape {
	int side;

	explicit Square(int s) : side(s) {}
	int area() const override { return side * side; }
};

struct Rectangle final : Shape {
	int a, b;

	Rectangle(int x, int y) : a(x), b(y) {}
	int area() const override { return a * b; }
};

inline std::expected<int, int> half(int n)
{
	if (n % 2 != 0)
		return std::unexpected(-22);
	return n / 2;
}

[[gnu::noinline]] inline int area_of(const Shape &s)
{
	return s.area();
}

[[gnu::noinline]] inline int &visits()
{
	static constinit int count = 0;
	return ++count;
}

inline int containers(int n)
{
	Item items[8];
	bi::list<Item> list;
	bi::slist<Item> slist;
	bi::set<Item> set;
	bi::avl_set<Item> avl;
	bi::unordered_set<Item>::bucket_type buckets[16];
	bi::unordered_set<Item> hashed({buckets, 16});

	for (int i = 0; auto &item : items) {
		item.v = (i++ * n) % 7;
		list.push_back(item);
		slist.push_front(item);
		set.insert(item);
		avl.insert(item);
		hashed.insert(item);
	}
	int sum = 0;
	for (const auto &i : set)
		sum += i.v;
	for (const auto &i : avl)
		sum += i.v;
	for (const auto &i : hashed)
		sum += i.v;
	hashed.clear();
	avl.clear();
	set.clear();
	slist.clear();
	list.clear();
	return sum;
}

inline int text(int n)
{
	char buf[16];
	auto end = std::to_chars(buf, buf + sizeof(buf), n);
	std::string_view s(buf, static_cast<std::size_t>(end.ptr - buf));
	int back = 0;
	std::from_chars(s.data(), s.data() + s.size(), back);
	return back == n ? static_cast<int>(s.find('3')) : -1;
}

inline int values(int n)
{
	std::array<int, 5> a{5, n, 3, 2, 1};
	std::sort(a.begin(), a.end());
	std::span<const int> s(a);
	std::variant<int, long> v = n;
	if (n > 2)
		v = static_cast<long>(n);
	std::optional<int> o;
	if (n != 0)
		o = s[static_cast<unsigned>(n) % 7];
	std::atomic<int> at{n};
	at.fetch_add(1);
	return std::visit([](auto x) { return static_cast<int>(x); }, v) + *o + at.load() +
	       std::get<1>(std::tuple(1, n)) + std::popcount(static_cast<unsigned>(n)) +
	       std::accumulate(a.begin(), a.end(), 0);
}

} // namespace planted

inline int planted_use(int n)
{
	using namespace planted;
	auto h = half(containers(n));
	return h.value_or(h ? 0 : h.error()) + values(n) + text(n) + area_of(Square(n)) +
	       area_of(Rectangle(n, 2)) + 0 * visits();
}
