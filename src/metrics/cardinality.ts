// SPDX-License-Identifier: Apache-2.0
// Keeps label values bounded: the first N names as configured keep their own series, all further ones share `other`.
// By configuration order, not by traffic: a series must not change its meaning between two scrapes.
import { STATUS_CODES } from "node:http";
import type { NativeHistogram } from "./counters.ts";

export const kOther = "other";

export function labelLimiter(names: readonly string[], limit: number): (name: string) => string {
  if (names.length <= limit) return (name) => name;
  const kept = new Set(names.slice(0, limit));
  return (name) => (kept.has(name) ? name : kOther);
}

// An upstream may answer with any number: the registered codes keep theirs, others only their class.
export function statusLabel(status: number): string {
  if (STATUS_CODES[status] !== undefined) return String(status);
  return status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : kOther;
}

// As a number, like the access log's; "none" where a call ended without a status.
export function grpcStatusLabel(status: number): string {
  return status < 0 ? "none" : String(status);
}

// Sums the values that ended up under the same labels.
export function mergeBy<Item, Merged>(
  items: Iterable<Item>,
  keyOf: (item: Item) => string,
  merge: (sum: Merged | undefined, item: Item) => Merged,
): Merged[] {
  const merged = new Map<string, Merged>();
  for (const item of items) merged.set(keyOf(item), merge(merged.get(keyOf(item)), item));
  return [...merged.values()];
}

export function addHistograms(a: NativeHistogram | undefined, b: NativeHistogram): NativeHistogram {
  if (a === undefined) return b;
  const counts = b.counts.map((count, index) => count + (a.counts[index] ?? 0));
  return { bounds: b.bounds, counts, sum: a.sum + b.sum };
}
