// SPDX-License-Identifier: Apache-2.0
// iperf3 as it comes, and under the shim (mango-run) on both engines. The server is always plain, on the other core.
import { freePort } from "../support/network.ts";
import { cpuNanoseconds } from "../support/proc.ts";
import { findProgram } from "../support/tools.ts";
import { LOAD_CORE, PROXY_CORE } from "./lab.ts";
import { awaitLine, built, deviceMissing } from "./offload_device.ts";
import { type Bench, type Figures, type OffloadRow, withDevice } from "./offload_row.ts";
import type { OffloadRowName } from "./options.ts";

interface Transfer {
  readonly bytes: number;
  readonly bitsPerSecond: number;
  readonly clientCpuNs: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: {
    readonly sum_received: {
      readonly bytes: number;
      readonly bits_per_second: number;
      readonly seconds: number;
    };
    readonly cpu_utilization_percent: { readonly host_total: number };
  };
}

export function parseIperf(text: string): Transfer {
  const { end, error } = JSON.parse(text) as IperfReport;
  if (end === undefined || error !== undefined) throw new Error(`iperf3: ${error ?? text}`);
  const { bytes, bits_per_second, seconds } = end.sum_received;
  const clientCpuNs = (end.cpu_utilization_percent.host_total / 100) * seconds * 1e9;
  return { bytes, bitsPerSecond: bits_per_second, clientCpuNs };
}

// One stream. `prefix` is mango-run and its options, or nothing; `reverse`: the client receives.
async function runIperf(bench: Bench, reverse: boolean, prefix: readonly string[]): Promise<Transfer> {
  const { processes } = bench.lab;
  const port = String(await freePort());
  const listen = ["iperf3", "-s", "-1", "-p", port, "-B", "127.0.0.1", "--forceflush"];
  const server = processes.converse([...LOAD_CORE, ...listen]);
  try {
    await awaitLine("iperf3 -s", server, /^Server listening/);
    const client = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", String(bench.seconds), "-J"];
    const command = [...PROXY_CORE, ...prefix, ...client, ...(reverse ? ["-R"] : [])];
    const { stdout, stderr } = await processes.run(command);
    if (stdout === "") throw new Error(`iperf3 printed nothing: ${stderr}`);
    return parseIperf(stdout);
  } finally {
    await processes.stop(server);
  }
}

function needs(...programs: readonly string[]): string | undefined {
  const absent = programs.find((name) => findProgram(name) === undefined);
  return absent === undefined ? undefined : `${absent} is missing (package ${absent})`;
}

function shimMissing(): string | undefined {
  return (
    needs("iperf3") ??
    (findProgram("mango-run", built("")) === undefined ? "mango-run is not built" : undefined)
  );
}

function perGigabyte(nanoseconds: number, bytes: number): number {
  return nanoseconds / 1e6 / (bytes / 1e9);
}

async function transfer(
  bench: Bench,
  reverse: boolean,
  prefix: readonly string[],
): Promise<Figures & { bytes: number }> {
  const { bytes, bitsPerSecond, clientCpuNs } = await runIperf(bench, reverse, prefix);
  return { gigabits: bitsPerSecond / 1e9, clientMs: perGigabyte(clientCpuNs, bytes), bytes };
}

function throughput(name: OffloadRowName, title: string, limit: string, reverse: boolean): OffloadRow {
  const shim = (...options: readonly string[]) => [built("mango-run"), ...options, "--"];
  return {
    name,
    title,
    columns: [
      { metric: "gigabits", head: "Gbit/s", digits: 1 },
      { metric: "clientMs", head: "client CPU ms/GB", digits: 0 },
      { metric: "deviceMs", head: "device CPU ms/GB", digits: 0 },
    ],
    better: "higher",
    limit,
    variants: [
      {
        series: "plain",
        label: "iperf3",
        missing: () => needs("iperf3"),
        measure: (bench) => transfer(bench, reverse, []),
      },
      {
        series: "kernel",
        label: "iperf3 under the shim, kernel engine",
        missing: shimMissing,
        measure: (bench) => transfer(bench, reverse, shim("--engine", "kernel")),
      },
      {
        series: "device",
        label: "iperf3 under the shim, device engine",
        missing: () => shimMissing() ?? deviceMissing("grpc"),
        measure: (bench) =>
          withDevice(bench, "grpc", async (device) => {
            const before = cpuNanoseconds([device.pid]);
            const figures = await transfer(bench, reverse, shim("--engine", "device", "--ipc", device.ipc));
            return {
              ...figures,
              deviceMs: perGigabyte(cpuNanoseconds([device.pid]) - before, figures.bytes),
            };
          }),
      },
    ],
  };
}

export const SEND = throughput(
  "send",
  "iperf3, one stream, client sends",
  "The client's copy into the ring (40% of its CPU) and its sleeps while the ring is full (a third); mango-toed copies once more into TCP, on the core that the server needs.",
  false,
);
export const RECEIVE = throughput(
  "receive",
  "iperf3, one stream, client receives",
  "The client's sleeps and wake-ups (half of its CPU; the copy out of the ring is a fifth), and TCP's copy in mango-toed, on the core that the server needs.",
  true,
);
