// SPDX-License-Identifier: Apache-2.0
// What clients of all transports do alike: encode the request, keep the limits, decode the answer.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "ipc/transport.h"

namespace mango::ipc {

class EncodedClient : public ControlClient {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  [[nodiscard]] mango_status_e call(const Request& request, Response& response,
                                    int timeout_ms) noexcept final;
  [[nodiscard]] mango_status_e post(const Request& request) noexcept final;

 private:
  // IPC_UNAVAILABLE when that is not done by the deadline. May throw std::bad_alloc.
  [[nodiscard]] virtual mango_status_e exchange(std::string_view message, std::string& answer,
                                                Deadline deadline) = 0;
  [[nodiscard]] virtual mango_status_e deliver(std::string_view message, Deadline deadline) = 0;
};

}  // namespace mango::ipc
