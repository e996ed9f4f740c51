// SPDX-License-Identifier: Apache-2.0
#include "http/websocket.h"

#include <gtest/gtest.h>

#include <string>

namespace mango::http::test {
namespace {

std::string accept(std::string_view key) {
  const std::array<char, kWebSocketAcceptBytes> value = websocket_accept(key);
  return {value.data(), value.size()};
}

TEST(WebSocketAccept, AnswersTheExampleOfRfc6455) {
  EXPECT_EQ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept("dGhlIHNhbXBsZSBub25jZQ=="));
}

// Around the sizes where padding needs a block of its own.
TEST(WebSocketAccept, AnswersKeysOfAnyLength) {
  EXPECT_EQ("Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=", accept(""));
  EXPECT_EQ("5Ave8ujWOAIJFSnGl1SCdSULUzg=", accept(std::string(18, 'a')));
  EXPECT_EQ("yzaGyu0mcUukN7CdsSwa30tnCpc=", accept(std::string(19, 'a')));
  EXPECT_EQ("dUYRM7bOMwDmbriNIPr11x+r3E0=", accept(std::string(20, 'a')));
  EXPECT_EQ("NCEiOv6lMC9mC8oEZnneqRdJ4DU=", accept(std::string(27, 'a')));
  EXPECT_EQ("xMWmCBqYJY4uXzUs8PNU1t+Pzro=", accept(std::string(28, 'a')));
  EXPECT_EQ("+taVhj8zzaJPYE6HHo1ugamK/Ug=", accept(std::string(100, 'a')));
}

}  // namespace
}  // namespace mango::http::test
