// SPDX-License-Identifier: Apache-2.0
// The device engine under the shim: every offloaded descriptor is the client's end of a session of the device
// (device/shared_session.h), and octets are copied through its rings.
//
// Readiness needs no emulation: the descriptor is one of the system's, readable, writable and hung up when a
// TCP socket would be. So epoll, poll and select are not interposed at all, and sets mixed, nested,
// edge-triggered, one-shot or inherited work because the system does them. Rejected: epoll sets of our own,
// as shims over user-space stacks have them, which never end being incomplete.
//
// A session allows one receiver and one sender at a time: a lock for each direction is held while octets are
// copied, never while waiting (waiting.h).
#pragma once

#include <memory>
#include <string>

#include "device/client.h"
#include "device/session.h"
#include "ipc/transport.h"
#include "shim/engine.h"
#include "shim/lock.h"

namespace mango::shim {

class DeviceEngine final : public Engine {
 public:
  DeviceEngine(const char* ipc, const char* device) noexcept;

  int open(int family, int type) override;
  void adopt(int fd) noexcept override;

  // device_calls.cpp
  int bind(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) override;
  int listen(Offloaded& offloaded, int fd, int backlog) override;
  int accept(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length, int flags) override;
  int connect(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) override;
  int shutdown(Offloaded& offloaded, int fd, int how) override;
  int get_name(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) override;
  int get_peer(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) override;
  int get_option(Offloaded& offloaded, int fd, int level, int name, void* value, socklen_t* length) override;
  int set_option(Offloaded& offloaded, int fd, int level, int name, const void* value,
                 socklen_t length) override;
  int available(Offloaded& offloaded, int fd, int* octets) override;
  int unacknowledged(Offloaded& offloaded, int fd, int* octets) override;
  int set_nonblocking(Offloaded& offloaded, int fd, bool enable) override;

  // device_data.cpp
  ssize_t receive(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) override;
  ssize_t send(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) override;
  ssize_t receive_message(Offloaded& offloaded, int fd, msghdr* message, int flags) override;
  ssize_t send_message(Offloaded& offloaded, int fd, const msghdr* message, int flags) override;

  // device_copy.cpp
  ssize_t send_file(Offloaded& offloaded, int fd, int file, off64_t* offset, size_t count) override;
  ssize_t splice_out(Offloaded& offloaded, int pipe, int fd, size_t length, unsigned flags) override;
  ssize_t splice_in(Offloaded& offloaded, int fd, int pipe, size_t length, unsigned flags) override;

  [[nodiscard]] bool follows_duplicates() const noexcept override { return true; }
  int close(Offloaded& offloaded, int fd) noexcept override;
  void before_overwrite(Offloaded& offloaded, int fd) noexcept override;
  void after_overwrite(Offloaded& offloaded, int fd, bool overwritten) noexcept override;
  void finish(Offloaded& offloaded) noexcept override;
  void forked() noexcept override;
  void process_exits() noexcept override;

 private:
  // Null with errno ENETDOWN when the device does not answer.
  [[nodiscard]] device::Client* client() noexcept;
  // The object's session, attached now when it was inherited; null with errno.
  [[nodiscard]] device::Session* session_of(Offloaded& offloaded, int fd) noexcept;
  void forget_stale(int fd) noexcept;
  // Enters a session's descriptor into the table; ends the session and returns -1 when memory is out.
  int enter(device::Session* session, bool nonblocking) noexcept;
  // Makes `fd` free to be closed: the session lives on under another number.
  void move_away(Offloaded& offloaded, device::Session& session, int fd) noexcept;
  [[nodiscard]] ssize_t discard(Offloaded& offloaded, int fd, size_t length, int flags);

  const std::string ipc_;
  const uint32_t device_;
  Lock lock_;  // of what follows, and of attaching
  std::unique_ptr<ipc::ControlClient> control_;
  std::atomic<device::Client*> client_{nullptr};  // owned for ever: threads may outlive main
  std::atomic<bool> complained_{false};
};

// errno of a failed call as an unmodified program knows it: the device's own errors have no name there.
int fail_call() noexcept;
// The same where octets move.
ssize_t fail_data() noexcept;

}  // namespace mango::shim
