// SPDX-License-Identifier: Apache-2.0
// Events on their way to the control plane: JSON texts in a bounded queue. One wake-up call per batch.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace mango::proxy {

class EventQueue {
 public:
  // `wake` is called from any worker when the queue stops being empty; it must not block.
  explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // False if the queue is full: the event is lost.
  [[nodiscard]] bool put(std::string event) {
    {
      const std::lock_guard lock(mutex_);
      if (events_.size() >= kMaxEvents) return false;
      events_.push_back(std::move(event));
      if (events_.size() > 1) return true;
    }
    wake_();
    return true;
  }

  // All events so far, as a JSON array.
  [[nodiscard]] std::string take() {
    std::vector<std::string> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(events_);
    }
    std::string json = "[";
    for (const std::string& event : taken) {
      if (json.size() > 1) json += ',';
      json += event;
    }
    return json + ']';
  }

 private:
  static constexpr size_t kMaxEvents = 8192;
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

}  // namespace mango::proxy
