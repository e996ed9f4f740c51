// SPDX-License-Identifier: Apache-2.0
// The one registry behind /metrics: data plane, control plane, process. The data plane is asked once for each scrape.
import { collectDefaultMetrics, Registry } from "prom-client";
import { type ControlFacts, createControlMetrics } from "./control_metrics.ts";
import type { Counters } from "./counters.ts";
import { createDataPlaneMetrics } from "./data_plane_metrics.ts";
import { createDeviceMetrics, type DeviceFigures } from "./device_metrics.ts";

export interface MetricsSource {
  counters(): Counters | null; // null: the data plane is not running
  facts(): ControlFacts;
  device(): Promise<DeviceFigures | null>; // null: no data plane
}

export interface MetricsOptions {
  readonly source: MetricsSource;
  readonly maxRoutes?: number;
  readonly maxServers?: number;
}

export interface Metrics {
  readonly contentType: string;
  scrape(): Promise<string>;
}

// Gauges that prom-client names *_total, which promtool rightly refuses; the same figures stay under
// nodejs_active_resources, _handles and _requests, by type.
const kMisnamed = [
  "nodejs_active_resources_total",
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
];

export function createMetrics({ source, maxRoutes = 100, maxServers = 100 }: MetricsOptions): Metrics {
  const registry = new Registry();
  let counters: Counters | null = null;
  let device: DeviceFigures | null = null;
  for (const metric of createDataPlaneMetrics({ read: () => counters, maxRoutes, maxServers })) {
    registry.registerMetric(metric);
  }
  for (const metric of createDeviceMetrics(() => device)) registry.registerMetric(metric);
  for (const metric of createControlMetrics(() => source.facts())) registry.registerMetric(metric);
  // The default of 10 ms would wake an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 500 });
  for (const name of kMisnamed) registry.removeSingleMetric(name);

  return {
    contentType: registry.contentType,
    async scrape() {
      device = await source.device();
      counters = source.counters();
      return registry.metrics();
    },
  };
}
