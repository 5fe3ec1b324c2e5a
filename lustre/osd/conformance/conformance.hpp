// SPDX-License-Identifier: GPL-2.0
//
// The conformance suite of object stores: what every back end has to do, over osd/osd.hpp alone. It
// runs hosted over osd/mem (tests/unit/osd_conformance_test.cpp, tests/sim/sim_osd_test.cpp) and is
// freestanding, so that a kernel module can run it over ldiskfs. A test leaves its files behind, in
// a directory of its own below the root of the device; it never depends on what others left.
//
//     Result<> remembers(Env &run) noexcept
//     {
//             ObjectRef o = TRY(run.make_file());
//             ...
//             CHECK(n == 4);
//             return {};
//     }
//
// CHECK comes from libcfs/selftest, hence the name `run`.
#pragma once

#include "libcfs/selftest/selftest.hpp"
#include "osd/local.hpp"
#include "osd/osd.hpp"

namespace osd::conformance
{

using cfs::Bytes;
using cfs::MutBytes;
using cfs::Result;
namespace err = cfs::err;

/// What a test runs in.
class Env : public cfs::selftest::Run
{
	DeviceRef device_;
	std::uint32_t next_oid_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("osd conformance")};
	ObjectRef dir_;

public:
	/// first_oid: no object of this disk has this number, or a higher one, in the sequences
	/// that new_fid() and new_local_fid() take numbers from.
	Env(cfs_node *node, unsigned percent, DeviceRef device, std::uint32_t first_oid) noexcept
	    : Run(node, percent), device_(std::move(device)), next_oid_(first_oid)
	{
	}

	[[nodiscard]] Device &device() noexcept { return *device_; }
	[[nodiscard]] std::uint32_t next_oid() const noexcept { return next_oid_; }

	/// Cuts the power, mounts the device again. References from before must be gone.
	[[nodiscard]] Result<> crash() noexcept
	{
		dir_.reset();
		device_ = TRY(crash_device(std::move(device_)));
		return {};
	}
	/// Unmounts and mounts.
	[[nodiscard]] Result<> remount() noexcept
	{
		dir_.reset();
		device_ = TRY(remount_device(std::move(device_)));
		return {};
	}
	/// Lets go of everything.
	void close() noexcept
	{
		dir_.reset();
		device_.reset();
	}

	/// For files, as clients make them.
	[[nodiscard]] Fid new_fid() noexcept;
	/// For everything else.
	[[nodiscard]] Fid new_local_fid() noexcept;
	/// A directory of the test, made at the first call.
	[[nodiscard]] Result<ObjectRef> dir() noexcept;
	[[nodiscard]] Result<ObjectRef> make_file() noexcept;
	/// A directory in dir(), under the text of its number.
	[[nodiscard]] Result<ObjectRef> make_dir() noexcept;
	[[nodiscard]] Result<ObjectRef> make_index(IndexSpec spec) noexcept;
	/// Makes it without a name.
	[[nodiscard]] Result<ObjectRef> make(const Fid &fid, const CreateSpec &spec) noexcept;

protected:
	~Env() = default;
	/// err::OPNOTSUPP when it can not be done: the test is then skipped.
	virtual Result<DeviceRef> crash_device(DeviceRef device) noexcept = 0;
	virtual Result<DeviceRef> remount_device(DeviceRef device) noexcept = 0;
};

struct Test {
	const char *suite;
	const char *name;
	Result<> (*run)(Env &run) noexcept;
};

/// All of them.
[[nodiscard]] std::size_t test_count() noexcept;
[[nodiscard]] const Test &test(std::size_t n) noexcept;

/// The tests of each file.
std::span<const Test> object_tests() noexcept;
std::span<const Test> xattr_tests() noexcept;
std::span<const Test> directory_tests() noexcept;
std::span<const Test> index_tests() noexcept;
std::span<const Test> body_tests() noexcept;
std::span<const Test> bulk_tests() noexcept;
std::span<const Test> journal_tests() noexcept;
std::span<const Test> local_tests() noexcept;

// ---- what tests use ----

[[nodiscard]] constexpr CreateSpec file_spec(std::uint32_t mode = kTypeFile | 0644) noexcept
{
	CreateSpec s;
	s.attr.valid = kAttrMode | kAttrType;
	s.attr.mode = mode;
	return s;
}

/// declare(tx) and act(tx) in a transaction; the first error.
template <typename Declare, typename Act>
[[nodiscard]] Result<> in_tx(Device &device, Declare declare, Act act, bool sync = false) noexcept
{
	TransactionPtr tx = TRY(device.begin());
	TRY(declare(*tx));
	if (sync)
		tx->set_sync();
	TRY(tx->start());
	Result<> acted = act(*tx);
	Result<> stopped = tx->stop();
	return acted ? stopped : acted;
}

/// Whether r failed in this way.
template <typename T>
[[nodiscard]] bool failed(const Result<T> &r, cfs::Errno e) noexcept
{
	return !r && r.error() == e;
}

/// Ends the test with a complaint unless `expr` failed with `e`. Each test is also run with every
/// allocation failing in turn, so where another error is due it may be err::NOMEM.
#define CHECK_FAILS(expr, e)                                                                       \
	do {                                                                                       \
		auto &&check_result_ = (expr);                                                     \
		if (::osd::conformance::failed(check_result_, ::cfs::err::NOMEM)) [[unlikely]]     \
			return ::cfs::fail(::cfs::err::NOMEM);                                     \
		if (!::osd::conformance::failed(check_result_, e)) [[unlikely]]                    \
			return run.wrong(__FILE_NAME__, __LINE__, #expr " fails with " #e);        \
	} while (0)

[[nodiscard]] Result<> enter(Object &dir, std::string_view name, Object &o) noexcept;
[[nodiscard]] Result<> leave(Object &dir, std::string_view name) noexcept;
[[nodiscard]] Result<> put(Object &o, std::uint64_t offset, Bytes bytes) noexcept;
[[nodiscard]] Result<> set_version(Object &o, std::uint64_t v) noexcept;
[[nodiscard]] Result<> set_xattr(Object &o, std::string_view name, Bytes value,
				 Object::XattrMode mode = Object::XattrMode::any) noexcept;
[[nodiscard]] Result<> destroy(Object &o) noexcept;
[[nodiscard]] Result<> punch(Object &o, std::uint64_t start, std::uint64_t end) noexcept;
[[nodiscard]] Result<> allocate(Object &o, std::uint32_t mode, std::uint64_t start,
				std::uint64_t end) noexcept;
[[nodiscard]] Result<Attr> attr_of(Object &o) noexcept;
/// Fills with bytes that depend on the position and on `salt`.
void fill(MutBytes b, std::uint64_t position, std::uint64_t salt) noexcept;
[[nodiscard]] bool filled(Bytes b, std::uint64_t position, std::uint64_t salt) noexcept;
[[nodiscard]] bool all_zero(Bytes b) noexcept;

/// Bytes of the heap.
class Buffer
{
	cfs::Array<std::byte> bytes_;

public:
	[[nodiscard]] static Result<Buffer> make(std::size_t n) noexcept
	{
		Buffer b;
		b.bytes_ = TRY(cfs::Array<std::byte>::make(CFS_S_OSD, n));
		return b;
	}
	[[nodiscard]] std::byte *data() noexcept { return bytes_.data(); }
	std::byte &operator[](std::size_t i) noexcept { return bytes_[i]; }
	operator MutBytes() noexcept { return {bytes_.data(), bytes_.size()}; }
	operator Bytes() const noexcept { return {bytes_.data(), bytes_.size()}; }
};

/// The text of a number, for names.
class Name
{
	char text_[32];
	std::size_t n_;

public:
	explicit Name(std::uint64_t v, std::string_view prefix = "n") noexcept
	{
		n_ = cfs::format_to(text_, "{}{}", prefix, v).size();
	}
	operator std::string_view() const noexcept { return {text_, n_}; }
};

} // namespace osd::conformance
