// SPDX-License-Identifier: GPL-2.0
//
// Configuration logs (spec 07 sections 12.3 and 12.4, 02 9.6): how a command is laid out in a
// record, and the reader that turns a log into calls of a ConfigHandler. What the MGS writes into
// which log is lustre/mgs's business.
#pragma once

#include <array>

#include "llog/log.hpp"
#include "wire/mgs.hpp"

namespace llog
{

/// What a configuration log is made with.
inline constexpr LogSpec kConfigLog{.flags = wire::LLOG_F_IS_PLAIN, .tgtuuid = "config_uuid"};

/// A command, in the buffer of a record.
struct CfgView {
	wire::LcfgCommand command{};
	std::uint32_t num = 0;
	std::uint32_t flags = 0;
	std::uint64_t nid = 0; ///< of LCFG_ADD_UUID: a 4-byte NID, or 0
	std::uint32_t count = 0;
	std::array<Bytes, wire::LUSTRE_CFG_MAX_BUFCOUNT> buffers{};

	/// A buffer that is a text, up to its NUL; empty if there is none.
	[[nodiscard]] std::string_view text(std::size_t i) const noexcept
	{
		return i < count ? cfs::as_string(buffers[i]) : std::string_view{};
	}
};

/// Takes the body of a record apart. err::PROTO: it is no command.
[[nodiscard]] Result<CfgView> parse_cfg(Bytes body) noexcept;

/// Bytes that a command takes as the body of a record.
[[nodiscard]] std::size_t cfg_bytes(std::span<const Bytes> buffers) noexcept;
/// Writes it; out is cfg_bytes() long. Texts among the buffers include their NUL.
void write_cfg(MutBytes out, wire::LcfgCommand command, std::uint32_t num, std::uint64_t nid,
	       std::span<const Bytes> buffers) noexcept;
/// Appends a command to a log, in a transaction of the caller.
[[nodiscard]] Result<> declare_append_cfg(Log &log, osd::Transaction &tx,
					  std::span<const Bytes> buffers) noexcept;
[[nodiscard]] Result<std::uint32_t> append_cfg(Log &log, osd::Transaction &tx,
					       wire::LcfgCommand command, std::uint32_t num,
					       std::uint64_t nid,
					       std::span<const Bytes> buffers) noexcept;

/// Marks all groups of a log that are valid and bear this target name and comment as skipped, both
/// markers, in place: how a parameter is replaced or a target removed. now: seconds, for their
/// cancel time. The number of groups. Transactions of its own.
[[nodiscard]] Result<std::uint32_t>
skip_groups(Log &log, std::string_view target, std::string_view comment, std::int64_t now) noexcept;

/// The group that a command stands in.
struct CfgGroup {
	std::string_view target;
	std::string_view comment;
	std::uint32_t step = 0;
	bool excluded = false;
};

/// Is told what a configuration log says. Texts are valid until the return. An error ends the
/// reading. What a reader does not care for it leaves alone: the defaults do nothing.
class ConfigHandler
{
public:
	virtual Result<> attach(std::string_view device, std::string_view type,
				std::string_view uuid) noexcept;
	/// args: buffers behind the name, texts or a wire::LovDesc or LmvDesc.
	virtual Result<> setup(std::string_view device, std::span<const Bytes> args) noexcept;
	virtual Result<> detach(std::string_view device) noexcept;
	virtual Result<> cleanup(std::string_view device) noexcept;
	/// One more NID of a node: nid4, or its text if that is 0.
	virtual Result<> add_uuid(std::string_view node, std::uint64_t nid4,
				  std::string_view nid_text) noexcept;
	virtual Result<> del_uuid(std::string_view node) noexcept;
	virtual Result<> add_conn(std::string_view device, std::string_view node) noexcept;
	virtual Result<> del_conn(std::string_view device, std::string_view node) noexcept;
	virtual Result<> mount_opts(std::string_view profile, std::string_view lov,
				    std::string_view lmv) noexcept;
	struct Target {
		std::string_view owner; ///< lov, lmv or lod
		std::string_view uuid;
		std::uint32_t index = 0;
		std::uint32_t gen = 0;
		std::string_view mdc_uuid{}; ///< of an MDT
		bool active = true;	     ///< of an OST
	};
	virtual Result<> add_ost(const Target &t) noexcept;
	virtual Result<> del_ost(const Target &t) noexcept;
	virtual Result<> add_mdt(const Target &t) noexcept;
	virtual Result<> del_mdt(const Target &t) noexcept;
	/// "key=value" of a device, or of the file system.
	virtual Result<> param(std::string_view device, std::string_view key,
			       std::string_view value) noexcept;
	/// `lctl set_param -P`: a path of parameters, with wildcards.
	virtual Result<> set_param(std::string_view key, std::string_view value) noexcept;
	virtual Result<> set_timeout(std::uint32_t seconds) noexcept;
	virtual Result<> set_ldlm_timeout(std::uint32_t seconds) noexcept;
	virtual Result<> sptlrpc(std::string_view target, std::string_view rule) noexcept;
	enum class Pool : std::uint8_t { create, destroy, add, remove };
	virtual Result<> pool(Pool what, std::string_view lov, std::string_view fsname,
			      std::string_view pool, std::string_view ost) noexcept;

	/// The group of the command being told.
	[[nodiscard]] const CfgGroup &group() const noexcept { return group_; }
	/// The reader's.
	void set_group(const CfgGroup &g) noexcept { group_ = g; }

protected:
	~ConfigHandler() = default;

private:
	CfgGroup group_{};
};

/// Reads a configuration log, once or again as it grows. It keeps where it is.
class ConfigReader final : public RecordVisitor
{
	ConfigHandler &handler_;
	std::string_view name_;
	std::string_view excluded_; // "lfs1-OST0001:lfs1-OST0002"
	std::uint32_t last_index_ = 0;
	bool inside_ = false; // a group
	bool skipping_ = false;
	char target_[64] = {};
	char comment_[64] = {};

public:
	/// name, for messages, and excluded, target names separated by ':', must stay.
	ConfigReader(ConfigHandler &handler, std::string_view name,
		     std::string_view excluded = {}) noexcept
	    : handler_(handler), name_(name), excluded_(excluded)
	{
	}

	/// Tells the handler what is new since the last call. A command that makes no sense is
	/// passed over with a message, unless it has to be understood (LCFG_REQUIRED):
	/// err::OPNOTSUPP.
	[[nodiscard]] Result<ProcessResult> read(LogSource &log) noexcept;
	[[nodiscard]] std::uint32_t last_index() const noexcept { return last_index_; }

	Result<Next> record(const Record &r) noexcept override;

private:
	Result<> marker(const CfgView &c) noexcept;
	Result<> command(const CfgView &c) noexcept;
	Result<> target_command(const CfgView &c) noexcept;
	Result<> pool_command(const CfgView &c) noexcept;
	Result<> param_command(const CfgView &c) noexcept;
	[[nodiscard]] bool is_excluded(std::string_view target) const noexcept;
};

} // namespace llog
