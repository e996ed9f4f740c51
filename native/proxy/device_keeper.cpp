// SPDX-License-Identifier: Apache-2.0
#include "proxy/device_keeper.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "proxy/event_queue.h"
#include "proxy/json_line.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

namespace mango::proxy {

DeviceKeeper::DeviceKeeper(net::Engine& engine, EventQueue& events)
    : engine_(engine), device_(engine), events_(events) {
  engine_.on_reset([this] { wake(); });
}

DeviceKeeper::~DeviceKeeper() {
  stop();
}

void DeviceKeeper::start(std::vector<Worker*> workers, std::function<std::vector<Listening>()> listening) {
  workers_ = std::move(workers);
  listening_ = std::move(listening);
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "mango-device");
    run();
  });
}

void DeviceKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DeviceKeeper::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void DeviceKeeper::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void DeviceKeeper::run() {
  std::unique_lock lock(mutex_);
  bool trouble = false;
  for (;;) {
    const auto due = [this] { return stopping_ || woken_ || !jobs_.empty(); };
    if (trouble)
      changed_.wait_for(lock, std::chrono::milliseconds(pause_ms_), due);
    else
      changed_.wait(lock, due);
    woken_ = false;
    const auto jobs = std::exchange(jobs_, {});
    if (stopping_ && jobs.empty()) return;
    const bool stopping = stopping_;
    lock.unlock();
    for (const auto& job : jobs) job();
    trouble = !stopping && troubled();
    if (trouble) {
      recover();
      trouble = troubled();
    }
    lock.lock();
  }
}

// --- what is known
// ------------------------------------------------------------------------------------------

const char* DeviceKeeper::to_string(State state) noexcept {
  switch (state) {
    case State::ready:
      return "ready";
    case State::resetting:
      return "resetting";
    case State::gone:
      return "gone";
    case State::reopening:
      break;
  }
  return "reopening";
}

namespace {

bool lost(const DeviceKeeper::Listening& one) {
  return std::any_of(one.listeners.begin(), one.listeners.end(),
                     [](const auto& listener) { return listener->lost(); });
}

}  // namespace

bool DeviceKeeper::troubled() const {
  if (engine_.lost()) return true;
  const auto all = listening_();
  return std::any_of(all.begin(), all.end(), lost);
}

std::string DeviceKeeper::facts() const {
  nlohmann::json json = {{"engine", engine_.name()}, {"resets", engine_.era()}, {"ipc", nullptr}};
  if (engine_.ipc() != nullptr)
    json["ipc"] = {{"address", engine_.options().ipc_address}, {"index", engine_.options().ipc_index}};
  json["lostListeners"] = nlohmann::json::array();
  for (const Listening& one : listening_())
    if (lost(one)) json["lostListeners"].push_back(one.name);
  const bool unsettled = engine_.lost() || !json["lostListeners"].empty();
  const std::lock_guard lock(mutex_);
  // A socket may have told of a reset that the keeper's thread has not looked at yet.
  json["state"] = to_string(state_ == State::ready && unsettled ? State::resetting : state_);
  json["error"] = error_;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void DeviceKeeper::ask(std::function<void(std::string)> done) {
  post([this, done = std::move(done)] {
    nlohmann::json json = nlohmann::json::parse(facts());
    json["fields"] = nlohmann::json::object();
    if (json["state"] == "ready")
      for (const auto& [name, value] : device_.facts()) json["fields"][name] = value;
    done(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  });
}

void DeviceKeeper::set_state(State state, const std::string& error) {
  {
    const std::lock_guard lock(mutex_);
    if (state == state_) {
      error_ = error;
      return;
    }
    state_ = state;
    error_ = error;
  }
  emit(to_string(state), error);
}

void DeviceKeeper::emit(const char* state, const std::string& reason) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::string event;
  JsonLine(event)
      .text("type", "device")
      .number("timeMs",
              static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000)
      .text("engine", engine_.name())
      .text("state", state)
      .number("resets", engine_.era())
      .text("reason", reason)
      .end();
  (void)events_.put(std::move(event));
}

// --- reset
// --------------------------------------------------------------------------------------------------

void DeviceKeeper::reset(bool preserve, std::function<void(Outcome)> done) {
  post([this, preserve, done = std::move(done)] { begin_reset(preserve, done); });
}

void DeviceKeeper::begin_reset(bool preserve, const std::function<void(Outcome)>& done) {
  if (troubled()) return done({"DEVICE_UNAVAILABLE", "the device is being reset, or gone: see /v1/device"});
  const uint32_t era = engine_.era();
  const auto status = device_.reset(preserve);
  if (status == MANGO_STATUS_OK || status == MANGO_STATUS_IN_PROGRESS) {
    resetting_ = status == MANGO_STATUS_IN_PROGRESS;
    preserve_ = preserve;
    engine_.note_reset(era);
    return done({});
  }
  if (net::means_reset(status)) engine_.note_reset(era);
  if (status == MANGO_STATUS_NOT_SUPPORTED)
    return done({"NOT_IMPLEMENTED", engine_.name() + " cannot be reset"});
  const char* message = engine_.status_message == nullptr ? "" : engine_.status_message(status);
  done({"DEVICE_UNAVAILABLE",
        "the reset failed with status " + std::to_string(status) + (*message == 0 ? "" : ": ") + message});
}

// --- after a reset
// ------------------------------------------------------------------------------------------

// One attempt; the next one follows after a pause, twice as long each time.
void DeviceKeeper::recover() {
  const uint32_t era = engine_.era();
  if (era != ended_era_) {
    pause_ms_ = kFirstPauseMs;
    set_state(State::resetting, "");
    end_older_than(era);
    ended_era_ = era;
  }
  const State state = device_state();
  if (state != State::ready)
    set_state(state, state == State::gone ? "the device does not answer" : "");
  else if (reopen_listeners() && engine_.era() == era) {
    engine_.settle(era);
    pause_ms_ = kFirstPauseMs;
    set_state(State::ready, "");
    return;
  }
  pause_ms_ = std::min(pause_ms_ * 2, kLongestPauseMs);
}

DeviceKeeper::State DeviceKeeper::device_state() {
  if (resetting_) {
    resetting_ = device_.reset(preserve_) == MANGO_STATUS_IN_PROGRESS;
    if (resetting_) return State::resetting;
  }
  switch (device_.state()) {
    case net::DeviceState::ready:
      return State::ready;
    case net::DeviceState::resetting:
      return State::resetting;
    case net::DeviceState::gone:
      break;
  }
  return State::gone;
}

void DeviceKeeper::end_older_than(uint32_t era) {
  std::vector<std::pair<Worker*, std::function<void()>>> work;
  for (Worker* worker : workers_) work.emplace_back(worker, [worker, era] { worker->end_older_than(era); });
  visit(work);
}

bool DeviceKeeper::reopen_listeners() {
  std::vector<Listening> all = listening_();
  bool whole = true;
  for (Listening& one : all) whole = (!lost(one) || reopen(one)) && whole;
  return whole;
}

bool DeviceKeeper::reopen(Listening& one) {
  std::vector<std::shared_ptr<Listener>> waiting;
  for (const auto& listener : one.listeners)
    if (listener->lost()) waiting.push_back(listener);
  const bool ours = waiting.size() < one.listeners.size();
  std::vector<net::ListeningSocket> sockets;
  std::string error;
  if (!net::ListeningSocket::bind(engine_, one.endpoint, one.backlog, waiting.size(), ours, sockets, error)) {
    set_state(State::reopening, "listener \"" + one.name + "\": " + error);
    return false;
  }
  std::vector<std::pair<Worker*, std::function<void()>>> work;
  for (size_t i = 0; i < sockets.size(); ++i) {
    auto carried = std::make_shared<net::ListeningSocket>(std::move(sockets[i]));
    work.emplace_back(&waiting[i]->worker(),
                      [listener = waiting[i], carried] { listener->reopen(std::move(*carried)); });
  }
  visit(work);
  return !lost(one);
}

// Has each worker do its part and waits for all; a worker that stops before its turn lets go as well.
void DeviceKeeper::visit(const std::vector<std::pair<Worker*, std::function<void()>>>& work) {
  struct Visit {
    std::mutex mutex;
    std::condition_variable over;
    bool done = false;
  };
  const auto visit = std::make_shared<Visit>();
  {
    const std::shared_ptr<void> everybody(nullptr, [visit](void*) {
      {
        const std::lock_guard lock(visit->mutex);
        visit->done = true;
      }
      visit->over.notify_all();
    });
    for (const auto& [worker, part] : work) worker->loop().post([part = part, everybody] { part(); });
  }
  std::unique_lock lock(visit->mutex);
  visit->over.wait(lock, [&visit] { return visit->done; });
}

}  // namespace mango::proxy
