// SPDX-License-Identifier: Apache-2.0
// Durations and sizes as people write them. The schema has checked the form; here they become numbers.

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

export const MAX_DURATION_MS = 365 * MILLISECONDS.d;
export const MAX_SIZE_BYTES = 1024 * BYTES.GiB;

/** Milliseconds of "10s"; undefined where the text is no duration or longer than a year. */
export function parseDuration(text: string): number | undefined {
  return scale(/^([0-9]{1,12})(ms|s|m|h|d)$/.exec(text), MILLISECONDS, MAX_DURATION_MS);
}

/** Bytes of "16KiB"; undefined where the text is no size or larger than a tebibyte. */
export function parseSize(text: string): number | undefined {
  return scale(/^([0-9]{1,12})(B|KiB|MiB|GiB)$/.exec(text), BYTES, MAX_SIZE_BYTES);
}

function scale(
  match: RegExpExecArray | null,
  units: Readonly<Record<string, number>>,
  limit: number,
): number | undefined {
  if (match === null) return undefined;
  const value = Number(match[1]) * (units[match[2] ?? ""] ?? Number.NaN);
  return value <= limit ? value : undefined;
}

/** For values that validation has accepted. */
export function milliseconds(text: string): number {
  return parseDuration(text) ?? 0;
}

export function bytes(text: string): number {
  return parseSize(text) ?? 0;
}
