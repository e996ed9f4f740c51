// SPDX-License-Identifier: Apache-2.0
// libmango, in this process or on a device.
#include <netinet/tcp.h>

#include "bench/engine.h"
#include "libmango.h"

namespace mango::bench {
namespace {

void require(const char* what, mango_status_e status) {
  if (status != MANGO_STATUS_OK) die(what, mango_status_message(status));
}

class LibraryConnection final : public Connection {
 public:
  LibraryConnection(mango_tcp_h tcp, const sockaddr_in& peer) {
    require("mango_socket_create", mango_socket_create(tcp, &socket_));
    require("mango_socket_open", mango_socket_open(socket_, nullptr));
    const auto* address = reinterpret_cast<const sockaddr*>(&peer);
    require("mango_socket_connect", mango_socket_connect(socket_, address, sizeof(peer)));
    const int on = 1;
    require("TCP_NODELAY", mango_socket_set_option(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
  }
  ~LibraryConnection() override { mango_socket_destroy(socket_); }
  LibraryConnection(const LibraryConnection&) = delete;
  LibraryConnection& operator=(const LibraryConnection&) = delete;

  void send_all(const void* bytes, size_t length) override {
    size_t sent = 0;  // a blocking socket takes everything
    require("mango_socket_send", mango_socket_send(socket_, bytes, length, &sent));
    if (sent != length) die("mango_socket_send", "took less than everything");
  }

  void recv_all(void* bytes, size_t length) override {
    auto* at = static_cast<char*>(bytes);
    while (length != 0) {
      size_t received = 0;
      require("mango_socket_recv", mango_socket_recv(socket_, at, length, &received));
      if (received == 0) die("mango_socket_recv", "the peer ended the connection");
      at += received;
      length -= received;
    }
  }

 private:
  mango_socket_h socket_ = nullptr;
};

class LibraryEngine final : public Engine {
 public:
  explicit LibraryEngine(const std::string& ipc_path) {
    require("mango_tcp_create", mango_tcp_create(&tcp_));
    if (ipc_path.empty()) {
      require("mango_context_create", mango_context_create(&context_));
      require("mango_tcp_set_context", mango_tcp_set_context(tcp_, context_));
    } else {
      require("mango_ipc_open", mango_ipc_open(ipc_path.c_str(), false, &ipc_));
      require("mango_tcp_set_ipc", mango_tcp_set_ipc(tcp_, ipc_));
    }
  }
  ~LibraryEngine() override {
    mango_tcp_destroy(tcp_);
    if (ipc_ != nullptr) mango_ipc_close(ipc_);
    if (context_ != nullptr) mango_context_destroy(context_);
  }
  LibraryEngine(const LibraryEngine&) = delete;
  LibraryEngine& operator=(const LibraryEngine&) = delete;

  std::unique_ptr<Connection> connect(const sockaddr_in& peer) override {
    return std::make_unique<LibraryConnection>(tcp_, peer);
  }

  void connect_and_close(const sockaddr_in& peer) override {
    int session = -1;
    require("mango_tcp_connect", mango_tcp_connect(tcp_, &peer, nullptr, &session));
    require("mango_tcp_close", mango_tcp_close(tcp_, session));
  }

 private:
  mango_context_h context_ = nullptr;
  mango_ipc_h ipc_ = nullptr;
  mango_tcp_h tcp_ = nullptr;
};

}  // namespace

std::unique_ptr<Engine> make_library_engine(const std::string& ipc_path) {
  return std::make_unique<LibraryEngine>(ipc_path);
}

}  // namespace mango::bench
