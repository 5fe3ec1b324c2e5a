// SPDX-License-Identifier: GPL-2.0
//
// Reading requests; see netlink_tree.hpp.

#include "lnet/netlink_tree.hpp"

#include <algorithm>

#include "libcfs/parse.hpp"

namespace lnet::nl
{

using namespace cfs::err;

namespace
{

/// The most items that `n` bytes of attributes can make.
constexpr std::size_t items_in(std::size_t n) noexcept
{
	return std::min(n / kHeaderBytes + 1, Tree::kItemsMax);
}

} // namespace

cfs::Result<std::int64_t> Item::number() const noexcept
{
	if (kind_ == Kind::number)
		return number_;
	if (kind_ != Kind::text)
		return cfs::fail(INVAL);
	return cfs::parse_i64(text_);
}

const Item *Item::find(std::string_view key) const noexcept
{
	for (const Item *i = first_; i && i->next_; i = i->next_->next_)
		if (i->is_text() && i->text_ == key)
			return i->next_;
	return nullptr;
}

cfs::Result<Tree> Tree::read(cfs::Bytes attrs) noexcept
{
	if (attrs.empty())
		return cfs::fail(NOMSG);
	Tree t;
	t.items_ = TRY(cfs::Array<Item>::make(CFS_S_LNET, items_in(attrs.size())));
	TRY(t.add_all(attrs));
	return t;
}

cfs::Result<> Tree::add_all(cfs::Bytes attrs) noexcept
{
	struct Level {
		AttrReader reader{{}};
		Item *parent = nullptr;
		Item *last = nullptr;
	} levels[kDepthMax];
	unsigned depth = 0;
	levels[0] = {AttrReader(attrs), &items_[0], nullptr};
	for (;;) {
		Level &l = levels[depth];
		if (l.reader.empty()) {
			if (depth-- == 0)
				return {};
			continue;
		}
		Attr a = TRY(l.reader.next());
		if (a.type != kList && a.type != kValue && a.type != kIntValue)
			continue; // sizes and formats say nothing that the tree does not
		if (count_ == items_.size())
			return cfs::fail(TOOBIG);
		Item &i = items_[count_++];
		(l.last ? l.last->next_ : l.parent->first_) = &i;
		l.last = &i;
		if (a.type == kValue) {
			i.kind_ = Item::Kind::text;
			i.text_ = a.text();
		} else if (a.type == kIntValue) {
			i.kind_ = Item::Kind::number;
			i.number_ = TRY(a.number());
		} else {
			if (++depth == kDepthMax)
				return cfs::fail(TOOBIG);
			levels[depth] = {AttrReader(a.payload), &i, nullptr};
		}
	}
}

} // namespace lnet::nl
