// SPDX-License-Identifier: Apache-2.0
// Plain bytes in and out: one validated handle, one system call, no allocation, no lock.
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <climits>
#include <ctime>

#include "libmango.h"
#include "mango/carrier.h"
#include "mango/tls_session.h"

using namespace mango::kernel;

namespace {

// An SSL freed by its owner has detached itself, and plain calls work again.
bool has_tls(const Socket& socket) noexcept {
  return socket.tls && socket.tls->attached();
}

// A receive of nothing is the end of the stream, or a socket that its device's reset has hung up.
mango_status_e finish_io(const Socket& socket, ssize_t n, size_t* moved) noexcept {
  if (n < 0) return socket_error(socket, errno);
  if (n == 0 && socket.dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  if (moved) *moved = static_cast<size_t>(n);
  return MANGO_STATUS_OK;
}

// Pending error of the socket, which reading clears.
int take_error(const Socket& socket) noexcept {
  int error = 0;
  socklen_t length = sizeof(error);
  return carrier_get_option(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

// The kernel has no event for "all acknowledged": EPOLLOUT speaks of free space, and ACK timestamps
// (SO_TIMESTAMPING) raise EPOLLERR in every epoll set the caller put the descriptor in, and must be switched
// on before sending. So look at the queue again after pauses that start at a loopback round trip and double
// up to a tenth of a slow one; ppoll ends a pause early when the connection fails.
constexpr long kFirstPauseNs = 20'000;
constexpr long kLongestPauseNs = 5'000'000;

// A failed session of the device says so in its count of unacknowledged octets.
bool is_over(const Socket& socket) noexcept {
  if (socket.session) return false;
  tcp_info info{};
  socklen_t length = sizeof(info);
  return carrier_get_option(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
         info.tcpi_state == TCP_CLOSE;
}

// A hang-up with bytes still queued is either the end, or both directions shut down and the last bytes on
// their way.
void pause_unless_over(const Socket& socket, long pause_ns) noexcept {
  pollfd watched{socket.descriptor(), 0, 0};
  const timespec pause{0, pause_ns};
  if (ppoll(&watched, 1, &pause, nullptr) > 0 && !is_over(socket)) nanosleep(&pause, nullptr);
}

mango_status_e wait_acknowledged(const Socket& socket) noexcept {
  for (long pause_ns = kFirstPauseNs;; pause_ns = std::min(pause_ns * 2, kLongestPauseNs)) {
    const bool over = is_over(socket);  // asked first: what is acknowledged before the end counts
    const int queued = carrier_unacknowledged(socket);
    if (queued < 0) return socket_error(socket, errno);
    if (queued == 0)
      return socket.dead.load(std::memory_order_relaxed) ? MANGO_STATUS_DEVICE_RESET : MANGO_STATUS_OK;
    if (over) {
      const int error = take_error(socket);
      return socket_error(socket, error ? error : ECONNRESET);
    }
    pause_unless_over(socket, pause_ns);
  }
}

}  // namespace

extern "C" {

mango_status_e mango_socket_send(mango_socket_h socket, const void* buf, size_t len, size_t* sent) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if ((!buf && len) || has_tls(*found)) return MANGO_STATUS_INVALID_ARGUMENT;
  return finish_io(*found, carrier_send(*found, buf, len), sent);
}

mango_status_e mango_socket_send_iov(mango_socket_h socket, const struct iovec* iov, int iovcnt,
                                     size_t* sent) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if ((!iov && iovcnt) || iovcnt < 0 || iovcnt > IOV_MAX || has_tls(*found))
    return MANGO_STATUS_INVALID_ARGUMENT;
  return finish_io(*found, carrier_send_iov(*found, iov, iovcnt), sent);
}

mango_status_e mango_socket_recv(mango_socket_h socket, void* buf, size_t len, size_t* received) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if ((!buf && len) || !received || has_tls(*found)) return MANGO_STATUS_INVALID_ARGUMENT;
  return finish_io(*found, carrier_recv(*found, buf, len), received);
}

mango_status_e mango_socket_recv_iov(mango_socket_h socket, const struct iovec* iov, int iovcnt,
                                     size_t* received) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  const bool bad_iov = (!iov && iovcnt) || iovcnt < 0 || iovcnt > IOV_MAX;
  if (bad_iov || !received || has_tls(*found)) return MANGO_STATUS_INVALID_ARGUMENT;
  return finish_io(*found, carrier_recv_iov(*found, iov, iovcnt), received);
}

mango_status_e mango_socket_get_num_avail(mango_socket_h socket, int* nbytes) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!nbytes) return MANGO_STATUS_INVALID_ARGUMENT;
  const int queued = carrier_available(*found);
  if (queued < 0) return socket_error(*found, errno);
  *nbytes = queued + (found->tls ? static_cast<int>(found->tls->bytes_waiting()) : 0);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_wait(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->state == SocketState::kAborted) return MANGO_STATUS_ABORTED;
  if (found->state != SocketState::kConnected && found->state != SocketState::kConnecting) {
    return MANGO_STATUS_NOT_CONNECTED;
  }
  if (found->tls) {
    const mango_status_e status = found->tls->flush_blocking();
    if (status != MANGO_STATUS_OK) return status;
  }
  return wait_acknowledged(*found);
}

}  // extern "C"
