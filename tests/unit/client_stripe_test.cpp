// SPDX-License-Identifier: GPL-2.0
// Arithmetic of striped files (spec 06 section 5).
#include <gtest/gtest.h>

#include <random>

#include "client/stripe.hpp"

namespace
{

using client::kEof;
using client::Range;
using client::Stripes;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr Stripes kFour{1 << 20, 4};

TEST(ClientStripe, WorkedNumbersOfTheSpec)
{
	EXPECT_EQ(kFour.index(7864320), 3u);
	EXPECT_EQ(kFour.object_offset(7864320), 1572864u);
	const std::uint64_t sizes[] = {3145728, 3145728, 2397152, 2097152};
	const std::uint64_t back[] = {9437184, 10485760, 10785760, 8388608};
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(kFour.object_size(i, 10785760), sizes[i]);
		EXPECT_EQ(kFour.file_size(i, sizes[i]), back[i]);
	}
}

TEST(ClientStripe, EmptyObjectsSayNothingOfTheSize)
{
	EXPECT_EQ(kFour.file_size(3, 0), 0u);
	EXPECT_EQ(kFour.object_size(3, 0), 0u);
}

/// Every byte has one place, and the way back leads to it.
TEST(ClientStripe, PlacesAndBytesAreOneToOne)
{
	std::mt19937_64 random(1);
	for (int n = 0; n < 20000; n++) {
		Stripes s{static_cast<std::uint32_t>((1 + random() % 64) << 16),
			  static_cast<std::uint32_t>(1 + random() % 300)};
		std::uint64_t at = random() >> (1 + random() % 60);
		EXPECT_LT(s.index(at), s.count);
		EXPECT_EQ(s.file_offset(s.index(at), s.object_offset(at)), at);
	}
}

/// The size of the file is the largest that any object tells.
TEST(ClientStripe, SizesMergeToTheFilesSize)
{
	std::mt19937_64 random(2);
	for (int n = 0; n < 5000; n++) {
		Stripes s{static_cast<std::uint32_t>((1 + random() % 8) << 16),
			  static_cast<std::uint32_t>(1 + random() % 9)};
		std::uint64_t size = random() % (40 * s.width());
		std::uint64_t merged = 0, sum = 0;
		for (unsigned i = 0; i < s.count; i++) {
			merged = std::max(merged, s.file_size(i, s.object_size(i, size)));
			sum += s.object_size(i, size);
		}
		EXPECT_EQ(merged, size);
		EXPECT_EQ(sum, size);
	}
}

/// The parts of a range cover it: as many bytes, and the ends where they belong.
TEST(ClientStripe, RangesSplitWithoutLossOrOverlap)
{
	std::mt19937_64 random(3);
	for (int n = 0; n < 5000; n++) {
		Stripes s{1 << 16, static_cast<std::uint32_t>(1 + random() % 5)};
		Range r{random() % (10 * s.width()), 0};
		r.end = r.start + random() % (3 * s.width());
		std::uint64_t bytes = 0;
		for (unsigned i = 0; i < s.count; i++)
			if (auto part = s.object_range(i, r)) {
				bytes += part->end - part->start;
				EXPECT_GE(s.file_offset(i, part->start), r.start);
				EXPECT_LT(s.file_offset(i, part->end - 1), r.end);
			}
		EXPECT_EQ(bytes, r.end - r.start);
	}
}

TEST(ClientStripe, RangeToTheEndStaysOpen)
{
	auto part = kFour.object_range(1, {5 * kMiB + 7, kEof});
	ASSERT_TRUE(part);
	EXPECT_EQ(*part, (Range{kMiB + 7, kEof}));
	EXPECT_FALSE(kFour.object_range(1, {3, 3}));
	EXPECT_FALSE(kFour.object_range(3, {0, 2 * kMiB}));
}

TEST(ClientStripe, SizesBeyondAllFilesDoNotWrap)
{
	EXPECT_EQ(kFour.file_size(0, kEof), kEof);
	EXPECT_EQ(kFour.file_offset(3, kEof - 1), kEof);
}

} // namespace
