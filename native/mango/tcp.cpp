// SPDX-License-Identifier: Apache-2.0
#include "mango/tcp.h"

#define MANGO_NO_TCP_CREATE_OVERLOAD
#include "libmango.h"
#include "mango/context.h"

namespace mango::kernel {

HandleTable<Tcp, HandleType::kTcp>& tcps() noexcept {
  static auto* table = new HandleTable<Tcp, HandleType::kTcp>;  // never destroyed: threads may outlive main
  return *table;
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" {

mango_status_e mango_tcp_create(mango_tcp_h* tcp) {
  if (!tcp) return MANGO_STATUS_INVALID_ARGUMENT;
  Tcp* made = tcps().allocate();
  if (!made) return MANGO_STATUS_NO_MEMORY;
  made->context.store(kNoHandle, std::memory_order_relaxed);
  made->sockets.store(0, std::memory_order_relaxed);
  *tcp = to_api(tcps().publish(made));
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_destroy(mango_tcp_h tcp) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->sockets.load(std::memory_order_acquire) != 0) return MANGO_STATUS_BUSY;
  found = tcps().claim(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  Context* context = contexts().find(found->context.load(std::memory_order_relaxed));
  if (context) context->users.fetch_sub(1, std::memory_order_release);
  tcps().recycle(found);
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_set_context(mango_tcp_h tcp, mango_context_h context) {
  Tcp* found = tcps().find(from_api(tcp));
  Context* engine = contexts().find(from_api(context));
  if (!found || !engine) return MANGO_STATUS_INVALID_HANDLE;
  Handle none = kNoHandle;
  if (!found->context.compare_exchange_strong(none, from_api(context), std::memory_order_acq_rel)) {
    return MANGO_STATUS_BUSY;
  }
  engine->users.fetch_add(1, std::memory_order_relaxed);
  return MANGO_STATUS_OK;
}

}  // extern "C"
