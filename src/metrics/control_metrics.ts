// SPDX-License-Identifier: Apache-2.0
// What the control plane knows by itself: which build runs, whether the last reload worked, when certificates end.
import type { Metric } from "prom-client";
import { type Sample, sampledMetric } from "./native_metric.ts";

export interface ControlFacts {
  readonly build: Readonly<Record<"version" | "node" | "openssl" | "engine", string>>;
  readonly generation: number;
  readonly ready: boolean;
  readonly reloads: {
    readonly ok: number;
    readonly failed: number;
    readonly lastOk: boolean;
    readonly lastOkMs: number;
  };
  readonly certificates: readonly { readonly name: string; readonly notAfterMs: number }[];
  readonly bans: readonly { readonly by: string }[];
  readonly bansTotal: number;
  readonly unresolvedNames: number;
}

type Define = (name: string, help: string, pick: (facts: ControlFacts) => readonly Sample[]) => Metric;

export function createControlMetrics(read: () => ControlFacts): Metric[] {
  const define =
    (type: "counter" | "gauge"): Define =>
    (name, help, pick) =>
      sampledMetric(type, { name, help }, () => pick(read()));
  return [
    ...configMetrics(define("counter"), define("gauge")),
    ...banMetrics(define("counter"), define("gauge")),
  ];
}

function configMetrics(counter: Define, gauge: Define): Metric[] {
  return [
    gauge("mango_build_info", "Always 1; the labels say what runs.", ({ build }) => [
      { labels: build, value: 1 },
    ]),
    gauge("mango_ready", "1 while the listeners accept, 0 before and while draining.", ({ ready }) =>
      one(ready ? 1 : 0),
    ),
    gauge("mango_config_generation", "Grows by one with each applied configuration.", (f) =>
      one(f.generation),
    ),
    counter("mango_config_reloads_total", "Configuration changes tried, by result.", ({ reloads }) => [
      { labels: { result: "ok" }, value: reloads.ok },
      { labels: { result: "failed" }, value: reloads.failed },
    ]),
    gauge(
      "mango_config_last_reload_successful",
      "1 if the last change was applied, 0 if it was refused.",
      (f) => one(f.reloads.lastOk ? 1 : 0),
    ),
    gauge(
      "mango_config_last_reload_success_timestamp_seconds",
      "When a configuration was last applied.",
      (f) => one(f.reloads.lastOkMs / 1000),
    ),
    gauge("mango_certificate_expiry_timestamp_seconds", "When a certificate ends.", ({ certificates }) =>
      certificates.map(({ name, notAfterMs }) => ({
        labels: { certificate: name },
        value: notAfterMs / 1000,
      })),
    ),
  ];
}

function banMetrics(counter: Define, gauge: Define): Metric[] {
  return [
    gauge("mango_bans_active", "Bans in force, by what they match.", ({ bans }) =>
      ["client", "sni", "route"].map((by) => ({
        labels: { by },
        value: bans.filter((ban) => ban.by === by).length,
      })),
    ),
    counter("mango_bans_total", "Bans that escalation imposed.", (f) => one(f.bansTotal)),
    gauge("mango_upstream_names_unresolved", "Upstream names whose last resolution failed.", (f) =>
      one(f.unresolvedNames),
    ),
  ];
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
