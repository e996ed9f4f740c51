// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace mango::config {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

// A complete snapshot with every kind of part in it; also the fuzzer's seed.
json full_snapshot() {
  const auto here = std::filesystem::path(__FILE__).parent_path();
  std::ifstream file(here.parent_path() / "fuzz/corpus/snapshot/full.json");
  return json::parse(file);
}

// The error's text, or "" if the document is accepted.
std::string refusal(const json& document) {
  Document out;
  DecodeError error;
  return decode(document.dump(), out, error) ? "" : error.text();
}

std::string refusal_with(const char* pointer, const json& value) {
  json document = full_snapshot();
  document[Pointer(pointer)] = value;
  return refusal(document);
}

// Calls back with a pointer to every value in the tree.
template <typename Visit>
void walk(const json& value, const Pointer& at, Visit&& visit) {
  visit(at, value);
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) walk(child, at / key, visit);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) walk(value[i], at / i, visit);
  }
}

TEST(ConfigDocument, DecodesEveryPartOfAFullSnapshot) {
  Document out;
  DecodeError error;
  ASSERT_TRUE(decode(full_snapshot().dump(), out, error)) << error.text();
  EXPECT_EQ(out.generation, 7u);
  EXPECT_EQ(out.limits.max_buffer_bytes, 67108864u);
  ASSERT_EQ(out.tickets.keys.size(), 1u);
  for (size_t i = 0; i < kTicketKeyBytes; ++i) EXPECT_EQ(out.tickets.keys[0][i], i);
  EXPECT_TRUE(out.access_log);
  const Policy& policy = out.policies.at(0);
  EXPECT_EQ(policy.action(Trigger::rate_limited).action, ActionKind::tarpit);
  EXPECT_EQ(policy.action(Trigger::rate_limited).delay_ms, 2000u);
  EXPECT_EQ(policy.action(Trigger::device_reset).action, ActionKind::refuse_stream);
  EXPECT_EQ(policy.rate_limit->burst, 20u);
  EXPECT_EQ(out.listeners.at(0).tls->client_auth, ClientAuth::optional);
  EXPECT_EQ(out.listeners.at(0).tls->min_version, kTls12);
  EXPECT_FALSE(out.listeners.at(1).tls.has_value());
  const Route& route = out.routes.at(0);
  EXPECT_EQ(route.matches.at(1).query_params.at(0).type, NameMatchType::regular_expression);
  EXPECT_EQ(route.request_modifier->set.at(0), std::pair(std::string("X-A"), std::string("1")));
  EXPECT_EQ(route.rewrite->path->type, PathModifierType::replace_prefix_match);
  EXPECT_EQ(out.routes.at(1).redirect->status_code, 301);
  EXPECT_EQ(out.routes.at(1).policy, -1);
  EXPECT_EQ(out.upstreams.at(0).load_balancer, LoadBalancer::least_request);
  EXPECT_EQ(out.upstreams.at(0).servers.at(0).endpoints.at(1), "[::1]:80");
}

TEST(ConfigDocument, DecodesWhatIsSpokenOnBothSides) {
  Document out;
  DecodeError error;
  ASSERT_TRUE(decode(full_snapshot().dump(), out, error)) << error.text();
  const Listener& https = out.listeners.at(0);
  EXPECT_EQ(https.mode, ListenerMode::http);
  EXPECT_EQ(https.proxy_protocol_cidrs, (std::vector<std::string>{"10.1.0.0/16", "fd00::/8"}));
  EXPECT_TRUE(https.http2.enabled);
  EXPECT_EQ(https.http2.max_concurrent_streams, 100u);
  EXPECT_EQ(https.http2.stream_window_bytes, 65536u);
  EXPECT_EQ(https.http2.connection_window_bytes, 1048576u);
  EXPECT_EQ(https.http2.reset_burst, 200u);
  EXPECT_EQ(https.http2.resets_per_second, 20u);
  EXPECT_EQ(https.http2.control_burst, 1000u);
  EXPECT_EQ(https.http2.controls_per_second, 100u);
  EXPECT_EQ(https.timeouts.tunnel_idle_ms, 3600000u);
  EXPECT_EQ(out.listeners.at(2).mode, ListenerMode::tcp);
  EXPECT_EQ(out.listeners.at(2).tls->alpn.at(0), "postgresql");
  EXPECT_EQ(out.listeners.at(3).mode, ListenerMode::tls_passthrough);
  const Upstream& app = out.upstreams.at(0);
  EXPECT_EQ(app.protocol, UpstreamProtocol::automatic);
  EXPECT_EQ(app.proxy_protocol, ProxyProtocol::v2);
  EXPECT_TRUE(app.tls->verify);
  EXPECT_EQ(app.tls->ca_pem, "CA");
  EXPECT_EQ(app.tls->server_name, "app.internal");
  EXPECT_EQ(app.tls->alt_names.at(1), "10.0.0.1");
  EXPECT_EQ(app.tls->cert_pem, "CERT");
  EXPECT_EQ(app.tls->key_pem, "KEY");
  EXPECT_EQ(app.tls->min_version, kTls13);
  EXPECT_EQ(app.http2.stream_window_bytes, 65535u);
  EXPECT_EQ(app.http2.connection_window_bytes, 2147483647u);
  EXPECT_FALSE(out.upstreams.at(1).tls.has_value());
  EXPECT_EQ(out.upstreams.at(1).proxy_protocol, ProxyProtocol::none);
}

TEST(ConfigDocument, RefusesAnUnknownMemberInEveryObjectAndNamesIt) {
  const json whole = full_snapshot();
  walk(whole, Pointer(), [&](const Pointer& at, const json& value) {
    if (!value.is_object()) return;
    json changed = whole;
    changed[at]["surprise"] = 1;
    EXPECT_EQ(refusal(changed), (at / "surprise").to_string() + ": unknown member");
  });
}

TEST(ConfigDocument, RefusesEveryMissingMember) {
  const json whole = full_snapshot();
  walk(whole, Pointer(), [&](const Pointer& at, const json& value) {
    if (!value.is_object()) return;
    for (const auto& item : value.items()) {
      json changed = whole;
      changed[at].erase(item.key());
      EXPECT_NE(refusal(changed).find("lacks the member " + item.key()), std::string::npos) << at.to_string();
    }
  });
}

TEST(ConfigDocument, RefusesEveryValueOfAWrongType) {
  const json whole = full_snapshot();
  const json wrong[] = {json(), 1.5, -2, "\n", true, json::array({nullptr}), json::object({{"x", 1}})};
  walk(whole, Pointer(), [&](const Pointer& at, const json& value) {
    for (const json& other : wrong) {
      // null is "none" for optional parts; booleans may be flipped; text rules are checked elsewhere
      const bool secret_or_empty = value.is_string() && other.is_string();
      if (other.is_null() || secret_or_empty || (value.is_boolean() && other.is_boolean())) continue;
      json changed = whole;
      changed[at] = other;
      EXPECT_NE(refusal(changed), "") << at.to_string() << " = " << other.dump();
    }
  });
}

TEST(ConfigDocument, SaysWhereTheMistakeIs) {
  EXPECT_EQ(refusal_with("/routes/0/matches/1/path/type", "Suffix"),
            "/routes/0/matches/1/path/type: expected one of \"Exact\" \"PathPrefix\" \"RegularExpression\"");
  EXPECT_EQ(refusal_with("/listeners/1/port", 70000),
            "/listeners/1/port: expected an integer from 0 to 65535");
}

TEST(ConfigDocument, RefusesDanglingReferences) {
  EXPECT_NE(refusal_with("/listeners/0/policy", 1), "");
  EXPECT_NE(refusal_with("/listeners/0/tls/certificates/0", 1), "");
  EXPECT_NE(refusal_with("/routes/0/listeners/1", 4), "");
  EXPECT_NE(refusal_with("/routes/0/backends/0/upstream", 2), "");
  EXPECT_NE(refusal_with("/routes/0/policy", 1), "");
  EXPECT_NE(refusal_with("/routes/0/policy", -2), "");
}

TEST(ConfigDocument, RefusesSettingsOfHttp2OutOfRange) {
  for (const char* at : {"/listeners/0/http2", "/upstreams/0/http2"}) {
    const std::string http2 = at;
    for (const char* window : {"/streamWindowBytes", "/connectionWindowBytes"}) {
      EXPECT_NE(refusal_with((http2 + window).c_str(), 65534), "");
      EXPECT_NE(refusal_with((http2 + window).c_str(), 2147483648), "");
    }
    EXPECT_NE(refusal_with((http2 + "/maxConcurrentStreams").c_str(), 0), "");
    EXPECT_NE(refusal_with((http2 + "/maxConcurrentStreams").c_str(), 1001), "");
  }
  for (const char* budget : {"resetBurst", "resetsPerSecond", "controlBurst", "controlsPerSecond"})
    EXPECT_NE(refusal_with((std::string("/listeners/0/http2/") + budget).c_str(), 0), "") << budget;
}

TEST(ConfigDocument, RefusesProtocolsThatCannotBeSpoken) {
  EXPECT_EQ(refusal_with("/listeners/2/mode", "tlsPassthrough"),
            "/listeners/2: tls: a listener that passes TLS through ends none");
  EXPECT_EQ(refusal_with("/listeners/2/http2/enabled", true),
            "/listeners/2: http2: enabled on a listener that forwards bytes");
  EXPECT_EQ(refusal_with("/listeners/0/http2/enabled", false),
            "/listeners/0: tls: alpn offers h2, which is not enabled");
  EXPECT_EQ(refusal_with("/upstreams/1/protocol", "auto"),
            "/upstreams/1: protocol: auto needs tls, for ALPN decides");
}

TEST(ConfigDocument, RefusesRoutesThatMixRequestsAndBytes) {
  EXPECT_EQ(refusal_with("/routes/2/listeners", json::array({2, 0})),
            "/routes/2/listeners: mixes HTTP and bytes");
  EXPECT_EQ(refusal_with("/routes/0/listeners", json::array({2})),
            "/routes/0/listeners: bytes have no requests");
}

TEST(ConfigDocument, RefusesVerificationThatIsHalfOn) {
  EXPECT_EQ(refusal_with("/upstreams/0/tls/caPem", ""),
            "/upstreams/0/tls: verify: nobody can be believed without caPem");
  EXPECT_EQ(refusal_with("/upstreams/0/tls/verify", false),
            "/upstreams/0/tls: altNames: pinned, but not verified");
  EXPECT_EQ(refusal_with("/upstreams/0/tls/keyPem", ""),
            "/upstreams/0/tls: certPem and keyPem belong together");
  EXPECT_NE(refusal_with("/upstreams/0/tls/serverName", "a\r\nb"), "");
}

TEST(ConfigDocument, RefusesEmptyListsThatMayNotBeEmpty) {
  EXPECT_NE(refusal_with("/routes/0/matches", json::array()), "");
  EXPECT_NE(refusal_with("/routes/0/listeners", json::array()), "");
  EXPECT_NE(refusal_with("/listeners/0/tls/certificates", json::array()), "");
}

TEST(ConfigDocument, RefusesNamesThatAreTaken) {
  json document = full_snapshot();
  document["listeners"][1]["name"] = document["listeners"][0]["name"];
  EXPECT_EQ(refusal(document), "/listeners/1/name: the name is taken");
}

TEST(ConfigDocument, RefusesTextThatWouldInjectIntoAHead) {
  EXPECT_NE(refusal_with("/routes/0/requestModifier/set/0/0", "X-A: 1\r\nX-B"), "");
  EXPECT_NE(refusal_with("/routes/0/requestModifier/set/0/1", "1\r\nX-B: 2"), "");
  EXPECT_NE(refusal_with("/routes/0/requestModifier/remove/0", ""), "");
  EXPECT_NE(refusal_with("/routes/0/rewrite/hostname", "a\r\nb"), "");
  EXPECT_NE(refusal_with("/routes/0/rewrite/path/value", "/a b"), "");
  EXPECT_NE(refusal_with("/routes/1/redirect/path/value", "/a?b"), "");
  EXPECT_NE(refusal_with("/routes/1/redirect/path/value", "relative"), "");
  EXPECT_NE(refusal_with("/routes/1/redirect/hostname", "evil/@"), "");
  EXPECT_NE(refusal_with("/routes/1/redirect/scheme", "javascript"), "");
  EXPECT_NE(refusal_with("/routes/1/redirect/statusCode", 304), "");
  EXPECT_NE(refusal_with("/upstreams/0/servers/0/host", "a b"), "");
}

TEST(ConfigDocument, RefusesHostnamesThatNoRequestCouldMatch) {
  for (const char* hostname : {"Shop.example.org", "*", "*.", "a.*.org", "a b", ""}) {
    EXPECT_NE(refusal_with("/routes/0/hostnames/0", hostname), "") << hostname;
  }
  EXPECT_EQ(refusal_with("/routes/0/hostnames/0", "[2001:db8::1]"), "");
}

TEST(ConfigDocument, NeverTellsSecrets) {
  for (const json& secret : {json("c2VjcmV0LXNlY3JldA=="), json(12345678)}) {
    for (const char* pointer : {"/tickets/keys/0", "/certificates/0/keyPem", "/upstreams/0/tls/keyPem"}) {
      const std::string text = refusal_with(pointer, secret);
      EXPECT_EQ(text.find("c2Vjc"), std::string::npos);
      EXPECT_EQ(text.find("12345678"), std::string::npos);
    }
  }
  EXPECT_NE(refusal_with("/tickets/keys/0", "c2VjcmV0LXNlY3JldA=="), "");
}

TEST(ConfigDocument, RefusesWhatIsNotJsonOrTooDeep) {
  Document out;
  DecodeError error;
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("nonsense"), std::string("{}\0", 3), std::string("\xff"),
        std::string(100000, '['), std::string("[]"), std::string("{}")}) {
    EXPECT_FALSE(decode(text, out, error));
    EXPECT_FALSE(error.message.empty());
  }
}

TEST(ConfigDocument, LeavesTheResultAloneOnFailure) {
  Document out;
  out.generation = 42;
  DecodeError error;
  EXPECT_FALSE(decode("{\"generation\": 1}", out, error));
  EXPECT_EQ(out.generation, 42u);
}

TEST(ConfigDocument, KnowsEndpoints) {
  for (const char* good : {"10.0.0.1:80", "[::1]:65535", "unix:/run/app.sock"})
    EXPECT_TRUE(is_endpoint(good)) << good;
  for (const char* bad : {"", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "::1:80", "[::1]", "name:80",
                          "unix:app", "[10.0.0.1]:80", "10.0.0.1:+1"}) {
    EXPECT_FALSE(is_endpoint(bad)) << bad;
  }
}

TEST(ConfigDocument, NamesEveryActionBothWays) {
  for (size_t i = 0; i < kActionKindCount; ++i) {
    ActionKind parsed{};
    EXPECT_TRUE(parse_action_kind(to_string(static_cast<ActionKind>(i)), parsed));
    EXPECT_EQ(static_cast<size_t>(parsed), i);
  }
  ActionKind ignored{};
  EXPECT_FALSE(parse_action_kind("explode", ignored));
  EXPECT_EQ(to_string(Trigger::device_reset), "deviceReset");
  EXPECT_EQ(to_string(Trigger::upstream_connect_error), "upstreamConnectError");
}

}  // namespace
}  // namespace mango::config
