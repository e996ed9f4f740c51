// SPDX-License-Identifier: Apache-2.0
// sendfile and splice of the device engine: octets are copied, since the system cannot put pages into a ring.
// Nothing is taken from the source that the other side has not room for, so that nothing is lost when it is
// full.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "shim/device_engine.h"
#include "shim/pieces.h"
#include "shim/real.h"
#include "shim/waiting.h"

namespace mango::shim {
namespace {

constexpr size_t kCopyBytes = 32 * 1024;
constexpr size_t kPipeBytes = 4096;  // PIPE_BUF: a writable pipe takes this much without waiting

// SPLICE_F_NONBLOCK speaks of the pipe, O_NONBLOCK of either end of itself.
bool pipe_ready(int pipe, short event, unsigned flags) {
  const bool wait = !(flags & SPLICE_F_NONBLOCK) && !(real().fcntl(pipe, F_GETFL) & O_NONBLOCK);
  pollfd watched{pipe, event, 0};
  const int ready = poll(&watched, 1, wait ? -1 : 0);
  if (ready == 0) errno = EAGAIN;
  return ready > 0;
}

}  // namespace

ssize_t DeviceEngine::send_file(Offloaded& offloaded, int fd, int file, off64_t* offset, size_t count) {
  const off64_t begin = offset ? *offset : lseek64(file, 0, SEEK_CUR);
  if (begin < 0) {
    errno = EINVAL;
    return -1;
  }
  char copy[kCopyBytes];
  size_t done = 0;
  ssize_t last = 0;
  while (done < count) {
    last = pread64(file, copy, std::min(sizeof(copy), count - done), begin + static_cast<off64_t>(done));
    if (last <= 0) break;
    const iovec piece{copy, static_cast<size_t>(last)};
    last = send(offloaded, fd, &piece, 1, 0);
    if (last > 0) done += static_cast<size_t>(last);
    if (last != static_cast<ssize_t>(piece.iov_len)) break;
  }
  if (done == 0) return last < 0 ? -1 : 0;
  if (offset) *offset = begin + static_cast<off64_t>(done);
  if (!offset) (void)lseek64(file, begin + static_cast<off64_t>(done), SEEK_SET);
  return static_cast<ssize_t>(done);
}

ssize_t DeviceEngine::splice_out(Offloaded& offloaded, int pipe, int fd, size_t length, unsigned flags) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  char copy[kCopyBytes];
  for (;;) {
    size_t room = 0;
    int at = fd;
    {
      const Bypass bypass;
      const std::lock_guard lock(offloaded.sending);
      room = session->room();
      at = session->fd();
    }
    if (room > 0) {
      if (!pipe_ready(pipe, POLLIN, flags)) return -1;
      const ssize_t taken = real().read(pipe, copy, std::min({room, length, sizeof(copy)}));
      if (taken <= 0) return taken;
      // Should another thread have filled the ring, this waits, whatever the mode: the octets are ours now.
      const iovec piece{copy, static_cast<size_t>(taken)};
      Pieces pieces(&piece, 1);
      while (pieces.left() > 0) {
        const ssize_t n = send(offloaded, fd, pieces.data(), pieces.count(), 0);
        if (n < 0 && errno != EAGAIN) return -1;
        if (n < 0 && !wait_writable(at, -1) && errno != EINTR) return -1;
        if (n > 0) pieces.advance(static_cast<size_t>(n));
      }
      return taken;
    }
    if (offloaded.nonblocking.load(std::memory_order_relaxed)) {
      errno = EAGAIN;
      return -1;
    }
    if (!wait_writable(at, offloaded.send_timeout_ms.load(std::memory_order_relaxed))) return -1;
  }
}

ssize_t DeviceEngine::splice_in(Offloaded& offloaded, int fd, int pipe, size_t length, unsigned flags) {
  size_t done = 0;
  while (done < length) {
    char copy[kPipeBytes];
    iovec piece{copy, std::min(sizeof(copy), length - done)};
    const int more = done ? MSG_DONTWAIT : 0;
    const ssize_t seen = receive(offloaded, fd, &piece, 1, MSG_PEEK | more);
    if (seen <= 0) return done ? static_cast<ssize_t>(done) : seen;
    if (!pipe_ready(pipe, POLLOUT, done ? flags | SPLICE_F_NONBLOCK : flags)) {
      return done ? static_cast<ssize_t>(done) : -1;
    }
    const ssize_t written = real().write(pipe, copy, static_cast<size_t>(seen));
    if (written <= 0) return done ? static_cast<ssize_t>(done) : written;
    piece.iov_len = static_cast<size_t>(written);
    if (receive(offloaded, fd, &piece, 1, 0) != written) return -1;
    done += static_cast<size_t>(written);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace mango::shim
