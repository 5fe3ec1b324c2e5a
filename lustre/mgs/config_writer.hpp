// SPDX-License-Identifier: GPL-2.0
//
// What the MGS writes into configuration logs when a target registers or a parameter is set (spec
// 02 sections 9.6 and 9.6a, 07 section 12.4): groups of records between markers, in stock's order,
// so that stock clients and servers can follow them, and so that the MGS can read back where a
// target lives (fs_db.hpp).
//
// Nothing here does I/O: records go to a ConfigSink. A registration writes several groups to
// several logs; the sink makes them one transaction or none.
#pragma once

#include <array>
#include <span>

#include "libcfs/bytes.hpp"
#include "libcfs/format.hpp"
#include "libcfs/result.hpp"
#include "lnet/nid.hpp"
#include "wire/layout.hpp"
#include "wire/mgs.hpp"
#include "wire/target_name.hpp"

namespace mgs
{

using wire::u16;
using wire::u32;
using wire::u64;

/// A command as it goes into a log. Buffers are as long as they are; texts include their NUL.
struct ConfigRecord {
	wire::LcfgCommand command;
	u32 num = 0;
	u64 nid = 0;
	std::span<const cfs::Bytes> buffers;
};

/// Where records go: the logs of one MGS.
class ConfigSink
{
public:
	/// Adds a record to the end of the log of that name, which is made if there is none.
	virtual cfs::Result<> append(std::string_view log, const ConfigRecord &record) noexcept = 0;

protected:
	~ConfigSink() = default;
};

/// A text of the protocol, with its NUL.
class Name
{
	std::array<char, 128> text_{};
	std::size_t n_ = 0;

public:
	Name() = default;
	template <typename... Args>
	explicit Name(cfs::FormatString<Args...> format, const Args &...args) noexcept
	{
		cfs::FormatSink out(std::span<char>(text_.data(), text_.size() - 1));
		out.print(format, args...);
		n_ = out.size() < text_.size() ? out.size() : text_.size() - 1;
	}
	[[nodiscard]] std::string_view view() const noexcept { return {text_.data(), n_}; }
	/// With the NUL; as a buffer of a record.
	[[nodiscard]] cfs::Bytes bytes() const noexcept
	{
		return std::as_bytes(std::span(text_.data(), n_ + 1));
	}
};

/// A node that may serve a target; its name in logs is its first NID.
struct ServerNode {
	std::span<const lnet::Nid> nids;
};

using wire::TargetKind;

/// "lustre-OST0003"; wire::parse_target_name() is the reverse.
[[nodiscard]] Name target_name(std::string_view fsname, TargetKind kind, u16 index) noexcept;
/// A target as others connect to it.
struct TargetInfo {
	TargetKind kind = TargetKind::ost;
	u16 index = 0;
	/// The first is where it ran when it registered; the others are where it may fail over to.
	std::span<const ServerNode> nodes;
	/// Errors instead of waiting while it is away.
	bool failout = false;
};

/// Writes groups for one file system.
class ConfigWriter
{
	ConfigSink &sink_;
	std::string_view fsname_;
	u32 &step_;
	std::int64_t now_;
	u32 skip_ = 0;

public:
	/// step: the file system's counter of groups, the number of the last one written. now:
	/// seconds since 1970.
	ConfigWriter(ConfigSink &sink, std::string_view fsname, u32 &step,
		     std::int64_t now) noexcept
	    : sink_(sink), fsname_(fsname), step_(step), now_(now)
	{
	}

	/// Groups from now on are written as skipped: readers pass over them (a target registers
	/// again, and running clients must not set it up twice).
	void set_skip(bool skip) noexcept { skip_ = skip ? wire::CM_SKIP : 0; }

	/// The beginning of a client log: "lov setup", "lmv setup", "mount opts".
	[[nodiscard]] cfs::Result<> client_setup() noexcept;
	/// The target's own log: an MDT's with its "lov setup", or "add ost".
	[[nodiscard]] cfs::Result<> own_setup(const TargetInfo &t) noexcept;
	/// "add mdc" or "add osc" in the client log.
	[[nodiscard]] cfs::Result<> add_to_client(const TargetInfo &t) noexcept;
	/// "add osc" or "add osp" in the log of MDT `mdt`.
	[[nodiscard]] cfs::Result<> add_to_mdt(u16 mdt, const TargetInfo &t) noexcept;
	/// A parameter of a device, `value` as "osc.max_dirty_mb=64", in one log. `target` goes
	/// into the marker.
	[[nodiscard]] cfs::Result<> param(std::string_view log, std::string_view target,
					  std::string_view device, std::string_view value) noexcept;

private:
	struct Group;
	struct Connection;

	[[nodiscard]] Name log_of(TargetKind kind, u16 index) const noexcept;
	[[nodiscard]] cfs::Result<> marker(std::string_view log, std::string_view target,
					   std::string_view comment, u32 flags) noexcept;
	[[nodiscard]] cfs::Result<> record(std::string_view log, wire::LcfgCommand command,
					   std::initializer_list<cfs::Bytes> buffers, u32 num = 0,
					   u64 nid = 0) noexcept;
	[[nodiscard]] cfs::Result<> add_uuids(std::string_view log,
					      const ServerNode &node) noexcept;
	[[nodiscard]] cfs::Result<> connection(std::string_view log, const Connection &c) noexcept;
	[[nodiscard]] cfs::Result<> lov_setup(std::string_view log, const Name &lov) noexcept;
	[[nodiscard]] cfs::Result<> lmv_setup(std::string_view log, const Name &lmv) noexcept;
	[[nodiscard]] cfs::Result<> mount_opts(std::string_view log) noexcept;
	[[nodiscard]] cfs::Result<> mdt_setup(const TargetInfo &t) noexcept;
};

} // namespace mgs
