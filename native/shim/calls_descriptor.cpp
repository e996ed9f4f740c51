// SPDX-License-Identifier: Apache-2.0
// close, dup, fcntl, ioctl and their kin. libuv closes by syscall(SYS_close), so syscall(2) is here too.
#include <linux/sockios.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstdarg>

#include "shim/descriptors.h"
#include "shim/engine.h"
#include "shim/interpose.h"
#include "shim/real.h"
#include "shim/table.h"

using namespace mango::shim;

namespace {

int duplicate_onto(int from, int to, int flags) noexcept {
  if (from == to) return real().dup3(from, to, flags);
  Overwrite overwrite(to);
  const int copy = real().dup3(from, to, flags);
  overwrite.done(copy >= 0);
  return note_duplicate(from, copy);
}

int control(int fd, int command, void* argument) noexcept {
  const int result = real().fcntl(fd, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) return note_duplicate(fd, result);
  if (command != F_SETFL || result != 0) return result;
  const Ref found = table_find(fd);
  const bool nonblocking = (reinterpret_cast<long>(argument) & O_NONBLOCK) != 0;
  return found ? engine().set_nonblocking(*found, fd, nonblocking) : result;
}

int control_device(int fd, unsigned long request, void* argument) noexcept {
  const Ref found = table_find(fd);
  if (!found) return real().ioctl(fd, request, argument);
  auto* value = static_cast<int*>(argument);
  if (request == FIONREAD) return engine().available(*found, fd, value);
  if (request == SIOCOUTQ) return engine().unacknowledged(*found, fd, value);
  const int result = real().ioctl(fd, request, argument);
  if (request != FIONBIO || result != 0) return result;
  return engine().set_nonblocking(*found, fd, *value != 0);
}

}  // namespace

extern "C" {

MANGO_INTERPOSE int close(int fd) {
  return close_descriptor(fd);
}

MANGO_INTERPOSE int close_range(unsigned first, unsigned last, int flags) noexcept {
  if (!(flags & CLOSE_RANGE_CLOEXEC)) close_offloaded(first, last);
  return real().close_range(first, last, flags);
}

MANGO_INTERPOSE void closefrom(int first) noexcept {
  close_offloaded(first < 0 ? 0 : static_cast<unsigned>(first), UINT_MAX);
  real().closefrom(first);
}

MANGO_INTERPOSE int dup(int fd) noexcept {
  return note_duplicate(fd, real().dup(fd));
}

MANGO_INTERPOSE int dup2(int from, int to) noexcept {
  // dup3 refuses what dup2 takes for nothing to do.
  return from == to ? real().dup2(from, to) : duplicate_onto(from, to, 0);
}

MANGO_INTERPOSE int dup3(int from, int to, int flags) noexcept {
  return duplicate_onto(from, to, flags);
}

// An int and a pointer travel alike in every calling convention there is glibc for; glibc itself does this.
MANGO_INTERPOSE int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return control(fd, command, argument);
}

MANGO_INTERPOSE int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return control(fd, command, argument);
}

MANGO_INTERPOSE int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return control_device(fd, request, argument);
}

// Six arguments, however many were given, as the C library's own does it; AddressSanitizer must not mind.
MANGO_INTERPOSE __attribute__((no_sanitize_address)) long syscall(long number, ...) noexcept {
  long given[6];
  va_list arguments;
  va_start(arguments, number);
  for (long& value : given) value = va_arg(arguments, long);
  va_end(arguments);
  const int fd = static_cast<int>(given[0]);
  if (number == SYS_close) return close_descriptor(fd);
  if (number == SYS_close_range) {
    return close_range(static_cast<unsigned>(given[0]), static_cast<unsigned>(given[1]),
                       static_cast<int>(given[2]));
  }
  return real().syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

}  // extern "C"
