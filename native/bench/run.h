// SPDX-License-Identifier: Apache-2.0
// What the measuring programs have in common: the command line, a warm-up, the measured part, one JSON line.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <memory>

#include "bench/engine.h"

namespace mango::bench {

struct Run {
  std::unique_ptr<Engine> engine;
  sockaddr_in peer;
  int64_t length_ns;
};

// ENGINE ADDRESS:PORT SECONDS; anything else prints the usage and exits 2.
[[nodiscard]] Run parse_run(int argc, char** argv);

// Repeats `operation` for a warm-up and then for the run's length, and prints
//   {"operations", "operationsWithWarmUp", "perSecond", "p50Us", "p99Us", "p999Us", "cpuUs"}
// with cpuUs, this process's time for one operation. One thread, and no allocation of ours in between.
void measure(const Run& run, const std::function<void()>& operation);

}  // namespace mango::bench
