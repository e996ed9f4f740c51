// SPDX-License-Identifier: Apache-2.0
// Passive health of one server, shared by all workers: too many failures in a row eject it for a while, then
// one trial request decides. One atomic word holds everything, and is 0 for a server without failures: the
// hot path is one relaxed load, and no worker writes the line.
#pragma once

#include <atomic>
#include <cstdint>

#include "config/document.h"

namespace mango::proxy {

class Ejection {
 public:
  enum class State : uint8_t {
    healthy,
    ejected,
    trial_due,  // may be used by the one who wins claim_trial()
  };

  // Times are monotonic milliseconds.
  [[nodiscard]] State state(uint64_t now_ms) const noexcept;
  // True for one caller only: it sends the trial. Should it never report, another trial is due as if it
  // failed.
  [[nodiscard]] bool claim_trial(uint64_t now_ms, const config::EjectionRule& rule) noexcept;
  // Both answer whether the server's state changed, for the event: just ejected, just restored. Failures of
  // requests sent before the ejection do not prolong it.
  [[nodiscard]] bool failed(uint64_t now_ms, const config::EjectionRule& rule) noexcept;
  [[nodiscard]] bool succeeded() noexcept;
  // Forgets everything (the server was configured anew).
  void clear() noexcept { word_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> word_{0};
};

}  // namespace mango::proxy
