// SPDX-License-Identifier: Apache-2.0
// sendmsg, recvmsg and their plural forms. A message of another socket may bring descriptors of offloaded
// ones.
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "shim/engine.h"
#include "shim/interpose.h"
#include "shim/real.h"
#include "shim/table.h"

using namespace mango::shim;

namespace {

void adopt_descriptors(const cmsghdr& control) noexcept {
  const size_t count = (control.cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; ++i) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(&control) + i * sizeof(int), sizeof(fd));
    engine().adopt(fd);
  }
}

void look_for_descriptors(msghdr& message) noexcept {
  if (bypassed() || message.msg_controllen == 0 || !table_is_ours()) return;
  const int error = errno;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) adopt_descriptors(*control);
  }
  errno = error;
}

bool has_passed(const timespec& end) noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

timespec end_of(const timespec* timeout) noexcept {
  timespec end{};
  if (!timeout) return end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += timeout->tv_sec + (end.tv_nsec + timeout->tv_nsec) / 1'000'000'000;
  end.tv_nsec = (end.tv_nsec + timeout->tv_nsec) % 1'000'000'000;
  return end;
}

// As Linux: an error after the first message is kept for later, by the stream itself here.
int receive_many(Offloaded& offloaded, int fd, mmsghdr* messages, unsigned count, int flags,
                 const timespec* timeout) {
  const timespec end = end_of(timeout);
  unsigned done = 0;
  while (done < count) {
    const int wait = done && (flags & MSG_WAITFORONE) ? MSG_DONTWAIT : 0;
    const ssize_t n =
        engine().receive_message(offloaded, fd, &messages[done].msg_hdr, (flags & ~MSG_WAITFORONE) | wait);
    if (n < 0) break;
    messages[done++].msg_len = static_cast<unsigned>(n);
    if (n == 0 || (timeout && has_passed(end))) break;
  }
  return done ? static_cast<int>(done) : -1;
}

int send_many(Offloaded& offloaded, int fd, mmsghdr* messages, unsigned count, int flags) {
  unsigned done = 0;
  for (; done < count; ++done) {
    const ssize_t n = engine().send_message(offloaded, fd, &messages[done].msg_hdr, flags);
    if (n < 0) break;
    messages[done].msg_len = static_cast<unsigned>(n);
  }
  return done ? static_cast<int>(done) : (count ? -1 : 0);
}

}  // namespace

extern "C" {

MANGO_INTERPOSE ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const Ref found = table_find(fd);
  if (found) return engine().receive_message(*found, fd, message, flags);
  const ssize_t n = real().recvmsg(fd, message, flags);
  if (n >= 0) look_for_descriptors(*message);
  return n;
}

MANGO_INTERPOSE int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  const Ref found = table_find(fd);
  if (found) return receive_many(*found, fd, messages, count, flags, timeout);
  const int received = real().recvmmsg(fd, messages, count, flags, timeout);
  for (int i = 0; i < received; ++i) look_for_descriptors(messages[i].msg_hdr);
  return received;
}

MANGO_INTERPOSE ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const Ref found = table_find(fd);
  return found ? engine().send_message(*found, fd, message, flags) : real().sendmsg(fd, message, flags);
}

MANGO_INTERPOSE int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  const Ref found = table_find(fd);
  return found ? send_many(*found, fd, messages, count, flags) : real().sendmmsg(fd, messages, count, flags);
}

}  // extern "C"
