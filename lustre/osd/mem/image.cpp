// SPDX-License-Identifier: GPL-2.0
//
// The durable side of osd/mem, and how it is undone.
#include "lustre/osd/mem/image.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "osd/local.hpp"
#include "wire/disk_target.hpp"

namespace osd::mem
{

namespace
{

std::string text(cfs::Bytes b)
{
	return {reinterpret_cast<const char *>(b.data()), b.size()};
}

/// The upper fields are independent bits, as in the hash of ext4's directories.
std::uint64_t hash_name(std::string_view s)
{
	std::uint64_t h = 14695981039346656037u;
	for (char c : s)
		h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

} // namespace

Image::Image(const DiskOptions &o) : options_(o)
{
	format();
}

/// What mkfs leaves: the root, CONFIGS and mountdata (07 3.4).
void Image::format()
{
	CreateSpec dir;
	dir.attr.mode = kTypeDir | 0755;
	Inode *root = *create(0, kBackingRootFid, dir, dir.attr, nullptr);
	Inode *configs = *create(0, kConfigsFid, dir, dir.attr, root);
	enter(0, *root, wire::MOUNT_CONFIGS_DIR, {kConfigsFid, kTypeDir});
	root->attr.nlink++;
	CreateSpec file;
	file.attr.mode = kTypeFile | 0644;
	Fid fid = wire::make_fid(wire::FID_SEQ_IGIF + 2, 1);
	Inode *data = *create(0, fid, file, file.attr, configs);
	enter(0, *configs, wire::CONFIGS_FILE, {fid, kTypeFile});
	auto disk_data = std::make_unique<wire::LustreDiskData>();
	std::memset(disk_data.get(), 0, sizeof(*disk_data));
	disk_data->magic = wire::LDD_MAGIC;
	disk_data->config_ver = 1;
	(void)disk_data->svname.set(options_.svname);
	(void)write(0, *data, 0, cfs::bytes_of(*disk_data));
	commit(0);
}

// ---- journal ----

std::uint64_t Image::mount(std::uint64_t seed)
{
	std::set<std::pair<const Inode *, std::uint64_t>> reached; // the disk after all
	while (!undo_.empty()) {
		Undo u = std::move(undo_.back());
		undo_.pop_back();
		if (u.bulk_of) {
			auto key = std::pair(u.bulk_of, u.bulk_page);
			if (reached.contains(key))
				continue;
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			if (seed >> 63) {
				reached.insert(key);
				continue;
			}
		}
		u.back();
	}
	recount();
	return ++mount_;
}

void Image::commit(std::uint64_t group)
{
	while (!undo_.empty() && undo_.front().group <= group)
		undo_.pop_front();
}

void Image::recount()
{
	pages_ = 0;
	for (auto &[fid, i] : inodes_)
		pages_ += i->pages.size();
}

// ---- objects ----

Inode *Image::find(const Fid &fid) noexcept
{
	auto i = inodes_.find(fid);
	return i == inodes_.end() ? nullptr : i->second.get();
}

cfs::Result<Inode *> Image::create(std::uint64_t g, const Fid &fid, const CreateSpec &spec,
				   const Attr &attr, Inode *parent)
{
	if (inodes_.contains(fid))
		return cfs::fail(cfs::err::EXIST);
	if (inodes_free() == 0)
		return cfs::fail(cfs::err::NOSPC);
	auto i = std::make_shared<Inode>();
	i->fid = fid;
	i->attr = attr;
	i->attr.nlink = 1;
	i->attr.size = spec.symlink.size();
	i->attr.blocks = 0;
	i->symlink = spec.symlink;
	i->index = spec.index;
	if (i->type() == kTypeDir) {
		i->attr.nlink = 2;
		i->attr.size = kPage;
		i->entries[{cookie("."), "."}] = {fid, kTypeDir};
		i->entries[{cookie(".."), ".."}] = {parent ? parent->fid : fid, kTypeDir};
	}
	inodes_[fid] = i;
	note(g, [this, fid] { inodes_.erase(fid); });
	return i.get();
}

void Image::destroy(std::uint64_t g, Inode &i)
{
	InodePtr kept = share(i);
	pages_ -= kept->pages.size();
	inodes_.erase(kept->fid);
	note(g, [this, kept] { inodes_[kept->fid] = kept; });
}

void Image::set_attr(std::uint64_t g, Inode &i, const Attr &attr)
{
	note(g, [inode = share(i), old = i.attr] {
		std::uint64_t size = inode->attr.size;
		std::uint64_t blocks = inode->attr.blocks;
		inode->attr = old;
		inode->attr.size = size;
		inode->attr.blocks = blocks;
	});
	std::uint64_t size = i.attr.size;
	std::uint64_t blocks = i.attr.blocks;
	i.attr = attr;
	i.attr.size = size;
	i.attr.blocks = blocks;
}

void Image::set_version(std::uint64_t g, Inode &i, std::uint64_t v)
{
	note(g, [inode = share(i), old = i.version] { inode->version = old; });
	i.version = v;
}

void Image::set_xattr(std::uint64_t g, Inode &i, std::string_view name, cfs::Bytes value)
{
	auto at = i.xattrs.find(name);
	if (at == i.xattrs.end())
		note(g, [inode = share(i), n = std::string(name)] { inode->xattrs.erase(n); });
	else
		note(g, [inode = share(i), n = std::string(name), old = at->second] {
			inode->xattrs[n] = old;
		});
	i.xattrs[std::string(name)] = text(value);
}

void Image::del_xattr(std::uint64_t g, Inode &i, std::string_view name)
{
	auto at = i.xattrs.find(name);
	note(g, [inode = share(i), n = at->first, old = at->second] { inode->xattrs[n] = old; });
	i.xattrs.erase(at);
}

// ---- directories ----

std::uint64_t Image::cookie(std::string_view name) const noexcept
{
	if (name == ".")
		return 0;
	if (name == "..")
		return std::uint64_t{1} << 32;
	std::uint64_t h = hash_name(name) >> 1;
	h = h >> (63 - options_.hash_bits) << (63 - options_.hash_bits);
	constexpr std::uint64_t kLast = std::uint64_t{0x7ffffffe} << 32;
	return h < kLast ? h : kLast;
}

const DirTarget *Image::entry(const Inode &dir, std::string_view name) const
{
	auto at = dir.entries.find({cookie(name), std::string(name)});
	return at == dir.entries.end() ? nullptr : &at->second;
}

void Image::enter(std::uint64_t g, Inode &dir, std::string_view name, const DirTarget &to)
{
	DirKey key{cookie(name), std::string(name)};
	auto at = dir.entries.find(key);
	if (at == dir.entries.end())
		note(g, [inode = share(dir), key] { inode->entries.erase(key); });
	else
		note(g, [inode = share(dir), key, old = at->second] { inode->entries[key] = old; });
	dir.entries[key] = to;
}

void Image::leave(std::uint64_t g, Inode &dir, std::string_view name)
{
	auto at = dir.entries.find({cookie(name), std::string(name)});
	note(g, [inode = share(dir), key = at->first, old = at->second] {
		inode->entries[key] = old;
	});
	dir.entries.erase(at);
}

// ---- indices ----

void Image::set_record(std::uint64_t g, Inode &i, cfs::Bytes key, cfs::Bytes record)
{
	std::string k = text(key);
	auto at = i.records.find(k);
	if (at == i.records.end())
		note(g, [inode = share(i), k] { inode->records.erase(k); });
	else
		note(g, [inode = share(i), k, old = at->second] { inode->records[k] = old; });
	i.records[k] = text(record);
}

void Image::del_record(std::uint64_t g, Inode &i, cfs::Bytes key)
{
	auto at = i.records.find(text(key));
	note(g, [inode = share(i), k = at->first, old = at->second] { inode->records[k] = old; });
	i.records.erase(at);
}

// ---- bodies ----

Page *Image::page(const Inode &i, std::uint64_t n) const
{
	auto at = i.pages.find(n);
	return at == i.pages.end() ? nullptr : at->second.get();
}

Page &Image::add_page(std::uint64_t g, Inode &i, std::uint64_t n)
{
	auto &p = i.pages[n] = std::make_unique<Page>();
	pages_++;
	i.attr.blocks += kPage / 512;
	note(g, [inode = share(i), n] {
		inode->pages.erase(n);
		inode->attr.blocks -= kPage / 512;
	});
	return *p;
}

void Image::keep_page(std::uint64_t g, Inode &i, std::uint64_t n, bool bulk)
{
	auto put_back = [inode = share(i), n, old = *i.pages.at(n)] { *inode->pages.at(n) = old; };
	undo_.push_back({g, bulk ? &i : nullptr, n, put_back});
}

void Image::drop_page(std::uint64_t g, Inode &i, std::uint64_t n)
{
	std::shared_ptr<Page> kept = std::move(i.pages.at(n));
	i.pages.erase(n);
	pages_--;
	i.attr.blocks -= kPage / 512;
	note(g, [inode = share(i), n, kept] {
		inode->pages[n] = std::make_unique<Page>(*kept);
		inode->attr.blocks += kPage / 512;
	});
}

void Image::set_size(std::uint64_t g, Inode &i, std::uint64_t size)
{
	if (i.attr.size == size)
		return;
	note(g, [inode = share(i), old = i.attr.size] { inode->attr.size = old; });
	i.attr.size = size;
}

std::size_t Image::read(const Inode &i, std::uint64_t offset, cfs::MutBytes to) const
{
	if (i.type() == kTypeLink) {
		std::size_t n = offset < i.symlink.size()
					? std::min(to.size(), i.symlink.size() - offset)
					: 0;
		std::memcpy(to.data(), i.symlink.data() + (n ? offset : 0), n);
		return n;
	}
	if (offset >= i.attr.size)
		return 0;
	std::size_t n = std::min<std::uint64_t>(to.size(), i.attr.size - offset);
	for (std::size_t done = 0; done < n;) {
		std::size_t at = (offset + done) % kPage;
		std::size_t part = std::min(n - done, kPage - at);
		Page *p = page(i, (offset + done) / kPage);
		if (p && !p->unwritten)
			std::memcpy(to.data() + done, p->data.data() + at, part);
		else
			std::memset(to.data() + done, 0, part);
		done += part;
	}
	return n;
}

std::uint64_t Image::missing(const Inode &i, std::uint64_t start, std::uint64_t end) const
{
	if (start >= end)
		return 0;
	std::uint64_t first = start / kPage;
	std::uint64_t last = (end - 1) / kPage;
	auto from = i.pages.lower_bound(first);
	auto to = i.pages.upper_bound(last);
	return last - first + 1 - static_cast<std::uint64_t>(std::distance(from, to));
}

cfs::Result<> Image::write(std::uint64_t g, Inode &i, std::uint64_t offset, cfs::Bytes from)
{
	std::uint64_t end = offset + from.size();
	if (missing(i, offset, end) > pages_free())
		return cfs::fail(cfs::err::NOSPC);
	for (std::size_t done = 0; done < from.size();) {
		std::uint64_t n = (offset + done) / kPage;
		std::size_t at = (offset + done) % kPage;
		std::size_t part = std::min(from.size() - done, kPage - at);
		Page *p = page(i, n);
		if (p)
			keep_page(g, i, n, false);
		else
			p = &add_page(g, i, n);
		p->unwritten = false;
		std::memcpy(p->data.data() + at, from.data() + done, part);
		done += part;
	}
	if (end > i.attr.size)
		set_size(g, i, end);
	return {};
}

cfs::Result<> Image::write_bulk(std::uint64_t g, Inode &i, std::uint64_t offset, cfs::Bytes from)
{
	std::uint64_t n = offset / kPage;
	Page *p = page(i, n);
	if (!p && pages_free() == 0)
		return cfs::fail(cfs::err::NOSPC);
	if (p)
		keep_page(g, i, n, !p->unwritten);
	else
		p = &add_page(g, i, n);
	p->unwritten = false;
	std::memcpy(p->data.data() + offset % kPage, from.data(), from.size());
	return {};
}

void Image::zero_part(std::uint64_t g, Inode &i, std::uint64_t n, std::size_t from, std::size_t to)
{
	Page *p = page(i, n);
	if (!p || p->unwritten || from >= to)
		return;
	keep_page(g, i, n, false);
	std::memset(p->data.data() + from, 0, to - from);
}

void Image::punch(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end)
{
	std::uint64_t first = start / kPage + (start % kPage ? 1 : 0); // first and last whole page
	std::uint64_t last = end / kPage;
	if (start % kPage) {
		std::uint64_t n = start / kPage;
		zero_part(g, i, n, start % kPage, n == end / kPage ? end % kPage : kPage);
	}
	if (end != kEof && end % kPage && end / kPage >= first)
		zero_part(g, i, end / kPage, 0, end % kPage);
	std::vector<std::uint64_t> gone;
	for (auto at = i.pages.lower_bound(first); at != i.pages.end(); ++at)
		if (end == kEof || at->first < last)
			gone.push_back(at->first);
	for (std::uint64_t n : gone)
		drop_page(g, i, n);
}

cfs::Result<> Image::allocate(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end)
{
	if (missing(i, start, end) > pages_free())
		return cfs::fail(cfs::err::NOSPC);
	for (std::uint64_t n = start / kPage; n <= (end - 1) / kPage; n++)
		if (!page(i, n))
			add_page(g, i, n).unwritten = true;
	return {};
}

cfs::Result<> Image::zero(std::uint64_t g, Inode &i, std::uint64_t start, std::uint64_t end)
{
	if (missing(i, start, end) > pages_free())
		return cfs::fail(cfs::err::NOSPC);
	punch(g, i, start, end);
	return allocate(g, i, start, end);
}

// ---- totals ----

QuotaUsage Image::usage(QuotaType type, std::uint32_t id) const
{
	QuotaUsage u;
	for (auto &[fid, i] : inodes_) {
		std::uint32_t owner = type == QuotaType::user	 ? i->attr.uid
				      : type == QuotaType::group ? i->attr.gid
								 : i->attr.projid;
		if (owner != id)
			continue;
		u.inodes++;
		u.bytes += i->pages.size() * kPage;
	}
	return u;
}

std::string Image::dump() const
{
	std::string out;
	auto add = [&out](auto &&...parts) {
		((out += parts, out += ' '), ...);
		out += '\n';
	};
	auto num = [](std::uint64_t n) { return std::to_string(n); };
	auto id = [&num](const Fid &f) { return num(f.seq) + ":" + num(f.oid) + ":" + num(f.ver); };
	auto time = [&num](const Time &t) { return std::to_string(t.sec) + "." + num(t.nsec); };
	for (auto &[fid, i] : inodes_) {
		const Attr &a = i->attr;
		add("object", id(fid), num(a.mode), num(a.uid), num(a.gid), num(a.projid),
		    num(a.flags), num(a.nlink), num(a.size), num(a.blocks), time(a.atime),
		    time(a.mtime), time(a.ctime), num(i->version), i->symlink);
		for (auto &[name, value] : i->xattrs)
			add(" xattr", name, value);
		for (auto &[key, to] : i->entries)
			add(" entry", num(key.cookie), key.name, id(to.fid), num(to.type));
		for (auto &[key, record] : i->records)
			add(" record", key, record);
		for (auto &[n, p] : i->pages)
			add(" page", num(n), p->unwritten ? "unwritten" : "",
			    std::string_view(reinterpret_cast<const char *>(p->data.data()),
					     kPage));
	}
	return out;
}

// ---- the disk as its owner sees it ----

Disk::Disk(const DiskOptions &options) : image_(std::make_unique<Image>(options)) {}
Disk::~Disk() = default;

std::string Disk::dump() const
{
	return image_->dump();
}

std::size_t Disk::uncommitted() const noexcept
{
	return image_->uncommitted();
}

} // namespace osd::mem
