// SPDX-License-Identifier: Apache-2.0
// The workloads, what is measured in each, and what mango-edge has to reach against the better peer.
import { join } from "node:path";
import { cpuNanoseconds, memoryBytes } from "../support/proc.ts";
import { holdSessions, runHandshakes, runRate } from "./generator.ts";
import { runH2load } from "./h2load.ts";
import { GRPC_MESSAGE, LARGE_FILE, type Lab, LOAD_CORE, SMALL_FILE } from "./lab.ts";
import type { WorkloadName } from "./options.ts";
import type { RunningProxy } from "./proxy.ts";
import { H2_CONNECTIONS, H2_STREAMS, type Setup } from "./setups.ts";
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
  readonly setup: Setup;
  readonly goal: Goal;
  readonly note?: string; // what a reader of its figures has to know
  measure(lab: Lab, proxy: RunningProxy, load: Load): Promise<Sample>;
}

interface Traffic {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly errors: number;
}

const CONNECTIONS = 64;
const LARGE_CONNECTIONS = 16;
const H2_LOAD = `${H2_CONNECTIONS} x ${H2_STREAMS} streams`;
const WARM_UP_SECONDS = 1;
const WARM_UP_SESSIONS = 64;

export class SpoiledSample extends Error {}

// CPU time of all the proxy's threads over a run. Opening the 64 connections is in it: less than 1% of five seconds.
async function withCpu(proxy: RunningProxy, traffic: () => Promise<Traffic>): Promise<Sample> {
  const before = cpuNanoseconds(proxy.pids);
  const { requests, requestsPerSecond, errors, ...latencies } = await traffic();
  const spent = cpuNanoseconds(proxy.pids) - before;
  if (errors > 0) throw new SpoiledSample(`${proxy.name}: ${errors} failed requests`);
  const { p50Us, p99Us } = latencies;
  const known = { ...(p50Us === undefined ? {} : { p50Us }), ...(p99Us === undefined ? {} : { p99Us }) };
  return { cpuUs: spent / 1_000 / requests, requestsPerSecond, ...known };
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

async function multiplexed(
  lab: Lab,
  proxy: RunningProxy,
  load: Load,
  path: string,
  more: readonly string[] = [],
): Promise<Sample> {
  const url = `https://127.0.0.1:${proxy.port}${path}`;
  const run = (seconds: number) => runH2load(lab.processes, LOAD_CORE, { url, seconds, more });
  await run(WARM_UP_SECONDS);
  return withCpu(proxy, () => run(load.seconds));
}

// A unary call as grpc clients write it.
function unaryCalls(lab: Lab, proxy: RunningProxy, load: Load): Promise<Sample> {
  const fields = ["content-type: application/grpc", "te: trailers"].flatMap((field) => ["-H", field]);
  const message = join(lab.folder, "files", GRPC_MESSAGE.file);
  return multiplexed(lab, proxy, load, GRPC_MESSAGE.path, ["-d", message, ...fields]);
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
    setup: "http1",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.95 },
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, SMALL_FILE.path, CONNECTIONS),
  },
  {
    name: "handshake",
    title: "full handshake, one 1 KiB request",
    setup: "http1",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.85 },
    measure: async (lab, proxy, load) => {
      await runHandshakes(lab, proxy.port, CONNECTIONS, WARM_UP_SECONDS);
      return withCpu(proxy, () => runHandshakes(lab, proxy.port, CONNECTIONS, load.seconds));
    },
  },
  {
    name: "body",
    title: "1 MiB, keep-alive, 16 connections",
    setup: "http1",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.7 },
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, LARGE_FILE.path, LARGE_CONNECTIONS),
  },
  {
    name: "idle",
    title: "idle TLS sessions, after one request",
    setup: "http1",
    goal: { metric: "sessionBytes", label: "memory per session", ratio: 0.7 },
    measure: idleMemory,
  },
  {
    name: "halfload",
    title: "1 KiB at half load, constant rate",
    setup: "http1",
    goal: { metric: "p99Us", label: "p99 latency", ratio: 1 },
    measure: async (lab, proxy, load) => {
      await runRate(lab, proxy.port, CONNECTIONS, WARM_UP_SECONDS, load.rate);
      return withCpu(proxy, () => runRate(lab, proxy.port, CONNECTIONS, load.seconds, load.rate));
    },
  },
  {
    name: "http2",
    title: `1 KiB over HTTP/2, ${H2_LOAD}`,
    setup: "http2",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.8 },
    note: "Upstreams speak HTTP/1.1.",
    measure: (lab, proxy, load) => multiplexed(lab, proxy, load, SMALL_FILE.path),
  },
  {
    name: "http2c",
    title: `1 KiB over HTTP/2 to h2c, ${H2_LOAD}`,
    setup: "http2c",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 0.6 },
    note: "The upstream speaks h2c with mango-edge and HAProxy. nginx has HTTP/1.1 there, since gRPC is the only HTTP/2 that it speaks to an upstream.",
    measure: (lab, proxy, load) => multiplexed(lab, proxy, load, SMALL_FILE.path),
  },
  {
    name: "grpc",
    title: `unary gRPC of 64 bytes, ${H2_LOAD}`,
    setup: "grpc",
    goal: { metric: "cpuUs", label: "CPU per call", ratio: 1 },
    note: "nginx with grpc_pass, the others with an h2c upstream. The upstream is nginx, answering with a message and trailers.",
    measure: unaryCalls,
  },
  {
    name: "tcp",
    title: "TLS to TCP, 1 KiB, 64 connections",
    setup: "tcp",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 1 },
    note: "TLS ends here, what is in it goes on as bytes. HAProxy with mode tcp; Debian's nginx has no stream module of its own.",
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, SMALL_FILE.path, CONNECTIONS),
  },
  {
    name: "tcpbody",
    title: "TLS to TCP, 1 MiB, 16 connections",
    setup: "tcp",
    goal: { metric: "cpuUs", label: "CPU per request", ratio: 1 },
    note: "TLS ends here, what is in it goes on as bytes. HAProxy with mode tcp; Debian's nginx has no stream module of its own.",
    measure: (lab, proxy, load) => keepAlive(lab, proxy, load, LARGE_FILE.path, LARGE_CONNECTIONS),
  },
];
