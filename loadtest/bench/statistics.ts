// SPDX-License-Identifier: Apache-2.0
// The little arithmetic of the bench: figures drift between runs, so only ratios of medians of one run are quoted.

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

// `value` against the best of the others: below 1 is better when less is better.
export function ratioToBest(value: number, others: readonly number[], better: "lower" | "higher"): number {
  const best = better === "lower" ? Math.min(...others) : Math.max(...others);
  return value / best;
}

// Two digits decide: a goal of 1.00 is not missed by noise in the third.
export function reaches(ratio: number, goal: number): boolean {
  return Math.round(ratio * 100) <= Math.round(goal * 100);
}
