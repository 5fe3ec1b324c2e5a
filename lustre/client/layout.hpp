// SPDX-License-Identifier: GPL-2.0
//
// The layout of a file: which bytes lie in which objects (spec 04 section 13). Decoded from the EA
// that a server sent, checked whole, and never changed: a new layout is a new object, and I/O that
// began under the old one keeps it by its reference.
#pragma once

#include "client/stripe.hpp"
#include "libcfs/mem.hpp"
#include "wire/layout.hpp"

namespace client
{

/// An object of a stripe.
struct StripeObject {
	wire::OstId id;
	u32 ost; // index of the OST; all ones: none
	u32 gen;

	[[nodiscard]] bool missing() const noexcept
	{
		return ost == ~u32{0} || (id.oi.oi_id.get() == 0 && id.oi.oi_seq.get() == 0);
	}
};

/// A component; a plain layout is one, from 0 to kEof.
struct Component {
	Range extent;
	Stripes stripes{}; // size 0: not decided yet, in a default
	u32 id = 0;
	u32 flags = 0; // LCME_FL_*
	u32 pattern = 0;
	u32 generation = 0;
	std::span<const StripeObject> objects; // none before it is instantiated
	char pool[wire::LOV_MAXPOOLNAME + 1] = {};

	[[nodiscard]] u32 mirror() const noexcept
	{
		return (id & wire::MIRROR_ID_MASK) >> wire::MIRROR_ID_SHIFT;
	}
	/// Has its objects, so it can be read and written.
	[[nodiscard]] bool instantiated() const noexcept
	{
		return (flags & wire::LCME_FL_INIT) != 0;
	}
	[[nodiscard]] bool on_mdt() const noexcept
	{
		return (pattern & wire::LOV_PATTERN_MDT) != 0;
	}
	[[nodiscard]] bool released() const noexcept
	{
		return (pattern & wire::LOV_PATTERN_F_RELEASED) != 0;
	}
	/// Room for later growth of its neighbour; never holds data itself.
	[[nodiscard]] bool is_extension() const noexcept
	{
		return (flags & wire::LCME_FL_EXTENSION) != 0;
	}
	[[nodiscard]] bool stale() const noexcept { return (flags & wire::LCME_FL_STALE) != 0; }
};

enum class LayoutKind : u8 { plain, composite, foreign };

class Layout final : public cfs::RefCounted<Layout>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LOV;
	/// The most components and bytes a layout may have.
	static constexpr std::size_t kComponentsMax = 4096;
	static constexpr std::size_t kBytesMax = 1 << 20;

	/// From an EA. err::INVAL for whatever is not a layout; err::OPNOTSUPP for one of a kind
	/// we do not know, whose file can be listed and removed but not read. `why`, if given, is
	/// set to a text without end of life. May sleep.
	[[nodiscard]] static cfs::Result<cfs::RefPtr<const Layout>>
	decode(cfs::Bytes ea, const char **why = nullptr) noexcept;

	[[nodiscard]] LayoutKind kind() const noexcept { return kind_; }
	/// Grows with every change of the layout.
	[[nodiscard]] u32 generation() const noexcept { return generation_; }
	/// LCM_FL_*, of composite layouts.
	[[nodiscard]] u16 flags() const noexcept { return flags_; }
	/// At least 1, and 0 for foreign layouts.
	[[nodiscard]] unsigned mirrors() const noexcept { return mirrors_; }
	/// In the order of the EA: by mirror, and by extent in each.
	[[nodiscard]] std::span<const Component> components() const noexcept { return components_; }
	/// As the server sent it.
	[[nodiscard]] cfs::Bytes raw() const noexcept { return {raw_.data(), raw_.size()}; }
	/// The component of the first usable mirror that holds a byte; null when none does.
	[[nodiscard]] const Component *at(u64 offset) const noexcept;
	/// Whether everything in the range may be written without asking the server for objects.
	[[nodiscard]] bool instantiated(Range r) const noexcept;
	/// The end of the last component that can hold data: kEof mostly.
	[[nodiscard]] u64 end() const noexcept;

	Layout() = default;

private:
	struct Decoder;

	LayoutKind kind_ = LayoutKind::plain;
	u32 generation_ = 0;
	u16 flags_ = 0;
	u16 mirrors_ = 1;
	cfs::Array<Component> components_;
	cfs::Array<StripeObject> objects_;
	cfs::Array<std::byte> raw_;
};

} // namespace client
