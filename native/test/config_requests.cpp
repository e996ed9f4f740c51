// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "config/document.h"

namespace mango::config {
namespace {

TEST(ConfigRequests, DecodesBans) {
  std::vector<Ban> bans;
  DecodeError error;
  ASSERT_TRUE(decode_bans(
      R"([{"by":"sni","value":"a.example","action":"respond","status":429,"untilMs":1900000000000}])", bans,
      error))
      << error.text();
  ASSERT_EQ(bans.size(), 1u);
  EXPECT_EQ(bans[0].by, BanBy::sni);
  EXPECT_EQ(bans[0].action, ActionKind::respond);
  EXPECT_EQ(bans[0].until_ms, 1900000000000u);
  ASSERT_TRUE(decode_bans("[]", bans, error));
  EXPECT_TRUE(bans.empty());
}

TEST(ConfigRequests, RefusesBadBans) {
  std::vector<Ban> bans(1);
  DecodeError error;
  EXPECT_FALSE(decode_bans("{}", bans, error));
  EXPECT_FALSE(
      decode_bans(R"([{"by":"moon","value":"x","action":"abort","status":0,"untilMs":1}])", bans, error));
  EXPECT_EQ(error.path, "/0/by");
  EXPECT_FALSE(
      decode_bans(R"([{"by":"sni","value":"x","action":"abort","status":0,"untilMs":-1}])", bans, error));
  EXPECT_EQ(bans.size(), 1u);
}

TEST(ConfigRequests, KnowsAnEmptySelector) {
  SessionSelector selector;
  DecodeError error;
  ASSERT_TRUE(decode_selector("{}", selector, error));
  EXPECT_TRUE(selector.empty());
  ASSERT_TRUE(decode_selector(R"({"limit":5})", selector, error));
  EXPECT_TRUE(selector.empty());
  ASSERT_TRUE(decode_selector(R"({"id":0})", selector, error));
  EXPECT_FALSE(selector.empty());
}

TEST(ConfigRequests, DecodesAFullSelector) {
  SessionSelector selector;
  DecodeError error;
  ASSERT_TRUE(decode_selector(R"({"id":3,"client":"10.0.0.0/8","sni":"s","route":"r","upstream":"u",
                                  "listener":"l","olderThanMs":10,"limit":2})",
                              selector, error))
      << error.text();
  EXPECT_EQ(selector.id, 3u);
  EXPECT_EQ(selector.client, "10.0.0.0/8");
  EXPECT_EQ(selector.older_than_ms, 10u);
  EXPECT_EQ(selector.limit, 2u);
}

TEST(ConfigRequests, RefusesASelectorThatWouldSelectMoreThanMeant) {
  SessionSelector selector;
  DecodeError error;
  EXPECT_FALSE(decode_selector(R"({"clients":"10.0.0.1"})", selector, error));
  EXPECT_FALSE(decode_selector(R"({"sni":""})", selector, error));
  EXPECT_FALSE(decode_selector(R"({"sni":null})", selector, error));
  EXPECT_FALSE(decode_selector("[]", selector, error));
}

TEST(ConfigRequests, DecodesAnExplainRequestWithAndWithoutAListener) {
  ExplainRequest request;
  DecodeError error;
  ASSERT_TRUE(
      decode_explain(R"({"method":"GET","url":"https://a/","headers":[["X-A","1"]]})", request, error))
      << error.text();
  EXPECT_EQ(request.listener, "");
  EXPECT_EQ(request.headers.at(0).second, "1");
  ASSERT_TRUE(
      decode_explain(R"({"listener":"l","method":"GET","url":"https://a/","headers":[]})", request, error));
  EXPECT_EQ(request.listener, "l");
  EXPECT_FALSE(decode_explain(R"({"method":"G T","url":"https://a/","headers":[]})", request, error));
  EXPECT_FALSE(decode_explain(R"({"method":"GET","url":"https://a/","headers":[["X-A"]]})", request, error));
}

}  // namespace
}  // namespace mango::config
