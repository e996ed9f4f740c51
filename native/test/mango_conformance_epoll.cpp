// SPDX-License-Identifier: Apache-2.0
// epoll sets with sockets of the engine and ordinary descriptors in them.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <map>

#include "mango_conformance.h"

namespace mango_test {
namespace {

// A set adopted by a tcp handle for the time of a test.
class Set {
 public:
  explicit Set(mango_tcp_h tcp) : tcp_(tcp), epfd_(epoll_create1(EPOLL_CLOEXEC)) {
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp_, epfd_));
  }
  ~Set() {
    (void)mango_tcp_epoll_close(tcp_, epfd_);
    ::close(epfd_);
  }
  Set(const Set&) = delete;
  Set& operator=(const Set&) = delete;

  [[nodiscard]] int fd() const { return epfd_; }
  [[nodiscard]] mango_status_e control(int op, int fd, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return mango_tcp_epoll_ctl(tcp_, epfd_, op, fd, &event);
  }
  // What is ready, by descriptor.
  [[nodiscard]] std::map<int, uint32_t> wait(int timeout_ms = 10'000) const {
    epoll_event events[8];
    int ready = -1;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_wait(tcp_, epfd_, events, 8, timeout_ms, &ready));
    std::map<int, uint32_t> seen;
    for (int i = 0; i < ready; ++i) seen[events[i].data.fd] = events[i].events;
    return seen;
  }

 private:
  mango_tcp_h tcp_;
  int epfd_;
};

using Seen = std::map<int, uint32_t>;

}  // namespace

CONFORMANCE(mango_tcp_epoll_create, a_set_is_the_callers_descriptor) {
  const int epfd = own_fd(epoll_create1(EPOLL_CLOEXEC));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(make_tcp(), epfd)) << "taken over";
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_create(tcp, own_fd(eventfd(0, EFD_CLOEXEC))));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_epoll_create(tcp, -1));
}

CONFORMANCE(mango_tcp_epoll_check, only_adopted_sets_are_ours) {
  const Set set(tcp);
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_check(tcp, set.fd()));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(make_tcp(), set.fd()));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(tcp, own_fd(epoll_create1(EPOLL_CLOEXEC))));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(tcp, fd_of(open())));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_check(tcp, -1));
}

CONFORMANCE(mango_tcp_epoll_close, the_descriptor_stays_the_callers) {
  const int epfd = own_fd(epoll_create1(EPOLL_CLOEXEC));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_create(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_close(make_tcp(), epfd));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_close(tcp, epfd));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_epoll_close(tcp, epfd));
  EXPECT_NE(-1, fcntl(epfd, F_GETFD));
}

CONFORMANCE(mango_tcp_epoll_ctl, statuses_are_those_of_the_system) {
  const Set set(tcp);
  const int fd = fd_of(connect_pair().socket);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, set.control(EPOLL_CTL_MOD, fd, EPOLLIN));
  EXPECT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(MANGO_STATUS_EXISTS, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_epoll_ctl(tcp, set.fd(), EPOLL_CTL_DEL, fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_ctl(tcp, set.fd(), EPOLL_CTL_ADD, fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, set.control(99, fd, EPOLLIN));
  const int file = own_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, set.control(EPOLL_CTL_ADD, file, EPOLLIN)) << "cannot be watched";
  const int closed = dup(file);
  ::close(closed);
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, set.control(EPOLL_CTL_ADD, closed, EPOLLIN));
  epoll_event event{};
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_tcp_epoll_ctl(make_tcp(), set.fd(), EPOLL_CTL_ADD, fd, &event));
}

CONFORMANCE(mango_tcp_epoll_ctl, a_negative_descriptor_is_the_listener_by_address) {
  const Set set(tcp);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, set.control(EPOLL_CTL_ADD, -1, EPOLLIN)) << "no listener";
  sockaddr_in first = loopback();
  sockaddr_in last = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &first));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &last));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, -1, EPOLLIN));
  RawPeer to_first(ntohs(first.sin_port));
  EXPECT_EQ(Seen(), set.wait(0));
  RawPeer to_last(ntohs(last.sin_port));
  EXPECT_EQ((Seen{{-1, EPOLLIN}}), set.wait());
  int session = -1;
  sockaddr_in at = last;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &at, nullptr, true, &session));
  EXPECT_EQ(Seen(), set.wait(0)) << "nobody else";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_DEL, -1, 0));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &last));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &first));
}

CONFORMANCE(mango_tcp_epoll_wait, level_triggered_until_it_is_read) {
  const Set set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  EXPECT_EQ(Seen(), set.wait(0));
  pair.peer.send("ab");
  EXPECT_EQ((Seen{{fd, EPOLLIN}}), set.wait());
  EXPECT_EQ("a", receive_exactly(pair.socket, 1));
  EXPECT_EQ((Seen{{fd, EPOLLIN}}), set.wait()) << "there is more";
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  char buffer[8];
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(Seen(), set.wait(0)) << "all read";
  pair.peer.send("c");
  EXPECT_EQ((Seen{{fd, EPOLLIN}}), set.wait());
}

CONFORMANCE(mango_tcp_epoll_wait, edge_triggered_once_per_news) {
  const Set set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET));
  (void)set.wait(0);
  for (int round = 0; round < 3; ++round) {
    pair.peer.send("x");
    EXPECT_TRUE(set.wait()[fd] & EPOLLIN) << round;
    EXPECT_EQ(Seen(), set.wait(0)) << "told once";
    char buffer[8];
    size_t n = 0;
    while (mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n) != MANGO_STATUS_AGAIN) {
    }
  }
  pair.peer.close();
  EXPECT_TRUE(set.wait()[fd] & EPOLLRDHUP);
}

CONFORMANCE(mango_tcp_epoll_wait, one_shot_until_it_is_armed_again) {
  const Set set(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT));
  pair.peer.send("x");
  EXPECT_EQ((Seen{{fd, EPOLLIN}}), set.wait());
  EXPECT_EQ(Seen(), set.wait(0));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT));
  EXPECT_EQ((Seen{{fd, EPOLLIN}}), set.wait());
}

CONFORMANCE(mango_tcp_epoll_wait, both_kinds_of_descriptors_in_several_sets) {
  const Set one(tcp);
  const Set other(tcp);
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  const int event = own_fd(eventfd(0, EFD_CLOEXEC));
  ASSERT_EQ(MANGO_STATUS_OK, one.control(EPOLL_CTL_ADD, fd, EPOLLIN));
  ASSERT_EQ(MANGO_STATUS_OK, one.control(EPOLL_CTL_ADD, event, EPOLLIN));
  ASSERT_EQ(MANGO_STATUS_OK, other.control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT));
  ASSERT_EQ(MANGO_STATUS_OK, other.control(EPOLL_CTL_ADD, one.fd(), EPOLLIN)) << "nested";
  EXPECT_EQ((Seen{{fd, EPOLLOUT}}), other.wait());
  const uint64_t up = 1;
  ASSERT_EQ(8, write(event, &up, 8));
  EXPECT_EQ((Seen{{event, EPOLLIN}}), one.wait());
  pair.peer.send("x");
  EXPECT_EQ(POLLIN, poll_events(fd, POLLIN));
  EXPECT_EQ((Seen{{event, EPOLLIN}, {fd, EPOLLIN}}), one.wait());
  EXPECT_EQ((Seen{{fd, EPOLLIN | EPOLLOUT}, {one.fd(), EPOLLIN}}), other.wait());
}

CONFORMANCE(mango_tcp_epoll_wait, the_end_and_the_error_are_told) {
  const Set set(tcp);
  const Pair ending = connect_pair();
  const Pair failing = connect_pair();
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(ending.socket), EPOLLIN | EPOLLRDHUP));
  ending.peer.close();
  EXPECT_EQ((Seen{{fd_of(ending.socket), EPOLLIN | EPOLLRDHUP}}), set.wait());
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_DEL, fd_of(ending.socket), 0));
  ASSERT_EQ(MANGO_STATUS_OK, set.control(EPOLL_CTL_ADD, fd_of(failing.socket), EPOLLIN));
  const linger now{1, 0};
  setsockopt(failing.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  failing.peer.close();
  EXPECT_TRUE(set.wait()[fd_of(failing.socket)] & EPOLLHUP);
}

CONFORMANCE(mango_tcp_epoll_wait, bad_arguments_are_refused) {
  const Set set(tcp);
  epoll_event event{};
  int ready = -1;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(tcp, set.fd(), &event, 0, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(tcp, set.fd(), nullptr, 1, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(tcp, set.fd(), &event, 1, 0, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_epoll_wait(tcp, 0, &event, 1, 0, &ready))
      << "not adopted";
}

}  // namespace mango_test
