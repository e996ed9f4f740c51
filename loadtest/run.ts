// SPDX-License-Identifier: Apache-2.0
// npm run loadtest: starts what a scenario needs, lets k6 judge, adds what k6 cannot see: slow clients, a clean end, the
// soak.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { type Instance, LONGEST_SLOW_CLIENT_MS, startInstance } from "./support/instance.ts";
import { findK6, HOW_TO_GET_K6, listScenarios, type Scenario } from "./support/k6.ts";
import { createProcesses, onInterrupt, type Processes } from "./support/processes.ts";
import { help, parseRunOptions, type RunOptions, SOAK, UsageError } from "./support/run_options.ts";
import { type SlowClients, startSlowClients } from "./support/slow_clients.ts";
import { describeSoak, judgeSoak, SOAK_TOOLS, soak } from "./support/soak.ts";
import { EXIT_MISSING_TOOL, missingPackages } from "./support/tools.ts";

const EXIT_USAGE = 2;
const EXIT_MISBEHAVED = 1;
const DEFAULT_ADMIN = "http://127.0.0.1:9901";

// These need HTTP/2. All others stay with HTTP/1.1, which is what they have always measured.
const OVER_HTTP2: readonly string[] = ["http2", "grpc"];
// The configuration changes under these.
const RELOADING: readonly string[] = ["soak_reloads", "websocket"];

type Load = (env: Record<string, string>) => Promise<number>;

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

function environment(options: RunOptions, instance: Instance | undefined): Record<string, string> {
  return {
    ...options.env,
    TARGET: options.target ?? `https://${instance?.host}:${instance?.port}`,
    ADMIN: options.admin ?? instance?.admin ?? DEFAULT_ADMIN,
    ADMIN_TOKEN: process.env["MANGO_ADMIN_TOKEN"] ?? "",
    OWN: instance === undefined ? "0" : "1",
    K6_NO_USAGE_REPORT: "true",
    ...(OVER_HTTP2.includes(options.scenario) ? {} : { GODEBUG: "http2client=0" }),
  };
}

// The first Ctrl-C goes to k6 alone, which then prints what it has; everything else is ended in order afterwards.
function createK6(processes: Processes) {
  let running: ChildProcess | undefined;
  return {
    async run(k6: string, scenario: Scenario, env: Record<string, string>): Promise<number> {
      running = processes.attach([k6, "run", scenario.file], env);
      const [code] = await once(running, "exit");
      return typeof code === "number" ? code : EXIT_MISBEHAVED;
    },
    // False when there is nothing to interrupt.
    interrupt: () => running?.kill("SIGINT") === true,
  };
}

function startSlow(options: RunOptions, instance: Instance | undefined): SlowClients | undefined {
  if (options.scenario !== "slow_clients") return undefined;
  const target = options.target === undefined ? undefined : new URL(options.target);
  const host = target?.hostname ?? instance?.host ?? "";
  const port = Number(target === undefined ? instance?.port : target.port || 443);
  return startSlowClients(host, port, options.slowClients);
}

// Prints what became of the slow clients; false when our own instance was too patient with one.
function judgeSlow(slow: SlowClients | undefined, own: boolean): boolean {
  if (slow === undefined) return true;
  const reports = slow.report();
  slow.stop();
  for (const { name, opened, ended, longestMs } of reports) {
    complain(
      `  ${name.padEnd(12)} ${opened} opened, ${ended} ended by the proxy, longest life ${(longestMs / 1000).toFixed(1)} s`,
    );
  }
  const patient = reports.filter((report) => report.longestMs > LONGEST_SLOW_CLIENT_MS);
  if (own && patient.length > 0)
    complain(`too patient with: ${patient.map((report) => report.name).join(", ")}`);
  return !own || patient.length === 0;
}

async function run(options: RunOptions, program: string, scenario: Scenario): Promise<number> {
  const processes = createProcesses();
  const k6 = createK6(processes);
  const finished = judge(options, processes, (env) => k6.run(program, scenario, env));
  onInterrupt(async () => {
    if (k6.interrupt()) await finished;
    else await processes.stopAll();
  });
  return finished;
}

async function judge(options: RunOptions, processes: Processes, load: Load): Promise<number> {
  try {
    const instance = options.target === undefined ? await startInstance(processes) : undefined;
    if (RELOADING.includes(options.scenario)) instance?.keepRewriting();
    const slow = startSlow(options, instance);
    const code = await load(environment(options, instance));
    const patient = !judgeSlow(slow, instance !== undefined);
    const trouble = await instance?.stop();
    if (trouble !== undefined) complain(trouble);
    if (code !== 0) return code;
    return patient || trouble !== undefined ? EXIT_MISBEHAVED : 0;
  } finally {
    await processes.stopAll();
  }
}

async function runSoak(seconds: number): Promise<number> {
  const command = missingPackages(SOAK_TOOLS);
  if (command !== undefined) {
    complain(`programs are missing:\n\n  ${command}\n`);
    return EXIT_MISSING_TOOL;
  }
  const processes = createProcesses();
  onInterrupt(() => processes.stopAll());
  try {
    const instance = await startInstance(processes);
    const report = await soak(processes, instance, seconds);
    const trouble = await instance.stop();
    process.stdout.write(`${describeSoak(report)}\n`);
    const findings = [...judgeSoak(report, seconds), ...(trouble === undefined ? [] : [trouble])];
    for (const finding of findings) complain(finding);
    return findings.length > 0 ? EXIT_MISBEHAVED : 0;
  } finally {
    await processes.stopAll();
  }
}

async function main(): Promise<number> {
  const scenarios = listScenarios();
  const options = parseRunOptions(
    process.argv.slice(2),
    [...scenarios, SOAK].map((scenario) => scenario.name),
  );
  if (options.help) {
    process.stdout.write(help([...scenarios, SOAK]));
    return 0;
  }
  if (options.scenario === SOAK.name) return runSoak(options.soakSeconds);
  const k6 = findK6();
  if (k6 === undefined) {
    complain(HOW_TO_GET_K6);
    return EXIT_MISSING_TOOL;
  }
  const scenario = scenarios.find((each) => each.name === options.scenario);
  return scenario === undefined ? EXIT_USAGE : run(options, k6, scenario);
}

try {
  process.exitCode = await main();
} catch (error) {
  complain(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_MISBEHAVED;
}
