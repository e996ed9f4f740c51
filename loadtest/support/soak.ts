// SPDX-License-Identifier: Apache-2.0
// The soak: HTTP/2 and HTTP/1.1 load as hard as it goes, while an operator's `mango-edge reload` swaps in a changed
// configuration every second. Not a k6 scenario: its question is what becomes of the process, and h2load and wrk press
// harder than k6 can. Judged: every exchange, the sessions left over, and whether memory grows.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type H2loadResult, runH2load } from "../bench/h2load.ts";
import { runWrk, type WrkResult } from "../bench/wrk.ts";
import { REPOSITORY } from "./edge.ts";
import type { Instance } from "./instance.ts";
import { waitUntil } from "./network.ts";
import { residentBytes } from "./proc.ts";
import type { Processes } from "./processes.ts";

export const SOAK_TOOLS = ["h2load", "wrk"] as const;
export const SOAK_SECONDS = 120;

const RELOAD_MS = 1_000;
const SECONDS_A_RELOAD = 10; // at the very least: each starts a program on a machine that is busy by intention
// Fewer at once than in the bench: Node's upstream accepts one connection for each turn of its loop, however many
// requests that turn has, so hundreds of busy connections would keep new ones waiting for seconds.
const H2_CONNECTIONS = 8;
const H2_STREAMS = 8;
const WRK_CONNECTIONS = 32;
const TIMEOUT_SECONDS = 20; // two generators, the proxy and the service share the machine: slow is not failed
const PATHS = ["/", "/bytes/100000", "/delay/20"]; // small, many frames, many at once
// What a process of two garbage collectors may drift without leaking: a leak of a session or a snapshot for each reload
// or request shows many times over.
const GROWTH = 1.1;
const SLACK_BYTES = 8 * 1024 * 1024;

export interface SoakReport {
  readonly http2: H2loadResult;
  readonly http1: WrkResult;
  readonly reloads: number;
  readonly refused: readonly string[]; // what `mango-edge reload` said
  readonly sessionsLeft: number;
  readonly memory: readonly number[]; // resident bytes, a sample for each reload
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function thirds(samples: readonly number[]): { readonly first: number; readonly last: number } {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return { first: mean(samples.slice(0, third)), last: mean(samples.slice(-third)) };
}

// What went wrong, in words; nothing if nothing did.
export function judgeSoak(report: SoakReport, seconds: number): readonly string[] {
  const { http2, http1, reloads, refused, sessionsLeft, memory } = report;
  const { first, last } = thirds(memory);
  const findings: readonly (readonly [boolean, string])[] = [
    [
      http2.requests === 0 || http2.errors > 0,
      `HTTP/2: ${http2.errors} of ${http2.requests} exchanges failed`,
    ],
    [
      http1.requests === 0 || http1.errors > 0,
      `HTTP/1.1: ${http1.errors} of ${http1.requests} exchanges failed`,
    ],
    [refused.length > 0, `${refused.length} reloads failed: ${refused[0]}`],
    [reloads < seconds / SECONDS_A_RELOAD, `only ${reloads} reloads in ${seconds} s`],
    [sessionsLeft > 0, `${sessionsLeft} sessions are left over`],
    [last > first * GROWTH + SLACK_BYTES, "memory grows"],
  ];
  return findings.filter(([wrong]) => wrong).map(([, what]) => what);
}

export function describeSoak({ http2, http1, reloads, sessionsLeft, memory }: SoakReport): string {
  const { first, last } = thirds(memory);
  const mebibytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(1);
  return [
    `  HTTP/2    ${http2.requests} exchanges, ${http2.errors} failed`,
    `  HTTP/1.1  ${http1.requests} exchanges, ${http1.errors} failed`,
    `  reloads   ${reloads}`,
    `  sessions  ${sessionsLeft} left over`,
    `  memory    ${mebibytes(first)} MiB in the first third, ${mebibytes(last)} MiB in the last`,
  ].join("\n");
}

// One reload a second, or as fast as the busy machine takes them; ends with the load.
async function keepReloading(processes: Processes, instance: Instance, running: () => boolean) {
  const command = [
    process.execPath,
    join(REPOSITORY, "src/cli/main.ts"),
    "reload",
    "--admin",
    instance.admin,
  ];
  const memory: number[] = [];
  const refused: string[] = [];
  let reloads = 0;
  while (running()) {
    const pause = sleep(RELOAD_MS);
    instance.rewrite();
    const { code, stdout, stderr } = await processes.run(command);
    if (code === 0) reloads += 1;
    else refused.push(`${stdout}${stderr}`.trim());
    memory.push(residentBytes(instance.pid));
    await pause;
  }
  return { reloads, refused, memory };
}

async function countSessions(instance: Instance): Promise<number> {
  const response = await fetch(`${instance.admin}/v1/sessions?limit=1000`);
  const { sessions } = (await response.json()) as { sessions: readonly unknown[] };
  return sessions.length;
}

// Clients have left by now, but their FINs may be under way.
async function sessionsLeft(instance: Instance): Promise<number> {
  let left = 0;
  const gone = async () => {
    left = await countSessions(instance);
    return left === 0;
  };
  await waitUntil(gone, () => true);
  return left;
}

export async function soak(processes: Processes, instance: Instance, seconds: number): Promise<SoakReport> {
  const url = `https://localhost:${instance.port}`;
  let running = true;
  const load = Promise.all([
    runH2load(processes, [], {
      url: `${url}${PATHS[0]}`,
      seconds,
      connections: H2_CONNECTIONS,
      streams: H2_STREAMS,
      more: PATHS.slice(1).map((path) => url + path),
    }),
    runWrk(
      processes,
      [],
      {},
      { url: `${url}/`, connections: WRK_CONNECTIONS, seconds, timeoutSeconds: TIMEOUT_SECONDS },
    ),
  ]).finally(() => {
    running = false;
  });
  const [[http2, http1], reloading] = await Promise.all([
    load,
    keepReloading(processes, instance, () => running),
  ]);
  return { http2, http1, ...reloading, sessionsLeft: await sessionsLeft(instance) };
}
