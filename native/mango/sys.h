// SPDX-License-Identifier: Apache-2.0
// The system calls of the data path: counted, resumed after a signal, never raising SIGPIPE. The count is of
// calls made, so that "one recv, one send per request" can be proved and not only claimed.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "mango/counters.h"

namespace mango::kernel {

template <class Call>
inline auto retry_interrupted(Call call) noexcept {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

inline ssize_t sys_recv(int fd, void* buf, size_t len) noexcept {
  return retry_interrupted([=] {
    const ssize_t n = ::recv(fd, buf, len, 0);
    count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
    return n;
  });
}

inline ssize_t sys_send(int fd, const void* buf, size_t len, int flags = 0) noexcept {
  return retry_interrupted([=] {
    const ssize_t n = ::send(fd, buf, len, MSG_NOSIGNAL | flags);
    count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  });
}

inline msghdr message_of(const iovec* iov, int iovcnt) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(iov);
  message.msg_iovlen = static_cast<size_t>(iovcnt);
  return message;
}

inline ssize_t sys_recv_iov(int fd, const iovec* iov, int iovcnt) noexcept {
  msghdr message = message_of(iov, iovcnt);
  return retry_interrupted([&] {
    const ssize_t n = ::recvmsg(fd, &message, 0);
    count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
    return n;
  });
}

inline ssize_t sys_send_iov(int fd, const iovec* iov, int iovcnt, int flags = 0) noexcept {
  const msghdr message = message_of(iov, iovcnt);
  return retry_interrupted([&] {
    const ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL | flags);
    count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  });
}

}  // namespace mango::kernel
