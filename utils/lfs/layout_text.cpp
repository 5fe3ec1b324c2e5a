// SPDX-License-Identifier: GPL-2.0
//
// Printing layouts; see layout_text.hpp. The outer form is decided by three things: a plain layout
// or a composite one; a file's fields each on a line with the prefix lmm_, or a directory's on one
// line without; and whether options selected fields (one alone is printed bare).

#include "lfs/layout_text.hpp"

#include <bit>
#include <ctime>
#include <vector>

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

struct Name {
	std::uint32_t bits;
	const char *name;
};

constexpr Name kFlagNames[] = {
	{wire::LCME_FL_INIT, "init"},	       {wire::LCME_FL_STALE, "stale"},
	{wire::LCME_FL_PREF_RW, "prefer"},     {wire::LCME_FL_PREF_RD, "prefrd"},
	{wire::LCME_FL_PREF_WR, "prefwr"},     {wire::LCME_FL_OFFLINE, "offline"},
	{wire::LCME_FL_NOSYNC, "nosync"},      {wire::LCME_FL_EXTENSION, "extension"},
	{wire::LCME_FL_PARITY, "parity"},      {wire::LCME_FL_COMPRESS, "compress"},
	{wire::LCME_FL_NOCOMPR, "nocompress"},
};

constexpr Name kPatternNames[] = {
	{wire::LOV_PATTERN_MDT, "mdt"},
	{wire::LOV_PATTERN_RAID0, "raid0"},
	{wire::LOV_PATTERN_OVERSTRIPING, "overstriped"},
	{wire::LOV_PATTERN_FOREIGN, "foreign"},
	{wire::LOV_PATTERN_PARITY, "parity"},
	{wire::LOV_PATTERN_F_RELEASED, "released"},
};

/// A field as printed: its label without prefix, and its value.
struct Line {
	std::string label, value;
};

std::string u64_text(std::uint64_t v)
{
	return text("%llu", static_cast<unsigned long long>(v));
}

std::string mirror_state(std::uint16_t flags)
{
	std::string s;
	switch (flags & 0x3) {
	case wire::LCM_FL_NONE:
		s = "0";
		break;
	case wire::LCM_FL_RDONLY:
		s = "ro";
		break;
	case wire::LCM_FL_WRITE_PENDING:
		s = "wp";
		break;
	default:
		s = "sp";
		break;
	}
	if (flags & wire::LCM_FL_PCC_RDONLY)
		s += ",pccro";
	return s;
}

std::string foreign_type(std::uint32_t type)
{
	switch (type) {
	case wire::LU_FOREIGN_TYPE_NONE:
		return " (none)";
	case wire::LU_FOREIGN_TYPE_POSIX:
		return " (posix)";
	case wire::LU_FOREIGN_TYPE_PCCRW:
		return " (pccrw)";
	case wire::LU_FOREIGN_TYPE_PCCRO:
		return " (pccro)";
	case wire::LU_FOREIGN_TYPE_S3:
		return " (s3)";
	case wire::LU_FOREIGN_TYPE_SYMLINK:
		return " (symlink)";
	default:
		return " (unknown)";
	}
}

class Printer
{
public:
	Printer(const Layout &l, const Subject &s, const ShowOptions &o) : l_(l), s_(s), o_(o) {}
	std::string run();

private:
	[[nodiscard]] bool has(unsigned f) const { return (o_.fields & f) != 0; }
	/// One value without its label.
	[[nodiscard]] bool bare() const { return o_.selected && std::has_single_bit(o_.fields); }
	[[nodiscard]] bool labelled_list() const { return o_.verbose && !o_.selected; }
	[[nodiscard]] std::string index_text(std::int64_t i) const
	{
		return o_.hex_index && i >= 0 ? text("%#llx", static_cast<unsigned long long>(i))
					      : text("%lld", static_cast<long long>(i));
	}

	void path();
	void foreign();
	void plain();
	void composite();
	void header();
	void component(const Component &c);
	void component_head(const Component &c);
	void fields(const Component &c, int indent);
	void one_line(const std::vector<Line> &lines, int indent);
	void object_table(const Component &c);
	void object_list(const Component &c, int indent);
	[[nodiscard]] std::vector<Line> collect(const Component &c) const;
	void collect_identity(const Component &c, std::vector<Line> &out) const;
	void lines(const std::vector<Line> &lines, int indent, const char *prefix,
		   std::size_t width);

	const Layout &l_;
	const Subject &s_;
	const ShowOptions &o_;
	std::string out_;
};

/// Label padded to a column, value; or the value alone.
void Printer::lines(const std::vector<Line> &lines, int indent, const char *prefix,
		    std::size_t width)
{
	for (const Line &l : lines) {
		if (bare()) {
			out_ += l.value + "\n";
			continue;
		}
		std::string label = l.label + ":";
		label.resize(std::max(width, label.size() + 1), ' ');
		add(out_, "%*s%s%s%s\n", indent, "", prefix, label.c_str(), l.value.c_str());
	}
}

/// Labels keep their padding although they share a line.
void Printer::one_line(const std::vector<Line> &lines, int indent)
{
	const char *between = "";
	for (const Line &l : lines) {
		std::string label = l.label + ":";
		label.resize(std::max<std::size_t>(15, label.size() + 1), ' ');
		add(out_, "%s%*s%s%s", between, indent, "", label.c_str(), l.value.c_str());
		between = " ";
	}
	out_ += "\n";
}

void Printer::collect_identity(const Component &c, std::vector<Line> &out) const
{
	if (has(kMagic) && !s_.directory) {
		out.push_back({"magic", text("0x%08X", c.magic)});
		out.push_back(
			{"seq", text("%#llx", static_cast<unsigned long long>(s_.fid.seq.get()))});
		out.push_back({"object_id", text("%#x", s_.fid.oid.get())});
	}
	if (has(kFid) && (!s_.directory || o_.selected))
		out.push_back({"fid", fid_text(s_.fid)});
}

std::vector<Line> Printer::collect(const Component &c) const
{
	std::vector<Line> out;
	collect_identity(c, out);
	std::int64_t count = stripe_count(c);
	std::uint64_t size = stripe_size(c);
	if (s_.directory && !o_.raw && !c.extension()) {
		if (count == 0 && !c.on_mdt())
			count = static_cast<std::int16_t>(s_.default_count);
		if (size == 0)
			size = s_.default_size;
	}
	if (has(kCount))
		out.push_back({"stripe_count", text("%lld", static_cast<long long>(count))});
	if (c.extension() ? has(kSize) || has(kExtension) : has(kSize))
		out.push_back({c.extension() ? "extension_size" : "stripe_size", u64_text(size)});
	else if (has(kExtension))
		out.push_back({"extension_size", "0"});
	if (has(kPattern))
		out.push_back({"pattern", pattern_text(c.pattern)});
	if (has(kGeneration) && !s_.directory)
		out.push_back(
			{"layout_gen",
			 u64_text(c.instantiated() && c.generation != 0xffff ? c.generation : 0u)});
	if (has(kOffset) && c.on_mdt())
		out.push_back({"mdt_index", s_.directory ? "-1" : index_text(s_.mdt)});
	else if (has(kOffset))
		out.push_back({"stripe_offset", index_text(stripe_offset(c))});
	if (has(kPool) && (!c.pool.empty() || bare()))
		out.push_back({"pool", c.pool});
	return out;
}

void Printer::fields(const Component &c, int indent)
{
	auto all = collect(c);
	if (all.empty())
		return;
	if (s_.directory && !bare() && !o_.yaml) {
		one_line(all, indent);
		return;
	}
	lines(all, indent, s_.directory ? "" : "lmm_", 15);
}

/// Sequences below the granted ones are known by their number.
std::string group_text(const wire::OstId &id)
{
	auto seq = id.is_legacy() ? 0 : id.oi_fid.seq.get();
	return text(seq <= wire::FID_SEQ_RSVD ? "%llu" : "%#llx",
		    static_cast<unsigned long long>(seq));
}

void Printer::object_table(const Component &c)
{
	out_ += "\tobdidx\t\t objid\t\t objid\t\t group\n";
	for (const Object &ob : c.objects) {
		auto id = static_cast<unsigned long long>(
			ob.id.is_legacy() ? ob.id.oi.oi_id.get() : ob.id.oi_fid.oid.get());
		add(out_, o_.hex_index ? "\t%#6x" : "\t%6u", ob.ost);
		add(out_, "\t%14llu\t%#13llx\t%14s%s\n", id, id, group_text(ob.id).c_str(),
		    o_.ost && *o_.ost == ob.ost ? " *" : "");
	}
}

void Printer::object_list(const Component &c, int indent)
{
	add(out_, "%*slmm_objects:\n", indent, "");
	unsigned n = 0;
	for (const Object &ob : c.objects) {
		if (o_.yaml) {
			add(out_,
			    o_.hex_index ? "      - l_ost_idx: %#x\n" : "      - l_ost_idx: %u\n",
			    ob.ost);
			add(out_, "        l_fid:     %s\n", bare_fid_text(ob.id.oi_fid).c_str());
			continue;
		}
		add(out_,
		    o_.hex_index ? "      - %3u: { l_ost_idx: %#5x"
				 : "      - %3u: { l_ost_idx: %3u",
		    n++, ob.ost);
		add(out_, ", l_fid: %s }\n", fid_text(ob.id.oi_fid).c_str());
	}
}

void Printer::path()
{
	if (o_.selected || o_.yaml || l_.kind == Layout::Kind::foreign)
		return;
	if (o_.only_self && !(s_.directory && o_.verbose))
		return;
	if (s_.directory && o_.verbose && !s_.own_default)
		out_ += "(Default) ";
	out_ += s_.path + "\n";
	if (s_.directory && o_.verbose && has(kFid))
		add(out_, "lmm_fid:           %s\n", fid_text(s_.fid).c_str());
}

void Printer::foreign()
{
	if (o_.verbose) {
		add(out_, "lfm_magic:         0x%08X\n", l_.magic);
		add(out_, "lfm_length:          %zu\n", l_.foreign_value.size());
		add(out_, "lfm_type:          0x%08X%s\n", l_.foreign_type,
		    foreign_type(l_.foreign_type).c_str());
		add(out_, "lfm_flags:          0x%08X\n", l_.foreign_flags);
	}
	add(out_, "lfm_value:     '%s'\n\n", l_.foreign_value.c_str());
}

void Printer::plain()
{
	const Component &c = l_.components.front();
	if (o_.selected) {
		std::vector<Line> head;
		if (has(kComponentCount))
			head.push_back({"component_count", "0"});
		if (has(kMirrorCount))
			head.push_back({"mirror_count", "0"});
		if (has(kId))
			head.push_back({"id", "N/A"});
		if (has(kMirrorId))
			head.push_back({"mirror_id", "N/A"});
		if (has(kFlags))
			head.push_back({"flags", "N/A"});
		if (has(kStart))
			head.push_back({"start", "N/A"});
		if (has(kEnd))
			head.push_back({"end", "N/A"});
		lines(head, 0, "lcme_", 16);
	}
	fields(c, 0);
	if (has(kObjects) && !c.objects.empty() && !s_.directory)
		o_.yaml ? object_list(c, 0) : object_table(c);
	if (!o_.yaml)
		out_ += "\n";
}

void Printer::header()
{
	std::vector<Line> all;
	bool full = has(kHeader);
	if (full && has(kMagic)) {
		all.push_back({"magic", text("0x%08X", l_.magic)});
		all.push_back({"size", u64_text(l_.size)});
		all.push_back({"flags", mirror_state(l_.flags)});
	}
	if (full || (has(kGeneration) && o_.selected && !s_.directory))
		all.push_back({"layout_gen", u64_text(l_.generation)});
	if (has(kMirrorCount))
		all.push_back({"mirror_count", u64_text(l_.mirrors)});
	if (has(kComponentCount))
		all.push_back({"entry_count", u64_text(l_.components.size())});
	if (labelled_list())
		out_ += "composite_header:\n";
	lines(all, o_.yaml ? 0 : 2, "lcm_", 15);
	if (labelled_list() || (o_.yaml && !o_.selected))
		out_ += "components:\n";
}

void Printer::component_head(const Component &c)
{
	std::vector<Line> all;
	if (has(kId))
		all.push_back({"id", c.id ? u64_text(c.id) : "N/A"});
	if (has(kMirrorId))
		all.push_back({"mirror_id", c.id ? u64_text(c.mirror()) : "N/A"});
	if (has(kFlags))
		all.push_back({"flags", component_flags_text(c.flags)});
	if (has(kFlags) && !bare() && (c.flags & wire::LCME_FL_NOSYNC)) {
		auto when = static_cast<std::time_t>(c.timestamp);
		char buf[32];
		std::string s = ctime_r(&when, buf) ? buf : "?";
		all.push_back({"timestamp", "'" + s.substr(0, s.find('\n')) + "'"});
	}
	if (has(kStart))
		all.push_back({"extent.e_start", u64_text(c.start)});
	if (has(kEnd))
		all.push_back(
			{"extent.e_end", c.end == wire::LUSTRE_EOF ? "EOF" : u64_text(c.end)});
	if (has(kMagic) && !bare()) {
		all.push_back({"offset", u64_text(c.offset)});
		all.push_back({"size", u64_text(c.size)});
	}
	auto at = out_.size();
	lines(all, 4, "lcme_", 16);
	if ((labelled_list() || o_.yaml) && !bare() && out_.size() > at + 4)
		out_[at + 2] = '-';
}

void Printer::component(const Component &c)
{
	component_head(c);
	if ((labelled_list() || o_.yaml) && !o_.selected)
		out_ += "    sub_layout:\n";
	fields(c, 6);
	if (has(kObjects) && !c.objects.empty())
		object_list(c, 6);
	if (!o_.yaml)
		out_ += "\n";
}

void Printer::composite()
{
	constexpr unsigned kOfHeader = kHeader | kComponentCount | kMirrorCount;
	if (has(kOfHeader) || (o_.selected && has(kGeneration)))
		header();
	if (o_.selected && !(o_.fields & ~kOfHeader)) {
		if (!o_.yaml)
			out_ += "\n";
		return;
	}
	const Component *one = o_.selected && !o_.filter.any() ? l_.representative() : nullptr;
	unsigned mirror_number = 0;
	std::uint32_t last_mirror = ~0u;
	for (const Component &c : l_.components) {
		if (c.mirror() != last_mirror)
			mirror_number++;
		last_mirror = c.mirror();
		if (one ? one == &c : o_.filter.matches(c, mirror_number))
			component(c);
	}
}

std::string Printer::run()
{
	path();
	if (l_.kind == Layout::Kind::foreign)
		foreign();
	else if (l_.kind == Layout::Kind::composite)
		composite();
	else
		plain();
	return std::move(out_);
}

} // namespace

bool ComponentFilter::matches(const Component &c, unsigned mirror_number) const
{
	if (id && *id != c.id)
		return false;
	if ((start && !start->holds(c.start)) || (end && !end->holds(c.end)))
		return false;
	if (mirror_id && mirror_id->holds(c.mirror()) == not_mirror)
		return false;
	if (mirror_index && mirror_index->holds(mirror_number) == not_mirror)
		return false;
	return (c.flags & flags) == flags && !(c.flags & not_flags);
}

std::string pattern_text(std::uint32_t pattern)
{
	std::string s;
	std::uint32_t rest = pattern;
	for (const Name &n : kPatternNames) {
		if (!(rest & n.bits))
			continue;
		s += (s.empty() ? "" : ",") + std::string(n.name);
		rest &= ~n.bits;
	}
	return rest || s.empty() ? text("%#x", pattern) : s;
}

std::string component_flags_text(std::uint32_t flags)
{
	std::string s;
	for (const Name &n : kFlagNames) {
		if ((flags & n.bits) != n.bits)
			continue;
		s += (s.empty() ? "" : ",") + std::string(n.name);
		flags &= ~n.bits;
	}
	if (flags)
		s += (s.empty() ? "" : ",") + text("%#x", flags);
	return s.empty() ? "0" : s;
}

bool parse_component_flags(const std::string &s, std::uint32_t &set, std::uint32_t &cleared)
{
	for (std::string_view word : split(s, ',')) {
		auto *into = &set;
		if (word.starts_with('^')) {
			into = &cleared;
			word.remove_prefix(1);
		}
		bool known = false;
		for (const Name &n : kFlagNames)
			if (word == n.name) {
				*into |= n.bits;
				known = true;
			}
		if (!known)
			return false;
	}
	return true;
}

std::int64_t stripe_offset(const Component &c)
{
	if (!c.objects.empty())
		return c.objects.front().ost;
	return c.generation == wire::LOV_OFFSET_DEFAULT || c.instantiated() ? -1 : c.generation;
}

std::int64_t stripe_count(const Component &c)
{
	return c.stripe_count >= wire::LOV_ALL_STRIPES_WIDE
		       ? static_cast<std::int16_t>(c.stripe_count)
		       : c.stripe_count;
}

std::uint64_t stripe_size(const Component &c)
{
	return c.extension() ? c.stripe_size * wire::SEL_UNIT_SIZE : c.stripe_size;
}

std::string show_layout(const Layout &l, const Subject &s, const ShowOptions &o)
{
	return Printer(l, s, o).run();
}

} // namespace lfs
