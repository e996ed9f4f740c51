// SPDX-License-Identifier: Apache-2.0
// System calls are made as such (raw_calls.h): under the shim, the names of libc are the shim's.
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
#include <cstdio>
#include <cstring>
#include <utility>

#include "device/raw_calls.h"

namespace mango::ipc {

namespace {

namespace raw = device::raw;

constexpr int kFirstFd = 3;

// Waits until fd is writable or has an error.
bool wait_connected(int fd, Deadline deadline) noexcept {
  short revents = 0;
  int ready = 0;
  do {
    ready = raw::poll(fd, POLLOUT, ns_until(deadline), revents);
  } while (ready < 0 && errno == EINTR);
  int error = 0;
  socklen_t length = sizeof error;
  return ready == 1 && ::syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 &&
         error == 0;
}

// TCP's simultaneous open: connecting to a local port where nobody listens can meet itself, when the kernel
// happens to pick that very port for our side.
bool met_itself(int fd) noexcept {
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  if (::syscall(SYS_getsockname, fd, &own, &own_length) != 0) return true;
  if (raw::getpeername(fd, &peer, &peer_length) != 0) return true;
  return own_length == peer_length && std::memcmp(&own, &peer, own_length) == 0;
}

Descriptor dial_address(const addrinfo& address, Deadline deadline) noexcept {
  Descriptor made(raw::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (made.fd() < 0) return made;
  const int on = 1;
  raw::setsockopt(made.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const bool begun =
      raw::connect(made.fd(), address.ai_addr, address.ai_addrlen) == 0 || errno == EINPROGRESS;
  if (!begun || !wait_connected(made.fd(), deadline) || met_itself(made.fd())) return {};
  return made;
}

}  // namespace

int64_t ns_until(Deadline deadline) noexcept {
  return std::max<int64_t>(0, std::chrono::nanoseconds(deadline - Clock::now()).count());
}

Descriptor::Descriptor(int fd) noexcept : fd_(fd) {
  if (fd_ >= 0 && fd_ < kFirstFd) {
    fd_ = raw::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFd);
    raw::close(fd);
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
  if (ours()) raw::close(fd_);
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
