// SPDX-License-Identifier: Apache-2.0
// Waits for the last session to go. Polled, because only a sum over all workers can say it, and nobody is in a hurry.
import type { Clock } from "./clock.ts";

const kPollMs = 50;

// Answers whether it got to zero within limitMs.
export async function drained(active: () => number, limitMs: number, clock: Clock): Promise<boolean> {
  const endMs = clock.now() + limitMs;
  while (active() > 0) {
    if (clock.now() >= endMs) return false;
    await new Promise<void>((resolve) => void clock.after(kPollMs, resolve));
  }
  return true;
}
