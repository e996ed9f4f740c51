// SPDX-License-Identifier: Apache-2.0
// One process's connection to a gRPC server, and the threads that call over it. There is no thread of its
// own: of the callers that wait, one carries octets for all (pump), and answers nobody waits for are taken in
// passing.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "ipc/dial.h"
#include "ipc/grpc_session.h"
#include "ipc/transport.h"

namespace mango::ipc {

class GrpcChannel {
 public:
  explicit GrpcChannel(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  // IPC_UNAVAILABLE, or what the server's grpc-status says; OK: `answer` is its message.
  [[nodiscard]] mango_status_e call(std::string_view message, std::string& answer, Deadline deadline);
  [[nodiscard]] mango_status_e post(std::string_view message, Deadline deadline);

  [[nodiscard]] pid_t owner() const noexcept { return owner_; }
  // In a child of fork(): closes the descriptor. Nothing else may be touched, since a thread that does not
  // exist here may have been in the middle of it.
  void abandon() noexcept { connection_.reset(); }

 private:
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] bool ensure_open(Lock& lock, Deadline deadline);
  [[nodiscard]] bool settle(Lock& lock, Deadline deadline);
  [[nodiscard]] bool open(Lock& lock, Deadline deadline);
  [[nodiscard]] bool begin(std::string_view message, GrpcCall* call);
  void pump(Lock& lock, Deadline deadline) noexcept;
  void carry() noexcept;
  [[nodiscard]] bool receive() noexcept;
  [[nodiscard]] bool send();
  void expire(GrpcCall& call, Deadline begun) noexcept;
  void lose() noexcept;

  const pid_t owner_ = getpid();
  const Endpoint endpoint_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // All below under the mutex, except that who pumps reads the descriptor without it.
  Descriptor connection_;
  std::unique_ptr<GrpcSession> session_;  // null: not connected
  std::string unsent_;
  size_t waiting_ = 0;    // callers in call()
  bool pumping_ = false;  // somebody polls the descriptor, or dials: it must not be closed
  Deadline heard_{};      // when the server last said something
};

}  // namespace mango::ipc
