// SPDX-License-Identifier: Apache-2.0
// The control plane's clock and timers: a seam, so that tests of windows, bans and TTLs need no waiting.

export interface Clock {
  now(): number; // Unix time in milliseconds
  after(delayMs: number, run: () => void): () => void; // answers how to cancel
}

const kLongestTimerMs = 2 ** 31 - 1;

// Timers never keep the process alive by themselves.
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, kLongestTimerMs)).unref();
    return () => clearTimeout(timer);
  },
};
