// SPDX-License-Identifier: GPL-2.0
//
// Load on the network, to measure it: a sink, which takes and gives any bytes, and a generator,
// which keeps a number of messages under way to one for some time. Users of LNet like any other;
// between any two nodes, hosted or in a kernel (Documentation/lnet.md, "Measuring").
#pragma once

#include <atomic>

#include "libcfs/wait.hpp"
#include "lnet/lnet.hpp"

namespace lnet
{

/// Where sinks are; stock has its own load generator there, with other messages.
inline constexpr std::uint32_t kLoadPortal = 50;
inline constexpr std::uint64_t kLoadMatchBits = 0x6c6f61642d676f21;
inline constexpr std::uint32_t kLoadSizeMax = 1u << 20;

/// Takes every PUT and answers every GET of the load's, from one buffer that everybody shares.
class LoadSink final : public EventHandler
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	/// The network stays held while there is a sink.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<LoadSink>> make(Network &net) noexcept;
	/// Waits for messages that are being received.
	void destroy() noexcept;
	void on_event(const Event &ev) noexcept override;

	std::atomic<std::uint64_t> messages{0}, bytes{0}, failed{0};

	explicit LoadSink(Network &net) noexcept : net_(net) {}

private:
	Network &net_;
	cfs::Array<std::byte> buffer_;
	MdHandle md_;
	cfs::Completion ended_{CFS_LOCK_CLASS("lnet load sink")};
};

struct LoadSpec {
	static constexpr std::uint32_t kConcurrencyMax = 256;

	ProcessId target;
	bool get = false;	///< GETs instead of PUTs with ACK
	std::uint32_t size = 0; ///< bytes of each, up to kLoadSizeMax
	std::uint32_t concurrency = 1;
	cfs::Duration time = cfs::Duration::seconds(1);
};

struct LoadResult {
	static constexpr unsigned kBuckets = 32;

	std::uint64_t messages = 0, failed = 0, bytes = 0;
	std::uint64_t elapsed_ns = 0;
	cfs::Errno first_error{};
	/// Messages by the time until their answer: bucket n from 2^n to 2^(n+1) microseconds, the
	/// first from 0, the last without end.
	std::uint64_t latency[kBuckets] = {};

	[[nodiscard]] std::uint64_t per_second(std::uint64_t n) const noexcept
	{
		std::uint64_t us = elapsed_ns / 1000;
		return us ? n / us * 1000000 + n % us * 1000000 / us : 0;
	}
};

/// Runs a load until its time is over; what is then under way is waited for. err::INVAL for a bad
/// spec, err::NOMEM, err::INTR when the caller was killed; failures of messages are counted, and
/// end the run when nothing succeeds. Sleeps.
[[nodiscard]] cfs::Result<LoadResult> run_load(Network &net, const LoadSpec &spec) noexcept;

/// `TARGET put|get SIZE CONCURRENCY SECONDS`; the last three may be left out. err::INVAL.
[[nodiscard]] cfs::Result<LoadSpec> parse_load(std::string_view text) noexcept;
/// The result as YAML.
void format_load(cfs::FormatSink &out, const LoadSpec &spec, const LoadResult &r) noexcept;

} // namespace lnet
