// SPDX-License-Identifier: Apache-2.0
#include "proxy/bans.h"

#include <gtest/gtest.h>

namespace mango::proxy {
namespace {

config::Ban ban(config::BanBy by, const char* value, uint64_t until_ms) {
  return {.by = by, .value = value, .action = config::ActionKind::abort, .status = 0, .until_ms = until_ms};
}

Address address(const char* text) {
  Address parsed;
  EXPECT_TRUE(Address::parse(text, parsed)) << text;
  return parsed;
}

TEST(BanTable, FindsABanUntilItsTimeIsUp) {
  const auto table = BanTable::build({ban(config::BanBy::client, "192.0.2.1", 1000)});
  ASSERT_NE(nullptr, table->client(address("192.0.2.1"), 999));
  EXPECT_EQ(config::ActionKind::abort, table->client(address("192.0.2.1"), 0)->action);
  EXPECT_EQ(nullptr, table->client(address("192.0.2.1"), 1000));
  EXPECT_EQ(nullptr, table->client(address("192.0.2.2"), 0));
}

TEST(BanTable, KnowsAClientInAnyNotation) {
  const auto table = BanTable::build({ban(config::BanBy::client, "2001:DB8:0::1", 1000)});
  EXPECT_NE(nullptr, table->client(address("2001:db8::1"), 0));
}

TEST(BanTable, KeepsItsKindsApart) {
  const auto table =
      BanTable::build({ban(config::BanBy::sni, "a", 1000), ban(config::BanBy::route, "b", 1000)});
  EXPECT_NE(nullptr, table->sni("a", 0));
  EXPECT_EQ(nullptr, table->sni("b", 0));
  EXPECT_NE(nullptr, table->route("b", 0));
  EXPECT_EQ(nullptr, table->route("a", 0));
  EXPECT_FALSE(table->empty());
}

TEST(BanTable, IsEmptyWithoutBans) {
  const auto table = BanTable::build({});
  EXPECT_TRUE(table->empty());
  EXPECT_EQ(nullptr, table->sni("", 0));
  EXPECT_EQ(nullptr, table->client(address("::"), 0));
}

TEST(BanTable, CoversNobodyByAnAddressThatIsNone) {
  const auto table = BanTable::build({ban(config::BanBy::client, "nobody", 1000)});
  EXPECT_EQ(nullptr, table->client(Address(), 0));
}

}  // namespace
}  // namespace mango::proxy
