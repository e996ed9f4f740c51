// SPDX-License-Identifier: Apache-2.0
#include "ipc/grpc_client.h"

#include <atomic>

#include "ipc/encoded_client.h"
#include "ipc/grpc_channel.h"

namespace mango::ipc {

namespace {

class GrpcClient final : public EncodedClient {
 public:
  explicit GrpcClient(Endpoint endpoint)
      : endpoint_(std::move(endpoint)), channel_(new GrpcChannel(endpoint_)) {}
  ~GrpcClient() override;

 private:
  [[nodiscard]] mango_status_e exchange(std::string_view message, std::string& answer,
                                        Deadline deadline) override {
    return channel().call(message, answer, deadline);
  }
  [[nodiscard]] mango_status_e deliver(std::string_view message, Deadline deadline) override {
    return channel().post(message, deadline);
  }
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
