// SPDX-License-Identifier: Apache-2.0
// epoll sets that are waited for through mango_tcp_epoll_wait() alone: what they tell is what any set tells.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "mango_conformance.h"

namespace mango_test {
namespace {

using Seen = std::map<int, uint32_t>;

class ExclusiveSet {
 public:
  explicit ExclusiveSet(mango_tcp_h tcp) : tcp_(tcp), epfd_(epoll_create1(EPOLL_CLOEXEC)) {
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp_, epfd_));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_set_exclusive(tcp_, epfd_));
  }
  ~ExclusiveSet() {
    close();
    ::close(epfd_);
  }
  ExclusiveSet(const ExclusiveSet&) = delete;
  ExclusiveSet& operator=(const ExclusiveSet&) = delete;

  void close() { (void)mango_tcp_epoll_close(tcp_, epfd_); }
  [[nodiscard]] int fd() const { return epfd_; }
  [[nodiscard]] mango_status_e control(int op, int fd, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return mango_tcp_epoll_ctl(tcp_, epfd_, op, fd, &event);
  }
  // What is ready, by descriptor; one told twice is a failure.
  [[nodiscard]] Seen wait(int timeout_ms = 10'000, int most = 16) const {
    epoll_event events[16];
    int ready = -1;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_wait(tcp_, epfd_, events, most, timeout_ms, &ready));
    Seen seen;
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;  // the struct is packed: no references into it
      EXPECT_EQ(0u, seen.count(fd));
      seen[fd] = events[i].events;
    }
    return seen;
  }
  // The set with this, when it is all that is ready.
  void expect(int fd, uint32_t events) const { EXPECT_EQ((Seen{{fd, events}}), wait()); }

 private:
  mango_tcp_h tcp_;
  int epfd_;
};

size_t receive(mango_socket_h socket, size_t most) {
  std::string buffer(most, '\0');
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(socket, buffer.data(), most, &n));
  return n;
}

}  // namespace

CONFORMANCE(mango_tcp_epoll_set_exclusive, only_adopted_sets_can_be) {
  const int epfd = own_fd(epoll_create1(EPOLL_CLOEXEC));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_set_exclusive(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_set_exclusive(tcp, -1));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_epoll_set_exclusive(nullptr, epfd));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_set_exclusive(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_set_exclusive(tcp, epfd)) << "twice is once";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_close(tcp, epfd));
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, a_socket_is_readable_until_it_is_empty) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(Seen(), set.wait(0));
  for (int round = 0; round < 3; ++round) {
    pair.peer.send("abcdef");
    set.expect(fd, EPOLLIN);
    set.expect(fd, EPOLLIN);
    EXPECT_EQ(2u, receive(pair.socket, 2));
    set.expect(fd, EPOLLIN);
    EXPECT_EQ(4u, receive(pair.socket, 10));
    EXPECT_EQ(Seen(), set.wait(0));
  }
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, what_came_before_the_socket_was_added_is_told) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  pair.peer.send("x");
  EXPECT_EQ(POLLIN, poll_events(fd, POLLIN));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  set.expect(fd, EPOLLIN);
  EXPECT_EQ(1u, receive(pair.socket, 8));
  EXPECT_EQ(Seen(), set.wait(0));
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, interest_can_pause_and_return) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(MANGO_STATUS_EXISTS, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, set.control(99, fd, EPOLLIN));
  pair.peer.send("x");
  set.expect(fd, EPOLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, EPOLLOUT));
  set.expect(fd, EPOLLOUT);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT));
  set.expect(fd, EPOLLIN | EPOLLOUT);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, 0));
  EXPECT_EQ(Seen(), set.wait(0));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, EPOLLIN));
  set.expect(fd, EPOLLIN);
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, edges_are_told_once) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET));
  for (int round = 0; round < 3; ++round) {
    pair.peer.send("abc");
    set.expect(fd, EPOLLIN);
    EXPECT_EQ(Seen(), set.wait(0));
    char buffer[8];
    size_t n = 0;
    while (mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n) == MANGO_STATUS_OK) {
    }
  }
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, one_shot_until_it_is_armed_again) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  pair.peer.send("x");
  set.expect(fd, EPOLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT));
  set.expect(fd, EPOLLIN);
  EXPECT_EQ(Seen(), set.wait(0));
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, data_and_the_end_behind_it_are_one_event) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP));
  pair.peer.send("last");
  pair.peer.close();
  while (set.wait() != Seen{{fd, EPOLLIN | EPOLLRDHUP}}) {
  }
  EXPECT_EQ(4u, receive(pair.socket, 8));
  EXPECT_EQ(0u, receive(pair.socket, 8));
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, an_error_is_told) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  const linger now{1, 0};
  setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  pair.peer.close();
  EXPECT_TRUE(set.wait()[fd] & EPOLLHUP);
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, many_sockets_and_ordinary_descriptors_share_a_set) {
  constexpr int kPairs = 40;
  const ExclusiveSet set(tcp);
  const int event = own_fd(eventfd(1, EFD_CLOEXEC));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, event, EPOLLIN));
  std::map<int, mango_socket_h> sockets;
  for (int i = 0; i < kPairs; ++i) {
    const Pair pair = connect_pair();
    sockets[fd_of(pair.socket)] = pair.socket;
    ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(pair.socket), EPOLLIN));
    pair.peer.send("x");
  }
  bool event_seen = false;
  while (!sockets.empty() || !event_seen) {
    const Seen seen = set.wait(10'000, 8);
    ASSERT_FALSE(seen.empty());
    for (const auto& [fd, events] : seen) {
      if (fd == event) event_seen = true;
      if (fd == event) continue;
      EXPECT_EQ(1u, receive(sockets.at(fd), 8));
      sockets.erase(fd);
    }
  }
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, whoever_leaves_is_readable_by_descriptor_again) {
  const ExclusiveSet set(tcp);
  const Pair deleted = connect_pair();
  const Pair pending = connect_pair();
  const int fd = fd_of(deleted.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  deleted.peer.send("x");
  set.expect(fd, EPOLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_DEL, fd, 0));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, set.control(EPOLL_CTL_DEL, fd, 0));
  EXPECT_EQ(POLLIN, poll_events(fd, POLLIN));
  EXPECT_EQ(Seen(), set.wait(0));
  EXPECT_EQ(1u, receive(deleted.socket, 8));
  EXPECT_EQ(0, poll_events(fd, POLLIN, 0));

  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(pending.socket), EPOLLIN));
  pending.peer.send("x");
  set.expect(fd_of(pending.socket), EPOLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_close(tcp, set.fd()));
  EXPECT_EQ(POLLIN, poll_events(fd_of(pending.socket), POLLIN));
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, a_closed_socket_is_in_no_set) {
  const ExclusiveSet set(tcp);
  for (int round = 0; round < 3; ++round) {
    const Pair closed = connect_pair();
    const Pair open = connect_pair();
    ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(closed.socket), EPOLLIN));
    ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(open.socket), EPOLLIN));
    closed.peer.send("x");
    set.expect(fd_of(closed.socket), EPOLLIN);
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(closed.socket));
    open.peer.send("x");
    set.expect(fd_of(open.socket), EPOLLIN);
    EXPECT_EQ(1u, receive(open.socket, 8));
  }
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, a_member_may_block_in_a_call) {
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(pair.socket), EPOLLIN));
  std::thread sender([&] {
    (void)poll_events(pair.peer.fd(), POLLIN, 50);
    pair.peer.send("late");
  });
  EXPECT_EQ(4u, receive(pair.socket, 8));
  sender.join();
  pair.peer.send("x");
  set.expect(fd_of(pair.socket), EPOLLIN);
}

CONFORMANCE(mango_tcp_epoll_set_exclusive, nothing_is_lost_at_full_speed) {
  constexpr int kMessages = 20'000;
  const ExclusiveSet set(tcp);
  const Pair pair = connect_pair();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(pair.socket), EPOLLIN));
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) pair.peer.send("0123456789");
  });
  size_t total = 0;
  while (total < size_t{10} * kMessages) {
    const Seen seen = set.wait();
    if (seen.empty()) break;  // a lost wake-up
    char buffer[997];
    size_t n = 0;
    if (mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n) == MANGO_STATUS_OK) total += n;
  }
  sender.join();
  EXPECT_EQ(size_t{10} * kMessages, total);
}

// Whoever takes the bell takes what it rang for; the others are rung for what comes next.
CONFORMANCE(mango_tcp_epoll_set_exclusive, threads_share_a_set) {
  constexpr int kPairs = 4;
  constexpr size_t kMessages = 5000;
  const ExclusiveSet set(tcp);
  const int done = own_fd(eventfd(0, EFD_CLOEXEC));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, done, EPOLLIN));
  std::vector<Pair> pairs;
  std::mutex receiving[kPairs];
  for (int i = 0; i < kPairs; ++i) {
    pairs.push_back(connect_pair());
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pairs[i].socket, true));
    ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(pairs[i].socket), EPOLLIN));
  }
  std::atomic<size_t> total{0};
  const auto receive_all = [&] {
    for (;;) {
      const Seen seen = set.wait();
      if (seen.empty() || seen.count(done) != 0) return;  // a lost wake-up, or the end
      for (int i = 0; i < kPairs; ++i) {
        if (seen.count(fd_of(pairs[i].socket)) == 0) continue;
        const std::lock_guard lock(receiving[i]);
        char buffer[64];
        size_t n = 0;
        if (mango_socket_recv(pairs[i].socket, buffer, sizeof(buffer), &n) == MANGO_STATUS_OK &&
            (total += n) == kMessages)
          eventfd_write(done, 1);
      }
    }
  };
  std::thread other(receive_all);
  std::thread sender([&] {
    for (size_t i = 0; i < kMessages; ++i) pairs[i % kPairs].peer.send("x");
  });
  receive_all();
  sender.join();
  other.join();
  EXPECT_EQ(kMessages, total);
}

}  // namespace mango_test
