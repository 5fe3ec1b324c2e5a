// SPDX-License-Identifier: GPL-2.0
//
// The fuzz target's inputs without a fuzzer: all seeds, and what fuzzing has found before
// (regressions/). Then the captured messages cut at every length, with every buffer cut, and
// corrupted at random, each in memory that ends at a page nobody may touch.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "../rounds.hpp"
#include "decode_one.hpp"
#include "seeds.hpp"

namespace fuzz
{

namespace
{

/// Memory in front of a page without access: one byte too far is a crash, in every build.
class GuardedMemory
{
	std::size_t size_;
	std::byte *base_;

public:
	explicit GuardedMemory(std::size_t at_least)
	{
		auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
		size_ = (at_least + page - 1) / page * page + page;
		void *p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		if (p == MAP_FAILED ||
		    mprotect(static_cast<std::byte *>(p) + size_ - page, page, PROT_NONE) != 0)
			throw std::bad_alloc();
		base_ = static_cast<std::byte *>(p);
		size_ -= page;
	}
	~GuardedMemory() { munmap(base_, size_ + static_cast<std::size_t>(sysconf(_SC_PAGESIZE))); }
	GuardedMemory(const GuardedMemory &) = delete;
	GuardedMemory &operator=(const GuardedMemory &) = delete;

	/// A copy whose end is the page's beginning.
	rpc::Bytes copy(rpc::Bytes b)
	{
		std::byte *at = base_ + size_ - b.size();
		if (!b.empty())
			std::memcpy(at, b.data(), b.size());
		return {at, b.size()};
	}
};

constexpr std::size_t kLargestMessage = 64 << 10;

struct Parts {
	std::size_t format;
	bool reply;
	rpc::Bytes message;
};

Parts parts(const Seed &s)
{
	rpc::Bytes input(s.input);
	return {std::to_integer<std::size_t>(input[0]),
		(std::to_integer<unsigned>(input[1]) & kModeReply) != 0,
		input.subspan(kPrefixBytes)};
}

const std::vector<Seed> &all_seeds()
{
	static const std::vector<Seed> all = seeds();
	return all;
}

} // namespace

TEST(FormatCorpus, SeedsDecode)
{
	EXPECT_GT(all_seeds().size(), 300u);
	for (const auto &s : all_seeds())
		decode_one(s.input);
}

TEST(FormatCorpus, EarlierFindingsStayFixed)
{
	for (const auto &e : std::filesystem::directory_iterator(FUZZ_REGRESSIONS_DIR)) {
		std::ifstream in(e.path(), std::ios::binary);
		std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
		decode_one(std::as_bytes(std::span(text)));
	}
}

TEST(FormatCorpus, AMessageCutAtAnyLengthIsRefused)
{
	GuardedMemory memory(kLargestMessage);
	for (const auto &s : all_seeds()) {
		auto p = parts(s);
		for (std::size_t n = 0; n < p.message.size(); n++) {
			rpc::Bytes cut = memory.copy(p.message.first(n));
			rpc::Defect why;
			EXPECT_FALSE(rpc::MessageView::parse(cut, &why)) << s.name << " " << n;
			EXPECT_EQ(why.kind, rpc::Defect::Kind::cut_off);
			EXPECT_FALSE(rpc::unwrap(cut));
		}
		EXPECT_TRUE(rpc::MessageView::parse(memory.copy(p.message)));
	}
}

TEST(FormatCorpus, ABufferCutAtAnyLengthIsHandled)
{
	GuardedMemory memory(kLargestMessage);
	for (const auto &s : all_seeds()) {
		auto p = parts(s);
		auto view = *rpc::MessageView::parse(p.message);
		for (rpc::u32 i = 0; i < view.buffer_count(); i++) {
			std::size_t step = view.length(i) > 512 ? 61 : 1;
			for (std::size_t n = 0; n < view.length(i); n += step) {
				std::vector<std::byte> room(p.message.begin(), p.message.end());
				auto w = rpc::MessageWriter::adopt(room);
				ASSERT_TRUE(w->resize(i, n));
				decode_bytes(p.format, p.reply, memory.copy(w->bytes()));
			}
		}
	}
}

/// In every way that a round has.
void corrupt(const Seed &s, std::mt19937_64 &random, GuardedMemory &memory)
{
	auto p = parts(s);
	for (int round = 0; round < 400; round++) {
		std::vector<std::byte> bytes(p.message.begin(), p.message.end());
		// The head decides how the rest is read: half of the damage goes there.
		std::size_t range =
			round % 2 ? bytes.size() : std::min<std::size_t>(bytes.size(), 96);
		for (auto hits = 1 + random() % 8; hits > 0; hits--) {
			auto at = random() % range;
			bytes[at] = round % 4 < 2 ? static_cast<std::byte>(random())
						  : bytes[at] ^ std::byte{1} << random() % 8;
		}
		decode_bytes(p.format, p.reply, memory.copy(bytes));
	}
}

TEST(FormatCorpus, RandomCorruptionIsHandled)
{
	GuardedMemory memory(kLargestMessage);
	std::mt19937_64 random(20240607);
	for (Rounds r; r.next();)
		for (const auto &s : all_seeds())
			corrupt(s, random, memory);
}

} // namespace fuzz
