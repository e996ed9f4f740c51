// SPDX-License-Identifier: Apache-2.0
// The epoll sets that are waited for through mango_tcp_epoll_wait() alone (mango_tcp_epoll_set_exclusive()),
// by descriptor. None on the kernel engine, where looking costs a load.
#pragma once

#include <memory>

#include "device/ready_set.h"
#include "mango/tcp.h"

namespace mango::kernel {

// Null: there is none.
[[nodiscard]] std::shared_ptr<device::ReadySet> ready_set_of(int epfd) noexcept;
// The set to register descriptor `fd` with. One whose device's process is no more gives way to a new one as
// soon as its last session is gone.
[[nodiscard]] std::shared_ptr<device::ReadySet> ready_set_for(Tcp& tcp, int epfd, int op, int fd) noexcept;
// Without memory or descriptors for one, the set stays as it was: readiness is the descriptors' affair.
void ready_set_make(Tcp& tcp, int epfd) noexcept;
void ready_set_drop(int epfd) noexcept;

}  // namespace mango::kernel
