// SPDX-License-Identifier: Apache-2.0
#include "proxy/router.h"

#include <gtest/gtest.h>

#include <random>

namespace mango::proxy {
namespace {

using config::NameMatchType;
using config::PathMatchType;

config::Match exact(std::string path) {
  return {.path = {PathMatchType::exact, std::move(path)}};
}
config::Match prefix(std::string path) {
  return {.path = {PathMatchType::path_prefix, std::move(path)}};
}
config::Match pattern(std::string path) {
  return {.path = {PathMatchType::regular_expression, std::move(path)}};
}

// A document under construction and the router over it.
class ProxyRouter : public ::testing::Test {
 protected:
  ProxyRouter() : document_{.listeners = std::vector<config::Listener>(2)} {}

  void route(std::string name, std::vector<std::string> hostnames, std::vector<config::Match> matches,
             std::vector<uint32_t> listeners = {0}) {
    document_.routes.push_back({.name = std::move(name),
                                .listeners = std::move(listeners),
                                .hostnames = std::move(hostnames),
                                .matches = std::move(matches)});
  }

  void build() {
    std::string error;
    router_ = Router::build(document_, error);
    ASSERT_NE(router_, nullptr) << error;
  }

  // The name of the route taken, or "none". The trace has to agree.
  std::string taken(std::string_view host, std::string_view path, uint32_t listener = 0) {
    if (router_ == nullptr) build();
    head_->host = host;
    head_->path = path;
    last_ = router_->match(listener, *head_);
    steps_.clear();
    EXPECT_EQ(router_->trace(listener, *head_, steps_), last_) << host << path;
    return last_ == nullptr ? "none" : document_.routes[last_->route].name;
  }

  void get(std::string_view query = {}) {
    head_->clear();
    head_->method_name = "GET";
    head_->query = query;
    head_->has_query = !query.empty();
  }
  void add_header(std::string_view name, std::string_view value) {
    ASSERT_TRUE(head_->fields.push({name, value, http::field_id(name)}));
  }

  config::Document document_;
  std::unique_ptr<const Router> router_;
  std::unique_ptr<http::RequestHead> head_ = std::make_unique<http::RequestHead>();
  const RouteMatch* last_ = nullptr;
  std::vector<Consideration> steps_;
};

TEST_F(ProxyRouter, PrefersTheMostSpecificHostname) {
  route("any", {}, {prefix("/")});
  route("wide", {"*.example.org"}, {prefix("/")});
  route("narrow", {"*.b.example.org"}, {prefix("/")});
  route("exact", {"a.b.example.org"}, {prefix("/")});
  EXPECT_EQ(taken("a.b.example.org", "/"), "exact");
  EXPECT_EQ(taken("c.b.example.org", "/"), "narrow");
  EXPECT_EQ(taken("x.c.b.example.org", "/"), "narrow");
  EXPECT_EQ(taken("b.example.org", "/"), "wide");
  EXPECT_EQ(taken("example.org", "/"), "any");
  EXPECT_EQ(taken("badexample.org", "/"), "any");
  EXPECT_EQ(taken(".example.org", "/"), "any");
  EXPECT_EQ(taken("", "/"), "any");
}

TEST_F(ProxyRouter, IgnoresCaseAndTheTrailingDotOfHosts) {
  route("r", {"shop.example.org"}, {prefix("/")});
  route("six", {"[2001:db8::1]"}, {prefix("/")});
  EXPECT_EQ(taken("SHOP.Example.ORG", "/"), "r");
  EXPECT_EQ(taken("shop.example.org.", "/"), "r");
  EXPECT_EQ(taken("shop.example.org..", "/"), "none");
  EXPECT_EQ(taken("[2001:DB8::1]", "/"), "six");
}

TEST_F(ProxyRouter, SurvivesHostsOfAnyLength) {
  route("any", {}, {prefix("/")});
  route("wild", {"*.org"}, {prefix("/")});
  EXPECT_EQ(taken(std::string(251, 'a') + ".org", "/"), "wild");
  EXPECT_EQ(taken(std::string(252, 'a') + ".org", "/"), "any");
  EXPECT_EQ(taken(std::string(100000, '.'), "/"), "any");
  EXPECT_EQ(taken(std::string(255, '.'), "/"), "any");
}

TEST_F(ProxyRouter, FallsThroughToLessSpecificHostnames) {
  route("exact", {"a.b.org"}, {exact("/only")});
  route("narrow", {"*.b.org"}, {prefix("/narrow")});
  route("wide", {"*.org"}, {prefix("/wide")});
  route("any", {}, {prefix("/any")});
  EXPECT_EQ(taken("a.b.org", "/only"), "exact");
  EXPECT_EQ(taken("a.b.org", "/narrow"), "narrow");
  EXPECT_EQ(taken("a.b.org", "/wide"), "wide");
  EXPECT_EQ(taken("a.b.org", "/any"), "any");
  EXPECT_EQ(taken("a.b.org", "/else"), "none");
  EXPECT_EQ(taken("other", "/wide"), "none");
}

TEST_F(ProxyRouter, KeepsListenersApart) {
  route("first", {"a"}, {prefix("/")}, {0});
  route("second", {"a"}, {prefix("/")}, {1});
  route("both", {"b"}, {prefix("/")}, {0, 1});
  EXPECT_EQ(taken("a", "/", 0), "first");
  EXPECT_EQ(taken("a", "/", 1), "second");
  EXPECT_EQ(taken("b", "/", 1), "both");
  EXPECT_EQ(taken("a", "/", 2), "none");
}

TEST_F(ProxyRouter, PrefersExactThenPatternThenTheLongestPrefix) {
  route("root", {"h"}, {prefix("/")});
  route("foo", {"h"}, {prefix("/foo")});
  route("foobar", {"h"}, {prefix("/foo/bar/")});
  route("pattern", {"h"}, {pattern("/foo/p.*")});
  route("exact", {"h"}, {exact("/foo/page")});
  EXPECT_EQ(taken("h", "/foo/page"), "exact");
  EXPECT_EQ(taken("h", "/foo/pages"), "pattern");
  EXPECT_EQ(taken("h", "/foo/bar"), "foobar");
  EXPECT_EQ(last_->prefix_length, 8u);
  EXPECT_EQ(taken("h", "/foo/bar/"), "foobar");
  EXPECT_EQ(taken("h", "/foo/bar/x"), "foobar");
  EXPECT_EQ(taken("h", "/foo/barn"), "foo");
  EXPECT_EQ(last_->prefix_length, 4u);
  EXPECT_EQ(taken("h", "/foobar"), "root");
  EXPECT_EQ(last_->prefix_length, 0u);
  EXPECT_EQ(taken("h", "/"), "root");
  EXPECT_EQ(taken("h", "*"), "root");
  EXPECT_EQ(taken("h", ""), "root");
}

TEST_F(ProxyRouter, MatchesWholePathsWithPatternsWithoutQuery) {
  route("r", {}, {pattern("/items/[0-9]+")});
  get("x=1");
  EXPECT_EQ(taken("h", "/items/42"), "r");
  EXPECT_EQ(taken("h", "/items/42/x"), "none");
  EXPECT_EQ(taken("h", "/a/items/42"), "none");
}

TEST_F(ProxyRouter, ComparesPathsWithCase) {
  route("r", {}, {exact("/A"), prefix("/B")});
  EXPECT_EQ(taken("h", "/a"), "none");
  EXPECT_EQ(taken("h", "/b/c"), "none");
  EXPECT_EQ(taken("h", "/B/c"), "r");
  EXPECT_EQ(last_->match, 1u);
}

TEST_F(ProxyRouter, PrefersMethodThenHeadersThenQueryThenOrder) {
  config::Match plain = prefix("/");
  config::Match query = prefix("/");
  query.query_params = {{NameMatchType::exact, "q", "1"}};
  config::Match header = prefix("/");
  header.headers = {{NameMatchType::exact, "X-A", "1"}};
  config::Match method = prefix("/");
  method.method = "GET";
  route("plain", {}, {plain});
  route("plain-too", {}, {plain});
  route("query", {}, {query});
  route("header", {}, {header});
  route("method", {}, {method});
  get("q=1");
  add_header("x-a", "1");
  EXPECT_EQ(taken("h", "/"), "method");
  head_->method_name = "get";  // methods are case-sensitive
  EXPECT_EQ(taken("h", "/"), "header");
  head_->fields.clear();
  EXPECT_EQ(taken("h", "/"), "query");
  head_->query = "";
  EXPECT_EQ(taken("h", "/"), "plain");
}

TEST_F(ProxyRouter, TriesAShorterPrefixWhenConditionsFail) {
  config::Match deep = prefix("/a/b/c");
  deep.headers = {{NameMatchType::exact, "X-Env", "canary"}};
  route("deep", {}, {deep});
  route("shallow", {}, {prefix("/a")});
  get();
  EXPECT_EQ(taken("h", "/a/b/c/d"), "shallow");
  add_header("X-ENV", "canary");
  EXPECT_EQ(taken("h", "/a/b/c/d"), "deep");
}

TEST_F(ProxyRouter, MatchesHeadersByExpressionAndAnyOfSeveralFields) {
  config::Match match = prefix("/");
  match.headers = {{NameMatchType::regular_expression, "Accept", "text/(html|plain)"}};
  route("r", {}, {match});
  get();
  EXPECT_EQ(taken("h", "/"), "none");
  add_header("accept", "text/html;q=1");
  EXPECT_EQ(taken("h", "/"), "none");
  add_header("ACCEPT", "text/plain");
  EXPECT_EQ(taken("h", "/"), "r");
}

TEST_F(ProxyRouter, LooksAtTheFirstQueryParameterOfANameDecoded) {
  config::Match match = prefix("/");
  match.query_params = {{NameMatchType::exact, "a b", "1&2"}};
  route("r", {}, {match});
  for (const char* good :
       {"a%20b=1%262", "a+b=1%262", "x=y&a+b=1%262&z", "a%20b=1%262&a%20b=3", "&&%61+b=%31%262"}) {
    get(good);
    EXPECT_EQ(taken("h", "/"), "r") << good;
  }
  for (const char* bad : {"a%20b=3&a%20b=1%262", "a b=1", "a%2b", "a%20b", "a%20b=", "a%20b=1%26",
                          "a%20b=1%2622", "%", "a%2", "=", "", "&", "a%20b=1%zz"}) {
    get(bad);
    EXPECT_EQ(taken("h", "/"), "none") << bad;
  }
}

TEST_F(ProxyRouter, MatchesQueryParametersByExpression) {
  config::Match match = prefix("/");
  match.query_params = {{NameMatchType::regular_expression, "v", "[a-c ]*"}};
  route("r", {}, {match});
  for (const char* good : {"v=abc", "v=a+b", "v", "v=%61"}) {
    get(good);
    EXPECT_EQ(taken("h", "/"), "r") << good;
  }
  for (const std::string& bad : {std::string("v=d"), std::string("w=a"), "v=" + std::string(100000, 'a')}) {
    get(bad);
    EXPECT_EQ(taken("h", "/"), "none");
  }
}

TEST_F(ProxyRouter, NamesTheRouteWhosePatternIsWrong) {
  route("fine", {}, {pattern("/a.*")});
  route("broken", {}, {pattern("/a(")});
  std::string error;
  EXPECT_EQ(Router::build(document_, error), nullptr);
  EXPECT_EQ(error.rfind("route broken: ", 0), 0u) << error;
}

TEST_F(ProxyRouter, RefusesPatternsThatNeedTooMuchMemory) {
  route("hungry", {}, {pattern("((((a{1,100}){1,100}){1,100}){1,100})")});
  std::string error;
  EXPECT_EQ(Router::build(document_, error), nullptr);
  EXPECT_EQ(error.rfind("route hungry: ", 0), 0u) << error;
}

TEST_F(ProxyRouter, TellsWhyCandidatesWereRejected) {
  config::Match match = prefix("/api");
  match.method = "POST";
  config::Match header = prefix("/api");
  header.headers = {{NameMatchType::exact, "X-Env", "canary"}};
  route("post", {"a.org"}, {match});
  route("canary", {"a.org"}, {header});
  route("login", {"a.org"}, {exact("/login")});
  route("all", {"*.org"}, {prefix("/")});
  get();
  EXPECT_EQ(taken("a.org", "/api/x"), "all");
  ASSERT_EQ(steps_.size(), 4u);
  EXPECT_EQ(steps_[0].rejected, "path");
  EXPECT_EQ(steps_[1].rejected, "method");
  EXPECT_EQ(steps_[2].rejected, "header X-Env");
  EXPECT_EQ(steps_[3].rejected, "");
  EXPECT_EQ(steps_[3].hostname, "*.org");
}

TEST_F(ProxyRouter, FindsEachOfTenThousandHosts) {
  for (int i = 0; i < 10000; ++i) {
    const std::string number = std::to_string(i);
    const std::string host = (i % 3 == 0 ? "*.h" : "h") + number + ".example.org";
    route("r" + number, {host}, {prefix("/"), exact("/exact")}, {0, 1});
  }
  build();
  for (int i = 0; i < 10000; ++i) {
    const std::string number = std::to_string(i);
    const std::string host = (i % 3 == 0 ? "www.h" : "h") + number + ".example.org";
    ASSERT_EQ(taken(host, i % 2 == 0 ? "/exact" : "/x", i % 2), "r" + number);
  }
  EXPECT_EQ(taken("h10000.example.org", "/"), "none");
}

// match() finds by index, trace() by looking at everything in order: on random tables and requests they
// agree.
TEST_F(ProxyRouter, DecidesByIndexAsItWouldByScanning) {
  std::mt19937 random(7);
  const auto one_of = [&](auto&& list) { return std::string(std::begin(list)[random() % std::size(list)]); };
  const std::string_view hosts[] = {"", "a.org", "*.a.org", "*.org", "b.a.org", "*.b.a.org", "c"};
  const std::string_view paths[] = {"/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b/", "/a/bc"};
  const std::string_view requests[] = {"a.org", "x.a.org", "b.a.org", "y.b.a.org", "org", "c", "", "d.c"};
  for (int round = 0; round < 200; ++round) {
    document_.routes.clear();
    for (unsigned i = 0; i < 1 + random() % 12; ++i) {
      const std::string host = one_of(hosts);
      config::Match match{.path = {static_cast<PathMatchType>(random() % 3), one_of(paths)}};
      if (random() % 3 == 0) match.method = "POST";
      if (random() % 3 == 0) match.headers = {{NameMatchType::exact, "X-A", random() % 2 ? "1" : "2"}};
      route(std::to_string(i), host.empty() ? std::vector<std::string>{} : std::vector{host}, {match});
    }
    build();
    get();
    add_header("x-a", "1");
    for (const std::string_view host : requests) {
      for (const std::string_view path : paths) (void)taken(host, path);
    }
  }
}

}  // namespace
}  // namespace mango::proxy
