// SPDX-License-Identifier: Apache-2.0
// What a proxied request costs the proxy when TCP is somebody else's work: mango-edge on both engines beside nginx.
import { cpuNanoseconds, machineBusyNanoseconds } from "../support/proc.ts";
import { LOAD_CORE, SMALL_FILE } from "./lab.ts";
import { startMangoEdge } from "./mango.ts";
import { nginx } from "./nginx.ts";
import { type Device, deviceMissing } from "./offload_device.ts";
import { type Bench, type Figures, type OffloadRow, withDevice } from "./offload_row.ts";
import type { RunningProxy } from "./proxy.ts";
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

async function proxied(bench: Bench, proxy: RunningProxy, device?: Device): Promise<Figures> {
  try {
    return await costOf(bench, proxy, device);
  } finally {
    await proxy.stop();
  }
}

function offloadYaml(device: Device): string {
  return `offload: { engine: device, ipc: { address: "${device.ipc}" } }\n`;
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
  limit: "",
  variants: [
    {
      series: "plain",
      label: "nginx",
      measure: async (bench) => proxied(bench, await nginx.start(bench.lab, "http1")),
    },
    {
      series: "kernel",
      label: "mango-edge, kernel engine",
      measure: async (bench) => proxied(bench, await startMangoEdge(bench.lab, "http1")),
    },
    {
      series: "device",
      label: "mango-edge, device engine",
      missing: () => deviceMissing("grpc"),
      measure: (bench) =>
        withDevice(bench, "grpc", async (device) =>
          proxied(bench, await startMangoEdge(bench.lab, "http1", offloadYaml(device)), device),
        ),
    },
  ],
};
