// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "net/calls.h"

namespace mango::net {

namespace {

uint64_t clock_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

Loop::Loop(Engine& engine) : engine_(engine), now_ns_(clock_ns()), timers_(now_ns_ / 1'000'000) {}

Loop::~Loop() {
  retired_.clear();
  if (epoll_ >= 0) {
    (void)engine_.tcp_epoll_close(engine_.tcp(), epoll_);
    ::close(epoll_);
  }
  if (wake_ >= 0) ::close(wake_);
}

const char* Loop::start() noexcept {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || wake_ < 0) return "no file descriptor left for an event loop";
  if (engine_.tcp_epoll_create(engine_.tcp(), epoll_) != MANGO_STATUS_OK)
    return "the engine refuses an epoll instance";
  if (engine_.tcp_epoll_set_exclusive != nullptr)
    (void)engine_.tcp_epoll_set_exclusive(engine_.tcp(), epoll_);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (engine_.tcp_epoll_ctl(engine_.tcp(), epoll_, EPOLL_CTL_ADD, wake_, &event) != MANGO_STATUS_OK)
    return "the engine's epoll refuses an ordinary file descriptor";
  return nullptr;
}

bool Loop::watch(int fd, Handler& handler, uint32_t events) noexcept {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  return engine_.tcp_epoll_ctl(engine_.tcp(), epoll_, EPOLL_CTL_ADD, fd, &event) == MANGO_STATUS_OK;
}

bool Loop::rewatch(int fd, Handler& handler, uint32_t events) noexcept {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  return engine_.tcp_epoll_ctl(engine_.tcp(), epoll_, EPOLL_CTL_MOD, fd, &event) == MANGO_STATUS_OK;
}

void Loop::unwatch(int fd) noexcept {
  epoll_event event{};
  (void)engine_.tcp_epoll_ctl(engine_.tcp(), epoll_, EPOLL_CTL_DEL, fd, &event);
}

void Loop::again(Handler& handler) {
  if (handler.wants_again_) return;
  handler.wants_again_ = true;
  again_.push_back(&handler);
}

void Loop::retire(std::unique_ptr<Handler> handler) {
  if (handler->wants_again_) std::erase(again_, handler.get());
  retired_.push_back(std::move(handler));
}

// What is freed here may own what retires others.
void Loop::drop_leftovers() noexcept {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
  }
  work.clear();
  std::vector<std::unique_ptr<Handler>> last;
  for (last.swap(retired_); !last.empty(); last.swap(retired_)) last.clear();
}

void Loop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
  }
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

void Loop::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

uint64_t Loop::refresh_now() noexcept {
  return now_ns_ = clock_ns();
}

void Loop::run(const std::function<void()>& after_turn) {
  std::array<epoll_event, kMaxEvents> events;
  while (!stopping_.load(std::memory_order_acquire)) {
    const int sleep_ms = again_.empty() ? timers_.sleep_ms(kLongestSleepMs) : 0;
    int count = 0;
    ++calls().wait;
    (void)engine_.tcp_epoll_wait(engine_.tcp(), epoll_, events.data(), kMaxEvents, sleep_ms, &count);
    now_ns_ = clock_ns();
    turns_.store(turns() + 1, std::memory_order_relaxed);
    for (int i = 0; i < count; ++i) {
      auto* handler = static_cast<Handler*>(events[static_cast<size_t>(i)].data.ptr);
      if (handler == nullptr)
        run_posted();
      else
        handler->on_turn(events[static_cast<size_t>(i)].events);
    }
    run_again();
    timers_.advance(now_ms());
    after_turn();
    retired_.clear();
  }
}

void Loop::run_again() {
  again_running_.swap(again_);
  for (Handler* handler : again_running_) {
    handler->wants_again_ = false;
    handler->on_turn(0);
  }
  again_running_.clear();
}

void Loop::run_posted() {
  uint64_t wakeups = 0;
  (void)!::read(wake_, &wakeups, sizeof wakeups);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
  }
  for (const auto& item : work) item();
}

}  // namespace mango::net
