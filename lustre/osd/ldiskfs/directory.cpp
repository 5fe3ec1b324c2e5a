// SPDX-License-Identifier: GPL-2.0
//
// Directories: plain ext4 entries; the FID of an entry is what its inode says (07 7.4). Entries
// that carry a FID (07 7.1) would be served from the entry, before the inode is asked, in
// resolve().

#include <cstring>

#include "libcfs/log.hpp"
#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;
using cfs::to_result;

namespace
{

/// Names that a cursor reads at once, in bytes.
constexpr std::size_t kBatchBytes = 16384;

Result<> check_name(std::string_view name) noexcept
{
	if (name.size() > kNameMax)
		return fail(NAMETOOLONG);
	if (name.empty() || name == "." || name == ".." ||
	    name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
		return fail(INVAL);
	return {};
}

unsigned length(std::string_view s) noexcept
{
	return static_cast<unsigned>(s.size());
}

/// An entry as it lies in a cursor's batch; the name follows.
struct Gathered {
	std::uint64_t pos;
	std::uint32_t ino, mode;
	std::uint32_t name_len;

	[[nodiscard]] std::size_t bytes() const noexcept
	{
		return (sizeof(*this) + name_len + 7) & ~std::size_t{7};
	}
	[[nodiscard]] const char *name() const noexcept
	{
		return reinterpret_cast<const char *>(this + 1);
	}
};

class NameCursor final : public DirCursor
{
	cfs::RefPtr<ObjectImpl> dir_;
	InodeRef inode_;
	ldi_dir *cursor_;
	cfs::Array<std::byte> batch_;
	std::size_t used_ = 0, at_ = 0;
	std::uint64_t next_pos_ = 0;
	DirItem item_;

	static bool gather(void *arg, const ldi_entry *e)
	{
		return static_cast<NameCursor *>(arg)->add(*e);
	}
	bool add(const ldi_entry &e) noexcept
	{
		Gathered g{e.pos, e.ino, e.mode, e.name_len};
		if (batch_.size() - used_ < g.bytes())
			return false;
		memcpy(batch_.data() + used_, &g, sizeof(g));
		memcpy(batch_.data() + used_ + sizeof(g), e.name, e.name_len);
		used_ += g.bytes();
		return true;
	}
	Result<> fill() noexcept
	{
		used_ = at_ = 0;
		if (next_pos_ >= kDirEnd)
			return {};
		cfs::ReadGuard g(dir_->content_lock());
		return dir_->dev().note(to_result(ldi_dir_read(cursor_, &next_pos_, gather, this)));
	}
	Result<bool> resolve(const Gathered &g) noexcept
	{
		auto fid = dir_->dev().fid_of(g.ino);
		if (!fid && fid.error() == NOENT)
			return false; // removed since
		if (!fid) {
			if (fid.error() != UCLEAN && fid.error() != OPNOTSUPP)
				return fail(fid.error());
			CERROR(CFS_S_OSD,
			       "{}: the FID of entry '{:e}', inode {}, cannot be told: {}",
			       dir_->dev().info().name, std::string_view(g.name(), g.name_len),
			       g.ino, fid.error());
			return false;
		}
		item_ = {*fid, g.pos, g.mode, {g.name(), g.name_len}};
		return true;
	}

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	NameCursor(cfs::RefPtr<ObjectImpl> dir, InodeRef inode, ldi_dir *c) noexcept
	    : dir_(std::move(dir)), inode_(std::move(inode)), cursor_(c)
	{
	}
	Result<> make_batch() noexcept
	{
		batch_ = TRY(cfs::Array<std::byte>::make(kSubsys, kBatchBytes));
		return {};
	}
	void seek(std::uint64_t cookie) noexcept override
	{
		next_pos_ = cookie;
		used_ = at_ = 0;
	}
	Result<const DirItem *> next() noexcept override
	{
		for (;;) {
			if (at_ == used_) {
				TRY(fill());
				if (!used_)
					return nullptr;
			}
			const auto &g = *reinterpret_cast<const Gathered *>(batch_.data() + at_);
			at_ += g.bytes();
			if (TRY(resolve(g)))
				return &item_;
		}
	}
	void destroy() noexcept override
	{
		ldi_dir_close(cursor_);
		this->~NameCursor();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

} // namespace

Result<Fid> DirFacet::lookup(std::string_view name) noexcept
{
	if (name.empty())
		return fail(INVAL);
	if (name.size() > kNameMax)
		return fail(NAMETOOLONG);
	std::uint32_t ino = 0;
	{
		cfs::ReadGuard g(o_.content_lock());
		ldi_inode *i = TRY(o_.inode_locked());
		TRY(o_.dev().note(to_result(ldi_find_entry(i, name.data(), length(name), &ino))));
	}
	return o_.dev().fid_of(ino);
}

Result<cfs::UniquePtr<DirCursor>> DirFacet::open() noexcept
{
	InodeRef i = TRY(o_.inode());
	ldi_dir *c = nullptr;
	TRY(to_result(ldi_dir_open(i.get(), &c)));
	auto made = cfs::try_make<NameCursor>(cfs::RefPtr<ObjectImpl>::share(&o_), std::move(i), c);
	if (!made) {
		ldi_dir_close(c);
		return fail(made.error());
	}
	TRY((*made)->make_batch());
	return cfs::UniquePtr<DirCursor>(std::move(*made));
}

Result<bool> DirFacet::empty() noexcept
{
	cfs::ReadGuard g(o_.content_lock());
	return ldi_dir_empty(TRY(o_.inode_locked()));
}

Result<> DirFacet::declare_insert(Transaction &t, std::string_view) noexcept
{
	own(t).declare(kEntryCredits + o_.dev().fs_info().quota_update_credits);
	return {};
}

Result<> DirFacet::insert(Transaction &t, std::string_view name, Object &object) noexcept
{
	Tx &tx = own(t);
	TRY(check_name(name));
	InodeRef child = TRY(static_cast<ObjectImpl &>(object).inode());
	std::uint32_t there = 0;
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *dir = TRY(o_.inode_locked());
	int rc = ldi_find_entry(dir, name.data(), length(name), &there);
	if (rc != to_rc(NOENT))
		return rc ? o_.dev().note(to_result(rc)) : fail(EXIST);
	return o_.dev().note(
		to_result(ldi_add_entry(tx.handle(), dir, name.data(), length(name), child.get())));
}

Result<> DirFacet::declare_remove(Transaction &t, std::string_view) noexcept
{
	own(t).declare(3);
	return {};
}

Result<> DirFacet::remove(Transaction &t, std::string_view name) noexcept
{
	Tx &tx = own(t);
	TRY(check_name(name));
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *dir = TRY(o_.inode_locked());
	return o_.dev().note(
		to_result(ldi_delete_entry(tx.handle(), dir, name.data(), length(name))));
}

Result<> DirFacet::declare_set_parent(Transaction &t) noexcept
{
	own(t).declare(3);
	return {};
}

Result<> DirFacet::set_parent(Transaction &t, Object &parent) noexcept
{
	Tx &tx = own(t);
	InodeRef p = TRY(static_cast<ObjectImpl &>(parent).inode());
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *dir = TRY(o_.inode_locked());
	return o_.dev().note(to_result(ldi_set_dotdot(tx.handle(), dir, ldi_ino(p.get()))));
}

} // namespace osd::ldiskfs
