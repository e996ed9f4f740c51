// SPDX-License-Identifier: Apache-2.0
// mango-bench-peer: the other side of the measuring programs, on plain sockets. Echoes what it gets, until
// standard input ends. Prints the port it chose.
//
// A connection that its client ended is answered with RST: otherwise thousands of them a second would stay in
// the client's TIME_WAIT, and what is measured would be the search for a free port.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kBacklog = 4096;
constexpr int kEvents = 64;
constexpr size_t kReadBytes = 64 * 1024;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(EXIT_FAILURE);
}

int listen_anywhere() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in addr{};
  addr.sin_family = AF_INET;
  addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(addr);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&addr), length) != 0 || listen(fd, kBacklog) != 0)
    die("listen");
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&addr), &length) != 0) die("getsockname");
  std::printf("%d\n", ntohs(addr.sin_port));
  std::fflush(stdout);
  return fd;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void accept_all(int epoll, int listener) {
  const int on = 1;
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED)) return;
    if (fd < 0) die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(epoll, fd);
  }
}

void end(int fd) {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

void echo(int fd) {
  static std::array<char, kReadBytes> buffer;
  const ssize_t received = recv(fd, buffer.data(), buffer.size(), 0);
  if (received <= 0) return end(fd);
  for (ssize_t done = 0; done < received;) {
    const ssize_t sent = send(fd, buffer.data() + done, static_cast<size_t>(received - done), MSG_NOSIGNAL);
    if (sent < 0) return end(fd);
    done += sent;
  }
}

}  // namespace

int main() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  const int listener = listen_anywhere();
  watch(epoll, listener);
  watch(epoll, STDIN_FILENO);
  std::array<epoll_event, kEvents> events{};
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), kEvents, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == STDIN_FILENO) return EXIT_SUCCESS;
      if (fd == listener)
        accept_all(epoll, listener);
      else
        echo(fd);
    }
  }
}
