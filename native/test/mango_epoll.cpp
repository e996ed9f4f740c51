// SPDX-License-Identifier: Apache-2.0
// epoll over sockets and ordinary descriptors.
#include <sys/eventfd.h>

#include "mango_support.h"

using namespace mango_test;

namespace {

struct Set {
  explicit Set(mango_tcp_h owner) : tcp(owner), epfd(epoll_create1(EPOLL_CLOEXEC)) {
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp, epfd));
  }
  ~Set() {
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_close(tcp, epfd));
    close(epfd);
  }
  void add(int fd, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_ctl(tcp, epfd, EPOLL_CTL_ADD, fd, &event));
  }
  // The descriptors that are ready.
  [[nodiscard]] std::vector<int> wait(int timeout_ms) const {
    epoll_event events[8];
    int ready = -1;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_wait(tcp, epfd, events, 8, timeout_ms, &ready));
    std::vector<int> fds;
    for (int i = 0; i < ready; ++i) fds.push_back(events[i].data.fd);
    return fds;
  }
  mango_tcp_h tcp;
  int epfd;
};

struct Pair {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer{Engine::port_of(listener)};
  mango_socket_h socket = engine.accept(listener);
  int fd = Engine::fd_of(socket);
};

}  // namespace

TEST(MangoEpoll, reports_sockets_and_ordinary_descriptors_together) {
  Pair pair;
  Set set(pair.engine.tcp);
  const int event = eventfd(1, EFD_CLOEXEC);
  set.add(pair.fd, EPOLLIN);
  set.add(event, EPOLLIN);
  EXPECT_EQ(std::vector<int>{event}, set.wait(0));
  pair.peer.send("x");
  wait_for(pair.fd, POLLIN);
  EXPECT_EQ(2U, set.wait(10'000).size());
  close(event);
}

TEST(MangoEpoll, level_triggered_repeats_and_edge_triggered_does_not) {
  Pair pair;
  Set level(pair.engine.tcp);
  Set edge(pair.engine.tcp);
  level.add(pair.fd, EPOLLIN);
  edge.add(pair.fd, EPOLLIN | EPOLLET);
  pair.peer.send("x");
  wait_for(pair.fd, POLLIN);
  EXPECT_EQ(1U, level.wait(0).size());
  EXPECT_EQ(1U, level.wait(0).size());
  EXPECT_EQ(1U, edge.wait(0).size());
  EXPECT_EQ(0U, edge.wait(0).size());
}

TEST(MangoEpoll, one_shot_needs_rearming) {
  Pair pair;
  Set set(pair.engine.tcp);
  set.add(pair.fd, EPOLLIN | EPOLLONESHOT);
  pair.peer.send("x");
  wait_for(pair.fd, POLLIN);
  EXPECT_EQ(1U, set.wait(0).size());
  EXPECT_EQ(0U, set.wait(0).size());
  epoll_event again{};
  again.events = EPOLLIN;
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_ctl(set.tcp, set.epfd, EPOLL_CTL_MOD, pair.fd, &again));
  EXPECT_EQ(1U, set.wait(0).size());
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_ctl(set.tcp, set.epfd, EPOLL_CTL_DEL, pair.fd, nullptr));
  EXPECT_EQ(0U, set.wait(0).size());
}

TEST(MangoEpoll, abort_is_reported_as_hang_up) {
  Pair pair;
  Set set(pair.engine.tcp);
  set.add(pair.fd, EPOLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  epoll_event event{};
  int ready = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_wait(set.tcp, set.epfd, &event, 1, 10'000, &ready));
  ASSERT_EQ(1, ready);
  EXPECT_TRUE(event.events & EPOLLHUP);
}

TEST(MangoEpoll, a_wait_is_one_system_call) {
  Engine engine;
  Set set(engine.tcp);
  const mango_counters_t before = counters();
  EXPECT_TRUE(set.wait(0).empty());
  EXPECT_EQ(1U, counters().epoll_wait_calls - before.epoll_wait_calls);
}

TEST(MangoEpoll, knows_its_own_sets) {
  Engine engine;
  Engine other;
  const int epfd = epoll_create1(EPOLL_CLOEXEC);
  const int event = eventfd(0, EFD_CLOEXEC);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(engine.tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_close(engine.tcp, epfd));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(engine.tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_check(engine.tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(other.tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_create(engine.tcp, event));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_epoll_create(engine.tcp, -1));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_close(engine.tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(engine.tcp, epfd));
  EXPECT_EQ(0, close(epfd));  // the caller's all along
  close(event);
}

TEST(MangoEpoll, answers_misuse_with_statuses) {
  Engine engine;
  Set set(engine.tcp);
  epoll_event event{};
  int ready = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(engine.tcp, set.epfd, &event, 0, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(engine.tcp, 0, &event, 1, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_tcp_epoll_ctl(engine.tcp, set.epfd, EPOLL_CTL_ADD, 0, nullptr));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_ctl(engine.tcp, set.epfd, EPOLL_CTL_ADD, -1, &event));
  const int fd = Engine::fd_of(engine.open());
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_ctl(engine.tcp, set.epfd, EPOLL_CTL_MOD, fd, &event));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_ctl(engine.tcp, set.epfd, EPOLL_CTL_ADD, fd, &event));
  EXPECT_EQ(MANGO_STATUS_EXISTS, mango_tcp_epoll_ctl(engine.tcp, set.epfd, EPOLL_CTL_ADD, fd, &event));
}
