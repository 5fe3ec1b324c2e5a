// SPDX-License-Identifier: GPL-2.0
#include "mdt/link_ea.hpp"

#include <algorithm>

#include "mdt/layout.hpp"

namespace mdt
{

cfs::Result<> LinkEa::make() noexcept
{
	bytes_ = TRY(cfs::Array<std::byte>::make(CFS_S_MDS, wire::MAX_LINKEA_SIZE));
	used_ = sizeof(wire::LinkEaHeader);
	head().magic = wire::LINK_EA_MAGIC;
	head().len = used_;
	return {};
}

cfs::Result<> LinkEa::read(osd::Object &o) noexcept
{
	auto stored = TRY(read_xattr(o, wire::XATTR_NAME_LINK));
	TRY(make());
	if (stored.size() < sizeof(wire::LinkEaHeader) || stored.size() > bytes_.size())
		return {};
	const auto &h = *reinterpret_cast<const wire::LinkEaHeader *>(stored.data());
	if (h.magic != wire::LINK_EA_MAGIC || h.len != stored.size())
		return {};
	std::copy(stored.begin(), stored.end(), bytes_.begin());
	used_ = stored.size();
	return {};
}

void LinkEa::add(const Fid &parent, std::string_view name, std::int64_t now) noexcept
{
	std::size_t bytes = sizeof(wire::LinkEaEntry) + name.size();
	if (bytes > bytes_.size() - used_) {
		head().overflow_time = static_cast<std::uint32_t>(now);
		return;
	}
	auto &e = *reinterpret_cast<wire::LinkEaEntry *>(bytes_.data() + used_);
	e.reclen = static_cast<std::uint16_t>(bytes);
	e.parent_fid = wire::to_be(parent);
	auto text = cfs::as_bytes(name);
	std::copy(text.begin(), text.end(), bytes_.begin() + used_ + sizeof(e));
	used_ += bytes;
	head().reccount = head().reccount + 1;
	head().len = used_;
}

void LinkEa::remove(const Fid &parent, std::string_view name) noexcept
{
	std::size_t at = sizeof(wire::LinkEaHeader);
	while (used_ - at > sizeof(wire::LinkEaEntry)) {
		auto &e = *reinterpret_cast<wire::LinkEaEntry *>(bytes_.data() + at);
		std::size_t bytes = e.reclen;
		if (bytes <= sizeof(e) || bytes > used_ - at)
			return;
		cfs::Bytes text{bytes_.data() + at + sizeof(e), bytes - sizeof(e)};
		std::string_view there(reinterpret_cast<const char *>(text.data()), text.size());
		if (e.parent_fid.fid() == parent && there == name) {
			std::copy(bytes_.begin() + at + bytes, bytes_.begin() + used_,
				  bytes_.begin() + at);
			used_ -= bytes;
			head().reccount = head().reccount - 1;
			head().len = used_;
			return;
		}
		at += bytes;
	}
}

} // namespace mdt
