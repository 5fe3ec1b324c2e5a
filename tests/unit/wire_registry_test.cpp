// SPDX-License-Identifier: GPL-2.0
//
// The table of all formats.

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "wire_composed.hpp"

namespace rpc
{

namespace
{

using wire::Opcode;

/// Whether a format reads what it composes with as little as it can. A plain function: what is
/// made of it for every format takes the compiler long.
template <MessageFormat F, Side S>
bool smallest_is_read()
{
	Composed<F, S> c{FormatLengths<F, S>{}};
	return FormatView<F, S>::parse(c.view()).has_value() &&
	       (S == Side::reply || c.writer.size() >= smallest_message(F::Request::slots, false));
}

} // namespace

TEST(Registry, EveryOpcodeThatIsSentHasAFormat)
{
	// Spec 02 6.2 to 6.7, P0 and P1.
	const Opcode must[] = {
		Opcode::OST_GETATTR,
		Opcode::OST_SETATTR,
		Opcode::OST_READ,
		Opcode::OST_WRITE,
		Opcode::OST_CREATE,
		Opcode::OST_DESTROY,
		Opcode::OST_GET_INFO,
		Opcode::OST_CONNECT,
		Opcode::OST_DISCONNECT,
		Opcode::OST_PUNCH,
		Opcode::OST_STATFS,
		Opcode::OST_SYNC,
		Opcode::OST_SET_INFO,
		Opcode::OST_QUOTACTL,
		Opcode::OST_FALLOCATE,
		Opcode::OST_SEEK,
		Opcode::MDS_GETATTR,
		Opcode::MDS_GETATTR_NAME,
		Opcode::MDS_CLOSE,
		Opcode::MDS_REINT,
		Opcode::MDS_READPAGE,
		Opcode::MDS_CONNECT,
		Opcode::MDS_DISCONNECT,
		Opcode::MDS_GET_ROOT,
		Opcode::MDS_STATFS,
		Opcode::MDS_SYNC,
		Opcode::MDS_SET_INFO,
		Opcode::MDS_QUOTACTL,
		Opcode::MDS_GETXATTR,
		Opcode::MDS_GET_INFO,
		Opcode::MDS_SWAP_LAYOUTS,
		Opcode::LDLM_ENQUEUE,
		Opcode::LDLM_CONVERT,
		Opcode::LDLM_CANCEL,
		Opcode::LDLM_BL_CALLBACK,
		Opcode::LDLM_CP_CALLBACK,
		Opcode::LDLM_GL_CALLBACK,
		Opcode::MGS_CONNECT,
		Opcode::MGS_DISCONNECT,
		Opcode::MGS_TARGET_REG,
		Opcode::MGS_CONFIG_READ,
		Opcode::OBD_PING,
		Opcode::OBD_IDX_READ,
		Opcode::LLOG_ORIGIN_HANDLE_CREATE,
		Opcode::LLOG_ORIGIN_HANDLE_NEXT_BLOCK,
		Opcode::LLOG_ORIGIN_HANDLE_READ_HEADER,
		Opcode::QUOTA_DQACQ,
		Opcode::SEQ_QUERY,
		Opcode::FLD_QUERY,
		Opcode::FLD_READ,
		Opcode::OUT_UPDATE,
	};
	for (Opcode o : must)
		EXPECT_TRUE(known_opcode(o)) << static_cast<u32>(o);
}

TEST(Registry, NamesAndFieldsAreWhole)
{
	std::set<std::string> names;
	for (const auto &d : all_formats()) {
		EXPECT_TRUE(names.insert(d.info.name).second) << d.info.name;
		EXPECT_LT(d.request.size() + 1, wire::PTLRPC_MAX_BUFCOUNT);
		EXPECT_NE(d.info.version, 0u);
		for (auto side : {d.request, d.reply})
			for (const auto &slot : side) {
				EXPECT_LE(slot.field.min, slot.field.max);
				EXPECT_NE(slot.field.element, 0u);
			}
	}
}

TEST(Registry, EveryFormatComposesAndReadsItsSmallestMessage)
{
	struct Case {
		const char *name;
		bool (*request)();
		bool (*reply)();
	};
	std::vector<Case> cases;
	Formats::for_each([&]<typename F>() {
		cases.push_back({F::info.name, &smallest_is_read<F, Side::request>,
				 &smallest_is_read<F, Side::reply>});
	});
	EXPECT_GT(cases.size(), 50u);
	for (const Case &c : cases) {
		EXPECT_TRUE(c.request()) << c.name;
		EXPECT_TRUE(c.reply()) << c.name;
	}
}

} // namespace rpc
