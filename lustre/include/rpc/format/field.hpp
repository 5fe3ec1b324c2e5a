// SPDX-License-Identifier: GPL-2.0
//
// Kinds of buffers. A field names what a buffer holds and says how it is read, written, bounded and
// shown; fields.hpp lists all that exist, and formats are lists of fields. Six kinds cover the
// whole protocol:
//
//     Struct<"name", T>       one T; a longer buffer is accepted and its tail ignored
//     Array<"name", T>        as many T as fit
//     HeadTail<"name", H, T>  an H and as many T behind it as fit; T = std::byte for plain bytes
//     Text<"name", ...>       a string and its NUL
//     Blob<"name">            bytes somebody else understands
//     Empty<"name">           a slot kept for its index, length 0
//
// How a buffer is presented to the reader (Get) and to the writer (Edit):
//
//                required                         optional
//     Struct     const T &         / T &          const T * (null when absent)  / T *
//     Array      std::span<const T>               likewise, empty when absent
//     HeadTail   HeadTailView<H, T>               likewise, head null when absent
//     Text       std::string_view without the NUL, empty when absent; written as bytes
//     Blob       Bytes
//
// Text and Blob buffers may always have length 0; whether that makes sense is the operation's
// matter.
#pragma once

#include <span>

#include "rpc/format/message.hpp"
#include "rpc/format/show.hpp"

namespace rpc
{

/// A string literal as a template argument.
template <std::size_t N>
struct FieldName {
	char text[N]{};

	consteval FieldName(const char (&s)[N])
	{
		for (std::size_t i = 0; i < N; i++)
			text[i] = s[i];
	}
};

enum class Shape : u8 { structure, array, head_and_tail, text, blob, empty };

/// Where the NUL of a Text may stand (02 2.1).
enum class TextRule : u8 {
	exact,	// the last byte, and nowhere else: names
	last,	// the last byte; others may occur inside: symlink targets, which may be encrypted
	padded, // anywhere, what follows is ignored: the uuids of connects
	bytes,	// need not be there at all, what follows is ignored: info keys
};

/// A field without its C++ type: what checking and showing need.
struct FieldDesc {
	const char *name;
	Shape shape;
	TextRule rule;
	u32 min;     // bytes of head or structure; a present buffer has at least so many
	u32 max;     // bytes (Text padded: characters) that are accepted
	u32 element; // bytes of a tail element, 1 for bytes
	/// Writes the interesting parts of a checked, non-empty buffer; null for none.
	void (*show)(cfs::FormatSink &out, Bytes buffer) noexcept;
};

/// Whether a buffer must be there.
enum class Presence : u8 {
	required, // must be there
	optional, // may have length 0; the slot is always made
	trailing, // may be missing; the slot is made only when it, or one behind it, is used
};

struct SlotDesc {
	FieldDesc field;
	Presence presence;
};

/// Largest lengths, bytes. They bound what we accept, not what we send.
inline constexpr u32 kBlobBytesMax = 1 << 20; // as much as one LNet message holds
inline constexpr u32 kTextBytesMax = 4096 + 1;
inline constexpr u32 kUuidCharactersMax = wire::UUID_MAX - 1;

/// An H, and the T behind it. head is null only for an absent optional buffer.
template <typename H, typename T>
struct HeadTailView {
	H *head;
	std::span<T> tail;

	explicit operator bool() const noexcept { return head != nullptr; }
	H *operator->() const noexcept { return head; }
	H &operator*() const noexcept { return *head; }
};

/// What an absent structure of an error reply reads as.
template <typename T>
inline constexpr T kAbsent{};

template <FieldName Name, cfs::Overlay T>
struct Struct {
	static_assert(wire::kOverlay<T>);
	using Type = T;
	static constexpr FieldDesc desc{Name.text,  Shape::structure, TextRule::bytes,
					sizeof(T),  kBlobBytesMax,    1,
					&show_as<T>};
	static constexpr std::size_t bytes_for(std::size_t) noexcept { return sizeof(T); }

	static const T *at(Bytes b) noexcept
	{
		return b.size() < sizeof(T) ? nullptr : reinterpret_cast<const T *>(b.data());
	}
	static T *at(MutBytes b) noexcept
	{
		return b.size() < sizeof(T) ? nullptr : reinterpret_cast<T *>(b.data());
	}
};

template <FieldName Name, cfs::Overlay T>
struct Array {
	static_assert(wire::kOverlay<T>);
	using Type = T;
	static constexpr FieldDesc desc{Name.text,     Shape::array, TextRule::bytes, 0,
					kBlobBytesMax, sizeof(T),    &show_as<T>};
	static constexpr std::size_t bytes_for(std::size_t n) noexcept { return n * sizeof(T); }

	static std::span<const T> at(Bytes b) noexcept
	{
		return {reinterpret_cast<const T *>(b.data()), b.size() / sizeof(T)};
	}
	static std::span<T> at(MutBytes b) noexcept
	{
		return {reinterpret_cast<T *>(b.data()), b.size() / sizeof(T)};
	}
};

/// `LeastSent`: elements a sender makes room for even when it has fewer.
template <FieldName Name, cfs::Overlay H, typename T, std::size_t LeastSent = 0>
struct HeadTail {
	static_assert(wire::kOverlay<H> && sizeof(T) > 0 && alignof(T) == 1);
	using Type = H;
	using Element = T;
	static constexpr FieldDesc desc{Name.text,  Shape::head_and_tail, TextRule::bytes,
					sizeof(H),  kBlobBytesMax,	  sizeof(T),
					&show_as<H>};
	static constexpr std::size_t bytes_for(std::size_t n) noexcept
	{
		return sizeof(H) + (n > LeastSent ? n : LeastSent) * sizeof(T);
	}

	static HeadTailView<const H, const T> at(Bytes b) noexcept
	{
		if (b.size() < sizeof(H))
			return {nullptr, {}};
		Bytes rest = b.subspan(sizeof(H));
		return {reinterpret_cast<const H *>(b.data()),
			{reinterpret_cast<const T *>(rest.data()), rest.size() / sizeof(T)}};
	}
	static HeadTailView<H, T> at(MutBytes b) noexcept
	{
		if (b.size() < sizeof(H))
			return {nullptr, {}};
		MutBytes rest = b.subspan(sizeof(H));
		return {reinterpret_cast<H *>(b.data()),
			{reinterpret_cast<T *>(rest.data()), rest.size() / sizeof(T)}};
	}
};

template <FieldName Name, TextRule Rule = TextRule::exact, u32 Max = kTextBytesMax>
struct Text {
	static constexpr FieldDesc desc{Name.text, Shape::text, Rule, 0, Max, 1, &show_text};
	/// Room for a string of n characters and its NUL; none for info keys, which lack it.
	static constexpr std::size_t bytes_for(std::size_t n) noexcept
	{
		return Rule == TextRule::padded ? Max : Rule == TextRule::bytes ? n : n + 1;
	}

	static std::string_view at(Bytes b) noexcept
	{
		std::string_view s(reinterpret_cast<const char *>(b.data()), b.size());
		if constexpr (Rule == TextRule::last)
			return s.empty() ? s : s.substr(0, s.size() - 1);
		else
			return s.substr(0, s.find('\0'));
	}
	static MutBytes at(MutBytes b) noexcept { return b; }
};

template <FieldName Name, u32 Max = kBlobBytesMax>
struct Blob {
	static constexpr FieldDesc desc{Name.text, Shape::blob, TextRule::bytes, 0,
					Max,	   1,		nullptr};
	static constexpr std::size_t bytes_for(std::size_t n) noexcept { return n; }

	static Bytes at(Bytes b) noexcept { return b; }
	static MutBytes at(MutBytes b) noexcept { return b; }
};

template <FieldName Name>
struct Empty {
	static constexpr FieldDesc desc{Name.text, Shape::empty, TextRule::bytes, 0, kBlobBytesMax,
					1,	   nullptr};
	static constexpr std::size_t bytes_for(std::size_t) noexcept { return 0; }
};

/// A buffer that may have length 0.
template <typename F>
struct Opt {
	using Field = F;
};

/// A buffer that need not be there, and is not made unless it is used.
template <typename F>
struct Tail {
	using Field = F;
};

namespace detail
{

template <typename S>
struct Slot {
	using Field = S;
	static constexpr Presence presence = Presence::required;
};
template <typename F>
struct Slot<Opt<F>> {
	using Field = F;
	static constexpr Presence presence = Presence::optional;
};
template <typename F>
struct Slot<Tail<F>> {
	using Field = F;
	static constexpr Presence presence = Presence::trailing;
};

} // namespace detail

/// The buffers of one message in order, the ptlrpc_body left out.
template <typename... S>
struct Fields {
	static constexpr std::size_t count = sizeof...(S);
	static constexpr std::array<SlotDesc, sizeof...(S)> slots{
		SlotDesc{detail::Slot<S>::Field::desc, detail::Slot<S>::presence}...};

	/// How often a field occurs.
	template <typename F>
	static constexpr std::size_t occurrences =
		(std::size_t{0} + ... +
		 std::size_t{std::is_same_v<F, typename detail::Slot<S>::Field>});

	/// Position of a field, 0 being the buffer after the ptlrpc_body.
	template <typename F>
	static consteval std::size_t index_of()
	{
		static_assert(occurrences<F> != 0, "this message has no such field");
		static_assert(occurrences<F> == 1, "this message has the field more than once");
		const bool same[] = {std::is_same_v<F, typename detail::Slot<S>::Field>...};
		std::size_t i = 0;
		while (!same[i])
			i++;
		return i;
	}

	/// Calls fn.template operator()<Field, Presence>(position) for each field.
	template <typename Fn>
	static void for_each(Fn &&fn)
	{
		std::size_t i = 0;
		(fn.template operator()<typename detail::Slot<S>::Field, detail::Slot<S>::presence>(
			 i++),
		 ...);
	}
};

} // namespace rpc
