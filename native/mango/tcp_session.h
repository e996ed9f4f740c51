// SPDX-License-Identifier: Apache-2.0
// What the tcp functions share: sockets made on behalf of a caller who knows them by number only.
#pragma once

#include <netinet/in.h>

#include "typedef.h"

namespace mango::kernel {

// A handle with a descriptor, the caller's to destroy.
[[nodiscard]] mango_status_e tcp_open_socket(mango_tcp_h tcp, mango_socket_h* socket) noexcept;

// Makes a connected socket known by its number from now on. local: out.
[[nodiscard]] mango_status_e tcp_hand_out(mango_socket_h socket, sockaddr_in* local, int* session) noexcept;

// TCP_CLOSE, TCP_ABORT or TCP_LISTEN_CLOSE to the device; nothing on the kernel engine. The session's
// descriptor says the same a moment later, so a message that gets lost changes nothing.
void tcp_tell_device(mango_socket_h socket, mango_ipc_msg_e type) noexcept;

}  // namespace mango::kernel
