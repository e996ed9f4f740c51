// SPDX-License-Identifier: Apache-2.0
// The kernel engine under the shim: the descriptor is a TCP socket of the system, opened, named, connected
// and closed through libmango. Octets go straight between the program and its descriptor, counted: libmango
// resumes interrupted calls and holds cancellations back, where an unmodified program expects EINTR and to be
// cancelled. For the same reason calls that may block, accept and connect, are made here, and libmango is
// told the outcome. Duplicates of a descriptor need no attention, the system knows what they are.
#include <sys/ioctl.h>

#include <cerrno>

#include "libmango.h"
#include "mango/counters.h"
#include "mango/socket.h"
#include "shim/engine.h"
#include "shim/real.h"
#include "shim/table.h"

namespace mango::shim {
namespace {

using kernel::Counter;
using kernel::Socket;
using kernel::SocketState;

int result_of(mango_status_e status) noexcept {
  if (status == MANGO_STATUS_OK) return 0;
  errno = -status;
  return -1;
}

mango_tcp_h make_tcp() noexcept {
  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
  if (mango_context_create(&context) != MANGO_STATUS_OK) return nullptr;
  if (mango_tcp_create(&tcp) != MANGO_STATUS_OK) return nullptr;
  return mango_tcp_set_context(tcp, context) == MANGO_STATUS_OK ? tcp : nullptr;
}

class KernelEngine final : public Engine {
 public:
  KernelEngine() noexcept : tcp_(make_tcp()) {}

  int open(int family, int type) override {
    const Bypass bypass;
    Socket* made = tcp_ ? kernel::socket_make(kernel::from_api(tcp_)) : nullptr;
    if (!made) return result_of(MANGO_STATUS_NO_MEMORY);
    const mango_socket_h handle = kernel::to_api(made->handle);
    mango_status_e status = kernel::socket_open(*made, family);
    if (status == MANGO_STATUS_OK && (type & SOCK_NONBLOCK))
      status = mango_socket_set_nonblocking(handle, true);
    if (status == MANGO_STATUS_OK && !(type & SOCK_CLOEXEC)) real().fcntl(made->descriptor(), F_SETFD, 0);
    if (status == MANGO_STATUS_OK) status = enter(made->descriptor(), handle);
    if (status == MANGO_STATUS_OK) return made->descriptor();
    (void)mango_socket_destroy(handle);
    return result_of(status);
  }

  void adopt(int) noexcept override {}  // somebody else's TCP socket is as good as ours

  int bind(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) override {
    const Bypass bypass;
    if (!of_its_family(offloaded, addr, length)) return real().bind(fd, addr, length);
    return result_of(mango_socket_bind(offloaded.socket, addr, length));
  }

  int listen(Offloaded& offloaded, int, int backlog) override {
    const Bypass bypass;
    return result_of(mango_socket_listen(offloaded.socket, backlog));
  }

  int accept(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length, int flags) override {
    const int accepted = real().accept4(fd, addr, length, flags);
    const int error = errno;
    const Bypass bypass;
    kernel::count(Counter::kAcceptCalls);
    const Socket* listener = kernel::find_open(offloaded.socket);
    if (accepted >= 0 && listener) register_accepted(*listener, accepted, (flags & SOCK_NONBLOCK) != 0);
    errno = error;
    return accepted;
  }

  int connect(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) override {
    const Socket* socket = kernel::find_open(offloaded.socket);
    if (!socket || !socket->nonblocking || !of_its_family(offloaded, addr, length)) {
      return connect_directly(offloaded, fd, addr, length);
    }
    const Bypass bypass;
    return result_of(mango_socket_connect(offloaded.socket, addr, length));
  }

  int shutdown(Offloaded&, int fd, int how) override { return real().shutdown(fd, how); }
  int get_name(Offloaded&, int fd, sockaddr* addr, socklen_t* length) override {
    return real().getsockname(fd, addr, length);
  }
  int get_peer(Offloaded&, int fd, sockaddr* addr, socklen_t* length) override {
    return real().getpeername(fd, addr, length);
  }
  int get_option(Offloaded&, int fd, int level, int name, void* value, socklen_t* length) override {
    return real().getsockopt(fd, level, name, value, length);
  }
  int set_option(Offloaded&, int fd, int level, int name, const void* value, socklen_t length) override {
    return real().setsockopt(fd, level, name, value, length);
  }

  ssize_t receive(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) override {
    msghdr message = message_of(iov, iovcnt);
    if (iovcnt != 1) return receive_message(offloaded, fd, &message, flags);
    const ssize_t n = real().recv(fd, iov->iov_base, iov->iov_len, flags);
    kernel::count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
    return n;
  }
  ssize_t send(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) override {
    const msghdr message = message_of(iov, iovcnt);
    if (iovcnt != 1) return send_message(offloaded, fd, &message, flags);
    const ssize_t n = real().send(fd, iov->iov_base, iov->iov_len, flags);
    kernel::count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  }
  ssize_t receive_message(Offloaded&, int fd, msghdr* message, int flags) override {
    const ssize_t n = real().recvmsg(fd, message, flags);
    kernel::count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
    return n;
  }
  ssize_t send_message(Offloaded&, int fd, const msghdr* message, int flags) override {
    const ssize_t n = real().sendmsg(fd, message, flags);
    kernel::count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  }
  ssize_t send_file(Offloaded&, int fd, int file, off64_t* offset, size_t count) override {
    const ssize_t n = real().sendfile(fd, file, offset, count);
    kernel::count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  }
  ssize_t splice_out(Offloaded&, int pipe, int fd, size_t length, unsigned flags) override {
    const ssize_t n = real().splice(pipe, nullptr, fd, nullptr, length, flags);
    kernel::count_io(Counter::kSendCalls, Counter::kSendBytes, n);
    return n;
  }
  ssize_t splice_in(Offloaded&, int fd, int pipe, size_t length, unsigned flags) override {
    const ssize_t n = real().splice(fd, nullptr, pipe, nullptr, length, flags);
    kernel::count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
    return n;
  }

  int available(Offloaded&, int fd, int* octets) override { return real().ioctl(fd, FIONREAD, octets); }
  int unacknowledged(Offloaded&, int fd, int* octets) override { return real().ioctl(fd, TIOCOUTQ, octets); }
  int set_nonblocking(Offloaded& offloaded, int, bool enable) override {
    const Bypass bypass;
    return result_of(mango_socket_set_nonblocking(offloaded.socket, enable));
  }

  bool follows_duplicates() const noexcept override { return false; }

  int close(Offloaded& offloaded, int fd) noexcept override {
    const bool ours = mango_socket_close(offloaded.socket) == MANGO_STATUS_OK;
    const int result = ours ? 0 : real().close(fd);
    offloaded_leave(offloaded);
    return result;
  }

  // The number keeps its descriptor until dup2 replaces it; the handle can wait for neither.
  void before_overwrite(Offloaded&, int) noexcept override {}
  void after_overwrite(Offloaded& offloaded, int, bool overwritten) noexcept override {
    if (!overwritten) return;
    (void)mango_socket_detach(offloaded.socket);
    offloaded_leave(offloaded);
  }

  void finish(Offloaded& offloaded) noexcept override { (void)mango_socket_destroy(offloaded.socket); }

  void forked() noexcept override {}
  void process_exits() noexcept override {}  // the system closes sockets as close() does

 private:
  static msghdr message_of(const iovec* iov, int iovcnt) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(iov);
    message.msg_iovlen = static_cast<size_t>(iovcnt);
    return message;
  }

  // libmango would change the family of an unused socket to the address's; a program chose it with socket().
  static bool of_its_family(const Offloaded& offloaded, const sockaddr* addr, socklen_t length) noexcept {
    const Socket* socket = kernel::find_open(offloaded.socket);
    if (!socket || !addr || length < sizeof(sa_family_t)) return false;
    return addr->sa_family == (socket->ipv6 ? AF_INET6 : AF_INET);
  }

  static mango_status_e enter(int fd, mango_socket_h handle) noexcept {
    Offloaded* made = offloaded_make();
    if (!made) return MANGO_STATUS_NO_MEMORY;
    if (Offloaded* stale = table_take(fd)) kernel_engine().after_overwrite(*stale, fd, true);
    made->socket = handle;
    if (table_put(fd, made)) return MANGO_STATUS_OK;
    made->socket = nullptr;
    offloaded_leave(*made);
    return MANGO_STATUS_NO_MEMORY;
  }

  // Without memory the connection goes on, not offloaded.
  static void register_accepted(const Socket& listener, int fd, bool nonblocking) noexcept {
    Socket* made = kernel::socket_make(listener.tcp);
    if (!made) return;
    const mango_socket_h handle = kernel::to_api(made->handle);
    if (kernel::socket_adopt_fd(*made, fd, SocketState::kConnected) != MANGO_STATUS_OK) {
      (void)mango_socket_destroy(handle);
      return;
    }
    made->nonblocking = nonblocking;
    made->ipv6 = listener.ipv6;
    kernel::count(Counter::kAccepted);
    if (enter(fd, handle) != MANGO_STATUS_OK) (void)mango_socket_detach(handle);
  }

  // Also connect(AF_UNSPEC), which dissolves a connection.
  static int connect_directly(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) {
    const int result = real().connect(fd, addr, length);
    const int error = errno;
    kernel::count(Counter::kConnectCalls);
    Socket* socket = kernel::find_open(offloaded.socket);
    if (socket && result == 0 && socket->state != SocketState::kConnected) {
      kernel::socket_set_state(*socket, SocketState::kConnected);
    }
    if (socket && result == 0 && addr->sa_family == AF_UNSPEC) {
      kernel::socket_set_state(*socket, SocketState::kFresh);
    }
    errno = error;
    return result;
  }

  mango_tcp_h tcp_;
};

}  // namespace

Engine& kernel_engine() noexcept {
  static auto* made = new KernelEngine;  // never destroyed: threads may outlive main
  return *made;
}

}  // namespace mango::shim
