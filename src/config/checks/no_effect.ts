// SPDX-License-Identifier: Apache-2.0
// Settings that would do nothing where they stand. They are errors, for whoever wrote them expects something; only
// what the file itself says counts, not what `defaults` or the schema fill in.
import type { Path } from "../errors.ts";
import type { CheckContext } from "./context.ts";

/** `keys` are dotted paths below `path`. */
export function refuseWritten(
  { reporter }: CheckContext,
  path: Path,
  keys: readonly string[],
  because: string,
): void {
  for (const key of keys) {
    const at = [...path, ...key.split(".")];
    if (reporter.written(at)) reporter.error(at, `${key} has no effect ${because}`, { at: "key" });
  }
}
