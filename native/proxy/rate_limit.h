// SPDX-License-Identifier: Apache-2.0
// Token buckets per client (GCRA, ATM Forum TM 4.0): one fixed table of atomic words shared by all workers.
//
// A word holds a 16-bit tag of the client's key and the 48-bit time (µs) at which its bucket is full again. A
// full bucket is the same as no bucket, so entries expire by themselves and nothing ever sweeps. Clients hash
// to a set of eight words, one cache line; a tag that is not there takes an expired word, or else the one
// that expires first. That is fail-open: with more active clients than the table holds, the ones nearest to a
// full bucket are forgiven early, and no stranger can have an honest client refused by filling the table. Two
// clients of one set share a bucket if their tags agree (8 in 65,535 for a full set); the per-process seed
// makes that unpredictable.
//
// A map under a lock was the alternative: it needs eviction, grows, and puts a lock on every request.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "config/document.h"
#include "proxy/address_set.h"

namespace mango::proxy {

// A RateLimit in the units of the table.
struct Rate {
  uint64_t interval_us = 0;   // one request's worth; 0 = unlimited
  uint64_t tolerance_us = 0;  // how far ahead a burst may run
  [[nodiscard]] static Rate from(const config::RateLimit& limit) noexcept;
};

class RateLimiter {
 public:
  static constexpr size_t kDefaultClients = 128 * 1024;  // 1 MiB

  explicit RateLimiter(size_t clients = kDefaultClients);  // rounded up to a power of two

  // A client's key in a scope (e.g. a hash of the policy's name). IPv6 clients count by /64: one customer has
  // at least that many addresses.
  [[nodiscard]] uint64_t key(const Address& client, uint64_t scope) const noexcept;

  // Takes one token at `now_ns` (monotonic). False: refused, and nothing was taken.
  [[nodiscard]] bool admit(uint64_t key, uint64_t now_ns, const Rate& rate) noexcept;

 private:
  static constexpr size_t kWays = 8;
  struct alignas(64) Set {
    std::array<std::atomic<uint64_t>, kWays> words{};
  };
  std::array<uint64_t, 2> seed_;
  std::vector<Set> sets_;
};

}  // namespace mango::proxy
