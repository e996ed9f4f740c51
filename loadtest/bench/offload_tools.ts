// SPDX-License-Identifier: Apache-2.0
// Our own measuring programs (native/bench) on every engine: a round trip, and control operations. The client is on the
// proxy's core, its peer on the other one, and the peer is always on plain sockets.
import { existsSync } from "node:fs";
import { cpuNanoseconds } from "../support/proc.ts";
import { type Lab, LOAD_CORE, PROXY_CORE } from "./lab.ts";
import { awaitLine, built, type Control, deviceMissing } from "./offload_device.ts";
import { type Column, type OffloadRow, type SeriesName, type Variant, withDevice } from "./offload_row.ts";

type Tool = "echo" | "control";

// What native/bench/run.cpp prints.
interface ToolResult {
  readonly operations: number;
  readonly operationsWithWarmUp: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number; // of the client, for one operation
}

// engine: "sockets", "kernel" or the IPC path of a device. The peer lives until the run is over.
async function runTool(lab: Lab, tool: Tool, engine: string, seconds: number): Promise<ToolResult> {
  const peer = lab.processes.converse([...LOAD_CORE, built("mango-bench-peer")]);
  try {
    const [port] = await awaitLine("mango-bench-peer", peer, /^\d+$/);
    const client = [built(`mango-bench-${tool}`), engine, `127.0.0.1:${port}`, String(seconds)];
    const { code, stdout, stderr } = await lab.processes.run([...PROXY_CORE, ...client]);
    if (code !== 0) throw new Error(`${tool} on ${engine}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as ToolResult;
  } finally {
    await lab.processes.stop(peer);
  }
}

function toolMissing(tool: Tool): string | undefined {
  return existsSync(built(`mango-bench-${tool}`)) ? undefined : `mango-bench-${tool} is not built`;
}

// One of our own programs, on everything.
function toolVariants(tool: Tool): readonly Variant[] {
  const onDevice = (series: SeriesName, control: Control, label: string): Variant => ({
    series,
    label,
    missing: () => toolMissing(tool) ?? deviceMissing(control),
    measure: (bench) =>
      withDevice(bench, control, async (device) => {
        const before = cpuNanoseconds([device.pid]);
        const result = await runTool(bench.lab, tool, device.ipc, bench.seconds);
        const spent = cpuNanoseconds([device.pid]) - before;
        return { ...result, deviceUs: spent / 1_000 / result.operationsWithWarmUp };
      }),
  });
  const here = (series: SeriesName, engine: string, label: string): Variant => ({
    series,
    label,
    missing: () => toolMissing(tool),
    measure: async (bench) => ({ ...(await runTool(bench.lab, tool, engine, bench.seconds)) }),
  });
  return [
    here("plain", "sockets", "plain sockets"),
    here("kernel", "kernel", "libmango, kernel engine"),
    onDevice("device", "grpc", "libmango, device, gRPC"),
    onDevice("iceoryx", "iceoryx", "libmango, device, iceoryx"),
  ];
}

const P50: Column = { metric: "p50Us", head: "p50 µs", digits: 1 };
const P99: Column = { metric: "p99Us", head: "p99 µs", digits: 1 };
const RATE: Column = { metric: "perSecond", head: "per second", digits: 0 };
const COSTS: readonly Column[] = [
  { metric: "cpuUs", head: "client CPU µs", digits: 1 },
  { metric: "deviceUs", head: "device CPU µs", digits: 1 },
];

export const ECHO: OffloadRow = {
  name: "echo",
  title: "round trip of 64 bytes, one connection",
  columns: [P50, P99, RATE, ...COSTS],
  better: "lower",
  limit:
    "Waking a thread that sleeps on another core: on plain sockets 60% of the client's CPU are wake-ups and falling asleep, and mango-toed stands in between as one more thread. Control has no part in it: no message is sent.",
  variants: toolVariants("echo"),
};

export const CONTROL: OffloadRow = {
  name: "control",
  title: "connect and close, one after the other",
  columns: [RATE, P50, P99, ...COSTS],
  better: "higher",
  limit:
    "Handing over between threads: a session takes a request over the link and two messages over the channel, each a sleep and a wake-up on both sides; a third of the client's CPU is that, and inside mango-toed gRPC's own threads hand every message on once more.",
  variants: toolVariants("control"),
};
