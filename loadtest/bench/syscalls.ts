// SPDX-License-Identifier: Apache-2.0
// System calls per keep-alive request, counted by strace over all threads of the process that carries the traffic.
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, LOAD_CORE, SMALL_FILE } from "./lab.ts";
import type { Contender } from "./proxy.ts";
import { markdownTable } from "./report.ts";
import { runWrk } from "./wrk.ts";

const CONNECTIONS = 64;
const ATTACH_POLL_MS = 20;
const SHOWN_FROM = 0.005; // calls per request below this are start-up, timers and the like

export interface CallCount {
  readonly name: string;
  readonly calls: number;
}

// Lines of `strace -c`: % time, seconds, usecs/call, calls, [errors], syscall.
export function parseStrace(text: string): readonly CallCount[] {
  const lines = text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_]\w*)$/gm);
  return [...lines]
    .map((match) => ({ name: match[2] ?? "", calls: Number(match[1]) }))
    .filter((count) => count.name !== "total");
}

async function traced(pid: number): Promise<void> {
  for (;;) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (!/^TracerPid:\t0$/m.test(status)) return;
    await sleep(ATTACH_POLL_MS);
  }
}

// Of process `pid`, while small requests go through the proxy on `port`.
export async function countCalls(
  lab: Lab,
  port: number,
  pid: number,
  seconds: number,
): Promise<readonly CallCount[]> {
  const url = `https://127.0.0.1:${port}${SMALL_FILE.path}`;
  const run = (length: number) =>
    runWrk(lab.processes, LOAD_CORE, lab.clientEnv, { url, connections: CONNECTIONS, seconds: length });
  await run(1);
  const output = join(lab.folder, "strace.txt");
  rmSync(output, { force: true });
  const strace = lab.processes.start([...LOAD_CORE, "strace", "-c", "-f", "-o", output, "-p", String(pid)], {
    log: join(lab.folder, "strace.log"),
  });
  const ended = once(strace, "exit");
  await Promise.race([traced(pid), ended]);
  const { requests } = await run(seconds);
  strace.kill("SIGINT"); // makes strace let go and print
  await ended;
  if (!existsSync(output)) throw new Error(`strace: ${readFileSync(join(lab.folder, "strace.log"), "utf8")}`);
  return parseStrace(readFileSync(output, "utf8")).map(({ name, calls }) => ({
    name,
    calls: calls / requests,
  }));
}

export async function syscallTable(
  lab: Lab,
  proxies: readonly Contender[],
  seconds: number,
): Promise<string> {
  const counts = new Map<string, readonly CallCount[]>();
  for (const proxy of proxies) {
    const running = await proxy.start(lab, "http1");
    counts.set(proxy.name, await countCalls(lab, running.port, running.workerPid, seconds));
    await running.stop();
  }
  return table(counts);
}

export function table(counts: ReadonlyMap<string, readonly CallCount[]>): string {
  const names = new Set(
    [...counts.values()]
      .flat()
      .filter((count) => count.calls >= SHOWN_FROM)
      .map((count) => count.name),
  );
  const of = (list: readonly CallCount[], name: string) =>
    list.find((count) => count.name === name)?.calls ?? 0;
  const rows = [...names]
    .sort()
    .map((name) => [name, ...[...counts.values()].map((list) => of(list, name).toFixed(2))]);
  const totals = [...counts.values()].map((list) =>
    list.reduce((sum, count) => sum + count.calls, 0).toFixed(2),
  );
  return markdownTable(["system calls per request", ...counts.keys()], [...rows, ["all", ...totals]]);
}
