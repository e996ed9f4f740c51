// SPDX-License-Identifier: Apache-2.0
// A tcp handle: the engine its sockets run on, and how many there are.
#pragma once

#include "mango/handle.h"
#include "typedef.h"

namespace mango::device {
class Client;
}

namespace mango::kernel {

struct Tcp {
  std::atomic<Handle> context{kNoHandle};  // the engine; none until mango_tcp_set_context
  std::atomic<device::Client*> device{nullptr};  // owned; none unless mango_tcp_set_ipc
  std::atomic<uint32_t> sockets{0};
};

HandleTable<Tcp, HandleType::kTcp>& tcps() noexcept;

}  // namespace mango::kernel
