// SPDX-License-Identifier: Apache-2.0
// Parts of libmango that the shim leaves out of its copy, and what the rest would call of them if it could.
//
// TLS: nothing attaches an SSL object to a socket here, the program does TLS itself above its descriptors.
// With those parts OpenSSL stays out: a preloaded library that brought its own would put a second one into
// every program that has one (Node for instance). Handles of the IPC channel, and with them the device's
// server: the shim speaks to a device without handles.
#include "mango/ipc.h"
#include "mango/tls_session.h"

namespace mango::kernel {

void TlsSession::say_goodbye() noexcept {}
bool TlsSession::holds_bytes() const noexcept {
  return false;
}
size_t TlsSession::bytes_waiting() const noexcept {
  return 0;
}
mango_status_e TlsSession::flush_blocking() noexcept {
  return MANGO_STATUS_OK;
}
mango_status_e TlsSession::send_close_notify() noexcept {
  return MANGO_STATUS_OK;
}
void TlsBio::detach() noexcept {}
RecordKeys::~RecordKeys() = default;

mango_status_e ipc_acquire(Handle, IpcUse&) noexcept {
  return MANGO_STATUS_INVALID_HANDLE;
}
void ipc_release(Handle) noexcept {}

}  // namespace mango::kernel
