// SPDX-License-Identifier: Apache-2.0
#include "proxy/filters.h"

#include <gtest/gtest.h>

#include <array>

namespace mango::proxy {
namespace {

std::string location(const config::Redirect& redirect, const FilterRequest& request) {
  std::array<char, 512> memory;
  http::HeadWriter out(memory);
  write_location(out, redirect, request);
  EXPECT_TRUE(out.ok());
  return std::string(out.text());
}

std::string target(const config::PathModifier* modifier, const FilterRequest& request) {
  std::array<char, 512> memory;
  http::HeadWriter out(memory);
  write_target(out, modifier, request);
  EXPECT_TRUE(out.ok());
  return std::string(out.text());
}

FilterRequest on(std::string_view scheme, uint16_t port) {
  return {.scheme = scheme,
          .host = "example.org",
          .listener_port = port,
          .path = "/a",
          .query = "q=1",
          .has_query = true};
}

TEST(ProxyFilters, RedirectsToHttpsWithoutAPort) {
  EXPECT_EQ(location({.scheme = "https"}, on("http", 8080)), "https://example.org/a?q=1");
}

TEST(ProxyFilters, KeepsTheListenersPortWhenTheSchemeIsUnchanged) {
  EXPECT_EQ(location({.hostname = "www.example.org"}, on("https", 8443)),
            "https://www.example.org:8443/a?q=1");
  EXPECT_EQ(location({.hostname = "www.example.org"}, on("https", 443)), "https://www.example.org/a?q=1");
  EXPECT_EQ(location({}, on("http", 80)), "http://example.org/a?q=1");
  EXPECT_EQ(location({}, on("http", 443)), "http://example.org:443/a?q=1");
}

TEST(ProxyFilters, OmitsAConfiguredPortOnlyIfItIsTheWellKnownOne) {
  EXPECT_EQ(location({.scheme = "https", .port = 443}, on("http", 80)), "https://example.org/a?q=1");
  EXPECT_EQ(location({.scheme = "https", .port = 8443}, on("http", 80)), "https://example.org:8443/a?q=1");
  EXPECT_EQ(location({.scheme = "https", .port = 80}, on("http", 80)), "https://example.org:80/a?q=1");
}

TEST(ProxyFilters, RedirectsIPv6Hosts) {
  FilterRequest request = on("http", 8080);
  request.host = "[::1]";
  EXPECT_EQ(location({.scheme = "https", .port = 8443}, request), "https://[::1]:8443/a?q=1");
}

TEST(ProxyFilters, RedirectsRelativelyWhenNoHostIsKnown) {
  FilterRequest request = on("http", 80);
  request.host = {};
  EXPECT_EQ(location({}, request), "/a?q=1");
}

TEST(ProxyFilters, ReplacesTheFullPathAndKeepsTheQuery) {
  const config::PathModifier modifier{config::PathModifierType::replace_full_path, "/new"};
  EXPECT_EQ(target(&modifier, on("http", 80)), "/new?q=1");
  EXPECT_EQ(location({.path = modifier}, on("http", 80)), "http://example.org/new?q=1");
}

TEST(ProxyFilters, KeepsAnEmptyQueryApartFromNone) {
  EXPECT_EQ(target(nullptr, {.path = "/a", .query = "", .has_query = true}), "/a?");
  EXPECT_EQ(target(nullptr, {.path = "/a"}), "/a");
}

struct PrefixCase {
  std::string_view path;
  std::string_view prefix;  // normalised: without a trailing slash
  const char* value;
  const char* expected;
};

// The table in Gateway API's HTTPPathModifier.
constexpr PrefixCase kPrefixCases[] = {
    {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
    {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
    {"/foo", "/foo", "/xyz", "/xyz"},
    {"/foo/", "/foo", "/xyz", "/xyz/"},
    {"/foo/bar", "/foo", "", "/bar"},
    {"/foo/", "/foo", "", "/"},
    {"/foo", "/foo", "", "/"},
    {"/foo/", "/foo", "/", "/"},
    {"/foo", "/foo", "/", "/"},
    {"/bar", "", "/xyz", "/xyz/bar"},
    {"/", "", "/xyz", "/xyz/"},
};

TEST(ProxyFilters, ReplacesPrefixesAsGatewayApiSays) {
  for (const PrefixCase& c : kPrefixCases) {
    const config::PathModifier modifier{config::PathModifierType::replace_prefix_match, c.value};
    const FilterRequest request{.path = c.path, .prefix_length = static_cast<uint32_t>(c.prefix.size())};
    EXPECT_EQ(target(&modifier, request), c.expected) << c.path << " " << c.prefix << " " << c.value;
  }
}

TEST(ProxyFilters, ReportsMemoryThatIsTooSmall) {
  std::array<char, 8> memory;
  http::HeadWriter out(memory);
  write_target(out, nullptr, {.path = "/longer-than-that"});
  EXPECT_FALSE(out.ok());
}

}  // namespace
}  // namespace mango::proxy
