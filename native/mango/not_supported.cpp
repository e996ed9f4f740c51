// SPDX-License-Identifier: Apache-2.0
// The one list of what this library declares and does not do: everything that needs the device engine (IPC,
// sessions by number, device addresses and reset) and TCP_REPAIR. Taking a function off this list is the
// first step of implementing it. Arguments are not looked at: the answer is the same for all of them.
#include "libmango.h"

#define MANGO_NOT_SUPPORTED(name, ...)          \
  extern "C" mango_status_e name(__VA_ARGS__) { \
    return MANGO_STATUS_NOT_SUPPORTED;          \
  }

MANGO_NOT_SUPPORTED(mango_ipc_open, const char*, bool, mango_ipc_h*)
MANGO_NOT_SUPPORTED(mango_ipc_close, mango_ipc_h)
MANGO_NOT_SUPPORTED(mango_ipc_get_server_path, mango_ipc_h, const char**)
MANGO_NOT_SUPPORTED(mango_ipc_get_config, mango_ipc_h, const char*, char**)
MANGO_NOT_SUPPORTED(mango_ipc_set_config, mango_ipc_h, const char*, const char*)
MANGO_NOT_SUPPORTED(mango_ipc_set_context, mango_ipc_h, mango_context_h)
MANGO_NOT_SUPPORTED(mango_ipc_set_index, mango_ipc_h, int)
MANGO_NOT_SUPPORTED(mango_ipc_set_tcp, mango_ipc_h, mango_tcp_h)
MANGO_NOT_SUPPORTED(mango_ipc_shutdown, mango_ipc_h)
MANGO_NOT_SUPPORTED(mango_ipc_wait, mango_ipc_h)

MANGO_NOT_SUPPORTED(mango_tcp_set_ipc, mango_tcp_h, mango_ipc_h)
MANGO_NOT_SUPPORTED(mango_tcp_get_address, mango_tcp_h, struct in_addr*, struct in_addr*, struct ether_addr*)
MANGO_NOT_SUPPORTED(mango_tcp_get_ip_address, mango_tcp_h, const char**)
MANGO_NOT_SUPPORTED(mango_tcp_set_address, mango_tcp_h, const char*, const char*)
MANGO_NOT_SUPPORTED(mango_tcp_listen, mango_tcp_h, struct sockaddr_in*)
MANGO_NOT_SUPPORTED(mango_tcp_listen_close, mango_tcp_h, struct sockaddr_in*)
MANGO_NOT_SUPPORTED(mango_tcp_accept, mango_tcp_h, struct sockaddr_in*, struct sockaddr_in*, bool, int*)
MANGO_NOT_SUPPORTED(mango_tcp_connect, mango_tcp_h, const struct sockaddr_in*, struct sockaddr_in*, int*)
MANGO_NOT_SUPPORTED(mango_tcp_close, mango_tcp_h, int)
MANGO_NOT_SUPPORTED(mango_tcp_abort, mango_tcp_h, int)
MANGO_NOT_SUPPORTED(mango_tcp_session_reset, mango_tcp_h, int, suseconds_t)
MANGO_NOT_SUPPORTED(mango_tcp_wait, mango_tcp_h, int)
MANGO_NOT_SUPPORTED(mango_tcp_reset, mango_tcp_h, bool)
MANGO_NOT_SUPPORTED(mango_tcp_register_reset, mango_tcp_h, mango_tcp_reset_fn*, void*)
MANGO_NOT_SUPPORTED(mango_tcp_poll, mango_tcp_h, struct pollfd*, nfds_t, int, int*)

MANGO_NOT_SUPPORTED(mango_socket_get_sequence, mango_socket_h, uint32_t*, uint32_t*)
