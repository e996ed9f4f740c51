// SPDX-License-Identifier: Apache-2.0
// The client's side of a device: the process's link and channel, made lazily and anew after fork() or when
// the device's process was replaced.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "device/live.h"
#include "ipc/transport.h"

namespace mango::device {

// Errors of this engine that no errno says; status_of_errno() makes the statuses of them.
constexpr int kIpcUnavailable = -MANGO_STATUS_IPC_UNAVAILABLE;
constexpr int kDeviceReset = -MANGO_STATUS_DEVICE_RESET;

class ClientLink;
class Session;

// One device as one process sees it. Any thread. Outlives its sessions.
class Client final : public Live<Client> {
 public:
  // `control` outlives the client. Does not connect yet.
  [[nodiscard]] static std::unique_ptr<Client> make(ipc::ControlClient& control, uint32_t device) noexcept;
  ~Client();

  // HEALTH_CHECK and the link's welcome: OK, IPC_UNAVAILABLE, NOT_FOUND (no such device).
  [[nodiscard]] mango_status_e connect() noexcept;
  // A fresh session: family AF_INET or AF_INET6, flags SOCK_CLOEXEC, SOCK_NONBLOCK. Null with errno.
  [[nodiscard]] Session* open(int family, int flags) noexcept;
  // The session behind a descriptor that was inherited through exec or passed here; null when it is none
  // (ENOTSOCK) or cannot be had. The descriptor becomes the session's, unless null is returned.
  [[nodiscard]] Session* attach(int fd) noexcept;
  // A request with this process's token in it: IPC_UNAVAILABLE, or the answer's status.
  [[nodiscard]] mango_status_e call(ipc::Request request, ipc::Response& response) noexcept;
  // As call(), without waiting for the answer.
  [[nodiscard]] mango_status_e post(ipc::Request request) noexcept;

  // The current link with a reference for the caller, made if need be.
  [[nodiscard]] mango_status_e acquire(ClientLink*& link) noexcept;
  // In a forked child, its only thread.
  void begin_anew() noexcept;

 private:
  Client(ipc::ControlClient& control, uint32_t device) noexcept : control_(control), device_(device) {}

  [[nodiscard]] mango_status_e make_link() noexcept;
  [[nodiscard]] mango_status_e sign(ipc::Request& request) noexcept;

  ipc::ControlClient& control_;
  const uint32_t device_;
  std::mutex mutex_;  // guards link_
  ClientLink* link_ = nullptr;
};

}  // namespace mango::device
