// SPDX-License-Identifier: Apache-2.0
// The command line of `npm run conformance`.
import { parseArgs } from "node:util";
import type { Target } from "./h2spec.ts";

export interface ConformanceOptions {
  readonly help: boolean;
  readonly target: Target | undefined; // undefined: start our own
}

export class UsageError extends Error {}

export const HELP = `npm run conformance -- [options]

Runs all cases of h2spec, strict ones included, against HTTP/2 of a mango-edge started for it: over TLS, then in the
clear. h2spec comes from PATH or H2SPEC, else Go builds the pinned version.

  --target URL   another server instead, e.g. https://localhost:8443
  --help         this text

Exit code: 0 all cases passed, 1 some did not, 2 h2spec is missing or the command line is wrong.
`;

function readTarget(text: string | undefined): Target | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError("--target: expected a URL such as https://localhost:8443");
  const tls = url.protocol === "https:";
  return { host: url.hostname, port: Number(url.port || (tls ? 443 : 80)), tls };
}

export function parseConformanceOptions(args: readonly string[]): ConformanceOptions {
  const options = { help: { type: "boolean", short: "h" }, target: { type: "string" } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    return { help: values.help === true, target: readTarget(values.target) };
  } catch (error) {
    throw error instanceof UsageError
      ? error
      : new UsageError(error instanceof Error ? error.message : String(error));
  }
}
