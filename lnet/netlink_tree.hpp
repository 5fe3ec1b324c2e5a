// SPDX-License-Identifier: GPL-2.0
//
// A request of generic netlink as a tree: what the scalar attributes of lnet/netlink.hpp nest to.
// Everything about its form is checked when it is read, once; its size and depth are bounded.
#pragma once

#include "libcfs/mem.hpp"
#include "lnet/netlink.hpp"

namespace lnet::nl
{

/// A value: a text, a number, or a list of values. A mapping is a list in which keys (texts) and
/// values alternate.
class Item
{
public:
	enum class Kind : std::uint8_t { list, text, number };

	[[nodiscard]] Kind kind() const noexcept { return kind_; }
	[[nodiscard]] bool is_list() const noexcept { return kind_ == Kind::list; }
	[[nodiscard]] bool is_text() const noexcept { return kind_ == Kind::text; }
	/// Empty unless it is a text.
	[[nodiscard]] std::string_view text() const noexcept { return text_; }
	/// A number, or a text that is one. err::INVAL.
	[[nodiscard]] cfs::Result<std::int64_t> number() const noexcept;
	/// Its members; null when it is no list or empty, and behind the last.
	[[nodiscard]] const Item *first() const noexcept { return first_; }
	[[nodiscard]] const Item *next() const noexcept { return next_; }
	/// The value of a key, in a mapping; null when there is none.
	[[nodiscard]] const Item *find(std::string_view key) const noexcept;

private:
	friend class Tree;
	Kind kind_ = Kind::list;
	std::string_view text_;
	std::int64_t number_ = 0;
	const Item *first_ = nullptr;
	const Item *next_ = nullptr;
};

class Tree
{
public:
	static constexpr std::size_t kItemsMax = 8192;
	static constexpr unsigned kDepthMax = 12;

	/// The bytes must outlive it. err::NOMSG: nothing in it; err::PROTO: not of the form;
	/// err::TOOBIG: more or deeper than the limits.
	[[nodiscard]] static cfs::Result<Tree> read(cfs::Bytes attrs) noexcept;
	/// A list of what the message has.
	[[nodiscard]] const Item &root() const noexcept { return items_[0]; }

private:
	[[nodiscard]] cfs::Result<> add_all(cfs::Bytes attrs) noexcept;

	cfs::Array<Item> items_;
	std::size_t count_ = 1;
};

/// Calls f(mapping) -> Result<> for each mapping that stands for an object called `name`: those in
/// the sequence behind that key, however often it is wrapped, or the list itself.
template <typename F>
[[nodiscard]] cfs::Result<> for_each_object(const Item &list, std::string_view name, F f,
					    unsigned depth = 0) noexcept
{
	if (depth > Tree::kDepthMax || !list.is_list())
		return cfs::fail(cfs::err::INVAL);
	const Item *first = list.first();
	if (!first)
		return {};
	bool named = first->is_text() && first->text() == name && first->next() &&
		     first->next()->is_list();
	if (!named && !first->is_list())
		return f(list);
	for (const Item *i = named ? first->next() : first; i; i = i->next())
		TRY(for_each_object(*i, name, f, depth + 1));
	return {};
}

} // namespace lnet::nl
