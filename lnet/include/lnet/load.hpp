// SPDX-License-Identifier: GPL-2.0
//
// Load on the network, to measure it: a sink, which takes and gives any bytes, and a generator,
// which keeps a number of messages under way to one for some time. Users of LNet like any other;
// between any two nodes, hosted or in a kernel (Documentation/lnet.md, "Measuring").
#pragma once

#include <atomic>

#include "libcfs/node.hpp"
#include "libcfs/wait.hpp"
#include "lnet/lnet.hpp"

namespace lnet
{

/// Where sinks are; stock has its own load generator there, with other messages.
inline constexpr std::uint32_t kLoadPortal = 50;
inline constexpr std::uint64_t kLoadMatchBits = 0x6c6f61642d676f21;
inline constexpr std::uint32_t kLoadSizeMax = 1u << 20;
/// What a sink has room for, and so what a checking load may have under way.
inline constexpr std::uint32_t kLoadSinkBytes = 16u << 20;
/// In `hdr_data`: the lower half is the CRC-32 of the payload, which the sink compares.
inline constexpr std::uint64_t kLoadChecked = 1ull << 32;

/// Pages as one buffer.
class LoadPages
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	LoadPages() noexcept = default;
	~LoadPages();
	LoadPages(const LoadPages &) = delete;
	LoadPages &operator=(const LoadPages &) = delete;
	[[nodiscard]] cfs::Result<> make(std::uint32_t bytes) noexcept;
	/// The first `length` bytes from a page-aligned offset on.
	[[nodiscard]] Buffer part(std::uint32_t offset, std::uint32_t length) const noexcept;
	/// Bytes that follow from the seed.
	void fill(std::uint32_t offset, std::uint32_t length, std::uint64_t seed) noexcept;
	[[nodiscard]] std::uint32_t crc(std::uint32_t offset, std::uint32_t length) const noexcept;

private:
	cfs::Array<cfs_bvec> pieces_;
};

/// Takes every PUT and answers every GET of the load's, from one buffer that everybody shares.
/// Checking loads put into it, and get back, parts of their own: there should be one at a time.
class LoadSink final : public EventHandler
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	/// The network stays held while there is a sink.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<LoadSink>> make(Network &net) noexcept;
	/// Waits for messages that are being received.
	void destroy() noexcept;
	void on_event(const Event &ev) noexcept override;

	/// `corrupt`: PUTs whose payload was not what its CRC says; they are in `failed` too.
	std::atomic<std::uint64_t> messages{0}, bytes{0}, failed{0}, corrupt{0};

	explicit LoadSink(Network &net) noexcept : net_(net) {}

private:
	Network &net_;
	LoadPages buffer_;
	MdHandle md_;
	cfs::Completion ended_{CFS_LOCK_CLASS("lnet load sink")};
};

struct LoadSpec {
	static constexpr std::uint32_t kConcurrencyMax = 256;
	static constexpr std::uint32_t kThreadsMax = 64;

	ProcessId target;
	bool get = false; ///< GETs instead of PUTs with ACK
	/// Each payload is other bytes, of another size up to `size`; it is put, compared there,
	/// got back and compared here. concurrency * size: at most kLoadSinkBytes.
	bool check = false;
	std::uint32_t size = 0;	       ///< bytes of each, up to kLoadSizeMax
	std::uint32_t concurrency = 1; ///< messages under way
	std::uint32_t threads = 1;     ///< that start them, up to `concurrency`
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

	void add(const LoadResult &other) noexcept;
	[[nodiscard]] std::uint64_t per_second(std::uint64_t n) const noexcept
	{
		std::uint64_t us = elapsed_ns / 1000;
		return us ? n / us * 1000000 + n % us * 1000000 / us : 0;
	}
};

/// Runs a load until its time is over, on the caller's thread and on others of `node` if it wants
/// several; what is then under way is waited for. err::INVAL for a bad
/// spec, err::NOMEM, err::INTR when the caller was killed; failures of messages are counted, and
/// end the run when nothing succeeds. Sleeps.
[[nodiscard]] cfs::Result<LoadResult> run_load(cfs::Node &node, Network &net,
					       const LoadSpec &spec) noexcept;

/// `TARGET put|get|check SIZE CONCURRENCY SECONDS THREADS`; the last four may be left out.
/// err::INVAL.
[[nodiscard]] cfs::Result<LoadSpec> parse_load(std::string_view text) noexcept;
/// The result as YAML.
void format_load(cfs::FormatSink &out, const LoadSpec &spec, const LoadResult &r) noexcept;

} // namespace lnet
