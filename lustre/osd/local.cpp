// SPDX-License-Identifier: GPL-2.0
//
// Local objects of a target.
#include "osd/local.hpp"

#include "libcfs/log.hpp"

namespace osd
{

using cfs::err::NODATA;
using cfs::err::NOENT;
using cfs::err::NOSPC;

namespace
{

/// LAST_ID holds one little-endian number.
struct LastIdFile {
	cfs::le64 last;
};
static_assert(sizeof(LastIdFile) == 8);

/// Declares what make_in() does.
cfs::Result<> declare_make(Transaction &tx, Object &dir, std::string_view name, Object &made,
			   const CreateSpec &spec) noexcept
{
	Directory *d = TRY(dir.directory());
	TRY(made.declare_create(tx, spec));
	TRY(d->declare_insert(tx, name));
	if ((spec.attr.mode & kTypeMask) == kTypeDir)
		TRY(dir.declare_ref_add(tx));
	return {};
}

cfs::Result<> make_in(Transaction &tx, Object &dir, std::string_view name, Object &made,
		      const CreateSpec &spec) noexcept
{
	Directory *d = TRY(dir.directory());
	TRY(made.create(tx, spec));
	auto r = d->insert(tx, name, made);
	if (r && (spec.attr.mode & kTypeMask) == kTypeDir)
		r = dir.ref_add(tx);
	return r;
}

cfs::Result<ObjectRef> find_named(Object &dir, std::string_view name) noexcept
{
	Directory *d = TRY(dir.directory());
	Fid fid = TRY(d->lookup(name));
	ObjectRef o = TRY(dir.device().object(fid));
	if (!o->exists())
		return cfs::fail(NOENT);
	return o;
}

} // namespace

cfs::Result<ObjectRef> find_path(Device &device, std::string_view path) noexcept
{
	ObjectRef at = device.root();
	while (!path.empty()) {
		std::size_t n = path.find('/');
		n = n == std::string_view::npos ? path.size() : n;
		std::string_view name(path.data(), n);
		path.remove_prefix(n < path.size() ? n + 1 : n);
		if (!name.empty())
			at = TRY(find_named(*at, name));
	}
	return at;
}

cfs::Result<> read_exactly(Body &body, std::uint64_t offset, cfs::MutBytes to) noexcept
{
	std::size_t n = TRY(body.read(offset, to));
	if (n != to.size())
		return cfs::fail(NODATA);
	return {};
}

cfs::Result<> read_mount_data(Device &device, wire::LustreDiskData &out) noexcept
{
	ObjectRef file = TRY(find_path(device, wire::MOUNT_DATA_FILE));
	Body *body = TRY(file->body());
	cfs::MutBytes to(reinterpret_cast<std::byte *>(&out), sizeof(out));
	auto r = read_exactly(*body, 0, to);
	if ((!r && r.error() == NODATA) || (r && out.magic != wire::LDD_MAGIC)) {
		CERROR(CFS_S_OSD, "{}: {} is not the description of a target",
		       static_cast<const char *>(device.info().name), wire::MOUNT_DATA_FILE);
		return cfs::fail(cfs::err::INVAL);
	}
	return r;
}

cfs::Result<ObjectRef> find_or_create(Device &device, const Fid &fid,
				      const CreateSpec &spec) noexcept
{
	ObjectRef o = TRY(device.object(fid));
	if (o->exists())
		return o;
	TransactionPtr tx = TRY(device.begin());
	TRY(o->declare_create(*tx, spec));
	TRY(tx->start());
	auto made = o->create(*tx, spec);
	TRY(tx->stop());
	if (!made && made.error() != cfs::err::EXIST)
		return cfs::fail(made.error());
	return o;
}

// ---- LAST_ID ----

namespace
{

/// What there is in a LAST_ID object. err::UCLEAN: it has no sense in it.
cfs::Result<std::uint64_t> read_last_id(Object &file) noexcept
{
	LastIdFile disk{};
	Body *body = TRY(file.body());
	std::size_t n = TRY(body->read(0, {reinterpret_cast<std::byte *>(&disk), sizeof(disk)}));
	if (n == sizeof(disk))
		return disk.last.get();
	CERROR(CFS_S_OSD, "{}: LAST_ID of sequence {:#x} has {} bytes instead of 8",
	       static_cast<const char *>(file.device().info().name), file.fid().seq.get(), n);
	return cfs::fail(cfs::err::UCLEAN);
}

cfs::Result<> write_last_id(Transaction &tx, Object &file, std::uint64_t last) noexcept
{
	LastIdFile disk{};
	disk.last = last;
	Body *body = TRY(file.body());
	return body->write(tx, 0, {reinterpret_cast<const std::byte *>(&disk), sizeof(disk)});
}

/// Makes a LAST_ID object with a number in it.
cfs::Result<> make_last_id(Object &file, std::uint64_t initial) noexcept
{
	CreateSpec spec = local_file_spec();
	Body *body = TRY(file.body());
	TransactionPtr tx = TRY(file.device().begin());
	TRY(file.declare_create(*tx, spec));
	TRY(body->declare_write(*tx, 0, sizeof(LastIdFile)));
	TRY(tx->start());
	auto r = file.create(*tx, spec);
	if (r)
		r = write_last_id(*tx, file, initial);
	TRY(tx->stop());
	return r;
}

} // namespace

cfs::Result<> LastId::open(Device &device, std::uint64_t seq, std::uint64_t initial) noexcept
{
	seq_ = seq;
	ObjectRef file = TRY(device.object(last_id_fid(seq)));
	if (!file->exists())
		TRY(make_last_id(*file, initial));
	std::uint64_t last = TRY(read_last_id(*file));
	cfs::MutexGuard g(lock_);
	last_ = stored_ = last;
	file_ = std::move(file);
	return {};
}

cfs::Result<> LastId::declare(Transaction &tx) noexcept
{
	Body *body = TRY(file_->body());
	return body->declare_write(tx, 0, sizeof(LastIdFile));
}

cfs::Result<> LastId::store_locked(Transaction &tx) noexcept
{
	if (stored_ == last_)
		return {};
	TRY(write_last_id(tx, *file_, last_));
	stored_ = last_;
	return {};
}

cfs::Result<Fid> LastId::reserve() noexcept
{
	cfs::MutexGuard g(lock_);
	if (last_ >= wire::OBIF_MAX_OID)
		return cfs::fail(NOSPC);
	last_++;
	return wire::make_fid(seq_, static_cast<std::uint32_t>(last_));
}

cfs::Result<> LastId::store(Transaction &tx) noexcept
{
	cfs::MutexGuard g(lock_);
	return store_locked(tx);
}

cfs::Result<> LastId::raise(Transaction &tx, std::uint64_t last) noexcept
{
	cfs::MutexGuard g(lock_);
	if (last > last_)
		last_ = last;
	return store_locked(tx);
}

cfs::Result<> LastId::lower(Transaction &tx, std::uint64_t last) noexcept
{
	cfs::MutexGuard g(lock_);
	last_ = last;
	return store_locked(tx);
}

// ---- numbers that several take ----

namespace
{

/// Under the lock of the file, which makes the numbers that several take different.
cfs::Result<std::uint64_t> claim_in(Transaction &tx, Object &file) noexcept
{
	ObjectGuard g(file);
	std::uint64_t last = 1;
	if (file.exists())
		last = TRY(read_last_id(file));
	else
		TRY(file.create(tx, local_file_spec()));
	if (last >= wire::OBIF_MAX_OID)
		return cfs::fail(NOSPC);
	TRY(write_last_id(tx, file, last + 1));
	return last + 1;
}

} // namespace

cfs::Result<Fid> claim_local_name(Device &device) noexcept
{
	constexpr std::uint64_t kSeq = wire::FID_SEQ_LOCAL_NAME;
	ObjectRef file = TRY(device.object(last_id_fid(kSeq)));
	Body *body = TRY(file->body());
	TransactionPtr tx = TRY(device.begin());
	TRY(file->declare_create(*tx, local_file_spec()));
	TRY(body->declare_write(*tx, 0, sizeof(LastIdFile)));
	TRY(tx->start());
	auto oid = claim_in(*tx, *file);
	TRY(tx->stop());
	if (!oid)
		return cfs::fail(oid.error());
	return wire::make_fid(kSeq, static_cast<std::uint32_t>(*oid));
}

// ---- named objects ----

namespace
{

/// ids: where the FID comes from, or null.
cfs::Result<ObjectRef> create_named(Object &dir, std::string_view name, const CreateSpec &spec,
				    const Fid &fid, LastId *ids) noexcept
{
	CreateSpec s = spec;
	s.parent = &dir;
	Device &device = dir.device();
	ObjectRef made = TRY(device.object(fid, ids ? kNew : 0));
	TransactionPtr tx = TRY(device.begin());
	TRY(declare_make(*tx, dir, name, *made, s));
	if (ids)
		TRY(ids->declare(*tx));
	TRY(tx->start());
	cfs::Result<> r;
	if (ids)
		r = ids->store(*tx);
	if (r)
		r = make_in(*tx, dir, name, *made, s);
	TRY(tx->stop());
	if (!r)
		return cfs::fail(r.error());
	return made;
}

} // namespace

cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
					    const CreateSpec &spec, const Fid &fid) noexcept
{
	auto found = find_named(dir, name);
	if (found || found.error() != NOENT)
		return found;
	return create_named(dir, name, spec, fid, nullptr);
}

cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
					    const CreateSpec &spec) noexcept
{
	auto found = find_named(dir, name);
	if (found || found.error() != NOENT)
		return found;
	Fid fid = TRY(claim_local_name(dir.device()));
	return create_named(dir, name, spec, fid, nullptr);
}

cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
					    const CreateSpec &spec, LastId &ids) noexcept
{
	auto found = find_named(dir, name);
	if (found || found.error() != NOENT)
		return found;
	Fid fid = TRY(ids.reserve());
	return create_named(dir, name, spec, fid, &ids);
}

} // namespace osd
