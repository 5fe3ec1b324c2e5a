// SPDX-License-Identifier: GPL-2.0
//
// The table of lfs df; see df.hpp. Blocks are counted in KiB.

#include "lfs/df.hpp"

#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

struct Numbers {
	std::uint64_t size = 0, used = 0, avail = 0, free = 0; ///< KiB
	std::uint64_t files = 0, ffree = 0;
};

struct ColumnName {
	Column column;
	const char *name;
};

constexpr ColumnName kColumns[] = {
	{Column::source, "source"}, {Column::inodes, "itotal"},	  {Column::iused, "iused"},
	{Column::ifree, "iavail"},  {Column::ipercent, "ipcent"}, {Column::size, "size"},
	{Column::used, "used"},	    {Column::avail, "avail"},	  {Column::percent, "pcent"},
	{Column::target, "target"},
};

constexpr Column kBlockTable[] = {Column::source, Column::size,	   Column::used,
				  Column::avail,  Column::percent, Column::target};
constexpr Column kInodeTable[] = {Column::source, Column::inodes,   Column::iused,
				  Column::ifree,  Column::ipercent, Column::target};

/// blocks * bsize in KiB; servers may say anything, so the product may not wrap around.
std::uint64_t kib(std::uint64_t blocks, std::uint32_t bsize)
{
	std::uint64_t bytes;
	return __builtin_mul_overflow(blocks, std::uint64_t{bsize}, &bytes) ? UINT64_MAX >> 10
									    : bytes >> 10;
}

Numbers numbers_of(const wire::ObdStatfs &s)
{
	Numbers n;
	n.size = kib(s.blocks, s.bsize);
	n.free = kib(s.bfree, s.bsize);
	n.avail = kib(s.bavail, s.bsize);
	n.used = n.size > n.free ? n.size - n.free : 0;
	n.files = s.files;
	n.ffree = s.ffree;
	return n;
}

/// Rounded up, as df(1) does.
unsigned percent(std::uint64_t used, std::uint64_t left)
{
	double all = static_cast<double>(used) + static_cast<double>(left);
	if (all <= 0)
		return 0;
	double p = 100.0 * static_cast<double>(used) / all;
	auto whole = static_cast<unsigned>(p);
	return whole + (static_cast<double>(whole) < p ? 1 : 0);
}

class Table
{
public:
	Table(const std::string &dir, const DfOptions &o) : dir_(dir), o_(o)
	{
		if (!o.columns.empty())
			columns_ = o.columns;
		else if (o.inodes)
			columns_.assign(std::begin(kInodeTable), std::end(kInodeTable));
		else
			columns_.assign(std::begin(kBlockTable), std::end(kBlockTable));
	}
	void header(std::string &out) const;
	void row(std::string &out, const std::string &name, const Numbers &n,
		 const std::string &suffix) const;

private:
	[[nodiscard]] std::string number(std::uint64_t v, std::uint64_t unit) const
	{
		std::uint64_t scaled;
		if (!o_.human || __builtin_mul_overflow(v, unit, &scaled))
			return text("%11llu", static_cast<unsigned long long>(v));
		return human_number(scaled, o_.human);
	}
	[[nodiscard]] std::string cell(Column c, const std::string &name, const Numbers &n) const;

	const std::string &dir_;
	const DfOptions &o_;
	std::vector<Column> columns_;
};

void Table::header(std::string &out) const
{
	for (Column c : columns_) {
		switch (c) {
		case Column::source:
			add(out, "%-20s ", "UUID");
			break;
		case Column::inodes:
			add(out, "%11s ", "Inodes");
			break;
		case Column::iused:
			add(out, "%11s ", "IUsed");
			break;
		case Column::ifree:
			add(out, "%11s ", "IFree");
			break;
		case Column::ipercent:
			add(out, "%4s ", "IUse%");
			break;
		case Column::size:
			add(out, "%11s ", o_.human ? "bytes" : "1K-blocks");
			break;
		case Column::used:
			add(out, "%11s ", "Used");
			break;
		case Column::avail:
			add(out, "%11s ", "Available");
			break;
		case Column::percent:
			add(out, "%4s ", "Use%");
			break;
		case Column::target:
			out += " Mounted on";
			break;
		}
	}
	out += "\n";
}

std::string Table::cell(Column c, const std::string &name, const Numbers &n) const
{
	std::uint64_t iused = n.files > n.ffree ? n.files - n.ffree : 0;
	switch (c) {
	case Column::source:
		return text("%-20s ", name.c_str());
	case Column::inodes:
		return number(n.files, 1) + " ";
	case Column::iused:
		return number(iused, 1) + " ";
	case Column::ifree:
		return number(n.ffree, 1) + " ";
	case Column::ipercent:
		return text("%3u%% ", percent(iused, n.ffree));
	case Column::size:
		return number(n.size, 1024) + " ";
	case Column::used:
		return number(n.used, 1024) + " ";
	case Column::avail:
		return number(n.avail, 1024) + " ";
	case Column::percent:
		return text("%3u%% ", percent(n.used, n.avail));
	default:
		return " " + dir_;
	}
}

void Table::row(std::string &out, const std::string &name, const Numbers &n,
		const std::string &suffix) const
{
	for (Column c : columns_)
		out += cell(c, name, n);
	out += suffix + "\n";
}

/// What the whole has: space where data lies, inodes of the MDTs as far as there are objects.
struct Sum {
	Numbers mdt, ost;
	bool any_ost = false, any_mdt = false;

	void add(TargetKind kind, const Numbers &n)
	{
		Numbers &to = kind == TargetKind::mdt ? mdt : ost;
		(kind == TargetKind::mdt ? any_mdt : any_ost) = true;
		to.size += n.size;
		to.used += n.used;
		to.avail += n.avail;
		to.files += n.files;
		to.ffree += n.ffree;
	}
	[[nodiscard]] Numbers total(bool osts_asked) const
	{
		Numbers n = any_ost || osts_asked ? ost : mdt;
		if (any_mdt) {
			n.files = mdt.files;
			n.ffree = mdt.ffree;
			if (any_ost && ost.ffree < mdt.ffree) {
				n.files = mdt.files - mdt.ffree + ost.ffree;
				n.ffree = ost.ffree;
			}
		}
		return n;
	}
};

constexpr option kOptions[] = {
	{"human-readable", no_argument, nullptr, 'h'}, {"si", no_argument, nullptr, 'H'},
	{"inodes", no_argument, nullptr, 'i'},	       {"lazy", no_argument, nullptr, 'l'},
	{"mdt", optional_argument, nullptr, 'm'},      {"no-header", no_argument, nullptr, 'N'},
	{"ost", optional_argument, nullptr, 'o'},      {"output", required_argument, nullptr, 'u'},
	{"only-summary", no_argument, nullptr, 's'},   {"pool", required_argument, nullptr, 'p'},
	{"verbose", no_argument, nullptr, 'v'},	       {nullptr, 0, nullptr, 0},
};

/// -m and -o: a kind of target, or one of them.
bool target_option(bool &only, std::optional<std::uint32_t> &one)
{
	only = true;
	if (!optarg)
		return true;
	auto n = parse_int(optarg);
	if (!n || *n < 0 || *n > UINT32_MAX)
		return false;
	one = static_cast<std::uint32_t>(*n);
	return true;
}

} // namespace

bool parse_df(int argc, char **argv, DfRequest &r)
{
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "hHilm::No::p:su:v", kOptions, nullptr)) != -1;) {
		switch (c) {
		case 'h':
			r.human = 1024;
			break;
		case 'H':
			r.human = 1000;
			break;
		case 'i':
			r.inodes = true;
			break;
		case 'l':
			r.lazy = true;
			break;
		case 'm':
			if (!target_option(r.only_mdts, r.mdt))
				return false;
			break;
		case 'o':
			if (!target_option(r.only_osts, r.ost))
				return false;
			break;
		case 'N':
			r.header = r.summary = false;
			break;
		case 'p':
			r.fsname = optarg;
			if (auto dot = r.fsname.find('.'); dot != r.fsname.npos) {
				r.pool = r.fsname.substr(dot + 1);
				r.fsname.resize(dot);
			}
			break;
		case 's':
			r.only_summary = true;
			break;
		case 'u':
			r.columns = parse_columns(optarg);
			break;
		case 'v':
			r.verbose = true;
			break;
		default:
			return false;
		}
	}
	if (r.only_mdts != r.only_osts) {
		r.mdts = r.only_mdts;
		r.osts = r.only_osts;
	}
	// One target is an answer, not a table.
	if (r.mdt || r.ost)
		r.header = r.summary = false;
	return true;
}

std::vector<Column> parse_columns(const std::string &list)
{
	std::vector<Column> out;
	for (const std::string &word : split(list, ',')) {
		auto *c = std::find_if(std::begin(kColumns), std::end(kColumns),
				       [&](const ColumnName &n) { return word == n.name; });
		if (c == std::end(kColumns))
			return {};
		out.push_back(c->column);
	}
	return out;
}

std::string human_number(std::uint64_t v, unsigned base)
{
	constexpr const char *kLetters = "KMGTPE";
	if (v < base)
		return text("%11llu", static_cast<unsigned long long>(v));
	auto d = static_cast<double>(v);
	const char *letter = kLetters;
	for (d /= base; d >= base && letter[1]; d /= base)
		letter++;
	return text("%8.1f%c", d, *letter);
}

std::string state_letters(std::uint32_t state, bool verbose)
{
	struct Letter {
		std::uint32_t bit;
		char letter;
		bool verbose;
	};
	constexpr Letter kLetters[] = {
		{wire::OS_STATFS_DEGRADED, 'D', false}, {wire::OS_STATFS_READONLY, 'R', false},
		{wire::OS_STATFS_NOCREATE, 'N', false}, {wire::OS_STATFS_ENOSPC, 'S', false},
		{wire::OS_STATFS_ENOINO, 'I', false},	{wire::OS_STATFS_SUM, 'a', true},
		{wire::OS_STATFS_NONROT, 'f', true},
	};
	std::string s;
	for (const Letter &l : kLetters) {
		if ((state & l.bit) && (!l.verbose || verbose))
			s += l.letter;
		state &= ~l.bit;
	}
	if (state)
		s += text("(%#o)", state);
	return s.empty() ? s : " " + s;
}

std::string df_table(const std::vector<TargetState> &targets, const std::string &mount_dir,
		     const DfOptions &o)
{
	Table table(mount_dir, o);
	std::string out;
	Sum sum;
	bool rows = !o.only_summary;
	if (rows && o.header)
		table.header(out);
	for (const TargetState &t : targets) {
		const char *kind = t.kind == TargetKind::mdt ? "MDT" : "OST";
		std::string name = t.uuid.empty() ? text("%s%04x", kind, t.index) : t.uuid;
		if (t.error == ENODATA) {
			if (o.verbose && rows)
				add(out, "%-20s: inactive device\n",
				    text("%s%04x", kind, t.index).c_str());
			continue;
		}
		if (t.error) {
			if (rows)
				add(out, "%-20s: %s\n", name.c_str(), strerror(t.error));
			continue;
		}
		Numbers n = numbers_of(t.stat);
		sum.add(t.kind, n);
		if (rows)
			table.row(out, name, n,
				  text("[%s:%u]", kind, t.index) +
					  state_letters(t.stat.state, o.verbose));
	}
	if (!o.summary)
		return out;
	if (rows)
		out += "\n";
	bool osts_asked = o.osts && !o.pool.empty();
	table.row(out, "filesystem_summary:", sum.total(osts_asked), "");
	if (rows)
		out += "\n";
	return out;
}

} // namespace lfs
