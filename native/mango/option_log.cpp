// SPDX-License-Identifier: Apache-2.0
#include "mango/option_log.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "mango/carrier.h"

namespace mango::kernel {

bool OptionLog::remember(int level, int name, const void* value, socklen_t length) noexcept {
  try {
    const auto* bytes = static_cast<const char*>(value);
    std::vector<char> copy(bytes, bytes + length);
    const auto same = [=](const Entry& entry) { return entry.level == level && entry.name == name; };
    const auto found = std::find_if(entries_.begin(), entries_.end(), same);
    if (found != entries_.end()) {
      found->value = std::move(copy);
    } else {
      entries_.push_back({level, name, std::move(copy)});
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

int OptionLog::replay(const Socket& socket, int family) const noexcept {
  for (const Entry& entry : entries_) {
    if (entry.level == IPPROTO_IPV6 && family != AF_INET6) continue;
    const auto length = static_cast<socklen_t>(entry.value.size());
    if (carrier_set_option(socket, entry.level, entry.name, entry.value.data(), length) != 0) return errno;
  }
  return 0;
}

}  // namespace mango::kernel
