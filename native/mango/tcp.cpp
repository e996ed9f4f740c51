// SPDX-License-Identifier: Apache-2.0
#include "mango/tcp.h"

#include <sys/socket.h>

#include "device/client.h"
#include "mango/context.h"
#include "mango/ipc.h"

#define MANGO_NO_TCP_CREATE_OVERLOAD
#include "libmango.h"

namespace mango::kernel {
namespace {

// The object is used again for the next handle.
void clear(Tcp& tcp) noexcept {
  std::lock_guard lock(tcp.mutex);
  tcp.context.store(kNoHandle, std::memory_order_relaxed);
  delete tcp.device.exchange(nullptr, std::memory_order_acq_rel);
  tcp.ipc = kNoHandle;
  tcp.choosing = false;
  tcp.listeners.clear();
  tcp.phase = ResetPhase::kIdle;
  tcp.reset_function = nullptr;
  tcp.reset_param = nullptr;
  tcp.before.reset();
}

bool has_engine(const Tcp& tcp) noexcept {
  return tcp.context.load(std::memory_order_relaxed) || tcp.ipc || tcp.choosing;
}

// The device behind a channel, or why there is none.
mango_status_e connect_device(const IpcUse& use, std::unique_ptr<device::Client>& client) noexcept {
  client = device::Client::make(*use.control, use.device);
  return client ? client->connect() : MANGO_STATUS_NO_MEMORY;
}

mango_status_e reserve_engine(Tcp& tcp) noexcept {
  std::lock_guard lock(tcp.mutex);
  if (has_engine(tcp)) return MANGO_STATUS_BUSY;
  tcp.choosing = true;
  return MANGO_STATUS_OK;
}

}  // namespace

HandleTable<Tcp, HandleType::kTcp>& tcps() noexcept {
  static auto* table = new HandleTable<Tcp, HandleType::kTcp>;  // never destroyed: threads may outlive main
  return *table;
}

Tcp* tcp_use(Handle tcp) noexcept {
  Tcp* found = tcps().find(tcp);
  if (found) found->users.fetch_add(1, std::memory_order_acq_rel);
  return found;
}

void tcp_unuse(Tcp& tcp) noexcept {
  tcp.users.fetch_sub(1, std::memory_order_acq_rel);
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" {

mango_status_e mango_tcp_create(mango_tcp_h* tcp) {
  if (!tcp) return MANGO_STATUS_INVALID_ARGUMENT;
  Tcp* made = tcps().allocate();
  if (!made) return MANGO_STATUS_NO_MEMORY;
  clear(*made);
  made->sockets.store(0, std::memory_order_relaxed);
  *tcp = to_api(tcps().publish(made));
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_destroy(mango_tcp_h tcp) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->sockets.load(std::memory_order_acquire) != 0) return MANGO_STATUS_BUSY;
  if (found->users.load(std::memory_order_acquire) != 0) return MANGO_STATUS_BUSY;
  found = tcps().claim(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  Context* context = contexts().find(found->context.load(std::memory_order_relaxed));
  const Handle ipc = found->ipc;
  clear(*found);  // the device's client goes before the channel it speaks through
  if (context) context->users.fetch_sub(1, std::memory_order_release);
  if (ipc) ipc_release(ipc);
  tcps().recycle(found);
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_set_context(mango_tcp_h tcp, mango_context_h context) {
  Tcp* found = tcps().find(from_api(tcp));
  Context* engine = contexts().find(from_api(context));
  if (!found || !engine) return MANGO_STATUS_INVALID_HANDLE;
  std::lock_guard lock(found->mutex);
  if (has_engine(*found)) return MANGO_STATUS_BUSY;
  found->context.store(from_api(context), std::memory_order_release);
  engine->users.fetch_add(1, std::memory_order_relaxed);
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_set_ipc(mango_tcp_h tcp, mango_ipc_h ipc) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  IpcUse use{};
  mango_status_e status = ipc_acquire(from_api(ipc), use);
  if (status != MANGO_STATUS_OK) return status;
  std::unique_ptr<mango::device::Client> client;
  status = reserve_engine(*found);
  if (status == MANGO_STATUS_OK) {
    status = connect_device(use, client);
    std::lock_guard lock(found->mutex);
    found->choosing = false;
    if (status == MANGO_STATUS_OK) {
      found->ipc = from_api(ipc);
      found->device.store(client.release(), std::memory_order_release);
    }
  }
  if (status != MANGO_STATUS_OK) {
    client.reset();
    ipc_release(from_api(ipc));
  }
  return status;
}

}  // extern "C"
