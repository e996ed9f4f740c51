// SPDX-License-Identifier: Apache-2.0
// A real device in a process of its own, reached by a control channel of a few lines: this test program once
// more, told to run one "test" that serves until it is killed. So a test process has no threads but its own,
// and may fork.
#pragma once

#include <sys/wait.h>

#include <memory>
#include <string>

#include "device/client.h"
#include "device/session.h"
#include "device_server_support.h"
#include "ipc/transport.h"

namespace session_test {

using namespace mango::device;
using device_test::kPatienceMs;
using device_test::loopback;
using device_test::Peer;
using device_test::wait_for;
namespace ipc = mango::ipc;

class DeviceProcess {
 public:
  explicit DeviceProcess(uint32_t ring_bytes = kRingBytes, const std::string& control_path = "");
  ~DeviceProcess() { kill(); }
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  [[nodiscard]] const std::string& control_path() const { return path_; }
  void kill();  // and waits for its end
  void stop() const;
  void resume() const;

 private:
  int pid_ = -1;
  std::string path_;
};

// A connection per message: nothing of it is shared with a forked child.
class Control final : public ipc::ControlClient {
 public:
  explicit Control(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] mango_status_e call(const ipc::Request& request, ipc::Response& response,
                                    int timeout_ms) noexcept override;
  [[nodiscard]] mango_status_e post(const ipc::Request& request) noexcept override;

 private:
  std::string path_;
};

// A client of a device of its own.
struct Setting {
  explicit Setting(uint32_t ring_bytes = kRingBytes) : device(ring_bytes) {}

  [[nodiscard]] std::unique_ptr<Session> open(int flags = SOCK_CLOEXEC) const {
    std::unique_ptr<Session> session(client->open(AF_INET, flags));
    EXPECT_TRUE(session) << errno;
    return session;
  }
  [[nodiscard]] std::unique_ptr<Session> listener(int flags = SOCK_CLOEXEC) const;

  DeviceProcess device;
  Control control{device.control_path()};
  std::unique_ptr<Client> client = Client::make(control, 0);
};

inline int bind_to(Session& session, const sockaddr_in& address) {
  return session.bind(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}
inline int connect_to(Session& session, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return session.connect(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}
inline uint16_t port_of(Session& session) {
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  EXPECT_EQ(0, session.get_name(reinterpret_cast<sockaddr*>(&name), &length));
  return ntohs(name.sin_port);
}
inline std::unique_ptr<Session> accept_on(Session& listener, int flags = SOCK_CLOEXEC) {
  std::unique_ptr<Session> session(listener.accept(nullptr, nullptr, flags));
  EXPECT_TRUE(session) << errno;
  return session;
}
inline ssize_t send_text(Session& session, const std::string& text, int flags = 0) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return session.send(&piece, 1, flags);
}
inline ssize_t recv_into(Session& session, void* buffer, size_t length, int flags = 0) {
  const iovec piece{buffer, length};
  return session.recv(&piece, 1, flags);
}
// What one call gives; "!" and the errno's number when it fails.
inline std::string recv_text(Session& session, size_t most = 65536, int flags = 0) {
  std::string text(most, '\0');
  const ssize_t n = recv_into(session, text.data(), most, flags);
  if (n < 0) return "!" + std::to_string(errno);
  text.resize(static_cast<size_t>(n));
  return text;
}
inline std::string failure(int error) {
  return "!" + std::to_string(error);
}
inline int pending_error(Session& session) {
  int error = -1;
  socklen_t length = sizeof(error);
  EXPECT_EQ(0, session.get_option(SOL_SOCKET, SO_ERROR, &error, &length));
  return error;
}
inline uint16_t unused_port() {
  return Peer::listening().port();
}

// An accepted session and its peer.
struct Pair {
  explicit Pair(const Setting& setting, int flags = SOCK_CLOEXEC)
      : listener(setting.listener()),
        peer(Peer::connected(port_of(*listener))),
        session(accept_on(*listener, flags)) {}
  std::unique_ptr<Session> listener;
  Peer peer;
  std::unique_ptr<Session> session;
};

// Octets that tell where a transfer went wrong.
inline char pattern_at(uint64_t position) {
  return static_cast<char>((position * 31 + position / 251) & 0xFF);
}

// Runs `body` in a forked child, which leaves at once; whether it said true.
template <class Body>
bool in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() && !::testing::Test::HasFailure() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(child, ::waitpid(child, &status, 0));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace session_test
