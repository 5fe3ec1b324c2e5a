// SPDX-License-Identifier: GPL-2.0
//
// Directories and indices of osd/mem.
#include <cstring>

#include "libcfs/fail.hpp"
#include "lustre/osd/mem/device.hpp"

namespace osd::mem
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;

namespace
{

Result<> check_name(std::string_view name) noexcept
{
	if (name.size() > kNameMax)
		return fail(NAMETOOLONG);
	if (name.empty() || name == "." || name == ".." ||
	    name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
		return fail(INVAL);
	return {};
}

/// A place in a directory is the last name seen; what has the same cookie follows by name.
class MemDirCursor final : public DirCursor
{
	MemObject &dir_; // with a reference
	std::uint64_t cookie_ = 0;
	bool after_ = false; // after name_, else from cookie_ on
	char name_[kNameMax + 1] = {};
	std::size_t name_size_ = 0;
	DirItem item_{};

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	explicit MemDirCursor(MemObject &o) noexcept : dir_(o) { o.get(); }

	void seek(std::uint64_t cookie) noexcept override
	{
		cookie_ = cookie;
		after_ = false;
	}
	Result<const DirItem *> next() noexcept override
	{
		dir_.mem().assert_no_transaction();
		return dir_.with([this](Inode &i) { return step(i); });
	}
	void destroy() noexcept override
	{
		dir_.put();
		this->~MemDirCursor();
		cfs_free(kSubsys, this, sizeof(*this));
	}

private:
	Result<const DirItem *> step(Inode &i) noexcept
	{
		auto at = after_ ? i.entries.upper_bound({cookie_, std::string(name_, name_size_)})
				 : i.entries.lower_bound({cookie_, {}});
		if (at == i.entries.end()) {
			cookie_ = kDirEnd;
			after_ = false;
			return nullptr;
		}
		cookie_ = at->first.cookie;
		name_size_ = at->first.name.size();
		std::memcpy(name_, at->first.name.data(), name_size_);
		after_ = true;
		item_ = {at->second.fid, cookie_, at->second.type, {name_, name_size_}};
		return &item_;
	}
};

} // namespace

// ---- directories ----

Result<Fid> MemDirectory::lookup(std::string_view name) noexcept
{
	if (name.size() > kNameMax)
		return fail(NAMETOOLONG);
	return o_.with([&](Inode &i) -> Result<Fid> {
		const DirTarget *e = o_.mem().image().entry(i, name);
		if (!e)
			return fail(NOENT);
		return e->fid;
	});
}

Result<cfs::UniquePtr<DirCursor>> MemDirectory::open() noexcept
{
	return cfs::UniquePtr<DirCursor>(TRY(cfs::try_make<MemDirCursor>(o_)));
}

Result<bool> MemDirectory::empty() noexcept
{
	return o_.with([](Inode &i) -> Result<bool> { return i.entries.size() <= 2; });
}

Result<> MemDirectory::declare_insert(Transaction &tx, std::string_view name) noexcept
{
	TRY(check_name(name));
	return mem_tx(tx).declare(o_, Op::dir_insert);
}

Result<> MemDirectory::insert(Transaction &tx, std::string_view name, Object &object) noexcept
{
	TRY(check_name(name));
	if (cfs::fail_check(kFailMetaEnospc))
		return fail(NOSPC);
	auto &target = static_cast<MemObject &>(object);
	return o_.change(
		tx, Op::dir_insert, [&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
			if (i.type() != kTypeDir)
				return fail(NOTDIR);
			if (!target.inode())
				return fail(NOENT);
			const DirTarget *old = image.entry(i, name);
			// A well-known local file is where it belongs already.
			if (old && !(old->fid == target.fid() && i.fid == o_.mem().root()->fid()))
				return fail(EXIST);
			image.enter(g, i, name, {target.fid(), target.inode()->type()});
			return {};
		});
}

Result<> MemDirectory::declare_remove(Transaction &tx, std::string_view name) noexcept
{
	TRY(check_name(name));
	return mem_tx(tx).declare(o_, Op::dir_remove);
}

Result<> MemDirectory::remove(Transaction &tx, std::string_view name) noexcept
{
	TRY(check_name(name));
	return o_.change(tx, Op::dir_remove,
			 [&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
				 if (i.type() != kTypeDir)
					 return fail(NOTDIR);
				 if (!image.entry(i, name))
					 return fail(NOENT);
				 image.leave(g, i, name);
				 return {};
			 });
}

Result<> MemDirectory::declare_set_parent(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(o_, Op::set_parent);
}

Result<> MemDirectory::set_parent(Transaction &tx, Object &parent) noexcept
{
	return o_.change(tx, Op::set_parent,
			 [&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
				 if (i.type() != kTypeDir)
					 return fail(NOTDIR);
				 image.enter(g, i, "..", {parent.fid(), kTypeDir});
				 return {};
			 });
}

// ---- indices ----

namespace
{

class MemIndexCursor final : public IndexCursor
{
	MemObject &object_; // with a reference
	bool after_ = false;
	std::size_t key_bytes_ = 0; // 0: from the start
	std::size_t record_bytes_ = 0;
	std::byte key_[kIndexKeyMax] = {};
	std::byte record_[kIndexRecordMax] = {};

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	explicit MemIndexCursor(MemObject &o) noexcept : object_(o) { o.get(); }

	Result<> seek(cfs::Bytes key) noexcept override
	{
		return object_.with([&](Inode &i) -> Result<> {
			if (key.size() != i.index.key_bytes)
				return fail(INVAL);
			std::memcpy(key_, key.data(), key.size());
			key_bytes_ = key.size();
			after_ = false;
			return {};
		});
	}
	Result<Pair> next() noexcept override
	{
		object_.mem().assert_no_transaction();
		return object_.with([this](Inode &i) { return step(i); });
	}
	void destroy() noexcept override
	{
		object_.put();
		this->~MemIndexCursor();
		cfs_free(kSubsys, this, sizeof(*this));
	}

private:
	Result<Pair> step(Inode &i) noexcept
	{
		std::string_view from(reinterpret_cast<const char *>(key_), key_bytes_);
		auto at = after_ ? i.records.upper_bound(from) : i.records.lower_bound(from);
		if (at == i.records.end())
			return Pair{};
		key_bytes_ = at->first.size();
		record_bytes_ = at->second.size();
		std::memcpy(key_, at->first.data(), key_bytes_);
		std::memcpy(record_, at->second.data(), record_bytes_);
		after_ = true;
		return Pair{{key_, key_bytes_}, {record_, record_bytes_}};
	}
};

std::string_view as_key(cfs::Bytes b) noexcept
{
	return {reinterpret_cast<const char *>(b.data()), b.size()};
}

} // namespace

IndexSpec MemIndex::spec() const noexcept
{
	cfs::MutexGuard g(o_.mem().disk_lock);
	return o_.mem().mine() && o_.inode() ? o_.inode()->index : IndexSpec{};
}

Result<> MemIndex::lookup(cfs::Bytes key, cfs::MutBytes record) noexcept
{
	return o_.with([&](Inode &i) -> Result<> {
		if (key.size() != i.index.key_bytes || record.size() != i.index.record_bytes)
			return fail(INVAL);
		auto at = i.records.find(as_key(key));
		if (at == i.records.end())
			return fail(NOENT);
		std::memcpy(record.data(), at->second.data(), record.size());
		return {};
	});
}

Result<cfs::UniquePtr<IndexCursor>> MemIndex::open() noexcept
{
	return cfs::UniquePtr<IndexCursor>(TRY(cfs::try_make<MemIndexCursor>(o_)));
}

namespace
{

/// Changes the record of a key that must be there, or must not.
struct PutRecord {
	cfs::Bytes key, record;
	bool must_exist;

	Result<> operator()(Image &image, std::uint64_t g, Inode &i) const noexcept
	{
		if (i.index == IndexSpec{} || key.size() != i.index.key_bytes ||
		    record.size() != i.index.record_bytes)
			return fail(INVAL);
		bool there = i.records.find(as_key(key)) != i.records.end();
		if (there != must_exist)
			return fail(there ? EXIST : NOENT);
		image.set_record(g, i, key, record);
		return {};
	}
};

} // namespace

Result<> MemIndex::declare_insert(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(o_, Op::index_insert);
}

Result<> MemIndex::insert(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept
{
	if (cfs::fail_check(kFailMetaEnospc))
		return fail(NOSPC);
	return o_.change(tx, Op::index_insert, PutRecord{key, record, false});
}

Result<> MemIndex::declare_update(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(o_, Op::index_update);
}

Result<> MemIndex::update(Transaction &tx, cfs::Bytes key, cfs::Bytes record) noexcept
{
	return o_.change(tx, Op::index_update, PutRecord{key, record, true});
}

Result<> MemIndex::declare_remove(Transaction &tx) noexcept
{
	return mem_tx(tx).declare(o_, Op::index_remove);
}

Result<> MemIndex::remove(Transaction &tx, cfs::Bytes key) noexcept
{
	return o_.change(tx, Op::index_remove,
			 [&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
				 if (key.size() != i.index.key_bytes)
					 return fail(INVAL);
				 if (i.records.find(as_key(key)) == i.records.end())
					 return fail(NOENT);
				 image.del_record(g, i, key);
				 return {};
			 });
}

} // namespace osd::mem
