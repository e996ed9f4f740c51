// SPDX-License-Identifier: Apache-2.0
#include "http/h2_field_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "http/chars.h"

namespace mango::http::test {
namespace {

TEST(H2FieldRules, ReadsValuesAsHttp11DoesWhereverTheOctetStands) {
  for (size_t bytes = 1; bytes < 40; ++bytes) {
    for (size_t at = 0; at < bytes; ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string value(bytes, 'v');
        value[at] = static_cast<char>(octet);
        const bool padded = is_blank(value.front()) || is_blank(value.back());
        ASSERT_EQ(is_field_value(value) && !padded, is_h2_value(value)) << bytes << " " << at << " " << octet;
      }
    }
  }
  EXPECT_TRUE(is_h2_value(""));
}

TEST(H2FieldRules, TakesTokensInLowerCaseForNames) {
  for (int octet = 0; octet < 256; ++octet) {
    const char c = static_cast<char>(octet);
    EXPECT_EQ(is_class(c, kTokenChar) && c == to_lower(c), is_h2_name(std::string("x-") + c)) << octet;
  }
  EXPECT_FALSE(is_h2_name(""));
}

TEST(H2FieldRules, ForbidsWhatConcernsAConnection) {
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
    EXPECT_TRUE(is_h2_forbidden(field_id(name), "x")) << name;
  EXPECT_TRUE(is_h2_forbidden(FieldId::te, "gzip"));
  EXPECT_FALSE(is_h2_forbidden(FieldId::te, "trailers"));
  EXPECT_FALSE(is_h2_forbidden(FieldId::other, "x"));
}

}  // namespace
}  // namespace mango::http::test
