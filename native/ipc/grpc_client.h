// SPDX-License-Identifier: Apache-2.0
// The client of the IPC channel over gRPC: unary calls over HTTP/2, by hand, with nghttp2. Rejected:
// libgrpc++, whose threads do not survive fork() and whose libssl may meet another one in the process; both
// happen under the shim.
#pragma once

#include <memory>

#include "ipc/transport.h"

namespace mango::ipc {

constexpr char kGrpcMethod[] = "/mango.ipc.v1.Device/Call";
constexpr size_t kGrpcPrefixBytes = 5;  // before a message: compressed or not, and its length

[[nodiscard]] std::unique_ptr<ControlClient> make_grpc_client(const Endpoint& endpoint, Failure& failure);

}  // namespace mango::ipc
