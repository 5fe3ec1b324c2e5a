// SPDX-License-Identifier: GPL-2.0
//
// The only way core code looks into bytes it did not make itself. A Reader walks a buffer and
// refuses to step over its end; a Writer fills one likewise. Structures read through them must be
// trivially copyable with alignment 1 (made of cfs::Fixed, bytes and arrays of such), so a view
// into the buffer is always well aligned and nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "libcfs/result.hpp"

namespace cfs
{

using Bytes = std::span<const std::byte>;
using MutBytes = std::span<std::byte>;

/// A type that may be overlaid on unaligned foreign bytes.
template <typename T>
concept Overlay = std::is_trivially_copyable_v<T> && alignof(T) == 1 && !std::is_pointer_v<T>;

/// Views `b` as one T at offset `off`; err::PROTO when it does not fit. Lifetime is the buffer's.
template <Overlay T>
[[nodiscard]] inline Result<const T *> view_at(Bytes b, std::size_t off) noexcept
{
	if (off > b.size() || b.size() - off < sizeof(T))
		return fail(err::PROTO);
	return reinterpret_cast<const T *>(b.data() + off);
}

/// Likewise, for writing in place.
template <Overlay T>
[[nodiscard]] inline Result<T *> view_at(MutBytes b, std::size_t off) noexcept
{
	if (off > b.size() || b.size() - off < sizeof(T))
		return fail(err::PROTO);
	return reinterpret_cast<T *>(b.data() + off);
}

/// The bytes of one overlay object.
template <Overlay T>
[[nodiscard]] inline Bytes bytes_of(const T &t) noexcept
{
	return {reinterpret_cast<const std::byte *>(&t), sizeof(T)};
}

/// Sequential bounds-checked reader. Every failure is err::PROTO and leaves the position alone.
class Reader
{
	Bytes rest_;

public:
	explicit constexpr Reader(Bytes b) noexcept : rest_(b) {}

	[[nodiscard]] constexpr std::size_t left() const noexcept { return rest_.size(); }
	[[nodiscard]] constexpr bool empty() const noexcept { return rest_.empty(); }
	[[nodiscard]] constexpr Bytes rest() const noexcept { return rest_; }

	/// The next n bytes.
	[[nodiscard]] constexpr Result<Bytes> take(std::size_t n) noexcept
	{
		if (n > rest_.size())
			return fail(err::PROTO);
		Bytes r = rest_.first(n);
		rest_ = rest_.subspan(n);
		return r;
	}

	/// A view of the next T in place.
	template <Overlay T>
	[[nodiscard]] Result<const T *> view() noexcept
	{
		auto b = take(sizeof(T));
		if (!b)
			return fail(b.error());
		return reinterpret_cast<const T *>(b->data());
	}

	/// A view of the next n Ts in place. n may come from a peer: no overflow is possible.
	template <Overlay T>
	[[nodiscard]] Result<std::span<const T>> array(std::size_t n) noexcept
	{
		if (n > rest_.size() / sizeof(T))
			return fail(err::PROTO);
		auto b = take(n * sizeof(T));
		return std::span<const T>(reinterpret_cast<const T *>(b->data()), n);
	}

	[[nodiscard]] constexpr Result<> skip(std::size_t n) noexcept
	{
		auto b = take(n);
		if (!b)
			return fail(b.error());
		return {};
	}
};

/// Sequential bounds-checked writer; err::OVERFLOWED when the buffer is full.
class Writer
{
	MutBytes rest_;
	std::size_t done_ = 0;

public:
	explicit constexpr Writer(MutBytes b) noexcept : rest_(b) {}

	/// Bytes written so far.
	[[nodiscard]] constexpr std::size_t done() const noexcept { return done_; }
	[[nodiscard]] constexpr std::size_t left() const noexcept { return rest_.size(); }

	[[nodiscard]] constexpr Result<MutBytes> reserve(std::size_t n) noexcept
	{
		if (n > rest_.size())
			return fail(err::OVERFLOWED);
		MutBytes r = rest_.first(n);
		rest_ = rest_.subspan(n);
		done_ += n;
		return r;
	}

	[[nodiscard]] constexpr Result<> put(Bytes b) noexcept
	{
		auto r = reserve(b.size());
		if (!r)
			return fail(r.error());
		for (std::size_t i = 0; i < b.size(); i++)
			(*r)[i] = b[i];
		return {};
	}

	template <Overlay T>
	[[nodiscard]] Result<> put(const T &t) noexcept
	{
		return put(bytes_of(t));
	}
};

/// Characters as bytes.
[[nodiscard]] inline Bytes as_bytes(std::string_view s) noexcept
{
	return {reinterpret_cast<const std::byte *>(s.data()), s.size()};
}

/// Bytes as characters, up to the first NUL (or all of them).
[[nodiscard]] inline std::string_view as_string(Bytes b) noexcept
{
	std::string_view s(reinterpret_cast<const char *>(b.data()), b.size());
	auto nul = s.find('\0');
	return nul == std::string_view::npos ? s : s.substr(0, nul);
}

} // namespace cfs
