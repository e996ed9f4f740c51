// SPDX-License-Identifier: Apache-2.0
// Which handle owns a descriptor: a socket's, or the tcp handle that adopted it as an epoll set. Indexed by
// the descriptor, read without a lock. An entry may outlive a descriptor that was closed behind our back; its
// number is overwritten when we get it again, and readers compare the object's own descriptor.
#pragma once

#include "mango/handle.h"

namespace mango::kernel {

// False when memory is out or the number is beyond what Linux allows a process.
[[nodiscard]] bool fd_table_set(int fd, Handle owner) noexcept;
void fd_table_clear(int fd) noexcept;
[[nodiscard]] Handle fd_table_get(int fd) noexcept;

}  // namespace mango::kernel
