// SPDX-License-Identifier: Apache-2.0
// A readiness set against a device that is slow between publishing octets and ringing for them. The test
// takes the device's steps in the memory they share, so that they come in the order that is rare in life.
#include <sys/epoll.h>

#include <fstream>
#include <vector>

#include "device/ready_set.h"
#include "device_session_support.h"

using namespace session_test;

namespace {

// What this process maps of the memory of this name, all of it shared with a device.
template <class Shared>
std::vector<Shared*> mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  std::vector<Shared*> found;
  for (std::string line; std::getline(maps, line);)
    if (line.find("/memfd:" + name + " ") != std::string::npos)
      found.push_back(reinterpret_cast<Shared*>(std::stoull(line, nullptr, 16)));
  return found;
}

SharedSession* memory_of(const Session& session) {
  for (auto* shared : mapped<SharedSession>("mango-session"))
    if (shared->id == session.id()) return shared;
  return nullptr;
}

class DeviceReadySet : public testing::Test {
 protected:
  DeviceReadySet() {
    EXPECT_TRUE(set_);
    epoll_event event{.events = EPOLLIN, .data = {.fd = pair_.session->fd()}};
    EXPECT_EQ(0, set_->control(EPOLL_CTL_ADD, *pair_.session, &event));
  }
  [[nodiscard]] bool readable(int ms = kPatienceMs) const {
    epoll_event event{};
    return set_->wait(&event, 1, ms) == 1 && event.events == EPOLLIN;
  }

  Setting setting_;
  Pair pair_{setting_, SOCK_CLOEXEC | SOCK_NONBLOCK};
  Descriptor epfd_{::epoll_create1(EPOLL_CLOEXEC)};
  std::shared_ptr<ReadySet> set_ = ReadySet::make(*setting_.client, epfd_.get());
};

}  // namespace

TEST_F(DeviceReadySet, a_mark_for_octets_that_were_read_already_leaves_the_doorbell_armed) {
  pair_.peer.send("x");
  ASSERT_TRUE(readable());
  ASSERT_EQ("x", recv_text(*pair_.session));
  // The device published "x" long ago, and only now goes on.
  SharedSession* shared = memory_of(*pair_.session);
  const auto sets = mapped<SharedChannel>("mango-ready");
  ASSERT_TRUE(shared);
  ASSERT_EQ(1u, sets.size());
  ASSERT_EQ(1u, shared->rx_armed.exchange(0));
  (void)channel_mark(*sets[0], shared->id);
  EXPECT_FALSE(readable(0));
  pair_.peer.send("y");
  EXPECT_TRUE(readable());
  EXPECT_EQ("y", recv_text(*pair_.session));
}
