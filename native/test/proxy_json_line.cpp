// SPDX-License-Identifier: Apache-2.0
// Lines as an ordinary JSON parser reads them back, whatever bytes a peer put into them.
#include "proxy/json_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace mango::proxy {
namespace {

using Json = nlohmann::json;

std::string line_of(std::string_view value) {
  std::string text;
  JsonLine(text).text("v", value).end();
  return text;
}

std::string read_back(std::string_view value) {
  const Json parsed = Json::parse(line_of(value), nullptr, false);
  return parsed.is_object() ? parsed["v"].get<std::string>() : "not JSON";
}

TEST(JsonLine, WritesMembersOfEveryKind) {
  std::string text = "before ";
  JsonLine line(text);
  line.text("a", "b").number("n", UINT64_MAX).real("r", 0.25).boolean("t", true).boolean("f", false);
  line.members("").members("\"x\":1,\"y\":2").end();
  EXPECT_EQ(
      "before {\"a\":\"b\",\"n\":18446744073709551615,\"r\":0.250000,\"t\":true,\"f\":false,\"x\":1,\"y\":2}",
      text);
}

TEST(JsonLine, CanBeEmptyOrBeginWithGivenMembers) {
  std::string text;
  JsonLine(text).end();
  JsonLine(text).members("\"x\":1").number("y", 0).end();
  EXPECT_EQ("{}{\"x\":1,\"y\":0}", text);
}

TEST(JsonLine, KeepsWellFormedText) {
  for (const std::string_view text :
       {"", "plain", "quote \" and \\", "a/b", "zwölf €", "\xf0\x9f\xa5\xad", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(text, read_back(text));
  EXPECT_EQ(std::string("nul\0 and \x01\n\r\t\x1f", 13),
            read_back(std::string("nul\0 and \x01\n\r\t\x1f", 13)));
}

TEST(JsonLine, IsOneLineWithoutControls) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (const char c : line_of(all)) {
    EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_NE(0x7F, c);
  }
}

TEST(JsonLine, ReplacesWhatIsNoUtf8) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(mark, read_back("\x80"));
  EXPECT_EQ(mark + mark, read_back("\xc0\xaf")) << "overlong";
  EXPECT_EQ(mark + mark + mark, read_back("\xed\xa0\x80")) << "a surrogate";
  EXPECT_EQ(mark + mark + mark + mark, read_back("\xf4\x90\x80\x80")) << "beyond Unicode";
  EXPECT_EQ("a" + mark + mark, read_back("a\xe2\x82")) << "cut short";
  EXPECT_EQ(mark + mark + "a", read_back("\xe2\x82"
                                         "a"));
  EXPECT_EQ(mark, read_back("\xff"));
}

TEST(JsonLine, StaysJsonForAnyBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 40, '\0');
    // Bytes that begin or go on with sequences are met more often than chance would have it.
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() : 0x80 | (random() & 0x7F));
    const std::string line = line_of(bytes);
    ASSERT_TRUE(Json::accept(line)) << line;
    ASSERT_EQ(read_back(bytes), read_back(read_back(bytes))) << "what was read back is well-formed";
  }
}

}  // namespace
}  // namespace mango::proxy
