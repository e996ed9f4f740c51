// SPDX-License-Identifier: Apache-2.0
// The offload device: whether it is there, how often it was reset, and what it counts itself, where it is a process
// of its own that can be asked.
import type { Metric } from "prom-client";
import { type Sample, sampledMetric } from "./native_metric.ts";

export interface DeviceFigures {
  readonly state: string;
  readonly resets: number;
  readonly lostListeners: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
}

export function createDeviceMetrics(read: () => DeviceFigures | null): Metric[] {
  const define =
    (type: "counter" | "gauge") =>
    (name: string, help: string, pick: (device: DeviceFigures) => readonly Sample[]): Metric =>
      sampledMetric(type, { name, help }, () => {
        const device = read();
        return device === null ? [] : pick(device);
      });
  const [counter, gauge] = [define("counter"), define("gauge")];
  return [
    gauge("mango_device_up", "1 while the offload device carries sessions, 0 while it is away.", (d) =>
      one(d.state === "ready" ? 1 : 0),
    ),
    counter("mango_device_resets_total", "Times all sessions of the device were lost.", (d) => one(d.resets)),
    gauge("mango_device_listeners_lost", "Listeners that wait for the device to come back.", (d) =>
      one(d.lostListeners.length),
    ),
    gauge("mango_device_sessions", "Sessions open in the device, of all its clients.", (d) =>
      field(d, "sessions.open"),
    ),
    gauge("mango_device_clients", "Processes that use the device.", (d) => field(d, "clients.open")),
    counter("mango_device_received_bytes_total", "Bytes the device received.", (d) =>
      field(d, "counters.rx_bytes"),
    ),
    counter("mango_device_sent_bytes_total", "Bytes the device sent.", (d) => field(d, "counters.tx_bytes")),
    counter("mango_device_operations_total", "What the device did, by kind.", operations),
  ];
}

const kCounters = "counters.";
const kBytes = /_bytes$/;

function operations({ fields }: DeviceFigures): readonly Sample[] {
  return Object.entries(fields)
    .filter(([name]) => name.startsWith(kCounters) && !kBytes.test(name))
    .map(([name, text]) => ({ labels: { operation: name.slice(kCounters.length) }, value: Number(text) }));
}

function field({ fields }: DeviceFigures, name: string): readonly Sample[] {
  const text = fields[name];
  return text === undefined ? [] : one(Number(text));
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
