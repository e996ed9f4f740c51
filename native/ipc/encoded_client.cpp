// SPDX-License-Identifier: Apache-2.0
#include "ipc/encoded_client.h"

#include <new>
#include <optional>

namespace mango::ipc {

namespace {

constexpr auto kPostTimeout = std::chrono::seconds(1);  // to connect, or for room on the way

// use(the encoded request), if it is not too long.
template <class Use>
mango_status_e with_encoded(const Request& request, Use use) noexcept {
  try {
    const std::string message = encode(request);
    return message.size() > kMaxMessageBytes ? MANGO_STATUS_INVALID_ARGUMENT : use(message);
  } catch (const std::bad_alloc&) {
    return MANGO_STATUS_NO_MEMORY;
  }
}

}  // namespace

mango_status_e EncodedClient::call(const Request& request, Response& response, int timeout_ms) noexcept {
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  return with_encoded(request, [&](const std::string& message) {
    std::string answer;
    const mango_status_e status = exchange(message, answer, deadline);
    if (status != MANGO_STATUS_OK) return status;
    std::optional<Response> decoded = decode_response(answer);
    if (!decoded) return MANGO_STATUS_IPC_UNAVAILABLE;
    response = std::move(*decoded);
    return MANGO_STATUS_OK;
  });
}

mango_status_e EncodedClient::post(const Request& request) noexcept {
  const Deadline deadline = std::chrono::steady_clock::now() + kPostTimeout;
  return with_encoded(request, [&](const std::string& message) { return deliver(message, deadline); });
}

}  // namespace mango::ipc
