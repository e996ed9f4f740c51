// SPDX-License-Identifier: Apache-2.0
// Windows of HTTP/2: RFC 9113 (section 6.9.2) starts a connection's with 65,535 bytes, and 2^31-1 is the largest.
import type { Path } from "../errors.ts";
import { bytes } from "../units.ts";
import type { CheckContext } from "./context.ts";

const SMALLEST = 65_535;
const LARGEST = 2 ** 31 - 1;

export function checkWindows(
  { reporter }: CheckContext,
  path: Path,
  http2: { readonly initialStreamWindowSize: string; readonly initialConnectionWindowSize: string },
): void {
  for (const key of ["initialStreamWindowSize", "initialConnectionWindowSize"] as const) {
    const size = bytes(http2[key]);
    if (size < SMALLEST || size > LARGEST)
      reporter.error([...path, key], `expected a size from ${SMALLEST}B to ${LARGEST}B, such as 64KiB`);
  }
}
