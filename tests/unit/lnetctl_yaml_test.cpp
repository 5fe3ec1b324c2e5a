// SPDX-License-Identifier: GPL-2.0
//
// YAML: what stock's lnetctl printed is read, and printed again byte for byte.

#include "lnetctl/yaml.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace
{

using namespace lnetctl;

std::string golden(const std::string &name)
{
	std::ifstream in(std::string(CFS_GOLDEN_DATA "/lnetctl/") + name + ".yaml");
	return {std::istreambuf_iterator<char>(in), {}};
}

/// As the commands do: each block in the layout that its kind has.
std::string printed(const Node &document)
{
	std::ostringstream out;
	for (const auto &[key, value] : document.entries()) {
		Node one = Node::map();
		one.set(key, value);
		print(out, one, key == "net" || key == "peer" ? kShowLayout : kPlainLayout);
	}
	return out.str();
}

class Stock : public ::testing::TestWithParam<const char *>
{
};

TEST_P(Stock, OutputIsReadAndPrintedAgain)
{
	auto text = golden(GetParam());
	ASSERT_NE(text, "");
	std::string error;
	auto document = parse(text, error);
	ASSERT_EQ(error, "");
	EXPECT_EQ(printed(document), text);
}

INSTANTIATE_TEST_SUITE_P(Lnetctl, Stock,
			 ::testing::Values("export", "export-backup", "global-show", "net-show",
					   "net-show-v4", "peer-show", "peer-show-v4",
					   "stats-show"));

TEST(Yaml, PingAnswersHaveALayoutOfTheirOwn)
{
	const std::string text =
		"ping:\n"
		"- primary nid: 192.168.50.1@tcp\n"
		"  Multi-Rail: true\n"
		"  peer_ni:\n"
		"  - nid: 10.0.2.15@tcp\n"
		"  - nid: 192.168.50.1@tcp\n"
		"manage:\n"
		"- ping:\n"
		"  errno: -113\n"
		"  descr: ! 'failed to ping 192.168.50.99@tcp: No route to host'\n";
	std::string error;
	std::ostringstream out;
	print(out, parse(text, error), kPingLayout);
	EXPECT_EQ(error, "");
	EXPECT_EQ(out.str(), text);
}

TEST(Yaml, ListsOfMapsAndPlainMaps)
{
	const std::string text = "routing:\n"
				 "    - cpt[0]:\n"
				 "          tiny:\n"
				 "              npages: 0\n"
				 "    - enable: 3\n"
				 "buffers:\n"
				 "    tiny: 2048\n";
	std::string error;
	std::ostringstream out;
	print(out, parse(text, error), kPlainLayout);
	EXPECT_EQ(error, "");
	EXPECT_EQ(out.str(), text);
}

TEST(Yaml, KeysAreFoundReplacedAndAdded)
{
	Node n;
	n.set("a", Node::number(-1));
	n.set("b", Node("text"));
	n.set("a", Node::number(2));
	ASSERT_EQ(n.entries().size(), 2u);
	EXPECT_EQ(n.get("a"), "2");
	EXPECT_EQ(n.get("c"), "");
	EXPECT_EQ(n.find("c"), nullptr);
	std::string error;
	EXPECT_EQ(parse("a: [1, 2", error).kind(), Node::Kind::null);
	EXPECT_NE(error, "");
	EXPECT_TRUE(parse("", error).kind() == Node::Kind::null);
	EXPECT_EQ(error, "");
}

} // namespace
