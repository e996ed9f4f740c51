// SPDX-License-Identifier: Apache-2.0
#include "shim/waiting.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "shim/real.h"

namespace mango::shim {
namespace {

// Of what the thread itself does wrong, which it cannot while it waits: crash reporters handle these.
bool is_fault(int signal) noexcept {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP ||
         signal == SIGSYS || signal == SIGABRT;
}

// poll(2) is interrupted whatever the handler's flags, and does not say by which signal. If every handler of
// this process restarts calls, so do we.
bool some_handler_interrupts() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (is_fault(signal)) continue;
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0) continue;
    const bool handled = now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN;
    if (handled && !(now.sa_flags & SA_RESTART)) return true;
  }
  return false;
}

int since_ms(const timespec& begin) noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int>((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1'000'000);
}

}  // namespace

// A receive that takes nothing: it is restarted, timed out (SO_RCVTIMEO) and cancelled by the system itself.
// An error of the pair, or its end, means that the session has something to say.
bool wait_readable(int fd) {
  char octet = 0;
  if (real().recv(fd, &octet, sizeof(octet), MSG_PEEK) >= 0) return true;
  return errno != EINTR && errno != EAGAIN;
}

bool wait_writable(int fd, int timeout_ms) {
  timespec begin{};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int left = timeout_ms;;) {
    pollfd watched{fd, POLLOUT, 0};
    const int ready = poll(&watched, 1, left);
    if (ready > 0) return true;
    if (ready < 0 && (errno != EINTR || some_handler_interrupts())) return false;
    if (timeout_ms >= 0) left = timeout_ms - since_ms(begin);
    if (timeout_ms >= 0 && left <= 0) {
      errno = EAGAIN;
      return false;
    }
  }
}

}  // namespace mango::shim
