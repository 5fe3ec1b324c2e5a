// SPDX-License-Identifier: GPL-2.0
//
// The list of the conformance tests, and what they share.
#include "lustre/osd/conformance/conformance.hpp"

namespace osd::conformance
{

namespace
{

constexpr std::span<const Test> (*kFiles[])() noexcept = {
	object_tests, xattr_tests, directory_tests, index_tests,
	body_tests,   bulk_tests,  journal_tests,   local_tests,
};

} // namespace

std::size_t test_count() noexcept
{
	std::size_t n = 0;
	for (auto file : kFiles)
		n += file().size();
	return n;
}

const Test &test(std::size_t n) noexcept
{
	for (auto file : kFiles) {
		if (n < file().size())
			return file()[n];
		n -= file().size();
	}
	CFS_UNREACHABLE("no such test");
}

// ---- Env ----

Fid Env::new_fid() noexcept
{
	// An MGS knows no sequences of clients.
	std::uint64_t seq = device_->info().type == TargetType::mgs ? wire::FID_SEQ_LOCAL_NAME
								    : wire::FID_SEQ_NORMAL + 7;
	cfs::SpinGuard g(lock_);
	return wire::make_fid(seq, next_oid_++);
}

Fid Env::new_local_fid() noexcept
{
	cfs::SpinGuard g(lock_);
	return wire::make_fid(wire::FID_SEQ_LOCAL_NAME, next_oid_++);
}

Result<ObjectRef> Env::dir() noexcept
{
	if (!dir_) {
		Fid fid = new_local_fid();
		ObjectRef root = device_->root();
		dir_ = TRY(find_or_create_named(*root, Name(fid.oid, "test"),
						file_spec(kTypeDir | 0755), fid));
	}
	return dir_;
}

Result<ObjectRef> Env::make(const Fid &fid, const CreateSpec &spec) noexcept
{
	ObjectRef o = TRY(device_->object(fid));
	TRY(in_tx(
		*device_, [&](Transaction &tx) { return o->declare_create(tx, spec); },
		[&](Transaction &tx) { return o->create(tx, spec); }));
	return o;
}

Result<ObjectRef> Env::make_file() noexcept
{
	ObjectRef parent = TRY(dir());
	CreateSpec s = file_spec();
	s.parent = parent.get();
	return make(new_fid(), s);
}

Result<ObjectRef> Env::make_dir() noexcept
{
	ObjectRef parent = TRY(dir());
	Fid fid = new_local_fid();
	return find_or_create_named(*parent, Name(fid.oid, "dir"), file_spec(kTypeDir | 0755), fid);
}

Result<ObjectRef> Env::make_index(IndexSpec spec) noexcept
{
	ObjectRef parent = TRY(dir());
	CreateSpec s = file_spec();
	s.parent = parent.get();
	s.index = spec;
	return make(new_local_fid(), s);
}

// ---- operations in transactions of their own ----

Result<> enter(Object &dir, std::string_view name, Object &o) noexcept
{
	Directory *d = TRY(dir.directory());
	return in_tx(
		dir.device(), [&](Transaction &tx) { return d->declare_insert(tx, name); },
		[&](Transaction &tx) { return d->insert(tx, name, o); });
}

Result<> leave(Object &dir, std::string_view name) noexcept
{
	Directory *d = TRY(dir.directory());
	return in_tx(
		dir.device(), [&](Transaction &tx) { return d->declare_remove(tx, name); },
		[&](Transaction &tx) { return d->remove(tx, name); });
}

Result<> put(Object &o, std::uint64_t offset, Bytes bytes) noexcept
{
	Body *b = TRY(o.body());
	return in_tx(
		o.device(),
		[&](Transaction &tx) { return b->declare_write(tx, offset, bytes.size()); },
		[&](Transaction &tx) { return b->write(tx, offset, bytes); });
}

Result<> set_version(Object &o, std::uint64_t v) noexcept
{
	return in_tx(
		o.device(), [&](Transaction &tx) { return o.declare_version_set(tx); },
		[&](Transaction &tx) { return o.version_set(tx, v); });
}

Result<> set_xattr(Object &o, std::string_view name, Bytes value, Object::XattrMode mode) noexcept
{
	return in_tx(
		o.device(),
		[&](Transaction &tx) { return o.declare_xattr_set(tx, name, value.size()); },
		[&](Transaction &tx) { return o.xattr_set(tx, name, value, mode); });
}

Result<> destroy(Object &o) noexcept
{
	return in_tx(
		o.device(), [&](Transaction &tx) { return o.declare_destroy(tx); },
		[&](Transaction &tx) { return o.destroy(tx); });
}

Result<> punch(Object &o, std::uint64_t start, std::uint64_t end) noexcept
{
	Body *b = TRY(o.body());
	return in_tx(
		o.device(), [&](Transaction &tx) { return b->declare_punch(tx, start, end); },
		[&](Transaction &tx) { return b->punch(tx, start, end); });
}

Result<> allocate(Object &o, std::uint32_t mode, std::uint64_t start, std::uint64_t end) noexcept
{
	Body *b = TRY(o.body());
	for (;;) {
		auto r = in_tx(
			o.device(),
			[&](Transaction &tx) { return b->declare_fallocate(tx, mode, start, end); },
			[&](Transaction &tx) { return b->fallocate(tx, mode, start, end); });
		if (!failed(r, err::AGAIN))
			return r;
	}
}

Result<Attr> attr_of(Object &o) noexcept
{
	Attr a;
	TRY(o.attr_get(a));
	return a;
}

// ---- patterns ----

namespace
{

std::byte byte_at(std::uint64_t position, std::uint64_t salt) noexcept
{
	std::uint64_t v = (position / 8 + 1) * 0x9e3779b97f4a7c15ULL + salt * 0xc4ceb9fe1a85ec53ULL;
	v ^= v >> 29;
	return static_cast<std::byte>(v >> (position % 8 * 8) | 1);
}

} // namespace

void fill(MutBytes b, std::uint64_t position, std::uint64_t salt) noexcept
{
	for (std::size_t i = 0; i < b.size(); i++)
		b[i] = byte_at(position + i, salt);
}

bool filled(Bytes b, std::uint64_t position, std::uint64_t salt) noexcept
{
	for (std::size_t i = 0; i < b.size(); i++)
		if (b[i] != byte_at(position + i, salt))
			return false;
	return true;
}

bool all_zero(Bytes b) noexcept
{
	for (std::byte x : b)
		if (x != std::byte{0})
			return false;
	return true;
}

} // namespace osd::conformance
