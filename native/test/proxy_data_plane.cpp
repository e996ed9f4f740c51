// SPDX-License-Identifier: Apache-2.0
// A whole data plane on real sockets: requests, reloads, sessions acted upon, and its own end.
#include <fcntl.h>

#include "edge_support.h"

namespace mango::proxy::test {
namespace {

TEST(DataPlane, ServesRequestsOnOneConnection) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()));
  const auto client = plane.connect();
  for (const char* path : {"/one", "/two", "/three"}) {
    ASSERT_TRUE(client->send(get(path)));
    const Response response = read_response(*client);
    EXPECT_EQ(200, response.status);
    EXPECT_EQ(path, response.content);
  }
  EXPECT_EQ(1U, app.connections());
  const Json counters = plane.counters();
  EXPECT_EQ(1, counters["sessions"]["active"]);
  EXPECT_EQ(3, counters["routes"][1]["requests"][0]["count"]) << counters["routes"].dump();
}

TEST(DataPlane, AnswersPipelinedRequestsInOrder) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()));
  const auto client = plane.connect();
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += get("/" + std::to_string(i));
  ASSERT_TRUE(client->send(requests));
  for (int i = 0; i < 50; ++i) EXPECT_EQ("/" + std::to_string(i), read_response(*client).content);
}

TEST(DataPlane, RefusesABadRequestBehindAGoodOne) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()));
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/good") + "GET / HTTP/1.1\r\nHost : example.org\r\n\r\n" + get("/never")));
  EXPECT_EQ("/good", read_response(*client).content);
  const std::string rest = client->read_to_end();
  EXPECT_TRUE(rest.starts_with("HTTP/1.1 400 ")) << rest;
  EXPECT_EQ(std::string::npos, rest.find("/never"));
}

// The action of a policy ends the session in the middle of what was received: the rest of it is not looked
// at.
TEST(DataPlane, LooksAtNothingBehindARequestThatEndsTheSession) {
  Upstream app(Upstream::echo_path);
  for (const char* name : {"close", "reset", "abort", "tarpit", "respond"}) {
    Json json = snapshot(app.endpoint());
    json["policies"].push_back(policy());
    json["policies"][1]["name"] = "nobody";
    json["policies"][1]["ipDeny"] = {"127.0.0.0/8"};
    json["policies"][1]["actions"]["denied"] = action(name);
    json["routes"][0]["policy"] = 1;
    Plane plane(json);
    const auto client = plane.connect();
    ASSERT_TRUE(client->send(get("/1") + get("/2") +
                             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + get("/3")));
    const std::string all = client->read_to_end();
    const bool answers = std::string_view(name) == "respond" || std::string_view(name) == "tarpit";
    EXPECT_EQ(answers ? 0U : std::string::npos, all.find("HTTP/1.1 ")) << name << ": " << all;
    EXPECT_EQ(answers ? 0U : std::string::npos, all.rfind("HTTP/1.1 ")) << name << ": " << all;
    EXPECT_EQ(std::string::npos, all.find("200 OK"));
    EXPECT_TRUE(plane.eventually([&] { return plane.counters()["sessions"]["active"] == 0; })) << name;
  }
}

TEST(DataPlane, ForwardsAnEmptyChunkedBody) {
  Upstream app([](Wire& wire) {
    const std::string head = wire.read_until("\r\n\r\n");
    if (head.empty() || wire.read_until("0\r\n\r\n") != "0\r\n\r\n") return;
    (void)wire.send(ok("whole"));
  });
  Plane plane(snapshot(app.endpoint()));
  const auto client = plane.connect();
  ASSERT_TRUE(client->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
  EXPECT_EQ("whole", read_response(*client).content);
}

TEST(DataPlane, GoesOnWhereThePolicySaysNone) {
  Upstream app(Upstream::echo_path);
  Json json = snapshot(app.endpoint());
  json["policies"][0]["rateLimit"] = {{"requests", 1}, {"perMs", 3600000}, {"burst", 1}};
  json["policies"][0]["actions"]["rateLimited"] = action("none");
  Plane plane(json);
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/first") + get("/second")));
  EXPECT_EQ("/first", read_response(*client).content);
  EXPECT_EQ("/second", read_response(*client).content);
  EXPECT_NE(std::string::npos, plane.plane->events().find("\"rateLimited\""));
}

// Small pieces from the server, a client that reads nothing for long: whatever waits in between stays whole.
TEST(DataPlane, KeepsTheFramingOfSmallChunksForASlowReader) {
  constexpr size_t kChunks = 12'000;  // more than the kernel's buffers of both connections take
  Upstream app([](Wire& wire) {
    if (wire.read_until("\r\n\r\n").empty()) return;
    std::string all = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t i = 0; i < kChunks; ++i)
      all += "400\r\n" + std::string(1024, static_cast<char>('a' + i % 26)) + "\r\n";
    (void)wire.send(all + "0\r\n\r\n");
  });
  Plane plane(snapshot(app.endpoint()));
  const auto client = plane.connect("web", 4096);
  ASSERT_TRUE(client->send(get("/")));
  ASSERT_TRUE(
      plane.eventually([&] { return plane.counters()["buffers"]["bytesHeld"].get<uint64_t>() >= 2048; }));
  (void)client->read_until("\r\n\r\n");
  size_t total = 0;
  for (;;) {
    const std::string line = client->read_until("\r\n");
    const size_t size = std::strtoul(line.c_str(), nullptr, 16);
    ASSERT_GT(line.size(), 2U);
    if (size == 0) break;
    for (const char c : client->read_exactly(size))
      ASSERT_EQ('a' + total++ / 1024 % 26, static_cast<size_t>(c)) << total;
    ASSERT_EQ("\r\n", client->read_exactly(2));
  }
  EXPECT_EQ(kChunks * 1024, total);
}

// --- reload
// -------------------------------------------------------------------------------------------------

// The client's connection goes on; the pooled one leads to an address that is configured no more.
TEST(DataPlane, KeepsConnectionsOfAListenerThatStays) {
  Upstream first([](Wire& wire) {
    while (!wire.read_until("\r\n\r\n").empty()) (void)wire.send(ok("first"));
  });
  Upstream second([](Wire& wire) {
    while (!wire.read_until("\r\n\r\n").empty()) (void)wire.send(ok("second"));
  });
  Plane plane(snapshot(first.endpoint()));
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/")));
  EXPECT_EQ("first", read_response(*client).content);
  const uint16_t port = plane.port();
  plane.apply(snapshot(second.endpoint()));
  EXPECT_EQ(port, plane.port());
  ASSERT_TRUE(client->send(get("/")));
  EXPECT_EQ("second", read_response(*client).content);
}

// The indices of a session's own snapshot mean nothing in the next one.
TEST(DataPlane, DrainsTheSessionsOfARemovedListener) {
  Upstream app(Upstream::echo_path);
  Json json = snapshot(app.endpoint(), {"stays", "goes"});
  json["policies"].push_back(policy());
  json["policies"][1]["name"] = "other";
  json["listeners"][1]["policy"] = 1;
  Plane plane(json);
  const auto used = plane.connect("goes");
  const auto fresh = plane.connect("goes");
  ASSERT_TRUE(used->send(get("/")));
  EXPECT_EQ(200, read_response(*used).status);
  ASSERT_TRUE(plane.eventually([&] { return plane.sessions().size() == 2; }));
  const uint16_t old_port = plane.port("goes");

  plane.apply(snapshot(app.endpoint(), {"stays"}));
  EXPECT_EQ("", used->read_to_end());
  ASSERT_TRUE(fresh->send(get("/late")));
  const Response response = read_response(*fresh);
  EXPECT_EQ("/late", response.content);
  EXPECT_NE(std::string::npos, response.head.find("Connection: close")) << response.head;
  EXPECT_EQ("", fresh->read_to_end());
  EXPECT_EQ(nullptr, Wire::connect(old_port));
}

TEST(DataPlane, ChangesNothingForABadSnapshot) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()));
  std::string answer;
  for (const std::string& bad : {std::string("{"), std::string("[]"), snapshot("nonsense").dump()}) {
    EXPECT_FALSE(plane.plane->apply(bad, answer, plane.error));
    EXPECT_STREQ("SNAPSHOT_INVALID", plane.error.code);
    EXPECT_FALSE(plane.error.message.empty());
  }
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/still")));
  EXPECT_EQ("/still", read_response(*client).content);
}

TEST(DataPlane, ChangesNothingIfAPortIsTaken) {
  Upstream app(Upstream::echo_path);
  Plane other(snapshot(app.endpoint()));
  Plane plane(snapshot(app.endpoint()), 2);
  Json json = snapshot(app.endpoint(), {"web", "new", "taken"});
  json["listeners"][2]["port"] = other.port();
  std::string answer;
  EXPECT_FALSE(plane.plane->apply(json.dump(), answer, plane.error));
  EXPECT_STREQ("LISTEN_FAILED", plane.error.code);
  EXPECT_NE(std::string::npos, plane.error.message.find("taken")) << plane.error.message;
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/still")));
  EXPECT_EQ("/still", read_response(*client).content);
}

TEST(DataPlane, SwapsTheAddressesOfTwoListeners) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint(), {"a", "b"}));
  Json json = snapshot(app.endpoint(), {"b", "a"});
  plane.apply(json);
  for (const char* name : {"a", "b"}) {
    const auto client = plane.connect(name);
    ASSERT_NE(nullptr, client);
    ASSERT_TRUE(client->send(get("/x")));
    EXPECT_EQ("/x", read_response(*client).content);
  }
}

// --- sessions
// -----------------------------------------------------------------------------------------------

TEST(DataPlane, ListsAndEndsSessions) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()), 2);
  std::vector<std::unique_ptr<Wire>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(plane.connect());
    ASSERT_TRUE(clients.back()->send(get("/")));
    EXPECT_EQ(200, read_response(*clients.back()).status);
  }
  const Json sessions = plane.sessions({{"listener", "web"}, {"client", "127.0.0.0/8"}});
  ASSERT_EQ(4U, sessions.size());
  EXPECT_EQ("idle", sessions[0]["state"]);
  EXPECT_EQ(1U, plane.sessions({{"limit", 1}}).size());
  EXPECT_EQ(0U, plane.act(Json::object(), "close")) << "nothing is selected by nothing";
  EXPECT_EQ(0U, plane.act({{"client", "192.0.2.1"}}, "close"));
  EXPECT_EQ(1U, plane.act({{"id", sessions[0]["id"]}}, "abort"));
  EXPECT_EQ(3U, plane.act({{"listener", "web"}}, "close"));
  int aborted = 0;
  for (const auto& client : clients) {
    int error = 0;
    EXPECT_EQ("", client->read_to_end(&error));
    aborted += error == ECONNRESET;
  }
  EXPECT_EQ(1, aborted);
  EXPECT_TRUE(plane.eventually([&] { return plane.sessions().empty(); }));
}

TEST(DataPlane, RefusesSelectorsAndActionsItDoesNotKnow) {
  Plane plane;
  const auto nothing = [](uint64_t) { ADD_FAILURE(); };
  EXPECT_FALSE(plane.plane->act("{\"colour\":1}", "close", nothing, plane.error));
  EXPECT_STREQ("SELECTOR_INVALID", plane.error.code);
  EXPECT_FALSE(plane.plane->act("{\"client\":\"300.0.0.0/8\"}", "close", nothing, plane.error));
  EXPECT_STREQ("SELECTOR_INVALID", plane.error.code);
  EXPECT_FALSE(plane.plane->act("{\"id\":1}", "tarpit", nothing, plane.error));
  EXPECT_STREQ("ACTION_INVALID", plane.error.code);
}

TEST(DataPlane, CountsATarpitDownHoweverItEnds) {
  Upstream app(Upstream::echo_path);
  Json json = snapshot(app.endpoint());
  json["limits"]["maxTarpits"] = 1;
  json["policies"][0]["rateLimit"] = {{"requests", 1}, {"perMs", 3600000}, {"burst", 1}};
  json["policies"][0]["actions"]["rateLimited"] = {
      {"action", "tarpit"}, {"status", 429}, {"delayMs", 3600000}};
  Plane plane(json);
  for (const char* name : {"close", "abort", "reset", "close"}) {
    const auto client = plane.connect();
    ASSERT_TRUE(client->send(get("/1") + get("/2")));
    ASSERT_TRUE(plane.eventually([&] {
      const Json sessions = plane.sessions();
      return sessions.size() == 1 && sessions[0]["state"] == "tarpit";
    })) << name;
    EXPECT_EQ(1U, plane.act({{"listener", "web"}}, name));
    (void)client->read_to_end();
    ASSERT_TRUE(plane.eventually([&] { return plane.sessions().empty(); }));
  }
}

TEST(DataPlane, RefusesBannedClients) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()));
  const Json ban = {{"by", "client"},
                    {"value", "127.0.0.1"},
                    {"action", "abort"},
                    {"status", 0},
                    {"untilMs", 4102444800000}};
  ASSERT_TRUE(plane.plane->set_bans(Json::array({ban}).dump(), plane.error)) << plane.error.message;
  plane.settle();
  int error = 0;
  EXPECT_EQ("", plane.connect()->read_to_end(&error));
  EXPECT_EQ(ECONNRESET, error);
  ASSERT_TRUE(plane.plane->set_bans("[]", plane.error));
  plane.settle();
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/")));
  EXPECT_EQ(200, read_response(*client).status);
  EXPECT_FALSE(plane.plane->set_bans("{}", plane.error));
  EXPECT_STREQ("BANS_INVALID", plane.error.code);
}

// --- the end
// ------------------------------------------------------------------------------------------------

TEST(DataPlane, DrainsOnRequest) {
  Upstream app(Upstream::echo_path);
  Plane plane(snapshot(app.endpoint()), 2);
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/")));
  EXPECT_EQ(200, read_response(*client).status);
  plane.plane->drain();
  EXPECT_EQ("", client->read_to_end());
  EXPECT_TRUE(plane.eventually([&] { return plane.sessions().empty(); }));
  EXPECT_EQ(nullptr, plane.connect());
}

TEST(DataPlane, StopsWithSessionsAndExchangesInEveryState) {
  for (int round = 0; round < 5; ++round) {
    std::promise<void> arrived;
    Upstream app([&](Wire& wire) {
      while (true) {
        const std::string head = wire.read_until("\r\n\r\n");
        if (head.empty()) return;
        if (head.find("/hang") != std::string::npos) {
          arrived.set_value();
          (void)wire.read_until("never");
          return;
        }
        (void)wire.send(ok("x"));
      }
    });
    auto plane = std::make_unique<Plane>(snapshot(app.endpoint(), {"web", "other"}), 2);
    const auto idle = plane->connect();
    const auto half = plane->connect();
    const auto busy = plane->connect("other");
    ASSERT_TRUE(idle->send(get("/")));
    EXPECT_EQ(200, read_response(*idle).status);
    ASSERT_TRUE(half->send("GET / HT"));
    ASSERT_TRUE(busy->send(get("/hang")));
    arrived.get_future().wait();
    plane.reset();
    EXPECT_EQ("", idle->read_to_end());
    EXPECT_EQ("", busy->read_to_end());
  }
}

TEST(DataPlane, CanBeMadeAndStoppedManyTimes) {
  Upstream app(Upstream::echo_path);
  const auto count_fds = [] {
    size_t count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
  };
  size_t before = 0;
  for (int round = 0; round < 50; ++round) {
    Plane plane(snapshot(app.endpoint()), 2);
    const auto client = plane.connect();
    ASSERT_TRUE(client->send(get("/")));
    EXPECT_EQ(200, read_response(*client).status);
    if (round % 2 != 0) plane.plane->stop();
    plane.plane->stop();
    if (round == 0) before = count_fds();
  }
  // The upstream's own ends, one a round, are all that stays.
  EXPECT_LE(count_fds(), before + 50);
}

TEST(DataPlane, SaysWhyItCannotBeMade) {
  DataPlaneError error;
  EXPECT_EQ(nullptr, DataPlane::create({.engine = {.library = "/nonexistent/libmango.so"}}, error));
  EXPECT_STREQ("ENGINE_LOAD", error.code);
  EXPECT_EQ(nullptr, DataPlane::create({.access_log_path = "/nonexistent/access.log"}, error));
  EXPECT_STREQ("ACCESS_LOG", error.code);
}

}  // namespace
}  // namespace mango::proxy::test
