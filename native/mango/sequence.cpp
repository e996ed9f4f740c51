// SPDX-License-Identifier: Apache-2.0
// Entering repair mode changes nothing on the wire, but three things about it would harm a living connection:
// leaving it sends a window probe (so leave with "no window probe"), it forgets SO_REUSEADDR (so put that
// back), and while the send queue is selected, data the kernel would send is only marked as sent (so select
// it last and for one call; what an acknowledgement sets free in that moment goes out with the retransmission
// timer).
#include "mango/sequence.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "device/session.h"
#include "libmango.h"
#include "mango/socket.h"

namespace mango::kernel {
namespace {

// linux/tcp.h has these, and cannot be included beside netinet/tcp.h.
constexpr int kRepairOn = 1;
constexpr int kRepairOff = 0;
constexpr int kRepairOffNoProbe = -1;
constexpr int kNoQueue = 0;
constexpr int kRecvQueue = 1;
constexpr int kSendQueue = 2;

int set_tcp(int fd, int name, int value) noexcept {
  return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value)) == 0 ? 0 : errno;
}

int read_queue(int fd, int queue, uint32_t* number) noexcept {
  if (const int error = set_tcp(fd, TCP_REPAIR_QUEUE, queue)) return error;
  socklen_t length = sizeof(*number);
  const int error = getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, number, &length) == 0 ? 0 : errno;
  const int back = set_tcp(fd, TCP_REPAIR_QUEUE, kNoQueue);
  return error ? error : back;
}

int leave_repair(int fd, int reuse) noexcept {
  int error = set_tcp(fd, TCP_REPAIR, kRepairOffNoProbe);
  if (error == EINVAL) error = set_tcp(fd, TCP_REPAIR, kRepairOff);  // before Linux 4.19
  const int restored = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) == 0 ? 0 : errno;
  return error ? error : restored;
}

bool has_connection(int fd) noexcept {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  return info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_LISTEN && info.tcpi_state != TCP_SYN_SENT &&
         info.tcpi_state != TCP_SYN_RECV;
}

}  // namespace

int read_sequence(int fd, uint32_t* tx, uint32_t* rx) noexcept {
  if (!has_connection(fd)) return ENOTCONN;
  int reuse = 0;
  socklen_t length = sizeof(reuse);
  if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &length) != 0) return errno;
  if (const int error = set_tcp(fd, TCP_REPAIR, kRepairOn)) return error;
  uint32_t sent = 0;
  uint32_t received = 0;
  int error = read_queue(fd, kRecvQueue, &received);
  if (error == 0) error = read_queue(fd, kSendQueue, &sent);
  const int left = leave_repair(fd, reuse);
  if (error == 0) error = left;
  if (error != 0) return error;
  *tx = sent;
  *rx = received;
  return 0;
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" mango_status_e mango_socket_get_sequence(mango_socket_h socket, uint32_t* tx, uint32_t* rx) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!tx || !rx) return MANGO_STATUS_INVALID_ARGUMENT;
  if (found->state != SocketState::kConnected) return socket_error(*found, ENOTCONN);
  if (found->session) {
    return found->session->sequence(tx, rx) == 0 ? MANGO_STATUS_OK : socket_error(*found, errno);
  }
  const int error = read_sequence(found->descriptor(), tx, rx);
  return error == 0 ? MANGO_STATUS_OK : socket_error(*found, error);
}
