// SPDX-License-Identifier: Apache-2.0
#include "toed/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace mango::toed {

namespace {

using Clock = std::chrono::steady_clock;

// A terminal signals all processes of a job, and a wrapper among them passes it on: that is one wish, not
// two.
constexpr auto kSameWish = std::chrono::milliseconds(200);
constexpr int kKilledBySignal = 128;  // as shells say it

// Never destroyed: the thread may outlive main().
struct Stopping {
  std::mutex mutex;
  bool requested = false;
  std::function<void()> stop;
};
Stopping& stopping() {
  static auto* state = new Stopping;
  return *state;
}

sigset_t watched() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

void request_stop() {
  const std::lock_guard lock(stopping().mutex);
  stopping().requested = true;
  if (stopping().stop) stopping().stop();
}

void serve_signals(const Log& log) {
  const sigset_t set = watched();
  std::optional<Clock::time_point> asked;
  for (;;) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0) continue;
    const std::string name = std::string("SIG") + ::sigabbrev_np(signal);
    if (signal == SIGHUP) {
      log.info("SIGHUP ignored: fields are changed with `mango-toed set`, everything else by a restart");
    } else if (asked) {
      if (Clock::now() - *asked < kSameWish) continue;
      log.warning(name + " again: stopping at once");
      ::_exit(kKilledBySignal + signal);
    } else {
      asked = Clock::now();
      log.info(name + ": ending all sessions");
      request_stop();
    }
  }
}

}  // namespace

void block_signals() noexcept {
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void watch_signals(const Log& log) {
  std::thread([log] { serve_signals(log); }).detach();
}

void on_stop(std::function<void()> stop) {
  const std::lock_guard lock(stopping().mutex);
  stopping().stop = std::move(stop);
  if (stopping().requested && stopping().stop) stopping().stop();
}

}  // namespace mango::toed
