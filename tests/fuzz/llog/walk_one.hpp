// SPDX-License-Identifier: GPL-2.0
//
// Everything that reads a log, over bytes that may be anything: what both the fuzz target and its
// corpus test run.
#pragma once

#include <cstdlib>
#include <cstring>

#include "llog/config.hpp"

namespace fuzz_llog
{

/// The input as a log of another node. It answers as it is asked, with a limit: walking must end.
class Input final : public llog::LogSource
{
	cfs::Bytes file_;
	std::size_t asked_ = 0;

public:
	explicit Input(cfs::Bytes file) noexcept : file_(file) {}

	cfs::Result<std::size_t> read_header(cfs::MutBytes out) noexcept override
	{
		std::size_t n = out.size() < file_.size() ? out.size() : file_.size();
		if (n)
			std::memcpy(out.data(), file_.data(), n);
		return file_.size() < llog::kChunkMax ? file_.size() : llog::kChunkMax;
	}
	cfs::Result<Block> next_block(std::uint32_t, std::uint32_t, std::uint64_t offset,
				      cfs::MutBytes out) noexcept override
	{
		if (++asked_ > 100000)
			std::abort(); // it does not end
		std::uint64_t start = offset / out.size() * out.size();
		if (start >= file_.size())
			return cfs::fail(cfs::err::NODATA);
		std::size_t n =
			file_.size() - start < out.size() ? file_.size() - start : out.size();
		std::memset(out.data(), 0, out.size());
		std::memcpy(out.data(), file_.data() + start, n);
		return Block{start + n, ~0u};
	}
};

/// Checks that what it is shown makes sense.
class Checker final : public llog::RecordVisitor
{
	std::uint32_t last_ = 0;
	std::size_t shown_ = 0;

public:
	cfs::Result<Next> record(const llog::Record &r) noexcept override
	{
		if (r.whole.size() != r.body.size() + llog::kRecordFrame || r.index == 0 ||
		    ++shown_ > 600000)
			std::abort();
		last_ = r.index;
		auto c = llog::parse_cfg(r.body);
		for (std::uint32_t i = 0; c && i < c->count; i++)
			(void)c->text(i);
		return Next::go_on;
	}
};

class Nothing final : public llog::ConfigHandler
{
};

inline void walk_one(cfs::Bytes input)
{
	Input a(input);
	Checker checker;
	(void)llog::process(a, "fuzz", checker);
	Input b(input);
	Nothing nothing;
	llog::ConfigReader reader(nothing, "fuzz", "fs-OST0001");
	(void)reader.read(b);
	(void)llog::parse_cfg(input);
}

} // namespace fuzz_llog
