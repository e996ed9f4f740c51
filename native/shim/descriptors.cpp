// SPDX-License-Identifier: Apache-2.0
#include "shim/descriptors.h"

#include <algorithm>
#include <cerrno>

#include "shim/engine.h"
#include "shim/real.h"
#include "shim/table.h"

namespace mango::shim {

// The entry goes before the descriptor does: the number may be another thread's the moment it is closed.
int close_descriptor(int fd) noexcept {
  Offloaded* taken = bypassed() ? nullptr : table_take(fd);
  if (!taken) return real().close(fd);
  const Bypass bypass;
  return engine().close(*taken, fd);
}

void close_offloaded(unsigned first, unsigned last) noexcept {
  if (bypassed()) return;
  const auto end = static_cast<unsigned>(table_end());
  for (unsigned fd = first; fd < end && fd <= last; ++fd) {
    if (table_has(static_cast<int>(fd))) (void)close_descriptor(static_cast<int>(fd));
  }
}

int note_duplicate(int fd, int copy) noexcept {
  if (copy < 0 || bypassed() || !table_has(fd) || !table_is_ours() || !engine().follows_duplicates())
    return copy;
  const int error = errno;
  table_add_name(fd, copy);
  errno = error;
  return copy;
}

Overwrite::Overwrite(int fd) noexcept : fd_(fd), taken_(bypassed() ? nullptr : table_take(fd)) {
  if (!taken_) return;
  const Bypass bypass;
  engine().before_overwrite(*taken_, fd_);
}

void Overwrite::done(bool overwritten) noexcept {
  if (!taken_) return;
  const int error = errno;
  if (!overwritten) table_restore(fd_, taken_);
  const Bypass bypass;
  engine().after_overwrite(*taken_, fd_, overwritten);
  errno = error;
}

}  // namespace mango::shim
