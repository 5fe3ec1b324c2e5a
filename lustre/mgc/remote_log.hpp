// SPDX-License-Identifier: GPL-2.0
//
// A log of another node, read by RPC (spec 02 section 9.5).
#pragma once

#include "llog/source.hpp"
#include "rpc/rpc.hpp"

namespace mgc
{

class RemoteLog final : public llog::LogSource
{
	rpc::Import &import_;
	wire::LlogLogid id_;
	std::uint32_t flags_ = wire::LLOG_F_IS_PLAIN;

	RemoteLog(rpc::Import &import, const wire::LlogLogid &id) noexcept
	    : import_(import), id_(id)
	{
	}

public:
	/// The log of this name. err::NOENT. Sleeps.
	[[nodiscard]] static cfs::Result<RemoteLog> open(rpc::Import &import,
							 std::string_view name) noexcept;

	cfs::Result<std::size_t> read_header(cfs::MutBytes out) noexcept override;
	cfs::Result<Block> next_block(std::uint32_t index, std::uint32_t saved_index,
				      std::uint64_t offset, cfs::MutBytes out) noexcept override;
};

} // namespace mgc
