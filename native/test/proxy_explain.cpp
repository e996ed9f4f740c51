// SPDX-License-Identifier: Apache-2.0
#include "proxy/explain.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mango::proxy {
namespace {

using nlohmann::json;

config::Match prefix(std::string path, std::string method = "") {
  return {.path = {config::PathMatchType::path_prefix, std::move(path)}, .method = std::move(method)};
}

config::Document document() {
  config::Document out;
  out.listeners.resize(2);
  out.listeners[0].name = "http";
  out.listeners[1].name = "https";
  out.listeners[1].tls.emplace();
  out.upstreams.push_back({.name = "app"});
  out.routes.push_back(
      {.name = "post", .listeners = {1}, .hostnames = {"a.org"}, .matches = {prefix("/api", "POST")}});
  out.routes.push_back({.name = "all", .listeners = {1}, .matches = {prefix("/")}, .backends = {{0, 7}}});
  out.routes.push_back(
      {.name = "up", .listeners = {0}, .matches = {prefix("/")}, .redirect = config::Redirect{}});
  return out;
}

json ask(const config::ExplainRequest& request) {
  const config::Document from = document();
  std::string error;
  const auto router = Router::build(from, error);
  EXPECT_NE(router, nullptr) << error;
  return json::parse(explain(from, *router, request));
}

TEST(ProxyExplain, TellsTheRouteItsBackendsAndWhyNotAnother) {
  const json answer = ask({.method = "GET", .url = "https://A.org:8443/x/../api/%75sers?q=1#top"});
  EXPECT_EQ(answer["listener"], "https");
  EXPECT_EQ(answer["path"], "/api/users");
  EXPECT_EQ(answer["route"], "all");
  EXPECT_EQ(answer["backends"], json::parse(R"([{"upstream":"app","weight":7}])"));
  EXPECT_EQ(answer["considered"],
            json::parse(R"([{"hostname":"a.org","route":"post","match":0,"rejected":"method"},
                            {"hostname":"*","route":"all","match":0,"rejected":""}])"));
}

TEST(ProxyExplain, PicksTheListenerByNameOrByScheme) {
  EXPECT_EQ(ask({.method = "GET", .url = "http://a.org"})["route"], "up");
  EXPECT_EQ(ask({.method = "GET", .url = "http://a.org"})["redirect"], true);
  EXPECT_EQ(ask({.listener = "https", .method = "GET", .url = "http://[::1]:80?x"})["route"], "all");
  EXPECT_EQ(ask({.listener = "nope", .method = "GET", .url = "http://a.org"})["error"], "no such listener");
}

TEST(ProxyExplain, RefusesWhatTheParserWouldRefuse) {
  for (const char* url : {"", "a.org/x", "ftp://a.org/", "https://", "https:///x", "https://a.org/../x",
                          "https://a.org/%00", "https://a.org/a%2fb"}) {
    EXPECT_TRUE(ask({.listener = "https", .method = "GET", .url = url}).contains("error")) << url;
  }
}

}  // namespace
}  // namespace mango::proxy
