// SPDX-License-Identifier: Apache-2.0
// npm run bench -- offload: the engines below mango-edge, beside what they replace.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import type { Processes } from "../support/processes.ts";
import { openLab } from "./lab.ts";
import { mangoEdge } from "./mango.ts";
import { nginx } from "./nginx.ts";
import { RECEIVE, SEND } from "./offload_iperf.ts";
import { offloadSyscalls, PROXY } from "./offload_proxy.ts";
import {
  type MeasuredRow,
  type MeasuredVariant,
  type OffloadResults,
  offloadChart,
  offloadMarkdown,
} from "./offload_report.ts";
import type { Bench, Figures, OffloadRow, Variant } from "./offload_row.ts";
import { CONTROL, ECHO } from "./offload_tools.ts";
import type { BenchOptions } from "./options.ts";
import { SpoiledSample } from "./workloads.ts";

export const OFFLOAD_ROWS: readonly OffloadRow[] = [PROXY, ECHO, SEND, RECEIVE, CONTROL];
const ATTEMPTS = 3;

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

// As in the comparison of proxies: a measurement in which a request failed is repeated.
async function figuresOf(bench: Bench, variant: Variant): Promise<Figures> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await variant.measure(bench);
    } catch (error) {
      if (!(error instanceof SpoiledSample) || attempt === ATTEMPTS) throw error;
      progress(`${variant.label}: ${error.message}; measured again`);
    }
  }
}

function print(row: OffloadRow, figures: Figures): string {
  return row.columns
    .filter(({ metric }) => figures[metric] !== undefined)
    .map(({ metric, head, digits }) => `${head} ${figures[metric]?.toFixed(digits)}`)
    .join(", ");
}

// Each round measures every variant, starting with another one, so that slow drift of the machine hits all alike.
async function measureRow(bench: Bench, row: OffloadRow, rounds: number): Promise<MeasuredRow> {
  const why = new Map(row.variants.map((variant) => [variant, variant.missing?.()]));
  const able = row.variants.filter((variant) => why.get(variant) === undefined);
  for (const [variant, reason] of why)
    if (reason !== undefined) progress(`${row.name}: ${variant.label} is left out: ${reason}`);
  const taken = new Map<Variant, Figures[]>(able.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < able.length; turn++) {
      const variant = able[(round + turn) % able.length];
      if (variant === undefined) continue;
      const figures = await figuresOf(bench, variant);
      taken.get(variant)?.push(figures);
      progress(`${row.name} ${round + 1}/${rounds} ${variant.label}: ${print(row, figures)}`);
    }
  }
  const { variants, ...rest } = row;
  const measured = variants.map((variant): MeasuredVariant => {
    const skipped = why.get(variant);
    const { series, label } = variant;
    return { series, label, ...(skipped === undefined ? {} : { skipped }), rounds: taken.get(variant) ?? [] };
  });
  return { row: rest, variants: measured };
}

function save(folder: string, results: OffloadResults): void {
  const files = {
    "offload.json": `${JSON.stringify(results, null, 2)}\n`,
    "offload.md": offloadMarkdown(results),
    "offload.svg": offloadChart(results),
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const names = Object.keys(files).map((name) => join(folder, name));
  progress(`written: ${names.join(", ")}`);
}

export async function offload(options: BenchOptions, processes: Processes): Promise<void> {
  const lab = await openLab(processes);
  const { rounds, seconds, deviceCore } = options;
  const bench: Bench = { lab, seconds, deviceCore: ["taskset", "-c", String(deviceCore)] };
  try {
    if (options.syscalls) {
      process.stdout.write(`${await offloadSyscalls(bench)}\n`);
      return;
    }
    const rows: MeasuredRow[] = [];
    for (const row of OFFLOAD_ROWS.filter(({ name }) => options.offloadRows.includes(name)))
      rows.push(await measureRow(bench, row, rounds));
    const results: OffloadResults = {
      date: new Date().toISOString().slice(0, 16).replace("T", " "),
      machine: `${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, Linux ${release()}`,
      versions: [`nginx ${await nginx.version(lab)}`, `mango-edge ${await mangoEdge.version(lab)}`],
      rounds,
      seconds,
      deviceCore: `core ${deviceCore}`,
      rows,
    };
    save(options.out, results);
    process.stdout.write(`\n${offloadMarkdown(results)}\n`);
  } finally {
    await lab.close();
  }
}
