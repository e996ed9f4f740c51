// SPDX-License-Identifier: Apache-2.0
// h2load (nghttp2): a closed-loop HTTP/2 generator. One thread. It has no percentiles, only extremes and a mean, which a
// few slow requests of its own start spoil: latency is left to the HTTP/1.1 workloads.
import type { Processes } from "../support/processes.ts";
import { H2_CONNECTIONS, H2_STREAMS } from "./setups.ts";

export interface H2loadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly errors: number; // failed, errored, timed out, or not answered with 2xx
}

export interface H2loadRun {
  readonly url: string;
  readonly seconds: number;
  readonly connections?: number;
  readonly streams?: number; // on each
  readonly more?: readonly string[]; // method, content, fields
}

function numbers(text: string, pattern: RegExp): readonly number[] {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`h2load printed no totals:\n${text}`);
  return match.slice(1).map(Number);
}

// Requests that were under way when time was up count neither as done nor as failed.
export function parseH2load(text: string): H2loadResult {
  const [requestsPerSecond = 0] = numbers(text, /^finished in .*, ([\d.]+) req\/s/m);
  const [done = 0, failed = 0, errored = 0, timeout = 0] = numbers(
    text,
    /^requests: .* (\d+) done, .* (\d+) failed, (\d+) errored, (\d+) timeout$/m,
  );
  const [succeeded = 0] = numbers(text, /^status codes: (\d+) 2xx/m);
  const errors = Math.max(failed, done - succeeded) + errored + timeout;
  return { requests: done, requestsPerSecond, errors };
}

// What no proxy under comparison may choose differently. h2load brings its own lists, so OPENSSL_CONF is not enough.
const TLS = ["--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519", "--npn-list=h2"];

export async function runH2load(
  processes: Processes,
  prefix: readonly string[],
  { url, seconds, connections = H2_CONNECTIONS, streams = H2_STREAMS, more = [] }: H2loadRun,
): Promise<H2loadResult> {
  const load = [`-c${connections}`, `-m${streams}`, `-D${seconds}`];
  const { code, stdout, stderr } = await processes.run([
    ...prefix,
    "h2load",
    "-t1",
    ...TLS,
    ...load,
    ...more,
    url,
  ]);
  if (code !== 0) throw new Error(`h2load failed: ${stderr}${stdout}`);
  if (!stdout.includes("Application protocol: h2\n"))
    throw new Error(`h2load did not get HTTP/2:\n${stdout}`);
  return parseH2load(stdout);
}
