// SPDX-License-Identifier: GPL-2.0
//
// A message format: one type per operation, or per variant of one, that says once which buffers the
// request and the reply have. Everything else follows from it: composing, checking, typed access,
// sizes, traces, fuzz targets. The formats are in ops_*.hpp.
//
//     struct OstRead {
//             static constexpr FormatInfo info{"OST_READ", Opcode::OST_READ, LUSTRE_OST_VERSION,
//                                              Bulk::to_client};
//             using Request = Fields<fld::OstBody, fld::IoObj, fld::Niobufs, fld::Capa,
//                                    Opt<fld::ShortIo>>;
//             using Reply = Fields<fld::OstBody, Opt<fld::ShortIo>>;
//     };
//
// The receiving side:
//
//     auto msg = TRY(MessageView::parse_rpc(bytes, &why));
//     auto req = TRY(RequestView<op::OstRead>::parse(msg, &why));
//     const wire::OstBody &body = req.get<fld::OstBody>();
//     std::span<const wire::NiobufRemote> niobufs = req.get<fld::Niobufs>();
//
// parse() checks every buffer, so get() can not fail. The sending side:
//
//     RequestLengths<op::OstRead> lengths;
//     lengths.elements<fld::Niobufs>(2);
//     auto req = TRY(RequestWriter<op::OstRead>::create(room, lengths));    // lengths.total()
//     bytes req.get<fld::OstBody>().oa.valid = OBD_MD_FLID; send(req.bytes());
//
// A reply that reports an error may lack buffers; absent required structures of such a reply read
// as zeroes. Whether a buffer's contents make sense is never checked here.
#pragma once

#include "rpc/format/field.hpp"

namespace rpc
{

/// Data that moves beside the messages (02 1.7).
enum class Bulk : u8 {
	none,
	to_client,   // the server puts
	from_client, // the server gets
};

/// What is true of an operation as a whole.
struct FormatInfo {
	const char *name; // "LDLM_ENQUEUE open": opcode and, where there are several, variant
	wire::Opcode opcode;
	u32 version; // the subsystem, LUSTRE_*_VERSION
	Bulk bulk = Bulk::none;
	/// A message inside a batch: it has no ptlrpc_body, and opcode is a BatchOp's number.
	bool nested = false;
};

template <typename F>
concept MessageFormat = requires {
	{ F::info } -> std::convertible_to<FormatInfo>;
	F::Request::count;
	F::Reply::count;
};

/// A format without its types: what dispatch, traces and generic checks need.
struct FormatDesc {
	FormatInfo info;
	std::span<const SlotDesc> request;
	std::span<const SlotDesc> reply;
	/// Whether a request of this opcode is of this variant; null = always.
	bool (*matches)(const MessageView &request) noexcept;

	/// Index of the first described buffer.
	[[nodiscard]] constexpr u32 first() const noexcept { return info.nested ? 0 : 1; }
};

/// How much may be missing.
enum class Strictness : u8 {
	complete, // requests, and replies that report success
	failed,	  // replies that report an error: buffers may be absent, but not malformed
};

/// Checks the buffers of a message against a list of fields; the first one is buffer `first`.
[[nodiscard]] cfs::Result<> check_fields(std::span<const SlotDesc> slots, u32 first,
					 const MessageView &msg, Strictness strictness,
					 Defect *why) noexcept;

/// Whether every required buffer has room for its structure.
[[nodiscard]] bool lengths_suffice(std::span<const SlotDesc> slots, u32 first,
				   const Lengths &lengths) noexcept;

/// Smallest message with these buffers that passes check_fields(), bytes.
[[nodiscard]] constexpr std::size_t smallest_message(std::span<const SlotDesc> slots,
						     bool nested) noexcept
{
	Lengths n;
	if (!nested)
		n.set(0, sizeof(wire::PtlrpcBodyV2));
	for (std::size_t i = 0; i < slots.size(); i++)
		if (slots[i].presence == Presence::required && slots[i].field.min)
			n.set(static_cast<u32>(i + (nested ? 0 : 1)), slots[i].field.min);
	return n.total();
}

enum class Side : u8 { request, reply };

namespace detail
{

template <typename Format, Side S>
struct SideOf {
	using Fields = typename Format::Request;
};
template <typename Format>
struct SideOf<Format, Side::reply> {
	using Fields = typename Format::Reply;
};

template <typename F>
concept HasMatch = requires(const MessageView &m) { F::matches(m); };

template <typename F>
consteval auto matcher() -> bool (*)(const MessageView &) noexcept
{
	if constexpr (HasMatch<F>)
		return &F::matches;
	else
		return nullptr;
}

/// Fields that are one structure, which is what optional ones present as a pointer.
template <typename F>
inline constexpr bool kIsStructure = F::desc.shape == Shape::structure;

} // namespace detail

template <MessageFormat F>
inline constexpr FormatDesc kFormatDesc{F::info, F::Request::slots, F::Reply::slots,
					detail::matcher<F>()};

/// A message whose buffers have been checked against one side of a format. Cheap to copy; see
/// MessageView for who owns the bytes.
template <MessageFormat Format, Side S>
class FormatView
{
	using Fields = typename detail::SideOf<Format, S>::Fields;
	static constexpr u32 kFirst = Format::info.nested ? 0 : 1;

	MessageView msg_;

	explicit FormatView(const MessageView &msg) noexcept : msg_(msg) {}

public:
	/// Checks the buffers; err::PROTO and *why when one is malformed or missing. A reply with a
	/// negative status may lack any of them.
	[[nodiscard]] static cfs::Result<FormatView> parse(const MessageView &msg,
							   Defect *why = nullptr) noexcept
	{
		bool failed = S == Side::reply && !Format::info.nested && msg.body().status < 0;
		TRY(check_fields(Fields::slots, kFirst, msg,
				 failed ? Strictness::failed : Strictness::complete, why));
		return FormatView(msg);
	}

	[[nodiscard]] const MessageView &message() const noexcept { return msg_; }
	[[nodiscard]] const wire::PtlrpcBodyV2 &body() const noexcept { return msg_.body(); }

	/// The bytes of a field's buffer.
	template <typename F>
	[[nodiscard]] Bytes raw() const noexcept
	{
		return msg_.buffer(kFirst + static_cast<u32>(Fields::template index_of<F>()));
	}
	/// Whether the buffer has any bytes.
	template <typename F>
	[[nodiscard]] bool has() const noexcept
	{
		return !raw<F>().empty();
	}
	/// A field's contents, presented as field.hpp says.
	template <typename F>
	[[nodiscard]] decltype(auto) get() const noexcept
	{
		constexpr Presence presence =
			Fields::slots[Fields::template index_of<F>()].presence;
		static_assert(F::desc.shape != Shape::empty, "this buffer never holds anything");
		auto v = F::at(raw<F>());
		if constexpr (detail::kIsStructure<F> && presence == Presence::required)
			return static_cast<const typename F::Type &>(v ? *v
								       : kAbsent<typename F::Type>);
		else if constexpr (F::desc.shape == Shape::head_and_tail &&
				   presence == Presence::required)
			return v ? v : decltype(v){&kAbsent<typename F::Type>, {}};
		else
			return v;
	}
};

template <MessageFormat Format>
using RequestView = FormatView<Format, Side::request>;
template <MessageFormat Format>
using ReplyView = FormatView<Format, Side::reply>;

/// Lengths of a message to be made by a format. Starts with what must be there and everything of
/// variable length empty.
template <MessageFormat Format, Side S>
class FormatLengths : public Lengths
{
	using Fields = typename detail::SideOf<Format, S>::Fields;
	static constexpr u32 kFirst = Format::info.nested ? 0 : 1;

	template <typename F>
	static consteval u32 index()
	{
		return kFirst + static_cast<u32>(Fields::template index_of<F>());
	}

	template <typename F, Presence P>
	constexpr void start(u32 i) noexcept
	{
		constexpr Shape shape = F::desc.shape;
		constexpr bool fixed = shape == Shape::structure || shape == Shape::head_and_tail;
		if (P == Presence::required)
			set(i, fixed || F::desc.rule == TextRule::padded ? F::bytes_for(0) : 0);
		else if (P == Presence::optional)
			set(i, 0);
	}

public:
	constexpr FormatLengths() noexcept
	{
		if (!Format::info.nested)
			set(0, sizeof(wire::PtlrpcBody));
		start_all(static_cast<Fields *>(nullptr));
	}

	/// Makes an optional structure present, or absent again.
	template <typename F>
	constexpr void present(bool yes = true) noexcept
	{
		static_assert(detail::kIsStructure<F>, "use elements() or bytes()");
		set(index<F>(), yes ? sizeof(typename F::Type) : 0);
	}
	/// Elements of an Array, or behind the head of a HeadTail.
	template <typename F>
	constexpr void elements(std::size_t n) noexcept
	{
		static_assert(F::desc.shape == Shape::array ||
			      F::desc.shape == Shape::head_and_tail);
		set(index<F>(), F::bytes_for(n));
	}
	/// Room for a string.
	template <typename F>
	constexpr void text(std::string_view s) noexcept
	{
		static_assert(F::desc.shape == Shape::text);
		set(index<F>(), F::bytes_for(s.size()));
	}
	/// The length of a Blob, or of anything as it is on the wire.
	template <typename F>
	constexpr void bytes(std::size_t n) noexcept
	{
		set(index<F>(), n);
	}

private:
	template <typename... T>
	constexpr void start_all(rpc::Fields<T...> *) noexcept
	{
		u32 i = kFirst;
		(start<typename detail::Slot<T>::Field, detail::Slot<T>::presence>(i++), ...);
	}
};

template <MessageFormat Format>
using RequestLengths = FormatLengths<Format, Side::request>;
template <MessageFormat Format>
using ReplyLengths = FormatLengths<Format, Side::reply>;

/// Composes a message by a format, in memory of the caller's.
template <MessageFormat Format, Side S>
class FormatWriter : public MessageWriter
{
	using Fields = typename detail::SideOf<Format, S>::Fields;
	static constexpr u32 kFirst = Format::info.nested ? 0 : 1;

	explicit FormatWriter(const MessageWriter &w) noexcept : MessageWriter(w) {}

	template <typename F>
	static consteval u32 index()
	{
		return kFirst + static_cast<u32>(Fields::template index_of<F>());
	}

public:
	/// Lays the message out, all zero but for the container's head and, in buffer 0, type,
	/// version and opcode. err::OVERFLOWED when lengths.total() exceeds the room, err::INVAL
	/// when something that must be there was given no room.
	[[nodiscard]] static cfs::Result<FormatWriter>
	create(MutBytes room, const FormatLengths<Format, S> &lengths) noexcept
	{
		if (!lengths_suffice(Fields::slots, kFirst, lengths))
			return cfs::fail(cfs::err::INVAL);
		FormatWriter w(TRY(MessageWriter::create(room, lengths)));
		if constexpr (!Format::info.nested) {
			wire::PtlrpcBodyV2 &body = w.body();
			bool request = S == Side::request;
			body.type = request ? wire::MsgType::PTL_RPC_MSG_REQUEST
					    : wire::MsgType::PTL_RPC_MSG_REPLY;
			body.version =
				wire::PTLRPC_MSG_VERSION | (request ? Format::info.version : 0);
			body.opc = Format::info.opcode;
		}
		return w;
	}
	/// Takes over a message of this format that fills the front of the room; err::PROTO and
	/// *why when it is not one.
	[[nodiscard]] static cfs::Result<FormatWriter> adopt(MutBytes room,
							     Defect *why = nullptr) noexcept
	{
		FormatWriter w(TRY(MessageWriter::adopt(room, why)));
		TRY(check_fields(Fields::slots, kFirst, w.view(), Strictness::complete, why));
		return w;
	}

	/// Buffer 0.
	[[nodiscard]] wire::PtlrpcBodyV2 &body() noexcept
		requires(!Format::info.nested)
	{
		return *MessageWriter::body();
	}

	/// A field to be filled in, presented as field.hpp says; what the lengths said is there.
	template <typename F>
	[[nodiscard]] decltype(auto) get() noexcept
	{
		constexpr Presence presence =
			Fields::slots[Fields::template index_of<F>()].presence;
		static_assert(F::desc.shape != Shape::empty, "this buffer never holds anything");
		auto v = F::at(buffer(index<F>()));
		if constexpr (detail::kIsStructure<F> && presence == Presence::required)
			return static_cast<typename F::Type &>(*v);
		else
			return v;
	}

	/// Copies text or bytes to the front of a buffer; err::OVERFLOWED when it is too short. A
	/// text's NUL comes from the zeroes of create().
	template <typename F>
	[[nodiscard]] cfs::Result<> put(Bytes b) noexcept
	{
		MutBytes to = buffer(index<F>());
		if (b.size() > to.size())
			return cfs::fail(cfs::err::OVERFLOWED);
		if (!b.empty())
			__builtin_memcpy(to.data(), b.data(), b.size());
		return {};
	}
	template <typename F>
	[[nodiscard]] cfs::Result<> put(std::string_view s) noexcept
	{
		return put<F>(cfs::as_bytes(s));
	}

	/// Changes the length of a buffer of variable length: a reply's to what it turned out to
	/// be. References to fields behind it are void then.
	template <typename F>
	[[nodiscard]] cfs::Result<> resize(std::size_t bytes) noexcept
	{
		constexpr Presence presence =
			Fields::slots[Fields::template index_of<F>()].presence;
		static_assert(F::desc.min == 0 || presence != Presence::required,
			      "this buffer has a fixed length");
		return MessageWriter::resize(index<F>(), bytes);
	}
};

template <MessageFormat Format>
using RequestWriter = FormatWriter<Format, Side::request>;
template <MessageFormat Format>
using ReplyWriter = FormatWriter<Format, Side::reply>;

} // namespace rpc
