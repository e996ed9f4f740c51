// SPDX-License-Identifier: Apache-2.0
// The C library's own functions behind the names this library takes, and the switch that leads our own calls
// to them: the shim's control client opens sockets and closes descriptors like anybody else, and would meet
// itself.
//
// Rejected: calling the kernel by syscall(2) only. It loses cancellation points, and other preloaded
// libraries between us and the C library would be left out.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace mango::shim {

// The formatter finds no rest on this list.
// clang-format off
#define MANGO_SHIM_FUNCTIONS(X)                                                               \
  X(socket) X(bind) X(listen) X(accept4) X(connect) X(shutdown) X(close) X(close_range)       \
  X(closefrom) X(dup) X(dup2) X(dup3) X(fcntl) X(ioctl) X(getsockname) X(getpeername)         \
  X(getsockopt) X(setsockopt) X(read) X(readv) X(recv) X(recvfrom) X(recvmsg) X(recvmmsg)     \
  X(write) X(writev) X(send) X(sendto) X(sendmsg) X(sendmmsg) X(sendfile) X(splice) X(fdopen) \
  X(fileno) X(vdprintf) X(syscall) X(execve) X(execvpe) X(fexecve) X(execveat) X(posix_spawn) \
  X(posix_spawnp)
// clang-format on

struct Real {
#define MANGO_SHIM_MEMBER(name) decltype(&::name) name;
  MANGO_SHIM_FUNCTIONS(MANGO_SHIM_MEMBER)
#undef MANGO_SHIM_MEMBER
  void (*exit_now)(int);  // _exit; that it does not return, a pointer's type does not say
};

extern std::atomic<bool> real_resolved;
extern Real real_functions;
void resolve_real() noexcept;

// Resolved on first use: the constructors of other libraries may open sockets before ours has run.
inline const Real& real() noexcept {
  if (!real_resolved.load(std::memory_order_acquire)) [[unlikely]]
    resolve_real();
  return real_functions;
}

// How deep this thread is in code of ours. Initial-exec, so that reading it calls nothing.
extern thread_local constinit int bypass_depth __attribute__((tls_model("initial-exec")));

// Around every call into libmango. Such code is not made for being unwound by pthread_cancel(), so a
// cancellation waits until it is over; waiting itself is done outside.
class Bypass {
 public:
  Bypass() noexcept {
    ++bypass_depth;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
  }
  ~Bypass() {
    pthread_setcancelstate(cancel_state_, nullptr);
    --bypass_depth;
  }
  Bypass(const Bypass&) = delete;
  Bypass& operator=(const Bypass&) = delete;

 private:
  int cancel_state_ = PTHREAD_CANCEL_ENABLE;
};

inline bool bypassed() noexcept {
  return bypass_depth > 0;
}

}  // namespace mango::shim
