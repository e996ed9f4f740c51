// SPDX-License-Identifier: Apache-2.0
#include "net/calls.h"

#include <deque>
#include <mutex>

namespace mango::net {

namespace {

struct Registry {
  std::mutex mutex;
  std::deque<Calls> blocks;
};

Registry& registry() noexcept {
  static Registry all;
  return all;
}

Calls& register_block() noexcept {
  const std::lock_guard lock(registry().mutex);
  return registry().blocks.emplace_back();
}

}  // namespace

Calls& calls() noexcept {
  thread_local Calls& own = register_block();
  return own;
}

CallSums sum_calls() noexcept {
  CallSums sums;
  const std::lock_guard lock(registry().mutex);
  for (const Calls& block : registry().blocks) {
    sums.accept += block.accept.read();
    sums.connect += block.connect.read();
    sums.recv += block.recv.read();
    sums.send += block.send.read();
    sums.wait += block.wait.read();
    sums.close += block.close.read();
    sums.abort += block.abort.read();
    sums.reset += block.reset.read();
  }
  return sums;
}

}  // namespace mango::net
