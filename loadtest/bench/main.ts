// SPDX-License-Identifier: Apache-2.0
// npm run bench: see options.ts for what it takes, workloads.ts for what it measures, lab.ts for the set-up.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createProcesses, onInterrupt, type Processes } from "../support/processes.ts";
import { EXIT_MISSING_TOOL, missingPackages } from "../support/tools.ts";
import { chart } from "./chart.ts";
import { describe } from "./environment.ts";
import { buildGenerator } from "./generator.ts";
import { haproxy } from "./haproxy.ts";
import { hostileTable } from "./hostile.ts";
import { type Lab, openLab } from "./lab.ts";
import { mangoEdge } from "./mango.ts";
import { nginx } from "./nginx.ts";
import { offload } from "./offload.ts";
import { type BenchOptions, HELP, parseOptions, UsageError } from "./options.ts";
import type { Contender } from "./proxy.ts";
import { markdown, type Results } from "./report.ts";
import { median } from "./statistics.ts";
import { type SampleRecord, summarize } from "./summary.ts";
import { syscallTable } from "./syscalls.ts";
import { type Load, type Sample, SpoiledSample, WORKLOADS, type Workload } from "./workloads.ts";

const PROXIES: readonly Contender[] = [nginx, haproxy, mangoEdge];
const EXIT_USAGE = 2;
const ATTEMPTS = 3;

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function toolsOf(options: BenchOptions): readonly string[] {
  const strace = options.syscalls ? ["strace"] : [];
  if (options.suite === "offload") return ["nginx", "taskset", "openssl", "wrk", ...strace];
  return ["nginx", "haproxy", "taskset", "openssl", "wrk", "h2load", "c++", ...strace];
}

function requireTools(options: BenchOptions): boolean {
  const command = missingPackages(toolsOf(options));
  if (command === undefined) return true;
  progress(`programs are missing:\n\n  ${command}\n`);
  return false;
}

// A measurement in which a request failed says nothing, and is repeated; what fails every time ends the bench.
async function sampleOf(lab: Lab, proxy: Contender, workload: Workload, load: Load): Promise<Sample> {
  for (let attempt = 1; ; attempt++) {
    const running = await proxy.start(lab, workload.setup);
    try {
      return await workload.measure(lab, running, load);
    } catch (error) {
      if (!(error instanceof SpoiledSample) || attempt === ATTEMPTS) throw error;
      progress(`${workload.name}: ${error.message}; measured again`);
    } finally {
      await running.stop();
    }
  }
}

// Each round measures every proxy, starting with another one, so that slow drift of the machine hits all alike.
async function measure(
  lab: Lab,
  options: BenchOptions,
  proxies: readonly Contender[],
  workload: Workload,
  load: Load,
) {
  const records: SampleRecord[] = [];
  const able = proxies.filter((proxy) => proxy.setups.includes(workload.setup));
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < able.length; turn++) {
      const proxy = able[(round + turn) % able.length];
      if (proxy === undefined) continue;
      const sample = await sampleOf(lab, proxy, workload, load);
      records.push({ workload: workload.name, proxy: proxy.name, round, sample });
      progress(`${workload.name} ${round + 1}/${options.rounds} ${proxy.name}: ${print(sample)}`);
    }
  }
  return records;
}

function print(sample: object): string {
  return Object.entries(sample)
    .map(([metric, value]) => `${metric} ${Number(value).toFixed(1)}`)
    .join(", ");
}

// Half of what the slowest proxy can do, the same for all: at its own half a faster proxy would be punished.
function halfRate(records: readonly SampleRecord[], proxies: readonly Contender[]): number {
  const capacities = proxies.map(({ name }) =>
    median(
      records.filter((record) => record.proxy === name).map((record) => record.sample.requestsPerSecond ?? 0),
    ),
  );
  return Math.round(Math.min(...capacities) / 2);
}

async function capacity(
  lab: Lab,
  options: BenchOptions,
  proxies: readonly Contender[],
  records: readonly SampleRecord[],
) {
  const known = records.filter((record) => record.workload === "keepalive");
  if (known.length > 0) return halfRate(known, proxies);
  const keepAlive = WORKLOADS.find((workload) => workload.name === "keepalive");
  if (keepAlive === undefined) throw new Error("no keep-alive workload");
  const load = { seconds: options.seconds, sessions: 0, rate: 0 };
  return halfRate(await measure(lab, { ...options, rounds: 1 }, proxies, keepAlive, load), proxies);
}

async function compare(lab: Lab, options: BenchOptions, proxies: readonly Contender[]): Promise<Results> {
  const environment = await describe(lab, proxies);
  const workloads = WORKLOADS.filter((workload) => options.workloads.includes(workload.name));
  const records: SampleRecord[] = [];
  let rate: number | null = null;
  for (const workload of workloads) {
    if (workload.name === "halfload") rate = await capacity(lab, options, proxies, records);
    const load = { seconds: options.seconds, sessions: options.sessions, rate: rate ?? 0 };
    records.push(...(await measure(lab, options, proxies, workload, load)));
  }
  const { rounds, seconds, sessions } = options;
  const summaries = workloads.map((workload) => summarize(workload, records));
  return { environment, rounds, seconds, sessions, halfLoadRate: rate, summaries };
}

function save(folder: string, results: Results): void {
  const { cpu, kernel, date } = results.environment;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(folder, "results.md"), markdown(results));
  writeFileSync(
    join(folder, "chart.svg"),
    chart(results.summaries, `${cpu}, Linux ${kernel}, ${date}, ${results.rounds} rounds`),
  );
}

async function bench(options: BenchOptions, processes: Processes): Promise<void> {
  const lab = await openLab(processes);
  try {
    const proxies = PROXIES.filter((proxy) => options.proxies.includes(proxy.name));
    if (options.syscalls) {
      process.stdout.write(`${await syscallTable(lab, proxies, options.seconds)}\n`);
      return;
    }
    if (options.hostile) {
      process.stdout.write(`${await hostileTable(lab, proxies, options.seconds)}\n`);
      return;
    }
    await buildGenerator(processes);
    const results = await compare(lab, options, proxies);
    save(options.out, results);
    process.stdout.write(`\n${markdown(results)}\n`);
    progress(
      `written: ${["results.md", "results.json", "chart.svg"].map((name) => join(options.out, name)).join(", ")}`,
    );
  } finally {
    await lab.close();
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!requireTools(options)) return EXIT_MISSING_TOOL;
  const processes = createProcesses();
  onInterrupt(() => processes.stopAll());
  await (options.suite === "offload" ? offload(options, processes) : bench(options, processes));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
}
