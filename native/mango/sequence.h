// SPDX-License-Identifier: Apache-2.0
// The sequence numbers of a TCP connection, through TCP_REPAIR: the only place where Linux tells them. For
// the kernel engine's sockets and for a device's.
#pragma once

#include <cstdint>

namespace mango::kernel {

// tx: of the next octet handed over for sending; rx: of the next octet expected from the peer. No other
// thread may use the descriptor meanwhile. Returns 0 or an errno: EPERM without CAP_NET_ADMIN, ENOTCONN.
[[nodiscard]] int read_sequence(int fd, uint32_t* tx, uint32_t* rx) noexcept;

}  // namespace mango::kernel
