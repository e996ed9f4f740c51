// SPDX-License-Identifier: Apache-2.0
// Durations and sizes of the right form that are still too large to mean anything.
import type { Path } from "../errors.ts";
import type { Reporter } from "../reporter.ts";
import type { JsonSchema } from "../schema/derive.ts";
import { DURATION_PATTERN, SIZE_PATTERN } from "../schema/scalars.ts";
import { parseDuration, parseSize } from "../units.ts";

/** `value` need not have the schema's shape: what does not fit was reported before. */
export function checkQuantities(value: unknown, schema: JsonSchema, path: Path, reporter: Reporter): void {
  if (typeof value === "string") return checkScalar(value, schema, path, reporter);
  if (typeof value !== "object" || value === null) return;
  for (const branch of (schema["anyOf"] as JsonSchema[] | undefined) ?? [])
    checkQuantities(value, branch, path, reporter);
  const [named] = Object.values(schema.patternProperties ?? {});
  for (const [key, child] of Object.entries(value)) {
    const inner = Array.isArray(value) ? schema.items : (schema.properties?.[key] ?? named);
    if (inner !== undefined)
      checkQuantities(child, inner, [...path, Array.isArray(value) ? Number(key) : key], reporter);
  }
}

function checkScalar(value: string, schema: JsonSchema, path: Path, reporter: Reporter): void {
  const pattern = schema["pattern"];
  if (
    pattern === DURATION_PATTERN &&
    new RegExp(DURATION_PATTERN).test(value) &&
    parseDuration(value) === undefined
  ) {
    reporter.error(path, "expected a duration of at most a year");
  }
  if (pattern === SIZE_PATTERN && new RegExp(SIZE_PATTERN).test(value) && parseSize(value) === undefined) {
    reporter.error(path, "expected a size of at most 1024GiB");
  }
}
