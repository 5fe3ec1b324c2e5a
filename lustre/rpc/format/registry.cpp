// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/registry.hpp"

#include <algorithm>

namespace rpc
{

namespace
{

template <typename... F>
constexpr std::array<FormatDesc, sizeof...(F)> descriptions(FormatList<F...>) noexcept
{
	return {kFormatDesc<F>...};
}

constexpr auto kDescs = descriptions(Formats{});

constexpr bool opcode_before(const FormatDesc &d, wire::Opcode opcode) noexcept
{
	return d.info.opcode < opcode;
}

consteval bool sorted() noexcept
{
	for (std::size_t i = 1; i < kDescs.size(); i++)
		if (kDescs[i].info.opcode < kDescs[i - 1].info.opcode)
			return false;
	return true;
}
static_assert(sorted(), "Formats must be in the order of their opcodes");

/// The first description of an opcode, or of a larger one.
const FormatDesc *first_of(wire::Opcode opcode) noexcept
{
	return std::lower_bound(kDescs.data(), kDescs.data() + kDescs.size(), opcode,
				opcode_before);
}

const FormatDesc *const kEnd = kDescs.data() + kDescs.size();

/// A structure in a buffer, null when it is cut off.
template <typename T>
const T *structure(const MessageView &msg, u32 index) noexcept
{
	Bytes b = msg.buffer(index);
	return b.size() < sizeof(T) ? nullptr : reinterpret_cast<const T *>(b.data());
}

constexpr u32 kTypeMask = 0170000;
constexpr u32 kTypeSymlink = 0120000;

} // namespace

std::span<const FormatDesc> all_formats() noexcept
{
	return kDescs;
}

const FormatDesc *find_format(const MessageView &request, Defect *why) noexcept
{
	wire::Opcode opcode = request.body().opc;
	for (auto *d = first_of(opcode); d != kEnd && d->info.opcode == opcode; d++)
		if (!d->matches || d->matches(request))
			return d;
	(void)refuse(why, {Defect::Kind::unknown_opcode, 0, nullptr, static_cast<u32>(opcode), 0});
	return nullptr;
}

bool known_opcode(wire::Opcode opcode) noexcept
{
	auto *d = first_of(opcode);
	return d != kEnd && d->info.opcode == opcode;
}

namespace op
{

bool key_is(const MessageView &request, u32 index, std::string_view key) noexcept
{
	return cfs::as_string(request.buffer(index)).starts_with(key);
}

u64 intent_of(const MessageView &request) noexcept
{
	auto *intent = structure<wire::LdlmIntent>(request, 2);
	return intent ? intent->opc.get() : 0;
}

u32 close_bias(const MessageView &request) noexcept
{
	auto *rec = structure<wire::MdtRecSetattr>(request, 2);
	return rec ? rec->bias.get() : 0;
}

wire::ReintOp reint_of(const MessageView &request) noexcept
{
	auto *opcode = structure<wire::Le<wire::ReintOp>>(request, 1);
	return opcode ? opcode->get() : wire::ReintOp{};
}

bool creates_symlink(const MessageView &request) noexcept
{
	auto *rec = structure<wire::MdtRecCreate>(request, 1);
	return rec && rec->opcode == wire::ReintOp::REINT_CREATE &&
	       (rec->mode & kTypeMask) == kTypeSymlink;
}

} // namespace op

} // namespace rpc
