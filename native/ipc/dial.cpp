// SPDX-License-Identifier: Apache-2.0
#include "ipc/dial.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

namespace mango::ipc {

namespace {

constexpr int kFirstFd = 3;

// Waits until fd is writable or has an error.
bool wait_connected(int fd, Deadline deadline) noexcept {
  pollfd poll_fd{fd, POLLOUT, 0};
  int ready = 0;
  do {
    ready = ::poll(&poll_fd, 1, ms_until(deadline));
  } while (ready < 0 && errno == EINTR);
  int error = 0;
  socklen_t length = sizeof error;
  return ready == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

// TCP's simultaneous open: connecting to a local port where nobody listens can meet itself, when the kernel
// happens to pick that very port for our side.
bool met_itself(int fd) noexcept {
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_length) != 0) return true;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) return true;
  return own_length == peer_length && std::memcmp(&own, &peer, own_length) == 0;
}

Descriptor dial_address(const addrinfo& address, Deadline deadline) noexcept {
  Descriptor made(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (made.fd() < 0) return made;
  const int on = 1;
  setsockopt(made.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const bool begun = ::connect(made.fd(), address.ai_addr, address.ai_addrlen) == 0 || errno == EINPROGRESS;
  if (!begun || !wait_connected(made.fd(), deadline) || met_itself(made.fd())) return {};
  return made;
}

}  // namespace

int ms_until(Deadline deadline) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

Descriptor::Descriptor(int fd) noexcept : fd_(fd) {
  if (fd_ >= 0 && fd_ < kFirstFd) {
    fd_ = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFd);
    ::close(fd);
  }
  struct stat status {};
  if (fd_ < 0 || fstat(fd_, &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

Descriptor::Descriptor(Descriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), device_(other.device_), inode_(other.inode_) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = std::exchange(other.fd_, -1);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

bool Descriptor::ours() const noexcept {
  struct stat status {};
  return fd_ >= 0 && fstat(fd_, &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

void Descriptor::reset() noexcept {
  if (ours()) ::close(fd_);
  fd_ = -1;
}

Descriptor dial(const std::string& host, uint16_t port, Deadline deadline) noexcept {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  char service[8];
  std::snprintf(service, sizeof service, "%u", port);
  if (getaddrinfo(host.c_str(), service, &hints, &found) != 0) return {};
  Descriptor made;
  for (const addrinfo* each = found; each && made.fd() < 0; each = each->ai_next) {
    made = dial_address(*each, deadline);
  }
  freeaddrinfo(found);
  return made;
}

}  // namespace mango::ipc
