// SPDX-License-Identifier: Apache-2.0
// Samples of all rounds in, medians and ratios against the better peer out.
import type { ProxyName, WorkloadName } from "./options.ts";
import { median, ratioToBest, reaches } from "./statistics.ts";
import { type Goal, METRICS, type Metric, type Sample, type Workload } from "./workloads.ts";

export interface SampleRecord {
  readonly workload: WorkloadName;
  readonly proxy: ProxyName;
  readonly round: number;
  readonly sample: Sample;
}

export interface Range {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export type Measured = Readonly<Partial<Record<Metric, Range>>>;

export interface Summary {
  readonly workload: WorkloadName;
  readonly title: string;
  readonly goal: Goal;
  readonly note?: string;
  readonly measured: Readonly<Partial<Record<ProxyName, Measured>>>;
  // mango-edge against the better peer; null where either is missing.
  readonly ratios: Readonly<Partial<Record<Metric, number>>>;
  readonly reached: boolean | null; // of the goal
}

const PEERS: readonly ProxyName[] = ["nginx", "haproxy"];
const SUBJECT: ProxyName = "mango-edge";

function range(values: readonly number[]): Range {
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values) };
}

function measure(records: readonly SampleRecord[]): Measured {
  const measured: Partial<Record<Metric, Range>> = {};
  for (const metric of METRICS) {
    const values = records.map((record) => record.sample[metric]).filter((value) => value !== undefined);
    if (values.length > 0) measured[metric] = range(values);
  }
  return measured;
}

function compare(measured: Summary["measured"]): Partial<Record<Metric, number>> {
  const ratios: Partial<Record<Metric, number>> = {};
  for (const metric of METRICS) {
    const subject = measured[SUBJECT]?.[metric]?.median;
    const peers = PEERS.map((peer) => measured[peer]?.[metric]?.median).filter(
      (value) => value !== undefined,
    );
    if (subject === undefined || peers.length === 0) continue;
    ratios[metric] = ratioToBest(subject, peers, metric === "requestsPerSecond" ? "higher" : "lower");
  }
  return ratios;
}

export function summarize(workload: Workload, records: readonly SampleRecord[]): Summary {
  const mine = records.filter((record) => record.workload === workload.name);
  const measured: Partial<Record<ProxyName, Measured>> = {};
  for (const { proxy } of mine) {
    measured[proxy] ??= measure(mine.filter((record) => record.proxy === proxy));
  }
  const ratios = compare(measured);
  const ratio = ratios[workload.goal.metric];
  return {
    workload: workload.name,
    title: workload.title,
    goal: workload.goal,
    ...(workload.note === undefined ? {} : { note: workload.note }),
    measured,
    ratios,
    reached: ratio === undefined ? null : reaches(ratio, workload.goal.ratio),
  };
}
