// SPDX-License-Identifier: Apache-2.0
// What a proxied request costs the proxy when TCP is somebody else's work: mango-edge on both engines beside nginx.
import { cpuNanoseconds, machineBusyNanoseconds } from "../support/proc.ts";
import { LOAD_CORE, SMALL_FILE } from "./lab.ts";
import { startMangoEdge } from "./mango.ts";
import { nginx } from "./nginx.ts";
import { type Device, deviceMissing, startDevice } from "./offload_device.ts";
import type { Bench, Figures, OffloadRow, SeriesName } from "./offload_row.ts";
import type { RunningProxy } from "./proxy.ts";
import { type CallCount, countCalls, table } from "./syscalls.ts";
import { SpoiledSample } from "./workloads.ts";
import { runWrk } from "./wrk.ts";

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 1;

// CPU time in microseconds for one operation: of the proxy, of the device, of the whole machine (load generator,
// upstream and whatever else runs included).
async function costOf(bench: Bench, proxy: RunningProxy, device?: Device): Promise<Figures> {
  const url = `https://127.0.0.1:${proxy.port}${SMALL_FILE.path}`;
  const { processes, clientEnv } = bench.lab;
  const run = (seconds: number) =>
    runWrk(processes, LOAD_CORE, clientEnv, { url, connections: CONNECTIONS, seconds });
  const clocks = () => ({
    hostUs: cpuNanoseconds(proxy.pids) / 1_000,
    deviceUs: device === undefined ? 0 : cpuNanoseconds([device.pid]) / 1_000,
    machineUs: machineBusyNanoseconds() / 1_000,
  });
  await run(WARM_UP_SECONDS);
  const before = clocks();
  const { requests, requestsPerSecond, p50Us, p99Us, errors } = await run(bench.seconds);
  const after = clocks();
  if (errors > 0) throw new SpoiledSample(`${errors} failed requests`);
  const spent = (clock: keyof typeof before) => (after[clock] - before[clock]) / requests;
  return {
    hostUs: spent("hostUs"),
    ...(device === undefined ? {} : { deviceUs: spent("deviceUs") }),
    machineUs: spent("machineUs"),
    requestsPerSecond,
    p50Us,
    p99Us,
  };
}

interface Started {
  readonly proxy: RunningProxy;
  readonly device?: Device;
}

async function startOnDevice(bench: Bench): Promise<Started> {
  const device = await startDevice(bench.lab, "grpc", bench.deviceCore);
  const offload = `offload: { engine: device, ipc: { address: "${device.ipc}" } }\n`;
  return { device, proxy: await startMangoEdge(bench.lab, "http1", offload) };
}

async function stop({ proxy, device }: Started): Promise<void> {
  await proxy.stop();
  await device?.stop();
}

async function measure(bench: Bench, starting: Promise<Started>): Promise<Figures> {
  const started = await starting;
  try {
    return await costOf(bench, started.proxy, started.device);
  } finally {
    await stop(started);
  }
}

interface Engine {
  readonly series: SeriesName;
  readonly label: string;
  missing?(): string | undefined;
  start(bench: Bench): Promise<Started>;
}

const ENGINES: readonly Engine[] = [
  {
    series: "plain",
    label: "nginx",
    start: async ({ lab }) => ({ proxy: await nginx.start(lab, "http1") }),
  },
  {
    series: "kernel",
    label: "mango-edge, kernel engine",
    start: async ({ lab }) => ({ proxy: await startMangoEdge(lab, "http1") }),
  },
  {
    series: "device",
    label: "mango-edge, device engine",
    missing: () => deviceMissing("grpc"),
    start: startOnDevice,
  },
];

// System calls per request, of each proxy and of the device below the last one.
export async function offloadSyscalls(bench: Bench): Promise<string> {
  const counts = new Map<string, readonly CallCount[]>();
  for (const { label, missing, start } of ENGINES) {
    if (missing?.() !== undefined) continue;
    const started = await start(bench);
    const { proxy, device } = started;
    counts.set(label, await countCalls(bench.lab, proxy.port, proxy.workerPid, bench.seconds));
    if (device !== undefined)
      counts.set("its mango-toed", await countCalls(bench.lab, proxy.port, device.pid, bench.seconds));
    await stop(started);
  }
  return table(counts);
}

export const PROXY: OffloadRow = {
  name: "proxy",
  title: "1 KiB over TLS, keep-alive, 64 connections",
  columns: [
    { metric: "hostUs", head: "proxy µs/request", digits: 1 },
    { metric: "deviceUs", head: "device µs/request", digits: 1 },
    { metric: "machineUs", head: "machine µs/request", digits: 1 },
    { metric: "requestsPerSecond", head: "requests/s", digits: 0 },
    { metric: "p50Us", head: "p50 µs", digits: 0 },
    { metric: "p99Us", head: "p99 µs", digits: 0 },
  ],
  better: "lower",
  goal: 0.35,
  limit:
    "User space: HTTP, AES-GCM and cache misses on rings that another core filled. Of system calls 0.4 are left per request (kernel engine 4.5, nginx 7.5); mango-toed makes the four of TCP.",
  variants: ENGINES.map(({ start, ...engine }) => ({
    ...engine,
    measure: (bench) => measure(bench, start(bench)),
  })),
};
