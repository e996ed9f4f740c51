// SPDX-License-Identifier: Apache-2.0
#include "ipc/grpc_client.h"

#include <atomic>
#include <new>

#include "ipc/grpc_channel.h"

namespace mango::ipc {

namespace {

constexpr auto kPostTimeout = std::chrono::seconds(1);  // to connect, or for room in the socket's buffer

class GrpcClient final : public ControlClient {
 public:
  explicit GrpcClient(Endpoint endpoint)
      : endpoint_(std::move(endpoint)), channel_(new GrpcChannel(endpoint_)) {}
  ~GrpcClient() override;

  [[nodiscard]] mango_status_e call(const Request& request, Response& response,
                                    int timeout_ms) noexcept override;
  [[nodiscard]] mango_status_e post(const Request& request) noexcept override;

 private:
  GrpcChannel& channel();

  const Endpoint endpoint_;
  std::atomic<GrpcChannel*> channel_;  // this process's, or a parent's
};

// A mutex that was held when the parent forked stays locked in the child for good. So a child never looks
// into its parent's channel: it closes the descriptor and leaves the memory alone.
GrpcChannel& GrpcClient::channel() {
  GrpcChannel* seen = channel_.load(std::memory_order_acquire);
  while (seen->owner() != getpid()) {
    auto fresh = std::make_unique<GrpcChannel>(endpoint_);
    if (!channel_.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel)) continue;
    seen->abandon();
    return *fresh.release();
  }
  return *seen;
}

mango_status_e GrpcClient::call(const Request& request, Response& response, int timeout_ms) noexcept {
  try {
    const std::string message = encode(request);
    if (message.size() > kMaxMessageBytes) return MANGO_STATUS_INVALID_ARGUMENT;
    std::string answer;
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
    const mango_status_e status = channel().call(message, answer, deadline);
    if (status != MANGO_STATUS_OK) return status;
    std::optional<Response> decoded = decode_response(answer);
    if (!decoded) return MANGO_STATUS_IPC_UNAVAILABLE;
    response = std::move(*decoded);
    return MANGO_STATUS_OK;
  } catch (const std::bad_alloc&) {
    return MANGO_STATUS_NO_MEMORY;
  }
}

mango_status_e GrpcClient::post(const Request& request) noexcept {
  try {
    const std::string message = encode(request);
    if (message.size() > kMaxMessageBytes) return MANGO_STATUS_INVALID_ARGUMENT;
    return channel().post(message, Clock::now() + kPostTimeout);
  } catch (const std::bad_alloc&) {
    return MANGO_STATUS_NO_MEMORY;
  }
}

GrpcClient::~GrpcClient() {
  GrpcChannel* last = channel_.load(std::memory_order_acquire);
  if (last->owner() == getpid()) {
    delete last;
  } else {
    last->abandon();
  }
}

}  // namespace

std::unique_ptr<ControlClient> make_grpc_client(const Endpoint& endpoint, Failure& failure) {
  if (endpoint.port == 0) {
    failure = {MANGO_STATUS_INVALID_ARGUMENT, "a client needs a port to connect to"};
    return nullptr;
  }
  return std::make_unique<GrpcClient>(endpoint);
}

}  // namespace mango::ipc
