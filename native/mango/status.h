// SPDX-License-Identifier: Apache-2.0
// Statuses: a status is the negative of an errno, or one of ours from -2000 on (typedef.h).
#pragma once

#include <cerrno>

#include "typedef.h"

namespace mango::kernel {

[[nodiscard]] inline mango_status_e status_of_errno(int error) noexcept {
  return static_cast<mango_status_e>(-error);
}

// For system calls that return 0 or -1 with errno.
[[nodiscard]] inline mango_status_e status_of_result(int result) noexcept {
  return result == 0 ? MANGO_STATUS_OK : status_of_errno(errno);
}

}  // namespace mango::kernel
