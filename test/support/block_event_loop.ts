// SPDX-License-Identifier: Apache-2.0
// Preloaded into the proxy's process by one test (node --import): on SIGUSR2 it occupies the event loop for ten
// seconds, so that everything in JavaScript stands still. It reports on standard error, synchronously.
import { writeSync } from "node:fs";

const blockedMs = 10_000;

process.on("SIGUSR2", () => {
  writeSync(2, "event loop blocked\n");
  const end = performance.now() + blockedMs;
  while (performance.now() < end);
  writeSync(2, "event loop free\n");
});
