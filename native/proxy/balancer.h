// SPDX-License-Identifier: Apache-2.0
// Choosing a backend and a server: pure state, no I/O, no clock. Each worker has its own (smooth round robin
// over N workers is still smooth enough, and shares nothing).
//
// Smooth weighted round robin is nginx's: weights 5, 1, 1 give aabacaa, not aaaaabc. Least-requests
// scans all servers for the lowest (active + 1) / weight; the power of two choices would save the scan but
// gives a worse answer for the few servers an edge has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "config/document.h"

namespace mango::proxy {

enum class Candidacy : uint8_t {
  usable,
  ejected,   // taken only if nothing is usable (panic: better a doubtful server than none)
  excluded,  // draining, unresolved, full or already tried: never
};

struct Candidate {
  Candidacy candidacy = Candidacy::usable;
  uint32_t active = 0;  // exchanges in progress; only least-requests looks
};

class Balancer {
 public:
  static constexpr int kNone = -1;

  struct Choice {
    int index = kNone;
    bool panic = false;  // an ejected server was taken because no other was left
  };

  Balancer() = default;
  Balancer(config::LoadBalancer kind, std::span<const uint32_t> weights);

  // Picks one of [0, size()). `candidate(index) -> Candidate` is asked at most twice for each. Weight 0 is
  // never picked.
  template <typename Function>
  [[nodiscard]] Choice pick(Function&& candidate) noexcept {
    if (const int index = pass(candidate, Candidacy::usable); index != kNone) return {index, false};
    const int index = pass(candidate, Candidacy::ejected);
    return {index, index != kNone};
  }
  // Picks among all: weighted backendRefs.
  [[nodiscard]] int pick() noexcept {
    return pick([](size_t) { return Candidate{}; }).index;
  }
  [[nodiscard]] size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    int64_t weight;
    int64_t current = 0;
  };

  template <typename Function>
  [[nodiscard]] int pass(Function& candidate, Candidacy wanted) noexcept {
    begin();
    for (size_t i = 0; i < entries_.size(); ++i) {
      const size_t index = position(i);
      if (entries_[index].weight == 0) continue;
      const Candidate found = candidate(index);
      if (found.candidacy == wanted) consider(index, found.active);
    }
    return finish();
  }
  void begin() noexcept;
  [[nodiscard]] size_t position(size_t step) const noexcept;
  void consider(size_t index, uint32_t active) noexcept;
  [[nodiscard]] int finish() noexcept;

  config::LoadBalancer kind_ = config::LoadBalancer::round_robin;
  std::vector<Entry> entries_;
  // of the pass in progress
  int best_ = kNone;
  int64_t total_ = 0;
  uint64_t best_active_ = 0;
  size_t start_ = 0;  // least-requests: where the scan begins, so that ties go round
};

}  // namespace mango::proxy
