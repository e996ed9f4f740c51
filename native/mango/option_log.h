// SPDX-License-Identifier: Apache-2.0
// Options set before the address family is known, so that they can be set again on the descriptor that
// replaces the first one. Kept by the few sockets that set options between open and connect or bind; accepted
// ones have none.
#pragma once

#include <sys/socket.h>

#include <vector>

namespace mango::kernel {

struct Socket;

class OptionLog {
 public:
  // Remembers the last value of an option. False when memory is out.
  [[nodiscard]] bool remember(int level, int name, const void* value, socklen_t length) noexcept;

  // Sets everything again, in the order of first setting; IPv6 options only if it is IPv6. Returns 0 or an
  // errno.
  [[nodiscard]] int replay(const Socket& socket, int family) const noexcept;

 private:
  struct Entry {
    int level;
    int name;
    std::vector<char> value;
  };
  std::vector<Entry> entries_;
};

}  // namespace mango::kernel
