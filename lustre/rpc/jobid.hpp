// SPDX-License-Identifier: GPL-2.0
//
// Job ids: what a client writes into its requests so that servers can count by job (spec 08 section
// 14). jobid_var says where it comes from, jobid_name how it looks.
#pragma once

#include "libcfs/lock.hpp"
#include "rpc/request.hpp"

namespace rpc
{

class JobIds
{
public:
	static constexpr std::size_t kVarMax = 20;  ///< characters
	static constexpr std::size_t kNameMax = 31; ///< characters

	/// The job id of the calling thread, zero padded; empty when job ids are off.
	void fill(const cfs_node *node, const RequestOptions &who,
		  char (&out)[wire::LUSTRE_JOBID_SIZE]) noexcept;

	// ---- parameters ----
	void show_var(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set_var(std::string_view text) noexcept;
	void show_name(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set_name(std::string_view text) noexcept;
	void show_session(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set_session(std::string_view text) noexcept;

private:
	enum class Mode : u8 { disable, procname_uid, nodelocal, session, variable };
	template <std::size_t N>
	struct Text {
		char c[N] = {};
		void set(std::string_view s) noexcept
		{
			for (std::size_t i = 0; i < N; i++)
				c[i] = i < s.size() ? s[i] : '\0';
		}
		[[nodiscard]] std::string_view view() const noexcept { return c; }
	};
	void expand(std::string_view format, std::string_view job, const cfs_node *node,
		    const RequestOptions &who, cfs::FormatSink &out) noexcept;

	std::atomic<Mode> mode_{Mode::disable};
	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc job ids")};
	Text<kVarMax + 1> var_ CFS_GUARDED_BY(lock_){"disable"};
	Text<kNameMax + 1> name_ CFS_GUARDED_BY(lock_){"%e.%u"};
	Text<kNameMax + 1> session_ CFS_GUARDED_BY(lock_){};
};

} // namespace rpc
