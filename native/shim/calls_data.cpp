// SPDX-License-Identifier: Apache-2.0
// Octets in and out, by every name the C library has for it, those of -D_FORTIFY_SOURCE included.
#include <cerrno>
#include <climits>

#include "shim/engine.h"
#include "shim/interpose.h"
#include "shim/real.h"
#include "shim/table.h"

using namespace mango::shim;

extern "C" [[noreturn]] void __chk_fail(void);

namespace {

bool bad_count(int iovcnt) noexcept {
  if (iovcnt >= 0 && iovcnt <= IOV_MAX) return false;
  errno = EINVAL;
  return true;
}

// Linux: read() of nothing is answered above TCP, whatever the socket's state; recv() of nothing waits.
bool nothing_wanted(const iovec* iov, int iovcnt) noexcept {
  for (int i = 0; i < iovcnt; ++i) {
    if (iov[i].iov_len != 0) return false;
  }
  return true;
}

// TCP tells no sender's address: Linux says so by a length of zero.
void no_sender(socklen_t* length) noexcept {
  if (length) *length = 0;
}

}  // namespace

extern "C" {

MANGO_INTERPOSE ssize_t read(int fd, void* buf, size_t count) {
  const Ref found = table_find(fd);
  if (!found) return real().read(fd, buf, count);
  const iovec piece{buf, count};
  return count == 0 ? 0 : engine().receive(*found, fd, &piece, 1, 0);
}

MANGO_INTERPOSE ssize_t readv(int fd, const iovec* iov, int iovcnt) {
  const Ref found = table_find(fd);
  if (!found) return real().readv(fd, iov, iovcnt);
  if (bad_count(iovcnt)) return -1;
  return nothing_wanted(iov, iovcnt) ? 0 : engine().receive(*found, fd, iov, iovcnt, 0);
}

MANGO_INTERPOSE ssize_t recv(int fd, void* buf, size_t length, int flags) {
  const Ref found = table_find(fd);
  if (!found) return real().recv(fd, buf, length, flags);
  const iovec piece{buf, length};
  return engine().receive(*found, fd, &piece, 1, flags);
}

MANGO_INTERPOSE ssize_t recvfrom(int fd, void* buf, size_t length, int flags, sockaddr* addr,
                                 socklen_t* addrlen) {
  const Ref found = table_find(fd);
  if (!found) return real().recvfrom(fd, buf, length, flags, addr, addrlen);
  const iovec piece{buf, length};
  const ssize_t n = engine().receive(*found, fd, &piece, 1, flags);
  if (n >= 0 && addr) no_sender(addrlen);
  return n;
}

MANGO_INTERPOSE ssize_t write(int fd, const void* buf, size_t count) {
  const Ref found = table_find(fd);
  if (!found) return real().write(fd, buf, count);
  const iovec piece{const_cast<void*>(buf), count};
  return engine().send(*found, fd, &piece, 1, 0);
}

MANGO_INTERPOSE ssize_t writev(int fd, const iovec* iov, int iovcnt) {
  const Ref found = table_find(fd);
  if (!found) return real().writev(fd, iov, iovcnt);
  return bad_count(iovcnt) ? -1 : engine().send(*found, fd, iov, iovcnt, 0);
}

MANGO_INTERPOSE ssize_t send(int fd, const void* buf, size_t length, int flags) {
  const Ref found = table_find(fd);
  if (!found) return real().send(fd, buf, length, flags);
  const iovec piece{const_cast<void*>(buf), length};
  return engine().send(*found, fd, &piece, 1, flags);
}

// A connected TCP socket ignores the address.
MANGO_INTERPOSE ssize_t sendto(int fd, const void* buf, size_t length, int flags, const sockaddr* addr,
                               socklen_t addrlen) {
  const Ref found = table_find(fd);
  if (!found || (flags & MSG_FASTOPEN)) return real().sendto(fd, buf, length, flags, addr, addrlen);
  const iovec piece{const_cast<void*>(buf), length};
  return engine().send(*found, fd, &piece, 1, flags);
}

MANGO_INTERPOSE ssize_t sendfile(int fd, int file, off_t* offset, size_t count) noexcept {
  const Ref found = table_find(fd);
  if (!found) return real().sendfile(fd, file, offset, count);
  return engine().send_file(*found, fd, file, offset, count);
}

MANGO_INTERPOSE ssize_t sendfile64(int fd, int file, off64_t* offset, size_t count) noexcept {
  return sendfile(fd, file, offset, count);
}

// One side is a pipe, else the system would refuse; the offsets of socket and pipe must be null.
MANGO_INTERPOSE ssize_t splice(int in, off64_t* in_offset, int out, off64_t* out_offset, size_t length,
                               unsigned flags) {
  const Ref to = table_find(out);
  const Ref from = to ? Ref() : table_find(in);
  if ((!to && !from) || in_offset || out_offset)
    return real().splice(in, in_offset, out, out_offset, length, flags);
  return to ? engine().splice_out(*to, in, out, length, flags)
            : engine().splice_in(*from, in, out, length, flags);
}

MANGO_INTERPOSE ssize_t __read_chk(int fd, void* buf, size_t count, size_t room) {
  if (count > room) __chk_fail();
  return read(fd, buf, count);
}

MANGO_INTERPOSE ssize_t __recv_chk(int fd, void* buf, size_t length, size_t room, int flags) {
  if (length > room) __chk_fail();
  return recv(fd, buf, length, flags);
}

MANGO_INTERPOSE ssize_t __recvfrom_chk(int fd, void* buf, size_t length, size_t room, int flags,
                                       sockaddr* addr, socklen_t* addrlen) {
  if (length > room) __chk_fail();
  return recvfrom(fd, buf, length, flags, addr, addrlen);
}

}  // extern "C"
