// SPDX-License-Identifier: Apache-2.0
// A clock that only moves when it is told to, running what falls due in order.
import type { Clock } from "../../src/proxy/clock.ts";

export interface ManualClock extends Clock {
  advance(ms: number): Promise<void>;
  readonly pending: number;
}

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

export function createManualClock(startMs = 1_700_000_000_000): ManualClock {
  const timers = new Set<Timer>();
  let nowMs = startMs;
  return {
    now: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
        await settle();
      }
      nowMs = endMs;
      await settle();
    },
    get pending() {
      return timers.size;
    },
  };
}

// Lets promises that are already resolved run their continuations.
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
