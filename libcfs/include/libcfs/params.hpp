// SPDX-License-Identifier: GPL-2.0
//
// Parameters: what an administrator reads and writes below /sys/fs/lustre and in debugfs (spec 08
// sections 7 to 9). Each is declared once, in a table beside the class it belongs to, with its
// type, unit, range, default and a sentence of documentation; parsing, printing, range checks,
// error messages and the reference page come from that declaration.
//
//     constinit const ParamInfo Osc::kParams[] = {
//             param_int<&Osc::max_rpcs_>({.name = "max_rpcs_in_flight", .doc = "...",
//                                         .unit = "RPCs", .by_default = 8, .min = 1, .max = 256}),
//             param_duration<&Osc::idle_ns_, &Osc::set_idle>({.name = "idle_timeout", ...}),
//             param_text<&Osc::show_import>({.name = "import", .tree = CFS_PTREE_DEBUGFS, ...}),
//     };
//     ...
//     TRY(group_.open(parent, "lustre-OST0000-osc-ffff"));
//     TRY(group_.add(kParams, this));
//
// The first template argument says how to read: a std::atomic member, or a member function that
// returns the value. The second says how to write: a member function taking the value (returning
// void or Result<>), or nothing, which stores into the atomic, or makes the parameter read-only
// when there is none. `nullptr` first makes it write-only.
//
// Handlers run in the thread of whoever reads or writes, may sleep, and may run several at once.
// ParamGroup::close() waits for them: a handler must not close its own group.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "libcfs/assert.hpp"
#include "libcfs/debug_mask.hpp"
#include "libcfs/format.hpp"
#include "libcfs/parse.hpp"
#include "libcfs/plat/core.h"
#include "libcfs/plat/param.h"
#include "libcfs/result.hpp"

namespace cfs
{

enum class ParamType : std::uint8_t {
	integer,
	boolean,
	size,	  // bytes in the core, written with units
	duration, // nanoseconds in the core
	percent,
	choice, // one of some words
	mask,	// a set of words
	text,	// anything else; the handlers print and parse
};

/// What the author of a parameter says about it. Numbers are in the unit that users see.
struct ParamSpec {
	const char *name;
	const char *doc;       // a sentence for the reference page
	const char *unit = ""; // "RPCs"; sizes and durations have theirs from `scale`
	std::int64_t by_default = 0;
	std::int64_t min = 0;
	std::uint64_t max = UINT64_MAX; // also bounded by the type of the value
	/// size: bytes per unit shown, a power of two; duration: nanoseconds per unit shown.
	std::uint64_t scale = 1;
	cfs_ptree tree = CFS_PTREE_SYSFS;
	bool read_only = false;
	/// choice: the words, by value.
	std::span<const std::string_view> words = {};
	const MaskRules *mask = nullptr;
};

} // namespace cfs

/// A declared parameter. Lives in a constant table; the functions take the object it belongs to.
struct cfs_param_info {
	cfs::ParamSpec spec;
	cfs::ParamType type;
	unsigned mode;
	/// Prints the value, without newline for one-line types.
	cfs::Result<> (*show)(const cfs_param_info &info, void *obj, cfs::FormatSink &out) noexcept;
	/// Parses and stores.
	cfs::Result<> (*store)(const cfs_param_info &info, void *obj,
			       std::string_view text) noexcept;
};

namespace cfs
{

using ParamInfo = ::cfs_param_info;

/// Units of ParamSpec::scale.
inline constexpr std::uint64_t kScaleKiB = 1 << 10;
inline constexpr std::uint64_t kScaleMiB = 1 << 20;
inline constexpr std::uint64_t kScaleUsec = 1000;
inline constexpr std::uint64_t kScaleMsec = 1000000;
inline constexpr std::uint64_t kScaleSec = 1000000000;

/// A folder of parameters, e.g. osc/lustre-OST0000-osc-ffff..., wherever its files are in sysfs and
/// debugfs. Closes itself.
class ParamGroup
{
	cfs_param_group *g_ = nullptr;

public:
	ParamGroup() = default;
	ParamGroup(const ParamGroup &) = delete;
	ParamGroup &operator=(const ParamGroup &) = delete;
	~ParamGroup() { close(); }

	/// A folder in `parent`, which must stay open longer. err::EXIST: there is one. Sleeps.
	[[nodiscard]] Result<> open(ParamGroup &parent, std::string_view name) noexcept
	{
		CFS_ASSERT(!g_);
		return to_result(cfs_param_group_open(parent.g_, name.data(), name.size(), &g_));
	}
	/// The folder above all: "lustre" (fs/lustre in sysfs, lustre in debugfs) or "lnet". node:
	/// null for what belongs to the machine. Sleeps.
	[[nodiscard]] Result<> open_root(cfs_node *node, std::string_view name) noexcept
	{
		CFS_ASSERT(!g_);
		return to_result(cfs_param_root_open(node, name.data(), name.size(), &g_));
	}
	/// Makes the files of `params` for one object, all or none. The table and the object must
	/// stay until close(). Sleeps.
	[[nodiscard]] Result<> add(std::span<const ParamInfo> params, void *obj) noexcept
	{
		CFS_ASSERT(g_);
		return to_result(cfs_param_add(g_, params.data(), params.size(), obj));
	}
	/// Waits until no handler runs, and removes the folder. Folders in it must be closed
	/// before. Sleeps.
	void close() noexcept
	{
		if (g_)
			cfs_param_group_close(g_);
		g_ = nullptr;
	}
	/// Writes a parameter of this very folder, as a configuration log does; err::NOENT when it
	/// has none of that name, err::ACCES when it is read-only.
	[[nodiscard]] Result<> set(std::string_view name, std::string_view value) noexcept
	{
		CFS_ASSERT(g_);
		return to_result(
			cfs_param_set(g_, name.data(), name.size(), value.data(), value.size()));
	}
	/// Prints the value of a parameter of this very folder; errors likewise.
	[[nodiscard]] Result<> show(std::string_view name, FormatSink &out) noexcept
	{
		CFS_ASSERT(g_);
		const ParamInfo *info = nullptr;
		void *obj = nullptr;
		TRY(to_result(cfs_param_find(g_, name.data(), name.size(), &info, &obj)));
		if (!info->show)
			return fail(err::ACCES);
		return info->show(*info, obj, out);
	}
	[[nodiscard]] bool is_open() const noexcept { return g_ != nullptr; }
};

/// Prints one parameter for the reference page: a line of facts, and its documentation.
void print_param_doc(FormatSink &out, std::string_view group, const ParamInfo &info) noexcept;

namespace detail
{

template <typename T, typename M>
T param_object_of(M T::*);

template <auto M>
using ParamObject = decltype(param_object_of(M));

/// Reads through a data member or a member function.
template <auto Get>
auto param_read(ParamObject<Get> &obj) noexcept
{
	if constexpr (std::is_member_object_pointer_v<decltype(Get)>)
		return (obj.*Get).load(std::memory_order_relaxed);
	else
		return (obj.*Get)();
}

template <auto Get>
using ParamValue = decltype(param_read<Get>(std::declval<ParamObject<Get> &>()));

/// Writes through a member function, or into the data member that is read.
template <auto Get, auto Set, typename V>
Result<> param_write(void *obj, V v) noexcept
{
	if constexpr (std::is_null_pointer_v<decltype(Set)>) {
		(static_cast<ParamObject<Get> *>(obj)->*Get).store(v, std::memory_order_relaxed);
		return {};
	} else {
		auto *o = static_cast<ParamObject<Set> *>(obj);
		if constexpr (std::is_void_v<decltype((o->*Set)(v))>) {
			(o->*Set)(v);
			return {};
		} else {
			return (o->*Set)(v);
		}
	}
}

template <auto Get, auto Set>
constexpr unsigned param_mode(const ParamSpec &spec)
{
	if constexpr (std::is_null_pointer_v<decltype(Get)>) {
		return 0200;
	} else {
		bool stores = !std::is_null_pointer_v<decltype(Set)> ||
			      std::is_member_object_pointer_v<decltype(Get)>;
		return stores && !spec.read_only ? 0644 : 0444;
	}
}

template <auto Get, auto Set>
inline constexpr bool kParamStores =
	!std::is_null_pointer_v<decltype(Set)> || std::is_member_object_pointer_v<decltype(Get)>;

/// The type that a number has in the core: of the reader, or else of the writer's argument.
template <auto Get, auto Set>
struct ParamNumber {
	using type = ParamValue<Get>;
};
template <typename T, typename R, typename V>
V param_argument(R (T::*)(V));
template <typename T, typename R, typename V>
V param_argument(R (T::*)(V) noexcept);
template <auto Set>
struct ParamNumber<nullptr, Set> {
	using type = decltype(param_argument(Set));
};

/// A number as users write it, checked against the range of the parameter; not yet scaled.
[[nodiscard]] inline Result<std::int64_t> param_in_range(const ParamSpec &spec, std::int64_t v,
							 std::uint64_t type_max) noexcept
{
	std::uint64_t max = spec.max < type_max ? spec.max : type_max;
	if (v < spec.min || (v > 0 && static_cast<std::uint64_t>(v) > max))
		return fail(err::RANGE);
	return v;
}

template <typename V>
Result<V> parse_param_integer(const ParamSpec &spec, std::string_view text) noexcept
{
	if constexpr (std::is_unsigned_v<V>) {
		std::uint64_t v = TRY(parse_u64(text));
		std::uint64_t type_max = std::numeric_limits<V>::max();
		if ((spec.min > 0 && v < static_cast<std::uint64_t>(spec.min)) || v > spec.max ||
		    v > type_max)
			return fail(err::RANGE);
		return static_cast<V>(v);
	} else {
		std::int64_t v = TRY(parse_i64(text));
		v = TRY(param_in_range(spec, v,
				       static_cast<std::uint64_t>(std::numeric_limits<V>::max())));
		if (v < std::numeric_limits<V>::min())
			return fail(err::RANGE);
		return static_cast<V>(v);
	}
}

/// A value of `scale` base units, from a number of base units: range check included.
template <typename V>
Result<V> param_scaled(const ParamSpec &spec, std::uint64_t base) noexcept
{
	std::uint64_t shown = base / spec.scale;
	if ((spec.min > 0 && shown < static_cast<std::uint64_t>(spec.min)) || shown > spec.max ||
	    base > static_cast<std::uint64_t>(std::numeric_limits<V>::max()))
		return fail(err::RANGE);
	return static_cast<V>(base);
}

template <typename V>
Result<V> parse_param(const ParamInfo &info, std::string_view text) noexcept
{
	const ParamSpec &spec = info.spec;
	switch (info.type) {
	case ParamType::size:
		return param_scaled<V>(spec, TRY(parse_size(text, spec.scale)));
	case ParamType::duration: {
		std::uint64_t v = TRY(parse_u64(text));
		if (__builtin_mul_overflow(v, spec.scale, &v))
			return fail(err::RANGE);
		return param_scaled<V>(spec, v);
	}
	case ParamType::percent: {
		std::string_view s = trim(text);
		if (s.ends_with('%'))
			s.remove_suffix(1);
		return parse_param_integer<V>(spec, s);
	}
	default:
		return parse_param_integer<V>(spec, text);
	}
}

template <auto Get>
Result<> show_number(const ParamInfo &info, void *obj, FormatSink &out) noexcept
{
	auto v = param_read<Get>(*static_cast<ParamObject<Get> *>(obj));
	if (info.type == ParamType::percent)
		out.print("{}%", v);
	else if (info.spec.scale > 1)
		out.print("{}", v / static_cast<decltype(v)>(info.spec.scale));
	else
		out.print("{}", v);
	return {};
}

template <auto Get, auto Set>
Result<> store_number(const ParamInfo &info, void *obj, std::string_view text) noexcept
{
	using V = typename ParamNumber<Get, Set>::type;
	return param_write<Get, Set>(obj, TRY(parse_param<V>(info, text)));
}

template <auto Get>
Result<> show_bool(const ParamInfo &, void *obj, FormatSink &out) noexcept
{
	bool v = param_read<Get>(*static_cast<ParamObject<Get> *>(obj));
	out.print("{:d}", v);
	return {};
}

template <auto Get, auto Set>
Result<> store_bool(const ParamInfo &, void *obj, std::string_view text) noexcept
{
	return param_write<Get, Set>(obj, TRY(parse_bool(text)));
}

template <auto Get>
Result<> show_choice(const ParamInfo &info, void *obj, FormatSink &out) noexcept
{
	auto v = static_cast<std::size_t>(param_read<Get>(*static_cast<ParamObject<Get> *>(obj)));
	if (v < info.spec.words.size())
		out.put(info.spec.words[v]);
	else
		out.print("{}", v);
	return {};
}

template <auto Get, auto Set>
Result<> store_choice(const ParamInfo &info, void *obj, std::string_view text) noexcept
{
	using V = typename ParamNumber<Get, Set>::type;
	for (std::size_t i = 0; i < info.spec.words.size(); i++)
		if (same_word(trim(text), info.spec.words[i]))
			return param_write<Get, Set>(obj, static_cast<V>(i));
	return fail(err::INVAL);
}

template <auto Get>
Result<> show_mask(const ParamInfo &info, void *obj, FormatSink &out) noexcept
{
	print_mask(out, info.spec.mask->names,
		   param_read<Get>(*static_cast<ParamObject<Get> *>(obj)));
	return {};
}

template <auto Get, auto Set>
Result<> store_mask(const ParamInfo &info, void *obj, std::string_view text) noexcept
{
	std::uint32_t now = param_read<Get>(*static_cast<ParamObject<Get> *>(obj));
	std::uint32_t v = now;
	if (int rc = cfs_param_parse_mask(&info, text.data(), text.size(), &v); rc != 0)
		return to_result(rc);
	return param_write<Get, Set>(obj, v);
}

template <auto Get>
Result<> show_text(const ParamInfo &, void *obj, FormatSink &out) noexcept
{
	auto *o = static_cast<ParamObject<Get> *>(obj);
	if constexpr (std::is_void_v<decltype((o->*Get)(out))>) {
		(o->*Get)(out);
		return {};
	} else {
		return (o->*Get)(out);
	}
}

template <auto Get, auto Set>
Result<> store_text(const ParamInfo &, void *obj, std::string_view text) noexcept
{
	return param_write<Get, Set>(obj, trim(text));
}

template <auto Member>
Result<> show_member(const ParamInfo &, void *obj, FormatSink &out) noexcept
{
	(static_cast<ParamObject<Member> *>(obj)->*Member).show(out);
	return {};
}

template <auto Member>
Result<> store_member(const ParamInfo &, void *obj, std::string_view text) noexcept
{
	return (static_cast<ParamObject<Member> *>(obj)->*Member).store(trim(text));
}

template <auto Get, auto Set>
constexpr ParamInfo number_param(const ParamSpec &spec, ParamType type)
{
	ParamInfo info{spec, type, param_mode<Get, Set>(spec), nullptr, nullptr};
	if constexpr (!std::is_null_pointer_v<decltype(Get)>)
		info.show = show_number<Get>;
	if constexpr (kParamStores<Get, Set>)
		info.store = store_number<Get, Set>;
	return info;
}

} // namespace detail

/// A whole number, signed or not.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_int(const ParamSpec &spec)
{
	return detail::number_param<Get, Set>(spec, ParamType::integer);
}

/// Bytes in the core; users write 1.5G or a number of `scale` bytes, and read the latter.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_size(const ParamSpec &spec)
{
	return detail::number_param<Get, Set>(spec, ParamType::size);
}

/// Nanoseconds in the core, a number of `scale` nanoseconds for users.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_duration(const ParamSpec &spec)
{
	return detail::number_param<Get, Set>(spec, ParamType::duration);
}

/// Shown with a %, written with or without.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_percent(ParamSpec spec)
{
	spec.max = spec.max > 100 ? 100 : spec.max;
	return detail::number_param<Get, Set>(spec, ParamType::percent);
}

/// Shown as 0 or 1.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_bool(ParamSpec spec)
{
	spec.max = 1;
	ParamInfo info{spec, ParamType::boolean, detail::param_mode<Get, Set>(spec), nullptr,
		       nullptr};
	if constexpr (!std::is_null_pointer_v<decltype(Get)>)
		info.show = detail::show_bool<Get>;
	if constexpr (detail::kParamStores<Get, Set>)
		info.store = detail::store_bool<Get, Set>;
	return info;
}

/// One of spec.words; the value is an enum or number that counts them from 0.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_choice(const ParamSpec &spec)
{
	ParamInfo info{spec, ParamType::choice, detail::param_mode<Get, Set>(spec),
		       detail::show_choice<Get>, nullptr};
	if constexpr (detail::kParamStores<Get, Set>)
		info.store = detail::store_choice<Get, Set>;
	return info;
}

/// A 32-bit set of spec.mask's names.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_mask(const ParamSpec &spec)
{
	ParamInfo info{spec, ParamType::mask, detail::param_mode<Get, Set>(spec),
		       detail::show_mask<Get>, nullptr};
	if constexpr (detail::kParamStores<Get, Set>)
		info.store = detail::store_mask<Get, Set>;
	return info;
}

/// Free text: Get is a member function taking a FormatSink (void or Result<>; it prints whole lines
/// or one line without its newline, and may be called again from the start), Set one taking a
/// std::string_view without the blanks around it.
template <auto Get, auto Set = nullptr>
consteval ParamInfo param_text(const ParamSpec &spec)
{
	ParamInfo info{spec, ParamType::text, 0, nullptr, nullptr};
	info.mode = std::is_null_pointer_v<decltype(Get)>		      ? 0200
		    : std::is_null_pointer_v<decltype(Set)> || spec.read_only ? 0444
									      : 0644;
	if constexpr (!std::is_null_pointer_v<decltype(Get)>)
		info.show = detail::show_text<Get>;
	if constexpr (!std::is_null_pointer_v<decltype(Set)>)
		info.store = detail::store_text<Get, Set>;
	return info;
}

/// A member that prints and clears itself (`show(FormatSink &)`, `store(std::string_view)`): Stats.
template <auto Member>
consteval ParamInfo param_member(const ParamSpec &spec)
{
	return {spec, ParamType::text, spec.read_only ? 0444u : 0644u, detail::show_member<Member>,
		detail::store_member<Member>};
}

} // namespace cfs
