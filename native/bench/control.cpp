// SPDX-License-Identifier: Apache-2.0
// mango-bench-control: how many sessions a second one caller can begin and end, each connected and closed in
// order, one after the other. No byte is sent: what is measured are the control operations.
#include "bench/run.h"

int main(int argc, char** argv) {
  const mango::bench::Run run = mango::bench::parse_run(argc, argv);
  mango::bench::measure(run, [&] { run.engine->connect_and_close(run.peer); });
  return 0;
}
