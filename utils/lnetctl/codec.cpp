// SPDX-License-Identifier: GPL-2.0
//
// See codec.hpp.

#include "lnetctl/codec.hpp"

namespace lnetctl
{

namespace nl = lnet::nl;

namespace
{

constexpr unsigned kDepthMax = 16;

void put_node(nl::AttrWriter &w, const Node &n)
{
	if (n.is_map()) {
		auto at = w.begin(nl::kList);
		for (const auto &[key, value] : n.entries()) {
			w.put_text(nl::kValue, key);
			put_node(w, value);
		}
		w.end(at);
	} else if (n.is_list()) {
		auto at = w.begin(nl::kList);
		for (const Node &i : n.items())
			put_node(w, i);
		w.end(at);
	} else if (n.kind() == Node::Kind::number) {
		w.put_s64(nl::kIntValue, std::stoll(n.text()));
	} else if (n.text() == "true" || n.text() == "false") {
		w.put_s64(nl::kIntValue, n.text() == "true" ? 1 : 0);
	} else {
		w.put_text(nl::kValue, n.text());
	}
}

} // namespace

std::vector<std::byte> encode(const std::string &name, const Node &objects)
{
	std::vector<std::byte> buffer(60000);
	nl::AttrWriter w(buffer);
	auto list = w.begin(nl::kList);
	w.put_text(nl::kValue, name);
	Node wrapped = Node::list();
	if (!objects.is_list())
		wrapped.add(objects);
	put_node(w, objects.is_list() ? objects : wrapped);
	w.end(list);
	buffer.resize(w.ok() ? w.done().size() : 0);
	return buffer;
}

bool Answer::read_table(cfs::Bytes list, std::vector<Key> &out, unsigned depth)
{
	if (depth > kDepthMax)
		return false;
	nl::AttrReader entries(list);
	while (!entries.empty()) {
		auto entry = entries.next();
		if (!entry)
			return false;
		Key k;
		std::size_t index = entry->type;
		nl::AttrReader r(entry->payload);
		while (!r.empty()) {
			auto a = r.next();
			if (!a)
				return false;
			auto number = [&] {
				return static_cast<std::uint16_t>(a->number().value_or(0));
			};
			if (a->type == nl::kIndex)
				index = number();
			else if (a->type == nl::kValue)
				k.name = a->text();
			else if (a->type == nl::kKeyFormat)
				k.format = number();
			else if (a->type == nl::kNlaType)
				k.type = number();
			else if (a->type == nl::kList &&
				 !read_table(a->payload, k.below, depth + 1))
				return false;
		}
		if (index == 0 || index > 256)
			return false;
		if (out.size() < index)
			out.resize(index);
		out[index - 1] = std::move(k);
	}
	return true;
}

bool Answer::read_value(const nl::Attr &a, const Key &key, Node &map, unsigned depth)
{
	if (key.type == nl::kNlaNested && (key.format & nl::kSequence)) {
		Node &list = map.set(key.name, Node::list());
		nl::AttrReader items(a.payload);
		while (!items.empty()) {
			auto item = items.next();
			Node n = Node::map();
			if (!item || !read_map(item->payload, key.below, n, depth + 1, false))
				return false;
			list.add(std::move(n));
		}
		return true;
	}
	if (key.type == nl::kNlaNested) {
		Node n = Node::map();
		if (!read_map(a.payload, key.below, n, depth + 1, false))
			return false;
		map.set(key.name, std::move(n));
		return true;
	}
	if (key.type == nl::kNlaString || key.type == nl::kNlaNulString) {
		map.set(key.name, Node(a.text()));
		return true;
	}
	if (key.type == nl::kNlaFlag) {
		map.set(key.name, Node::boolean(a.payload.empty() || a.number().value_or(0) != 0));
		return true;
	}
	auto v = a.number();
	if (!v)
		return false;
	std::int64_t value = *v;
	if (key.type == nl::kNlaU8)
		value &= 0xff;
	else if (key.type == nl::kNlaU16)
		value &= 0xffff;
	else if (key.type == nl::kNlaU32)
		value &= 0xffffffff;
	map.set(key.name, Node::number(value));
	return true;
}

bool Answer::read_map(cfs::Bytes attrs, const std::vector<Key> &keys, Node &out, unsigned depth,
		      bool top)
{
	if (depth > kDepthMax)
		return false;
	nl::AttrReader r(attrs);
	while (!r.empty()) {
		auto a = r.next();
		if (!a)
			return false;
		if (a->type == 0 || a->type > keys.size())
			continue; // a newer kernel's
		if (top && a->type == 1)
			continue; // the heading
		if (!read_value(*a, keys[a->type - 1], out, depth))
			return false;
	}
	return true;
}

void Answer::merge(Node row)
{
	const Key &heading = keys_[0];
	Node &document = documents_.back();
	if (!(heading.format & nl::kSequence)) {
		document.set(heading.name, std::move(row));
		return;
	}
	Node *list = document.find(heading.name);
	if (!list)
		list = &document.set(heading.name, Node::list());
	// Without its first key it goes on with the entry before it.
	bool new_entry = keys_.size() < 2 || row.find(keys_[1].name) || list->items().empty();
	const Key *lists = nullptr;
	for (const Key &k : keys_)
		if (k.type == nl::kNlaNested && (k.format & nl::kSequence))
			lists = &k;
	if (new_entry || !lists) {
		list->add(std::move(row));
		return;
	}
	Node *more = row.find(lists->name), *have = list->items().back().find(lists->name);
	if (more && have)
		for (Node &n : more->items())
			have->add(std::move(n));
}

bool Answer::take(cfs::Bytes attrs, std::uint16_t flags)
{
	if (flags & (nl::kFlagCreate | nl::kFlagReplace)) {
		nl::AttrReader r(attrs);
		auto list = r.next();
		keys_.clear();
		if (!list || list->type != nl::kList || !read_table(list->payload, keys_, 0))
			return false;
		documents_.push_back(Node::map());
		return !keys_.empty();
	}
	if (keys_.empty())
		return false;
	Node row = Node::map();
	if (!read_map(attrs, keys_, row, 0, true))
		return false;
	merge(std::move(row));
	return true;
}

const std::vector<Node> &Answer::entries() const
{
	static const std::vector<Node> none;
	if (documents_.empty() || documents_[0].entries().empty())
		return none;
	return documents_[0].entries()[0].second.items();
}

} // namespace lnetctl
