// SPDX-License-Identifier: Apache-2.0
// The data plane when all its sockets die at once: a reset of the kernel engine, which needs no other
// process.
#include <atomic>

#include "edge_support.h"

namespace mango::proxy::test {
namespace {

class DeviceKeeperTest : public ::testing::Test {
 protected:
  // The reset's code: "" = it has begun.
  std::string reset(Plane& plane, bool preserve = false) {
    std::promise<std::string> answer;
    plane.plane->reset_device(preserve, [&](const DataPlaneError& error) { answer.set_value(error.code); });
    return answer.get_future().get();
  }
  static Json facts(const Plane& plane) { return Json::parse(plane.plane->device()); }
  [[nodiscard]] static bool comes_back(Plane& plane) {
    return plane.eventually([&] { return facts(plane)["state"] == "ready"; });
  }
  static void expect_service(Plane& plane, const std::string& name = "web") {
    const auto client = plane.connect(name);
    ASSERT_NE(nullptr, client);
    ASSERT_TRUE(client->send(get("/after")));
    EXPECT_EQ("/after", read_response(*client).content);
  }
  [[nodiscard]] static uint64_t actions(const Plane& plane) {
    uint64_t count = 0;
    const Json counters = plane.counters();
    for (const Json& action : counters["actions"])
      if (action["trigger"] == "deviceReset") count += action["count"].get<uint64_t>();
    return count;
  }

  Upstream app_{Upstream::echo_path};
};

TEST_F(DeviceKeeperTest, TellsOfAnEngineThatIsWell) {
  const Plane plane(snapshot(app_.endpoint()));
  const Json known = facts(plane);
  EXPECT_EQ("ready", known["state"]);
  EXPECT_EQ("kernel (built in)", known["engine"]);
  EXPECT_EQ(0, known["resets"]);
  EXPECT_TRUE(known["ipc"].is_null());
  std::promise<std::string> answer;
  plane.plane->ask_device([&](std::string json) { answer.set_value(std::move(json)); });
  EXPECT_NE("", Json::parse(answer.get_future().get())["fields"]["device.version"].get<std::string>());
}

TEST_F(DeviceKeeperTest, EndsSessionsAndListensAgainOnTheSamePort) {
  for (const size_t workers : {1U, 3U}) {
    Plane plane(snapshot(app_.endpoint(), {"web", "api"}), workers);
    const auto idle = plane.connect();
    const auto used = plane.connect("api");
    ASSERT_TRUE(used->send(get("/before")));
    EXPECT_EQ("/before", read_response(*used).content);
    ASSERT_TRUE(plane.eventually([&] { return plane.sessions().size() == 2; }));
    EXPECT_EQ("", reset(plane));
    EXPECT_EQ("", idle->read_to_end());
    EXPECT_EQ("", used->read_to_end());
    ASSERT_TRUE(comes_back(plane));
    expect_service(plane, "web");
    expect_service(plane, "api");
    EXPECT_EQ(2U, actions(plane));
    EXPECT_EQ(1, facts(plane)["resets"]);
    EXPECT_TRUE(facts(plane)["lostListeners"].empty());
    EXPECT_EQ(0, plane.counters()["servers"][0]["failures"]) << "no server is to blame";
  }
}

// The upstream's connection died with the client's: what the client asked for is not asked again.
TEST_F(DeviceKeeperTest, RepeatsNothingForAClientThatIsGone) {
  std::atomic<int> requests{0};
  Upstream silent([&](Wire& wire) {
    while (!wire.read_until("\r\n\r\n").empty()) ++requests;
  });
  Json json = snapshot(silent.endpoint());
  json["routes"][0]["retry"]["attempts"] = 3;
  Plane plane(json);
  const auto client = plane.connect();
  ASSERT_TRUE(client->send(get("/")));
  ASSERT_TRUE(plane.eventually([&] { return requests == 1; }));
  EXPECT_EQ("", reset(plane));
  EXPECT_EQ("", client->read_to_end());
  ASSERT_TRUE(comes_back(plane));
  EXPECT_EQ(1, requests);
  EXPECT_EQ(0, plane.counters()["servers"][0]["retries"]);
  EXPECT_EQ(0, plane.counters()["servers"][0]["open"]);
}

TEST_F(DeviceKeeperTest, TakesSnapshotsMeanwhile) {
  Plane plane(snapshot(app_.endpoint(), {"web", "old"}), 2);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ("", reset(plane));
    // A listener may go at any moment; one that comes has to wait for the device.
    plane.apply(snapshot(app_.endpoint(), {"web"}));
    ASSERT_TRUE(comes_back(plane));
    plane.apply(snapshot(app_.endpoint(), {"web", "old"}));
    expect_service(plane, "web");
    expect_service(plane, "old");
  }
  EXPECT_EQ(20, facts(plane)["resets"]);
}

TEST_F(DeviceKeeperTest, SurvivesResetsUnderLoad) {
  Plane plane(snapshot(app_.endpoint()), 3);
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> served{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      while (!stopping) {
        const auto client = plane.connect();
        while (client != nullptr && !stopping && client->send(get("/"))) {
          if (client->read_until("\r\n\r\n/").empty()) break;
          ++served;
        }
      }
    });
  for (int round = 0; round < 20; ++round) {
    const uint64_t before = served;
    ASSERT_TRUE(plane.eventually([&] { return served > before + 20; })) << round;
    EXPECT_EQ("", reset(plane, round % 2 != 0));
    ASSERT_TRUE(comes_back(plane)) << facts(plane).dump();
  }
  stopping = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(20, facts(plane)["resets"]);
  EXPECT_TRUE(plane.eventually([&] { return plane.sessions().empty(); }));
}

TEST_F(DeviceKeeperTest, AnswersEverybodyWhenItStops) {
  for (int round = 0; round < 20; ++round) {
    Plane plane(snapshot(app_.endpoint()), 2);
    std::atomic<int> answers{0};
    plane.plane->reset_device(false, [&](const DataPlaneError&) { ++answers; });
    plane.plane->ask_device([&](const std::string&) { ++answers; });
    plane.plane->stop();
    EXPECT_EQ(2, answers);
  }
}

}  // namespace
}  // namespace mango::proxy::test
