// SPDX-License-Identifier: Apache-2.0
// How messages travel: gRPC for "host:port", iceoryx for "iceoryx:NAME". A client is built in for gRPC
// (grpc_client.h); servers, and iceoryx altogether, are plug-ins beside the library (libmango-ipc-grpc.so,
// libmango-ipc-iceoryx.so), opened on first use: programs that are only clients never load gRPC's libraries,
// and iceoryx need not exist.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ipc/message.h"

namespace mango::ipc {

// What a path given to mango_ipc_open() names: "host:port", "[v6]:port", "host" or a bare IPv6 address (with
// the default port), "iceoryx:NAME".
struct Endpoint {
  mango_ipc_prot_e protocol = MANGO_IPC_PROT_GRPC;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string name;  // iceoryx: letters, digits, '.', '_', '-'
};
[[nodiscard]] bool parse_path(std::string_view path, Endpoint& endpoint);
// "host:port", "[v6]:port", "iceoryx:NAME".
[[nodiscard]] std::string path_of(const Endpoint& endpoint);

// A status and a sentence.
struct Failure {
  mango_status_e status = MANGO_STATUS_OK;
  std::string message;
};
// False with a failure for another protocol's path, too.
[[nodiscard]] bool parse_path_of(mango_ipc_prot_e protocol, const std::string& path, Endpoint& endpoint,
                                 Failure& failure);

class ControlClient {
 public:
  virtual ~ControlClient() = default;
  // Sends and waits for the answer, at most timeout_ms. IPC_UNAVAILABLE when there is none; else OK, and the
  // device's own status is in `response`. Any thread. After fork() the child's first call connects anew.
  [[nodiscard]] virtual mango_status_e call(const Request& request, Response& response,
                                            int timeout_ms) noexcept = 0;
  // Sends without waiting; the answer is taken in passing by later calls, and a failure shows in the session.
  [[nodiscard]] virtual mango_status_e post(const Request& request) noexcept = 0;
};

// Answers from whatever thread it likes, exactly once, never late on purpose: transports hold few requests.
using Answer = std::function<void(const Response&)>;
using Serve = std::function<void(const Request&, Answer)>;

class ControlServer {
 public:
  virtual ~ControlServer() = default;  // stops; no call of Serve follows
  // "host:port" with the port that was bound, or "iceoryx:NAME".
  [[nodiscard]] virtual const std::string& path() const noexcept = 0;
};

// Null on failure.
[[nodiscard]] std::unique_ptr<ControlClient> open_client(const std::string& path, Failure& failure);
[[nodiscard]] std::unique_ptr<ControlServer> open_server(const std::string& path, Serve serve,
                                                         Failure& failure);

// What a plug-in exports; `path` as given to mango_ipc_open(). Plug-ins lie beside the library or program
// that contains this code; MANGO_IPC_PLUGIN_DIR names another folder. One is never unloaded.
extern "C" {
using MakeClient = ControlClient*(const std::string& path, Failure& failure);
using MakeServer = ControlServer*(const std::string& path, Serve serve, Failure& failure);
}
constexpr char kMakeClientSymbol[] = "mango_ipc_make_client";
constexpr char kMakeServerSymbol[] = "mango_ipc_make_server";

}  // namespace mango::ipc
