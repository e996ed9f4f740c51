// SPDX-License-Identifier: Apache-2.0
// Waiting and being woken: epoll in all its ways, blocking calls, time limits, signals, and much data.
#include <signal.h>
#include <sys/epoll.h>

#include <thread>

#include "device_session_support.h"

using namespace session_test;

namespace {

constexpr uint64_t kMuch = 100 * 1000 * 1000;

class Set {
 public:
  Set() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
  void add(int fd, uint32_t events) const { control(EPOLL_CTL_ADD, fd, events); }
  void modify(int fd, uint32_t events) const { control(EPOLL_CTL_MOD, fd, events); }
  // The events of the only descriptor that is ready, 0: none in time.
  [[nodiscard]] uint32_t wait(int ms = kPatienceMs) const {
    epoll_event event{};
    return ::epoll_wait(fd_.get(), &event, 1, ms) == 1 ? event.events : 0;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  void control(int op, int fd, uint32_t events) const {
    epoll_event event{.events = events, .data = {.fd = fd}};
    EXPECT_EQ(0, ::epoll_ctl(fd_.get(), op, fd, &event));
  }
  Descriptor fd_;
};

std::string pattern(uint64_t from, size_t length) {
  std::string octets(length, '\0');
  for (size_t i = 0; i < length; ++i) octets[i] = pattern_at(from + i);
  return octets;
}

// Reads `total` octets of the pattern from a plain socket; how many were right.
uint64_t read_pattern(int fd, uint64_t total) {
  std::vector<char> buffer(256 * 1024);
  uint64_t right = 0;
  while (right < total) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) return right;
    for (ssize_t i = 0; i < n; ++i, ++right)
      if (buffer[static_cast<size_t>(i)] != pattern_at(right)) return right;
  }
  return right;
}

uint64_t write_pattern(int fd, uint64_t total) {
  uint64_t sent = 0;
  while (sent < total) {
    const std::string piece = pattern(sent, std::min<uint64_t>(100'000, total - sent));
    const ssize_t n = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n <= 0) return sent;
    sent += static_cast<uint64_t>(n);
  }
  return sent;
}

// What a program with an edge-triggered set does: goes on until it is told to wait, or got less than it asked
// for.
uint64_t receive_edge_triggered(Session& session, uint64_t total) {
  const Set set;
  set.add(session.fd(), EPOLLIN | EPOLLRDHUP | EPOLLET);
  std::vector<char> buffer(48'000);
  uint64_t right = 0;
  while (right < total && set.wait() != 0) {
    for (;;) {
      const ssize_t n = recv_into(session, buffer.data(), buffer.size());
      if (n <= 0) break;
      for (ssize_t i = 0; i < n; ++i, ++right)
        if (buffer[static_cast<size_t>(i)] != pattern_at(right)) return right;
      if (static_cast<size_t>(n) < buffer.size()) break;
    }
  }
  return right;
}

uint64_t send_edge_triggered(Session& session, uint64_t total) {
  const Set set;
  set.add(session.fd(), EPOLLOUT | EPOLLET);
  uint64_t sent = 0;
  while (sent < total && set.wait() != 0) {
    for (;;) {
      const std::string piece = pattern(sent, std::min<uint64_t>(70'000, total - sent));
      const ssize_t n = send_text(session, piece);
      if (n > 0) sent += static_cast<uint64_t>(n);
      if (n < static_cast<ssize_t>(piece.size()) || sent == total) break;
    }
  }
  return sent;
}

void interrupt_often(pthread_t thread, const std::atomic<bool>& done) {
  while (!done.load()) {
    pthread_kill(thread, SIGUSR1);
    std::this_thread::yield();
  }
}

}  // namespace

TEST(DeviceSessionWait, level_triggered_sets_see_what_is_left) {
  const Setting setting;
  Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Set set;
  set.add(pair.session->fd(), EPOLLIN | EPOLLRDHUP);
  EXPECT_EQ(0U, set.wait(0));
  pair.peer.send("ab");
  EXPECT_EQ(EPOLLIN, set.wait());
  EXPECT_EQ("a", recv_text(*pair.session, 1));
  EXPECT_EQ(EPOLLIN, set.wait());
  EXPECT_EQ("b", recv_text(*pair.session, 1));
  EXPECT_EQ(0U, set.wait(0));
  pair.peer.close();
  EXPECT_EQ(EPOLLIN | EPOLLRDHUP, set.wait());
}

TEST(DeviceSessionWait, edge_triggered_sets_see_each_arrival) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Set set;
  set.add(pair.session->fd(), EPOLLIN | EPOLLET);
  for (int i = 0; i < 200; ++i) {
    pair.peer.send("x");
    ASSERT_EQ(EPOLLIN, set.wait()) << i;
    ASSERT_EQ("x", recv_text(*pair.session));
  }
}

TEST(DeviceSessionWait, one_shot_sets_see_what_is_left_when_armed_again) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Set set;
  set.add(pair.session->fd(), EPOLLIN | EPOLLONESHOT);
  pair.peer.send("ab");
  EXPECT_EQ(EPOLLIN, set.wait());
  EXPECT_EQ("a", recv_text(*pair.session, 1));
  EXPECT_EQ(0U, set.wait(0));
  set.modify(pair.session->fd(), EPOLLIN | EPOLLONESHOT);
  EXPECT_EQ(EPOLLIN, set.wait());
}

TEST(DeviceSessionWait, sets_within_sets_see_sessions_and_others) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Set inner;
  const Set outer;
  const Descriptor other(::eventfd(0, EFD_CLOEXEC));
  inner.add(pair.session->fd(), EPOLLIN);
  inner.add(other.get(), EPOLLIN);
  outer.add(inner.fd(), EPOLLIN);
  EXPECT_EQ(0U, outer.wait(0));
  pair.peer.send("x");
  EXPECT_EQ(EPOLLIN, outer.wait());
  EXPECT_EQ("x", recv_text(*pair.session));
  EXPECT_EQ(0U, outer.wait(0));
  ASSERT_EQ(0, ::eventfd_write(other.get(), 1));
  EXPECT_EQ(EPOLLIN, outer.wait());
}

TEST(DeviceSessionWait, sets_see_connections_waiting) {
  const Setting setting;
  const auto listener = setting.listener(SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Set set;
  set.add(listener->fd(), EPOLLIN);
  EXPECT_EQ(0U, set.wait(0));
  const Peer peer = Peer::connected(port_of(*listener));
  EXPECT_EQ(EPOLLIN, set.wait());
  EXPECT_TRUE(accept_on(*listener));
  EXPECT_EQ(0U, set.wait(0));
}

TEST(DeviceSessionWait, is_writable_again_once_there_is_room) {
  const Setting setting(kLeastRingBytes);
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const std::string piece(100'000, 'x');
  size_t sent = 0;
  // Until nothing moves: the peer's and the device's TCP take what they can, in their time.
  do {
    const ssize_t n = send_text(*pair.session, piece);
    if (n > 0) sent += static_cast<size_t>(n);
  } while (wait_for(pair.session->fd(), POLLOUT, 100) != 0 || pair.session->room() != 0);
  EXPECT_EQ(sent, pair.peer.read(sent).size());
  // Writable may be said too early, never too late.
  do {
    EXPECT_EQ(POLLOUT, wait_for(pair.session->fd(), POLLOUT));
  } while (pair.session->room() == 0 && !HasFailure());
}

TEST(DeviceSessionWait, moves_much_both_ways_edge_triggered) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  std::future<uint64_t> peer_reads =
      std::async(std::launch::async, [&] { return read_pattern(pair.peer.fd(), kMuch); });
  std::future<uint64_t> peer_writes =
      std::async(std::launch::async, [&] { return write_pattern(pair.peer.fd(), kMuch); });
  std::future<uint64_t> sends =
      std::async(std::launch::async, [&] { return send_edge_triggered(*pair.session, kMuch); });
  EXPECT_EQ(kMuch, receive_edge_triggered(*pair.session, kMuch));
  EXPECT_EQ(kMuch, sends.get());
  EXPECT_EQ(kMuch, peer_reads.get());
  EXPECT_EQ(kMuch, peer_writes.get());
}

TEST(DeviceSessionWait, moves_much_both_ways_through_small_rings_edge_triggered) {
  constexpr uint64_t kLess = kMuch / 10;
  const Setting setting(kLeastRingBytes);
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  std::future<uint64_t> peer_reads =
      std::async(std::launch::async, [&] { return read_pattern(pair.peer.fd(), kLess); });
  std::future<uint64_t> peer_writes =
      std::async(std::launch::async, [&] { return write_pattern(pair.peer.fd(), kLess); });
  std::future<uint64_t> sends =
      std::async(std::launch::async, [&] { return send_edge_triggered(*pair.session, kLess); });
  EXPECT_EQ(kLess, receive_edge_triggered(*pair.session, kLess));
  EXPECT_EQ(kLess, sends.get());
  EXPECT_EQ(kLess, peer_reads.get());
  EXPECT_EQ(kLess, peer_writes.get());
}

TEST(DeviceSessionWait, moves_much_both_ways_blocking) {
  const Setting setting;
  const auto listener = setting.listener();
  const auto one = setting.open();
  ASSERT_EQ(0, connect_to(*one, port_of(*listener)));
  const auto other = accept_on(*listener);
  const auto send_all = [](Session& session) {
    uint64_t sent = 0;
    while (sent < kMuch) {
      const ssize_t n = send_text(session, pattern(sent, std::min<uint64_t>(300'000, kMuch - sent)));
      if (n <= 0) break;
      sent += static_cast<uint64_t>(n);
    }
    return sent;
  };
  const auto receive_all = [](Session& session) {
    std::vector<char> buffer(100'000);
    uint64_t right = 0;
    while (right < kMuch) {
      const ssize_t n = recv_into(session, buffer.data(), buffer.size());
      if (n <= 0) break;
      for (ssize_t i = 0; i < n; ++i, ++right)
        if (buffer[static_cast<size_t>(i)] != pattern_at(right)) return right;
    }
    return right;
  };
  std::future<uint64_t> first = std::async(std::launch::async, [&] { return send_all(*one); });
  std::future<uint64_t> second = std::async(std::launch::async, [&] { return receive_all(*other); });
  std::future<uint64_t> third = std::async(std::launch::async, [&] { return send_all(*other); });
  EXPECT_EQ(kMuch, receive_all(*one));
  EXPECT_EQ(kMuch, first.get());
  EXPECT_EQ(kMuch, second.get());
  EXPECT_EQ(kMuch, third.get());
}

TEST(DeviceSessionWait, echoes_in_turns) {
  const Setting setting;
  const Pair pair(setting);
  std::future<int> echo = std::async(std::launch::async, [&] {
    int turns = 0;
    for (std::string text = recv_text(*pair.session); !text.empty() && text[0] != '!';
         text = recv_text(*pair.session)) {
      if (send_text(*pair.session, text) != static_cast<ssize_t>(text.size())) break;
      ++turns;
    }
    return turns;
  });
  for (int i = 0; i < 2000; ++i) {
    pair.peer.send("ping");
    ASSERT_EQ("ping", pair.peer.read(4));
  }
  ASSERT_EQ(0, ::shutdown(pair.peer.fd(), SHUT_WR));
  EXPECT_EQ(2000, echo.get());
}

TEST(DeviceSessionWait, gives_up_after_its_time_limit) {
  const Setting setting(kLeastRingBytes);
  const Pair pair(setting);
  const timeval limit{0, 20'000};
  ASSERT_EQ(0, pair.session->set_option(SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
  ASSERT_EQ(0, pair.session->set_option(SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
  timeval kept{};
  socklen_t length = sizeof(kept);
  ASSERT_EQ(0, pair.session->get_option(SOL_SOCKET, SO_RCVTIMEO, &kept, &length));
  EXPECT_EQ(20'000, kept.tv_usec);
  EXPECT_EQ(failure(EAGAIN), recv_text(*pair.session));
  pair.peer.send("here");
  EXPECT_EQ("here", recv_text(*pair.session, 8, MSG_WAITALL));
  ssize_t sent = 1;
  while (sent > 0) sent = send_text(*pair.session, std::string(1'000'000, 'x'));
  EXPECT_EQ(EAGAIN, errno);
  ASSERT_EQ(0, pair.listener->set_option(SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
  EXPECT_EQ(nullptr, pair.listener->accept(nullptr, nullptr, 0));
  EXPECT_EQ(EAGAIN, errno);
  const timeval wrong{0, 1'000'000};
  EXPECT_EQ(-1, pair.session->set_option(SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof(wrong)));
  EXPECT_EQ(EDOM, errno);
}

TEST(DeviceSessionWait, is_interrupted_by_signals_and_goes_on) {
  struct sigaction ignore {};
  ignore.sa_handler = [](int) {};
  ASSERT_EQ(0, sigaction(SIGUSR1, &ignore, nullptr));
  const Setting setting;
  const Pair pair(setting);
  std::atomic<bool> done{false};
  std::thread signaller(interrupt_often, pthread_self(), std::cref(done));
  std::future<uint64_t> peer =
      std::async(std::launch::async, [&] { return write_pattern(pair.peer.fd(), kMuch / 100); });
  uint64_t right = 0;
  while (right < kMuch / 100) {
    const std::string text = recv_text(*pair.session, 1000);
    if (text == failure(EINTR)) continue;
    if (text != pattern(right, text.size())) break;
    right += text.size();
  }
  EXPECT_EQ(kMuch / 100, right);
  const auto session = setting.open();
  int result = -1;
  do {
    result = connect_to(*session, port_of(*pair.listener));
  } while (result != 0 && (errno == EINTR || errno == EALREADY));
  EXPECT_EQ(0, result) << errno;
  done = true;
  signaller.join();
  EXPECT_EQ(kMuch / 100, peer.get());
}

TEST(DeviceSessionWait, wakes_an_acceptor_when_the_listener_is_shut_down) {
  const Setting setting;
  const auto listener = setting.listener();
  std::future<int> waiting = std::async(std::launch::async, [&] {
    const std::unique_ptr<Session> none(listener->accept(nullptr, nullptr, 0));
    return none ? 0 : errno;
  });
  EXPECT_EQ(std::future_status::timeout, waiting.wait_for(std::chrono::milliseconds(20)));
  EXPECT_EQ(0, listener->shutdown(SHUT_RDWR));
  EXPECT_EQ(EINVAL, waiting.get());
}

TEST(DeviceSessionWait, several_threads_accept_on_one_listener) {
  constexpr int kConnections = 60;
  const Setting setting;
  const auto listener = setting.listener();
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const std::unique_ptr<Session> session(listener->accept(nullptr, nullptr, SOCK_CLOEXEC));
        if (!session) return;
        ++accepted;
        (void)send_text(*session, "x");
      }
    });
  }
  for (int i = 0; i < kConnections; ++i) EXPECT_EQ("x", Peer::connected(port_of(*listener)).read(1));
  EXPECT_EQ(0, listener->shutdown(SHUT_RDWR));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kConnections, accepted.load());
}
