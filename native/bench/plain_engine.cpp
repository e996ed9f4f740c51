// SPDX-License-Identifier: Apache-2.0
// The system calls themselves: what every other engine is compared with.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/engine.h"

namespace mango::bench {
namespace {

int connected_socket(const sockaddr_in& peer) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket", std::strerror(errno));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) != 0)
    die("connect", std::strerror(errno));
  return fd;
}

class PlainConnection final : public Connection {
 public:
  explicit PlainConnection(int fd) : fd_(fd) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~PlainConnection() override { ::close(fd_); }
  PlainConnection(const PlainConnection&) = delete;
  PlainConnection& operator=(const PlainConnection&) = delete;

  void send_all(const void* bytes, size_t length) override {
    const auto* at = static_cast<const char*>(bytes);
    while (length != 0) {
      const ssize_t sent = ::send(fd_, at, length, MSG_NOSIGNAL);
      if (sent < 0) die("send", std::strerror(errno));
      at += sent;
      length -= static_cast<size_t>(sent);
    }
  }

  void recv_all(void* bytes, size_t length) override {
    auto* at = static_cast<char*>(bytes);
    while (length != 0) {
      const ssize_t received = ::recv(fd_, at, length, 0);
      if (received <= 0) die("recv", received == 0 ? "the peer ended the connection" : std::strerror(errno));
      at += received;
      length -= static_cast<size_t>(received);
    }
  }

 private:
  int fd_;
};

class PlainEngine final : public Engine {
 public:
  std::unique_ptr<Connection> connect(const sockaddr_in& peer) override {
    return std::make_unique<PlainConnection>(connected_socket(peer));
  }
  void connect_and_close(const sockaddr_in& peer) override { ::close(connected_socket(peer)); }
};

}  // namespace

std::unique_ptr<Engine> make_plain_engine() {
  return std::make_unique<PlainEngine>();
}

}  // namespace mango::bench
