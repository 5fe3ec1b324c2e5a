// SPDX-License-Identifier: GPL-2.0
//
// The ConfigSink of a running MGS: keeps the records of one change until commit() writes all of
// them to their logs in one transaction, so that a registration is in every log or in none.
#pragma once

#include "libcfs/containers.hpp"
#include "mgs/config_writer.hpp"
#include "target/common.hpp"

namespace mgs
{

class LogSink final : public ConfigSink
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	/// Records of one change: more would not fit into a transaction.
	static constexpr std::size_t kRecordsMax = 4096;

	explicit LogSink(target::NamedLogs &logs) noexcept : logs_(logs) {}
	~LogSink() { drop(); }
	LogSink(const LogSink &) = delete;
	LogSink &operator=(const LogSink &) = delete;

	/// err::NOMEM, err::NOSPC. Writes nothing yet.
	cfs::Result<> append(std::string_view log, const ConfigRecord &record) noexcept override;
	/// Makes the logs that are missing, writes everything, and waits until it is on disk.
	/// Sleeps.
	[[nodiscard]] cfs::Result<> commit(osd::Device &device) noexcept;

private:
	struct Pending {
		static constexpr cfs_subsys kSubsys = CFS_S_MGS;
		cfs::ListHook hook;
		char log[wire::MTI_NAME_MAXLEN] = {};
		cfs::Array<std::byte> body;
		llog::LogRef to;
	};
	using Records = cfs::List<Pending, &Pending::hook>;

	[[nodiscard]] cfs::Result<> open_logs() noexcept;
	void drop() noexcept;

	target::NamedLogs &logs_;
	Records records_;
};

} // namespace mgs
