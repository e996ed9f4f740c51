// SPDX-License-Identifier: Apache-2.0
// A metric whose values are read, not kept: prom-client's own Counter and Histogram want to be incremented, the data
// plane has counted already. Same interface for the registry, exact values, one read for a whole scrape.
import type { Metric, MetricType } from "prom-client";
import type { NativeHistogram } from "./counters.ts";

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: NativeHistogram;
}

interface PromValue {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

export interface MetricFacts {
  readonly name: string;
  readonly help: string;
}

export function sampledMetric(
  type: "counter" | "gauge",
  facts: MetricFacts,
  read: () => readonly Sample[],
): Metric {
  return asMetric(type, facts, read);
}

export function histogramMetric(facts: MetricFacts, read: () => readonly HistogramSample[]): Metric {
  return asMetric("histogram", facts, () => read().flatMap((sample) => toBuckets(facts.name, sample)));
}

// Native buckets are separate counts; Prometheus wants them cumulative, ending in +Inf, with _sum and _count.
function toBuckets(name: string, { labels, histogram }: HistogramSample): readonly PromValue[] {
  const values: PromValue[] = [];
  let total = 0;
  for (const [index, count] of histogram.counts.entries()) {
    total += count;
    const bound = histogram.bounds[index];
    values.push({
      metricName: `${name}_bucket`,
      labels: { le: bound === undefined ? "+Inf" : String(bound), ...labels },
      value: total,
    });
  }
  values.push({ metricName: `${name}_sum`, labels, value: histogram.sum });
  values.push({ metricName: `${name}_count`, labels, value: total });
  return values;
}

// prom-client's registry asks a metric for its name and get(); its TypeScript type only knows its own classes.
function asMetric(
  type: "counter" | "gauge" | "histogram",
  facts: MetricFacts,
  read: () => readonly PromValue[],
): Metric {
  const metric = {
    ...facts,
    type: type as unknown as MetricType,
    aggregator: "sum",
    labelNames: [],
    reset: () => undefined,
    get: async () => ({ ...facts, type, aggregator: "sum", values: read() }),
  };
  return metric as unknown as Metric;
}
