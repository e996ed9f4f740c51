// SPDX-License-Identifier: Apache-2.0
// One thing that is measured of engines. Every row has one of what the engines replace (nginx, plain sockets, plain
// iperf3) in the same rounds, and is told as a ratio to it.
import type { Lab } from "./lab.ts";
import { type Control, type Device, startDevice } from "./offload_device.ts";
import type { OffloadRowName } from "./options.ts";

export const SERIES = ["plain", "kernel", "device", "iceoryx"] as const;
export type SeriesName = (typeof SERIES)[number];

export type Figures = Readonly<Record<string, number>>;

export interface Bench {
  readonly lab: Lab;
  readonly seconds: number;
  readonly deviceCore: readonly string[];
}

export interface Column {
  readonly metric: string;
  readonly head: string;
  readonly digits: number;
}

export interface Variant {
  readonly series: SeriesName;
  readonly label: string;
  missing?(): string | undefined; // why it cannot be measured here
  measure(bench: Bench): Promise<Figures>;
}

export interface OffloadRow {
  readonly name: OffloadRowName;
  readonly title: string;
  readonly columns: readonly Column[]; // the first is compared
  readonly better: "lower" | "higher";
  readonly goal?: number; // of the device, at most, against plain
  readonly limit: string; // what limits it, as perf and strace show
  readonly variants: readonly Variant[];
}

export async function withDevice<T>(
  bench: Bench,
  control: Control,
  use: (device: Device) => Promise<T>,
): Promise<T> {
  const device = await startDevice(bench.lab, control, bench.deviceCore);
  try {
    return await use(device);
  } finally {
    await device.stop();
  }
}
