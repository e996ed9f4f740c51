// SPDX-License-Identifier: Apache-2.0
// gRPC's unary calls on one HTTP/2 connection, without I/O: octets of the server in, octets for the server
// out. What the server says is not believed: lengths are checked, and what it sends without ever ending an
// exchange is limited.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "typedef.h"

namespace mango::ipc {

// What its caller waits for; outlives the exchange or is forgotten first.
struct GrpcCall {
  bool done = false;
  bool lost = false;  // ended without a word of the server: it may be sent again
  mango_status_e status = MANGO_STATUS_IPC_UNAVAILABLE;
  std::string answer;  // the encoded message, when status is OK
  int32_t stream = -1;
};

class GrpcSession {
 public:
  // `authority` as in a URL. Null when memory is out.
  [[nodiscard]] static std::unique_ptr<GrpcSession> make(std::string authority);
  ~GrpcSession();  // ends what is left as lost
  GrpcSession(const GrpcSession&) = delete;
  GrpcSession& operator=(const GrpcSession&) = delete;

  // False once the server has said GOAWAY: what is under way may end, nothing can begin.
  [[nodiscard]] bool accepts() const noexcept;
  // Begins an exchange; call: null when nobody waits for the answer. False: this connection is beyond use.
  [[nodiscard]] bool submit(std::string_view message, GrpcCall* call);
  // The caller waits no longer: the exchange is cancelled.
  void forget(GrpcCall& call) noexcept;

  // False: the connection is beyond use.
  [[nodiscard]] bool feed(std::string_view octets) noexcept;
  // Appends what is to be sent. False as feed().
  [[nodiscard]] bool output(std::string& out);

  [[nodiscard]] size_t exchanges() const noexcept { return exchanges_.size(); }

 private:
  struct Exchange {
    GrpcSession* session = nullptr;
    GrpcCall* call = nullptr;
    std::string request;
    size_t sent = 0;
    std::string body;
    int http_status = 0;
    int grpc_status = -1;
    bool spoken = false;  // the server answered with something
    bool excess = false;  // with too much of it
  };

  explicit GrpcSession(std::string authority) : authority_(std::move(authority)) {}
  [[nodiscard]] bool start() noexcept;
  void finish(Exchange& exchange, uint32_t error) noexcept;
  [[nodiscard]] Exchange* exchange_of(int32_t stream) const noexcept;

  static nghttp2_session_callbacks* callbacks() noexcept;
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t flags, void* user) noexcept;
  static int on_data(nghttp2_session*, uint8_t flags, int32_t stream, const uint8_t* data, size_t size,
                     void* user) noexcept;
  static int on_close(nghttp2_session*, int32_t stream, uint32_t error, void* user) noexcept;
  static ssize_t read_request(nghttp2_session*, int32_t stream, uint8_t* out, size_t room, uint32_t* flags,
                              nghttp2_data_source* source, void* user) noexcept;

  std::string authority_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Exchange>> exchanges_;
  size_t fruitless_ = 0;  // octets since an exchange ended
};

}  // namespace mango::ipc
