// SPDX-License-Identifier: GPL-2.0
//
// Reading directories (spec 04 section 12): pages of entries in the order of their hashes, moved to
// the client as bulk data.
#include <algorithm>

#include "mdt/target.hpp"
#include "wire/page.hpp"

namespace mdt
{

using namespace cfs::err;

namespace
{

constexpr std::size_t kPage = wire::LU_PAGE_SIZE;
/// Most bytes of one answer: one memory descriptor.
constexpr std::size_t kBytesMax = rpc::kBytesPerMd;

/// Writes pages into memory that is zero.
class PageWriter
{
	cfs::MutBytes room_;
	bool long_hash_; // the client knows positions of 64 bits
	std::size_t page_ = 0;
	std::size_t at_ = 0;
	wire::LuDirent *last_ = nullptr;

	[[nodiscard]] wire::LuDirpage &head() noexcept
	{
		return *reinterpret_cast<wire::LuDirpage *>(room_.data() + page_);
	}
	/// Ends the page with the hash of what comes next.
	void end_page(u64 next) noexcept
	{
		head().hash_end = next;
		if (!last_)
			head().flags = wire::LDF_EMPTY;
		else if (last_->hash == next)
			head().flags = wire::LDF_COLLIDE;
		if (last_)
			last_->reclen = 0;
	}
	void begin_page(u64 hash) noexcept
	{
		head().hash_start = hash;
		at_ = page_ + sizeof(wire::LuDirpage);
		last_ = nullptr;
	}

public:
	PageWriter(cfs::MutBytes room, u64 start, bool long_hash) noexcept
	    : room_(room), long_hash_(long_hash)
	{
		begin_page(start);
	}
	[[nodiscard]] u64 hash_of(const osd::DirItem &d) const noexcept
	{
		return long_hash_ ? d.cookie : d.cookie >> 32;
	}
	[[nodiscard]] static std::size_t bytes_of(std::string_view name) noexcept
	{
		std::size_t text = (name.size() + 2) & ~std::size_t{1}; // with its NUL, even
		return wire::round8(sizeof(wire::LuDirent) + text + sizeof(wire::LudaType));
	}
	/// false: the memory is full, and the last page ended with this entry's hash.
	[[nodiscard]] bool add(const osd::DirItem &d) noexcept
	{
		std::size_t bytes = bytes_of(d.name);
		if (at_ + bytes > page_ + kPage) {
			end_page(hash_of(d));
			if (page_ + 2 * kPage > room_.size())
				return false;
			page_ += kPage;
			begin_page(hash_of(d));
		}
		auto &e = *reinterpret_cast<wire::LuDirent *>(room_.data() + at_);
		e.fid = d.fid;
		e.hash = hash_of(d);
		e.reclen = static_cast<u16>(bytes);
		e.namelen = static_cast<u16>(d.name.size());
		e.attrs =
			wire::LUDA_FID | wire::LUDA_TYPE | (long_hash_ ? wire::LUDA_64BITHASH : 0);
		auto text = cfs::as_bytes(d.name);
		std::byte *to = room_.data() + at_ + sizeof(e);
		std::copy(text.begin(), text.end(), to);
		auto &type = *reinterpret_cast<wire::LudaType *>(
			to + ((d.name.size() + 1) & ~std::size_t{1}));
		type.type = static_cast<u16>(d.type & osd::kTypeMask);
		last_ = &e;
		at_ += bytes;
		return true;
	}
	void end() noexcept { end_page(wire::MDS_DIR_END_OFF); }
	[[nodiscard]] std::size_t bytes() const noexcept { return page_ + kPage; }
};

cfs::Result<> fill(osd::Object &dir, u64 start, bool long_hash, PageWriter &w) noexcept
{
	osd::Attr a;
	TRY(dir.attr_get(a));
	if (is_orphan(a)) {
		w.end();
		return {};
	}
	osd::Directory *d = TRY(dir.directory());
	auto cursor = TRY(d->open());
	cursor->seek(long_hash ? start : start << 32);
	for (;;) {
		const osd::DirItem *item = TRY(cursor->next());
		if (!item) {
			w.end();
			return {};
		}
		if (!w.add(*item))
			return {};
	}
}

} // namespace

cfs::Result<> MdtTarget::readpage(rpc::ServerRequest &req,
				  rpc::RequestView<op::MdsReadpage> in) noexcept
{
	const wire::MdtBody &b = in.get<fld::MdtBody>();
	auto out = TRY(req.reply<op::MdsReadpage>());
	osd::Attr a;
	if (b.nlink == 0 || b.nlink % kPage)
		return cfs::fail(INVAL);
	osd::ObjectRef o = TRY(object(b.fid1));
	if (o->type() != osd::kTypeDir)
		return cfs::fail(NOTDIR);
	TRY(o->attr_get(a));
	bool sized = req.exp()->has_flag(wire::OBD_CONNECT_BRW_SIZE);
	std::size_t limit = b.nlink;
	if (sized) {
		limit = std::min<std::size_t>(limit, req.exp()->granted().brw_size);
		// Entries take a few times of what they take on disk; who wants more asks again.
		std::size_t likely = (a.size + kPage) / kPage * kPage * 4;
		limit = std::min(limit, std::max(likely, 4 * kPage));
	}
	limit = std::min(limit, kBytesMax) / kPage * kPage;
	if (limit == 0 || (!sized && limit != b.nlink))
		return cfs::fail(INVAL);
	bool long_hash = req.exp()->has_flag(wire::OBD_CONNECT_64BITHASH);
	auto pages = TRY(cfs::Array<std::byte>::make(kSubsys, limit));
	PageWriter w(pages, b.size, long_hash);
	TRY(fill(*o, b.size, long_hash, w));
	cfs::MutBytes used{pages.data(), sized ? w.bytes() : limit};
	(void)out;
	return req.bulk_put(
		rpc::BulkDesc::linear(rpc::Bulk::to_client, wire::Portal::MDS_BULK_PORTAL, used));
}

} // namespace mdt
