// SPDX-License-Identifier: Apache-2.0
// The workloads, what is measured in each, and what mango-edge has to reach against the better peer.
import { cpuNanoseconds, memoryBytes } from "../support/proc.ts";
import { holdSessions, runHandshakes, runRate } from "./generator.ts";
import { LARGE_FILE, type Lab, LOAD_CORE, SMALL_FILE } from "./lab.ts";
import type { WorkloadName } from "./options.ts";
import type { RunningProxy } from "./proxy.ts";
import { runWrk } from "./wrk.ts";

export const METRICS = ["cpuUs", "requestsPerSecond", "p50Us", "p99Us", "sessionBytes"] as const;
export type Metric = (typeof METRICS)[number];
export type Sample = Readonly<Partial<Record<Metric, number>>>;

export interface Goal {
  readonly metric: Metric;
  readonly label: string;
  readonly ratio: number; // at most, against the better peer
}

export interface Load {
  readonly seconds: number;
  readonly sessions: number;
  readonly rate: number; // requests per second of the half-load workload
}

export interface Workload {
  readonly name: WorkloadName;
  readonly title: string;
  readonly goal: Goal;
  measure(lab: Lab, proxy: RunningProxy, load: Load): Promise<Sample>;
}

interface Traffic {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
}

const CONNECTIONS = 64;
const LARGE_CONNECTIONS = 16;
const WARM_UP_SECONDS = 1;
const WARM_UP_SESSIONS = 64;

// CPU time of all the proxy's threads over a run. Opening the 64 connections is in it: less than 1% of five seconds.
async function withCpu(proxy: RunningProxy, traffic: () => Promise<Traffic>): Promise<Sample> {
  const before = cpuNanoseconds(proxy.pids);
  const { requests, requestsPerSecond, p50Us, p99Us, errors } = await traffic();
  const spent = cpuNanoseconds(proxy.pids) - before;
  if (errors > 0) throw new Error(`${proxy.name}: ${errors} failed requests`);
  return { cpuUs: spent / 1_000 / requests, requestsPerSecond, p50Us, p99Us };
}

async function keepAlive(
  lab: Lab,
  proxy: RunningProxy,
  load: Load,
  path: string,
  connections: number,
): Promise<Sample> {
  const url = `https://127.0.0.1:${proxy.port}${path}`;
  const run = (seconds: number) =>
    runWrk(lab.processes, LOAD_CORE, lab.clientEnv, { url, connections, seconds });
  await run(WARM_UP_SECONDS);
  return withCpu(proxy, () => run(load.seconds));
}

async function idleMemory(lab: Lab, proxy: RunningProxy, load: Load): Promise<Sample> {
  const release = await holdSessions(lab, proxy.port, WARM_UP_SESSIONS);
  const before = memoryBytes(proxy.pids);
  const releaseAll = await holdSessions(lab, proxy.port, load.sessions);
  const after = memoryBytes(proxy.pids);
  await releaseAll();
  await release();
  return { sessionBytes: (after - before) / load.sessions };
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: "keepalive",
    title: "1 KiB, keep-alive, 64 connections",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.95 },
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, SMALL_FILE.path, CONNECTIONS),
  },
  {
    name: "handshake",
    title: "full handshake, one 1 KiB request",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.85 },
    measure: async (lab, proxy, load) => {
      await runHandshakes(lab, proxy.port, CONNECTIONS, WARM_UP_SECONDS);
      return withCpu(proxy, () => runHandshakes(lab, proxy.port, CONNECTIONS, load.seconds));
    },
  },
  {
    name: "body",
    title: "1 MiB, keep-alive, 16 connections",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.7 },
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, LARGE_FILE.path, LARGE_CONNECTIONS),
  },
  {
    name: "idle",
    title: "idle TLS sessions, after one request",
    goal: { metric: "sessionBytes", label: "memory per session", ratio: 0.7 },
    measure: idleMemory,
  },
  {
    name: "halfload",
    title: "1 KiB at half load, constant rate",
    goal: { metric: "p99Us", label: "p99 latency", ratio: 1 },
    measure: async (lab, proxy, load) => {
      await runRate(lab, proxy.port, CONNECTIONS, WARM_UP_SECONDS, load.rate);
      return withCpu(proxy, () => runRate(lab, proxy.port, CONNECTIONS, load.seconds, load.rate));
    },
  },
];
