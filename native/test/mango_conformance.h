// SPDX-License-Identifier: Apache-2.0
// What every engine must do, function by function. A test is
//
//   CONFORMANCE(mango_socket_bind, an_address_in_use_is_refused) { ... }
//
// and runs once per engine; a function of the reference without one makes mango_conformance.cpp fail.
#pragma once

#define MANGO_NO_TCP_CREATE_OVERLOAD  // the names of functions are taken

#include <list>

#include "device_process.h"
#include "mango_support.h"

namespace mango_test {

enum class EngineKind { kKernel, kDevice };
std::string name_of_engine(const ::testing::TestParamInfo<EngineKind>& engine);

// Notes that `function` has a test.
bool cover(const char* function);
[[nodiscard]] bool is_covered(const std::string& function);

// A plain kernel listener that sockets of the engine connect to.
class RawListener {
 public:
  explicit RawListener(int backlog = 16) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback();
    EXPECT_EQ(0, ::bind(fd_, as_sockaddr(address), sizeof(address)));
    EXPECT_EQ(0, ::listen(fd_, backlog));
    socklen_t length = sizeof(address);
    EXPECT_EQ(0, ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length));
    address_ = address;
  }
  ~RawListener() { close(); }
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  [[nodiscard]] const sockaddr_in& address() const { return address_; }
  // -1 when nobody comes.
  [[nodiscard]] int accept() const {
    pollfd watched{fd_, POLLIN, 0};
    return poll(&watched, 1, 10'000) > 0 ? ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC) : -1;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  sockaddr_in address_{};
};

class Conformance : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] bool on_device() const { return GetParam() == EngineKind::kDevice; }

  // A further tcp handle of the same engine, destroyed with the test.
  mango_tcp_h make_tcp();
  mango_socket_h create();
  mango_socket_h open();
  mango_socket_h listen(bool nonblocking = false);
  mango_socket_h accept(mango_socket_h listener);
  // A descriptor closed with the test.
  int own_fd(int fd);

  // A connected socket of the engine, and what is at the other end of the wire.
  struct Pair {
    mango_socket_h socket;
    RawPeer& peer;
  };
  Pair connect_pair(int receive_buffer = 0);

  mango_context_h context = nullptr;  // kernel engine
  mango_ipc_h ipc = nullptr;          // device engine
  mango_tcp_h tcp = nullptr;

 private:
  std::vector<mango_tcp_h> tcps_;
  std::vector<mango_socket_h> sockets_;
  std::list<RawPeer> peers_;
  std::vector<int> fds_;
};

inline int fd_of(mango_socket_h socket) {
  return Engine::fd_of(socket);
}
inline sockaddr_in name_of(mango_socket_h socket) {
  return loopback(Engine::port_of(socket));
}

// Waits, and says what poll(2) saw.
inline short poll_events(int fd, short events, int timeout_ms = 10'000) {
  pollfd watched{fd, events, 0};
  return poll(&watched, 1, timeout_ms) > 0 ? watched.revents : short{0};
}

inline std::string receive_exactly(mango_socket_h socket, size_t size) {
  std::string bytes(size, '\0');
  size_t total = 0;
  while (total < size) {
    size_t n = 0;
    const mango_status_e status = mango_socket_recv(socket, bytes.data() + total, size - total, &n);
    if (status == MANGO_STATUS_AGAIN) {
      (void)poll_events(fd_of(socket), POLLIN);
      continue;
    }
    EXPECT_EQ(MANGO_STATUS_OK, status);
    if (status != MANGO_STATUS_OK || n == 0) break;
    total += n;
  }
  bytes.resize(total);
  return bytes;
}

// Sends until the socket takes no more; what was taken.
size_t fill(mango_socket_h socket);

#define CONFORMANCE(function, sentence)                                           \
  [[maybe_unused]] static const bool covered_##function##_##sentence =            \
      ::mango_test::cover(reinterpret_cast<void*>(&::function) ? #function : ""); \
  TEST_P(Conformance, function##__##sentence)

}  // namespace mango_test
