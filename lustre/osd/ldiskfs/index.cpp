// SPDX-License-Identifier: GPL-2.0
//
// Index objects: an IAM container in the object's blocks.

#include <cstring>

#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Bytes;
using cfs::fail;
using cfs::MutBytes;
using cfs::Result;

namespace
{

/// A container over the blocks of an inode, for one operation.
struct Opened {
	InodeBlocks blocks;
	Iam iam;

	Opened(ldi_inode *i, DeviceImpl &d) noexcept
	    : blocks(i, d.fs_info().block_size), iam(blocks)
	{
	}
};

class RecordCursor final : public IndexCursor
{
	cfs::RefPtr<ObjectImpl> o_;
	IndexSpec spec_;
	std::byte key_[kIndexKeyMax] = {};
	std::byte record_[kIndexRecordMax] = {};
	bool behind_ = false;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	RecordCursor(cfs::RefPtr<ObjectImpl> o, IndexSpec spec) noexcept
	    : o_(std::move(o)), spec_(spec)
	{
	}
	Result<> seek(Bytes key) noexcept override
	{
		if (key.size() != spec_.key_bytes)
			return fail(INVAL);
		memcpy(key_, key.data(), key.size());
		behind_ = false;
		return {};
	}
	Result<Pair> next() noexcept override
	{
		cfs::ReadGuard g(o_->content_lock());
		Opened x(TRY(o_->inode_locked()), o_->dev());
		TRY(x.iam.open());
		Bytes from(key_, spec_.key_bytes);
		if (!TRY(x.iam.next(from, behind_, key_, record_)))
			return Pair{};
		behind_ = true;
		return Pair{Bytes(key_, spec_.key_bytes), Bytes(record_, spec_.record_bytes)};
	}
	void destroy() noexcept override
	{
		this->~RecordCursor();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

} // namespace

Result<> IndexFacet::load() noexcept
{
	if (spec_.key_bytes)
		return {};
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	if (ldi_size(i) < 2 * std::uint64_t{o_.dev().fs_info().block_size})
		return fail(INVAL);
	InodeBlocks blocks(i, o_.dev().fs_info().block_size);
	Block root = TRY(blocks.read(0));
	if (reinterpret_cast<const wire::IamLfixRoot *>(root.data())->magic !=
	    wire::IAM_LFIX_ROOT_MAGIC)
		return fail(INVAL);
	Iam iam(blocks);
	TRY(iam.open());
	spec_ = iam.spec();
	return {};
}

Result<> IndexFacet::check(Bytes key, std::size_t record_bytes) noexcept
{
	if (!o_.exists())
		return fail(NOENT);
	return key.size() == spec_.key_bytes && record_bytes == spec_.record_bytes ? Result<>()
										   : fail(INVAL);
}

Result<> IndexFacet::lookup(Bytes key, MutBytes record) noexcept
{
	TRY(check(key, record.size()));
	cfs::ReadGuard g(o_.content_lock());
	Opened x(TRY(o_.inode_locked()), o_.dev());
	TRY(x.iam.open());
	return x.iam.lookup(key, record);
}

Result<cfs::UniquePtr<IndexCursor>> IndexFacet::open() noexcept
{
	if (!o_.exists())
		return fail(NOENT);
	return cfs::UniquePtr<IndexCursor>(
		TRY(cfs::try_make<RecordCursor>(cfs::RefPtr<ObjectImpl>::share(&o_), spec_)));
}

Result<> IndexFacet::declare_insert(Transaction &tx) noexcept
{
	own(tx).declare(o_.dev().oi_insert_credits());
	return {};
}

Result<> IndexFacet::insert(Transaction &t, Bytes key, Bytes record) noexcept
{
	Tx &tx = own(t);
	TRY(check(key, record.size()));
	cfs::WriteGuard g(o_.content_lock());
	Opened x(TRY(o_.inode_locked()), o_.dev());
	TRY(x.iam.open());
	return o_.dev().note(x.iam.insert(tx.handle(), key, record));
}

Result<> IndexFacet::declare_update(Transaction &tx) noexcept
{
	own(tx).declare(2);
	return {};
}

Result<> IndexFacet::update(Transaction &t, Bytes key, Bytes record) noexcept
{
	Tx &tx = own(t);
	TRY(check(key, record.size()));
	cfs::WriteGuard g(o_.content_lock());
	Opened x(TRY(o_.inode_locked()), o_.dev());
	TRY(x.iam.open());
	return o_.dev().note(x.iam.update(tx.handle(), key, record));
}

Result<> IndexFacet::declare_remove(Transaction &tx) noexcept
{
	own(tx).declare(6);
	return {};
}

Result<> IndexFacet::remove(Transaction &t, Bytes key) noexcept
{
	Tx &tx = own(t);
	TRY(check(key, spec_.record_bytes));
	cfs::WriteGuard g(o_.content_lock());
	Opened x(TRY(o_.inode_locked()), o_.dev());
	TRY(x.iam.open());
	return o_.dev().note(x.iam.remove(tx.handle(), key));
}

} // namespace osd::ldiskfs
