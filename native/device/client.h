// SPDX-License-Identifier: Apache-2.0
// The client's side of a device: the process's link and channel, made lazily and anew after fork().
#pragma once

#include <memory>
#include <string>

#include "ipc/transport.h"

namespace mango::device {

// Errors of this engine that no errno says; status_of_errno() makes the statuses of them.
constexpr int kIpcUnavailable = -MANGO_STATUS_IPC_UNAVAILABLE;
constexpr int kDeviceReset = -MANGO_STATUS_DEVICE_RESET;

class Session;

// One device as one process sees it. Any thread.
class Client {
 public:
  // `control` outlives the client. Does not connect yet.
  [[nodiscard]] static std::unique_ptr<Client> make(ipc::ControlClient& control, uint32_t device) noexcept;
  virtual ~Client() = default;

  // HEALTH_CHECK and the link's welcome: OK, IPC_UNAVAILABLE, NOT_FOUND (no such device).
  [[nodiscard]] virtual mango_status_e connect() noexcept = 0;
  // A fresh session: family AF_INET or AF_INET6, flags SOCK_CLOEXEC. Null with errno.
  [[nodiscard]] virtual Session* open(int family, int flags) noexcept = 0;
  // The session behind a descriptor that was inherited through exec or passed here; null when it is none
  // (ENOTSOCK) or cannot be had. The descriptor becomes the session's.
  [[nodiscard]] virtual Session* attach(int fd) noexcept = 0;
  // A request with this process's token in it, answered.
  [[nodiscard]] virtual mango_status_e call(ipc::Request request, ipc::Response& response) noexcept = 0;
};

}  // namespace mango::device
