// SPDX-License-Identifier: Apache-2.0
// Tests that change addresses do it in a network namespace of their own, in a child process, so that the host
// never notices. As root, or where users may make namespaces; elsewhere they are skipped.
#pragma once

#include <gtest/gtest.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "mango/netlink.h"

namespace mango_test {

constexpr int kSkipped = 77;

// Runs `body` in a child with a fresh namespace; its value, and whether expectations failed in it, are the
// result.
inline void in_fresh_netns(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(kSkipped);
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "no right to make a network namespace";
  EXPECT_EQ(0, WEXITSTATUS(status)) << "failures are above";
}

inline mango_status_e set_up(mango::kernel::Netlink& netlink, const std::string& interface) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(if_nametoindex(interface.c_str()));
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  mango::kernel::NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof(body));
  return netlink.request(message);
}

// Two interfaces joined by a cable, both up.
inline mango_status_e make_veth(mango::kernel::Netlink& netlink, const std::string& one,
                                const std::string& other) {
  ifinfomsg body{};
  mango::kernel::NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
  message.add_text(IFLA_IFNAME, one.c_str());
  const size_t info = message.open_nest(IFLA_LINKINFO);
  message.add_text(IFLA_INFO_KIND, "veth");
  const size_t data = message.open_nest(IFLA_INFO_DATA);
  const size_t peer = message.open_nest(VETH_INFO_PEER);
  message.add_raw(&body, sizeof(body));
  message.add_text(IFLA_IFNAME, other.c_str());
  message.close_nest(peer);
  message.close_nest(data);
  message.close_nest(info);
  const mango_status_e status = netlink.request(message);
  if (status != MANGO_STATUS_OK) return status;
  const mango_status_e up = set_up(netlink, one);
  return up == MANGO_STATUS_OK ? set_up(netlink, other) : up;
}

}  // namespace mango_test
