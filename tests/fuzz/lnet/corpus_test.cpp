// SPDX-License-Identifier: GPL-2.0
//
// The fuzz target's inputs without a fuzzer: all seeds and what fuzzing has found before
// (regressions/), whole, cut at every length, and with bytes changed at random. Each lies in memory
// of its own size, so that a sanitizer sees a byte too far.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "../rounds.hpp"
#include "decode_lnet.hpp"
#include "seeds.hpp"

namespace fuzz
{

namespace
{

using Input = std::vector<std::byte>;

void feed(std::span<const std::byte> in)
{
	auto exact = std::make_unique<std::byte[]>(in.size());
	std::copy(in.begin(), in.end(), exact.get());
	decode_lnet({exact.get(), in.size()});
}

std::vector<Input> inputs()
{
	auto all = lnet_seeds();
	for (const auto &e : std::filesystem::directory_iterator(FUZZ_REGRESSIONS_DIR)) {
		std::ifstream in(e.path(), std::ios::binary);
		std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
		Input i(text.size());
		if (!text.empty())
			std::memcpy(i.data(), text.data(), text.size());
		all.push_back(std::move(i));
	}
	return all;
}

} // namespace

TEST(LnetCorpus, EverySeedAndRegressionIsTaken)
{
	auto all = inputs();
	EXPECT_GT(all.size(), 100u);
	for (const auto &i : all)
		feed(i);
}

TEST(LnetCorpus, InputsCutAtEveryLengthAreTaken)
{
	for (const auto &i : inputs())
		for (std::size_t n = 0; n < i.size(); n++)
			feed(std::span(i).first(n));
}

TEST(LnetCorpus, CorruptedInputsAreTaken)
{
	std::mt19937 random(4711);
	auto all = inputs();
	auto corrupt = [&random](const Input &i) {
		Input bad = i;
		for (auto n = random() % 4 + 1; n > 0 && bad.size() > 1; n--)
			bad[1 + random() % (bad.size() - 1)] = static_cast<std::byte>(random());
		feed(bad);
	};
	for (Rounds r; r.next();)
		for (const auto &i : all)
			for (int k = 0; k < 200; k++)
				corrupt(i);
}

} // namespace fuzz
