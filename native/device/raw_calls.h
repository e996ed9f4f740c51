// SPDX-License-Identifier: Apache-2.0
// System calls that no other library can catch. This code runs inside programs whose recv(), poll() or
// close() may be somebody else's: the shim's, which would take a session's descriptor for a connection and
// come back here.
#pragma once

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <utility>

namespace mango::device::raw {

inline ssize_t recv(int fd, void* buffer, size_t length, int flags) noexcept {
  return ::syscall(SYS_recvfrom, fd, buffer, length, flags, nullptr, nullptr);
}
inline ssize_t send(int fd, const void* buffer, size_t length, int flags) noexcept {
  return ::syscall(SYS_sendto, fd, buffer, length, flags | MSG_NOSIGNAL, nullptr, 0);
}
inline ssize_t recvmsg(int fd, msghdr* message, int flags) noexcept {
  return ::syscall(SYS_recvmsg, fd, message, flags);
}
inline ssize_t sendmsg(int fd, const msghdr* message, int flags) noexcept {
  return ::syscall(SYS_sendmsg, fd, message, flags | MSG_NOSIGNAL);
}
inline ssize_t write(int fd, const void* buffer, size_t length) noexcept {
  return ::syscall(SYS_write, fd, buffer, length);
}
inline int socket(int family, int type) noexcept {
  return static_cast<int>(::syscall(SYS_socket, family, type, 0));
}
inline int connect(int fd, const void* address, socklen_t length) noexcept {
  return static_cast<int>(::syscall(SYS_connect, fd, address, length));
}
inline int getpeername(int fd, void* address, socklen_t* length) noexcept {
  return static_cast<int>(::syscall(SYS_getpeername, fd, address, length));
}
inline int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept {
  return static_cast<int>(::syscall(SYS_setsockopt, fd, level, name, value, length));
}
inline int shutdown(int fd, int how) noexcept {
  return static_cast<int>(::syscall(SYS_shutdown, fd, how));
}
inline int close(int fd) noexcept {
  return static_cast<int>(::syscall(SYS_close, fd));
}
inline int dup3(int from, int to, int flags) noexcept {
  return static_cast<int>(::syscall(SYS_dup3, from, to, flags));
}
inline int fcntl(int fd, int command, long argument = 0) noexcept {
  return static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
}
inline int set_nonblocking(int fd, bool enable) noexcept {
  int on = enable ? 1 : 0;
  return static_cast<int>(::syscall(SYS_ioctl, fd, FIONBIO, &on));
}

// `timeout_ns` below zero: for ever. The revents in `revents`.
inline int poll(int fd, short events, int64_t timeout_ns, short& revents) noexcept {
  pollfd watched{fd, events, 0};
  timespec left{static_cast<time_t>(timeout_ns / 1'000'000'000),
                static_cast<long>(timeout_ns % 1'000'000'000)};
  const auto ready = static_cast<int>(
      ::syscall(SYS_ppoll, &watched, 1, timeout_ns < 0 ? nullptr : &left, nullptr, sizeof(uint64_t)));
  revents = watched.revents;
  return ready;
}

// Whether the other end of a connected socket is closed.
[[nodiscard]] inline bool hung_up(int fd) noexcept {
  short revents = 0;
  return poll(fd, 0, 0, revents) > 0 && (revents & (POLLHUP | POLLNVAL)) != 0;
}

// A descriptor with an owner.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) raw::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace mango::device::raw
