// SPDX-License-Identifier: GPL-2.0
//
// Compares every structure and constant of lustre/include/wire with the tables recorded from a
// stock system. The tables in the .inc files are made by gen_checks.py when this is built; a
// structure or constant that one side lacks, and that is not declared in an exclusion file, stops
// the build.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "libcfs/result.hpp"
#include "wire/attr.hpp"
#include "wire/changelog.hpp"
#include "wire/disk_index.hpp"
#include "wire/disk_state.hpp"
#include "wire/disk_target.hpp"
#include "wire/fid.hpp"
#include "wire/hsm.hpp"
#include "wire/layout.hpp"
#include "wire/ldlm.hpp"
#include "wire/lfsck.hpp"
#include "wire/llog.hpp"
#include "wire/mds.hpp"
#include "wire/mgs.hpp"
#include "wire/ost.hpp"
#include "wire/out.hpp"
#include "wire/page.hpp"
#include "wire/quota.hpp"
#include "wire/rpc.hpp"
#include "wire/user_abi.hpp"
#include "wire/xattr.hpp"

namespace
{

/// A structure (empty field name) or one of its fields, ours and recorded.
struct LayoutRow {
	const char *structure;
	const char *field;
	std::size_t our_offset;
	std::size_t our_size;
	std::size_t offset;
	std::size_t size;
};

const LayoutRow kLayouts[] = {
#include "layout_table.inc"
};

/// A constant, ours and recorded; text is empty for numbers.
struct ConstantRow {
	const char *name;
	std::uint64_t our_value;
	std::uint64_t value;
	std::string_view our_text;
	std::string_view text;
};

template <typename T>
ConstantRow check(const char *name, T ours, std::uint64_t value, std::string_view text)
{
	if constexpr (std::is_same_v<T, std::string_view>)
		return {name, 0, value, ours, text};
	else
		return {name, static_cast<std::uint64_t>(ours), value, {}, text};
}

const ConstantRow kConstants[] = {
#include "constant_table.inc"
};

} // namespace

TEST(WireLayout, OffsetsAndSizesEqualTheRecordedOnes)
{
	std::size_t structures = 0;
	for (const auto &row : kLayouts) {
		structures += *row.field == '\0';
		EXPECT_EQ(row.our_offset, row.offset) << row.structure << " " << row.field;
		EXPECT_EQ(row.our_size, row.size) << row.structure << " " << row.field;
	}
	RecordProperty("structures", static_cast<int>(structures));
	RecordProperty("fields", static_cast<int>(std::size(kLayouts) - structures));
	EXPECT_GT(structures, 150u);
}

TEST(WireLayout, ConstantsEqualTheRecordedOnes)
{
	for (const auto &row : kConstants) {
		EXPECT_EQ(row.our_value, row.value) << row.name;
		EXPECT_EQ(row.our_text, row.text) << row.name;
	}
	RecordProperty("constants", static_cast<int>(std::size(kConstants)));
	EXPECT_GT(std::size(kConstants), 1500u);
}
