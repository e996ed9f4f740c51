// SPDX-License-Identifier: Apache-2.0
#include "http/uri.h"

#include <gtest/gtest.h>

#include <string>

namespace mango::http::test {

namespace {

using namespace std::string_literals;

// The normal form, or "" if refused. A normal form must be stable.
std::string normalised(std::string path, bool allow_escaped_slashes = false) {
  const std::string given = path;
  path.resize(normalise_path(path, allow_escaped_slashes));
  if (path.empty()) return path;
  std::string again = path;
  EXPECT_EQ(normalise_path(again, allow_escaped_slashes), path.size()) << given;
  EXPECT_EQ(again, path) << given;
  return path;
}

}  // namespace

TEST(Path, IsNormalisedOnce) {
  const std::pair<std::string, std::string> table[] = {
      {"/", "/"},
      {"/a/b.c", "/a/b.c"},
      {"//", "/"},
      {"//a///b//", "/a/b/"},
      {"/./", "/"},
      {"/.", "/"},
      {"/a/.", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../b", "/b"},
      {"/a//../b", "/b"},
      {"/a/b/../../c/", "/c/"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/.%2e/b", "/b"},
      {"/%61%62c", "/abc"},
      {"/%7euser", "/~user"},
      {"/a%20b%c3%a9", "/a%20b%C3%A9"},
      {"/%ff%FE", "/%FF%FE"},
      {"/a%25b", "/a%25b"},
      {"/100%25", "/100%25"},
      {"/%253a", "/%253a"},
      {"/a;b=c/d", "/a;b=c/d"},
      {"/...", "/..."},
      {"/..a/.b", "/..a/.b"},
      {"/.well-known/x", "/.well-known/x"},
      {"/%3f%23", "/%3F%23"},
      {"/a:b@c!$&'()*+,=|[]{}^`\"<>", "/a:b@c!$&'()*+,=|[]{}^`\"<>"},
  };
  for (const auto& [given, expected] : table) EXPECT_EQ(normalised(given), expected) << given;
}

TEST(Path, WhatTwoServersMightReadDifferentlyIsRefused) {
  for (const std::string& path :
       {""s,        "a"s,      "/.."s,       "/../a"s,      "/a/../.."s,  "/%2e%2e/a"s,    "/..%2fa"s,
        "/a%2Fb"s,  "/a%5cb"s, "/a\\b"s,     "/%00"s,       "/a%0d%0ab"s, "/%1f"s,         "/%7f"s,
        "/%"s,      "/%2"s,    "/%zz"s,      "/%2g"s,       "/%%32%65"s,  "/%252e%252e/"s, "/%252f"s,
        "/%255c"s,  "/%2500"s, "/%2525"s,    "/%25%32%65"s, "/%25%32e"s,  "/a b"s,         "/a\tb"s,
        "/a\0b"s,   "/a\x7f"s, "/\xc3\xa9"s, "/a#b"s,       "/a?b"s,      "/a/..;/b"s,     "/a/..;x=y"s,
        "/a/.;/b"s, "/%u002e"s}) {
    EXPECT_EQ(normalised(path), "") << path;
  }
}

TEST(Path, EscapedSlashesPassOnlyIfAllowedAndNeverWithDots) {
  EXPECT_EQ(normalised("/a%2fb%5cc", true), "/a%2Fb%5Cc");
  EXPECT_EQ(normalised("/a%2F..b", true), "/a%2F..b");
  for (const std::string path :
       {"/a/..%2fb", "/a%2f..", "/a%2f../b", "/a%2f.%5cb", "/%5c%2e%2e", "/a%252fb"}) {
    EXPECT_EQ(normalised(path, true), "") << path;
  }
}

TEST(Authority, ComparesWithTheDefaultPortFilledIn) {
  const auto same = [](std::string_view left, std::string_view right, std::string_view port) {
    Authority a;
    Authority b;
    EXPECT_TRUE(parse_authority(left, a)) << left;
    EXPECT_TRUE(parse_authority(right, b)) << right;
    return same_authority(a, b, port);
  };
  EXPECT_TRUE(same("a.org", "A.ORG:80", "80"));
  EXPECT_TRUE(same("a.org.", "a.org", "80"));
  EXPECT_FALSE(same("a.org", "a.org:80", "443"));
  EXPECT_TRUE(same("[::1]:443", "[::1]", "443"));
  EXPECT_FALSE(same("a.org", "b.org", "80"));
}

TEST(Authority, NamesBeyondTheLimitsOfDnsAreRefused) {
  Authority authority;
  EXPECT_TRUE(parse_authority(std::string(63, 'a') + ".org", authority));
  EXPECT_FALSE(parse_authority(std::string(64, 'a') + ".org", authority));
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(parse_authority(longest, authority));
  EXPECT_FALSE(parse_authority("a." + longest, authority));
}

}  // namespace mango::http::test
