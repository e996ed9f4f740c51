// SPDX-License-Identifier: Apache-2.0
// An ipc handle: a channel to the process that runs devices (client), or this process's own, with the devices
// it serves (owner).
#pragma once

#include <memory>
#include <string>

#include "ipc/transport.h"
#include "mango/handle.h"
#include "typedef.h"

namespace mango::kernel {

class IpcChannel {
 public:
  virtual ~IpcChannel() = default;

  [[nodiscard]] virtual const std::string& path() const noexcept = 0;
  [[nodiscard]] virtual mango_status_e set_index(uint32_t index) = 0;
  [[nodiscard]] virtual mango_status_e get_config(const std::string& field, std::string& value) = 0;
  [[nodiscard]] virtual mango_status_e set_config(const std::string& field, const std::string& value) = 0;

  // Owners only.
  [[nodiscard]] virtual mango_status_e set_context(Handle) { return MANGO_STATUS_NOT_SUPPORTED; }
  [[nodiscard]] virtual mango_status_e set_tcp(Handle) { return MANGO_STATUS_NOT_SUPPORTED; }
  [[nodiscard]] virtual mango_status_e shutdown() { return MANGO_STATUS_NOT_SUPPORTED; }
  [[nodiscard]] virtual mango_status_e wait() { return MANGO_STATUS_NOT_SUPPORTED; }

  // Clients only: null for owners.
  [[nodiscard]] virtual ipc::ControlClient* control() noexcept { return nullptr; }
  [[nodiscard]] virtual uint32_t index() const noexcept = 0;
};

// Null on failure.
[[nodiscard]] std::unique_ptr<IpcChannel> make_ipc_client(const char* path, ipc::Failure& failure);
[[nodiscard]] std::unique_ptr<IpcChannel> make_ipc_server(const char* path, ipc::Failure& failure);

struct Ipc {
  std::unique_ptr<IpcChannel> channel;
  std::atomic<uint32_t> users{0};  // tcp handles that run on it
  std::atomic<uint32_t> calls{0};  // calls under way, mango_ipc_wait() above all
};

HandleTable<Ipc, HandleType::kIpc>& ipcs() noexcept;

// What a tcp handle needs of a client's channel. Acquired, the channel stays: mango_ipc_close() says BUSY.
struct IpcUse {
  ipc::ControlClient* control = nullptr;
  uint32_t device = 0;
};
// OK, INVALID_HANDLE, INVALID_ARGUMENT (an owner's channel).
[[nodiscard]] mango_status_e ipc_acquire(Handle ipc, IpcUse& use) noexcept;
void ipc_release(Handle ipc) noexcept;

// The sentence behind the last failure of an ipc function in this thread, for mango_ipc_error().
void ipc_set_error(std::string message) noexcept;

}  // namespace mango::kernel
