// SPDX-License-Identifier: Apache-2.0
// What runs the offloaded sockets of this process. Calls have the results of the system calls of the same
// names: -1 and errno. `fd` is the number the program called with.
//
// Not noexcept where a call may wait: pthread_cancel() unwinds a waiting thread.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include "shim/offloaded.h"

namespace mango::shim {

class Engine {
 public:
  virtual ~Engine() = default;

  // A fresh descriptor, in the table. type: SOCK_STREAM with SOCK_NONBLOCK and SOCK_CLOEXEC.
  virtual int open(int family, int type) = 0;
  // A descriptor that was not made here and is not in the table: takes it over if it is the engine's.
  virtual void adopt(int fd) noexcept = 0;

  virtual int bind(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) = 0;
  virtual int listen(Offloaded& offloaded, int fd, int backlog) = 0;
  virtual int accept(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length, int flags) = 0;
  virtual int connect(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) = 0;
  virtual int shutdown(Offloaded& offloaded, int fd, int how) = 0;
  virtual int get_name(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) = 0;
  virtual int get_peer(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) = 0;
  virtual int get_option(Offloaded& offloaded, int fd, int level, int name, void* value,
                         socklen_t* length) = 0;
  virtual int set_option(Offloaded& offloaded, int fd, int level, int name, const void* value,
                         socklen_t length) = 0;

  virtual ssize_t receive(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) = 0;
  virtual ssize_t send(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) = 0;
  virtual ssize_t receive_message(Offloaded& offloaded, int fd, msghdr* message, int flags) = 0;
  virtual ssize_t send_message(Offloaded& offloaded, int fd, const msghdr* message, int flags) = 0;
  virtual ssize_t send_file(Offloaded& offloaded, int fd, int file, off64_t* offset, size_t count) = 0;
  virtual ssize_t splice_out(Offloaded& offloaded, int pipe, int fd, size_t length, unsigned flags) = 0;
  virtual ssize_t splice_in(Offloaded& offloaded, int fd, int pipe, size_t length, unsigned flags) = 0;

  // ioctl FIONREAD and SIOCOUTQ; the descriptor's O_NONBLOCK.
  virtual int available(Offloaded& offloaded, int fd, int* octets) = 0;
  virtual int unacknowledged(Offloaded& offloaded, int fd, int* octets) = 0;
  virtual int set_nonblocking(Offloaded& offloaded, int fd, bool enable) = 0;

  // True when duplicates of a descriptor must be known, too.
  [[nodiscard]] virtual bool follows_duplicates() const noexcept = 0;
  // The last name of the object, or one of several, is about to be closed by close(2) (the engine closes
  // `fd`) or was taken over by dup2 (leave: it stays).
  virtual int close(Offloaded& offloaded, int fd) noexcept = 0;
  // `fd` is about to become something else by dup2(2): whatever the engine keeps moves away from that number.
  // overwritten: false when that failed, and `fd` is what it was.
  virtual void before_overwrite(Offloaded& offloaded, int fd) noexcept = 0;
  virtual void after_overwrite(Offloaded& offloaded, int fd, bool overwritten) noexcept = 0;
  // Nobody holds the object any more.
  virtual void finish(Offloaded& offloaded) noexcept = 0;
  // In a forked child, before it goes on: locks of threads it does not have are set free.
  virtual void forked() noexcept = 0;
  // The process ends by exit(): what is open ends as by close().
  virtual void process_exits() noexcept = 0;
};

// By the environment, made at first use.
[[nodiscard]] Engine& engine() noexcept;
[[nodiscard]] Engine& kernel_engine() noexcept;
// Of the device with that number behind that channel.
[[nodiscard]] Engine& device_engine(const char* ipc, const char* device) noexcept;

}  // namespace mango::shim
