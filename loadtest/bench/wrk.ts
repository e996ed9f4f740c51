// SPDX-License-Identifier: Apache-2.0
// wrk: a closed-loop HTTP/1.1 generator. One thread, latency distribution on.
import type { Processes } from "../support/processes.ts";

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number; // socket errors and answers that are not 2xx or 3xx
}

export interface WrkRun {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly timeoutSeconds?: number; // an answer that takes longer is an error; wrk's own idea is 2
}

const UNIT_US: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000, m: 60_000_000 };

function duration(text: string, percent: string): number {
  const match = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m) *$`, "m").exec(text);
  if (match === null) throw new Error(`wrk printed no ${percent}% latency:\n${text}`);
  return Number(match[1]) * (UNIT_US[match[2] ?? ""] ?? Number.NaN);
}

function number(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  return match === null ? Number.NaN : Number(match[1]);
}

function countErrors(text: string): number {
  const sockets =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const statuses = number(text, /Non-2xx or 3xx responses: (\d+)/);
  return sockets.reduce((sum, count) => sum + Number(count), 0) + (Number.isNaN(statuses) ? 0 : statuses);
}

export function parseWrk(text: string): WrkResult {
  const requests = number(text, /^\s+(\d+) requests in /m);
  const requestsPerSecond = number(text, /^Requests\/sec:\s+([\d.]+)$/m);
  if (Number.isNaN(requests) || Number.isNaN(requestsPerSecond))
    throw new Error(`wrk printed no total:\n${text}`);
  return {
    requests,
    requestsPerSecond,
    p50Us: duration(text, "50"),
    p99Us: duration(text, "99"),
    errors: countErrors(text),
  };
}

export async function runWrk(
  processes: Processes,
  prefix: readonly string[],
  env: Readonly<Record<string, string>>,
  run: WrkRun,
) {
  const command = [
    ...prefix,
    "wrk",
    "-t1",
    `-c${run.connections}`,
    `-d${run.seconds}s`,
    ...(run.timeoutSeconds === undefined ? [] : ["--timeout", `${run.timeoutSeconds}s`]),
    "--latency",
    run.url,
  ];
  const { code, stdout, stderr } = await processes.run(command, env);
  if (code !== 0) throw new Error(`wrk failed: ${stderr}${stdout}`);
  return parseWrk(stdout);
}
