// SPDX-License-Identifier: Apache-2.0
// How much memory hostile HTTP/2 clients take from each proxy, all of them with the limits and deadlines they come with.
import { setTimeout as sleep } from "node:timers/promises";
import { memoryBytes } from "../support/proc.ts";
import { ATTACKS, type Attack, launchAttack } from "./attacks.ts";
import { runH2load } from "./h2load.ts";
import { type Lab, LOAD_CORE, SMALL_FILE } from "./lab.ts";
import type { Contender, RunningProxy } from "./proxy.ts";
import { markdownTable } from "./report.ts";

const SAMPLE_MS = 50;
const AFTERWARDS_MS = 2_000;
const MEBIBYTE = 1024 * 1024;

interface Toll {
  readonly peak: number; // bytes more than before
  readonly after: number; // still held when the attackers have gone
  readonly ended: number; // connections that the proxy ended
}

async function suffer(lab: Lab, proxy: RunningProxy, attack: Attack, seconds: number): Promise<Toll> {
  const url = `https://localhost:${proxy.port}${SMALL_FILE.path}`;
  await runH2load(lab.processes, LOAD_CORE, { url, seconds: 1 }); // what honest clients take, it may keep
  const before = memoryBytes(proxy.pids);
  const attackers = launchAttack(attack, proxy.port);
  let peak = 0;
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed += SAMPLE_MS) {
    await sleep(SAMPLE_MS);
    peak = Math.max(peak, memoryBytes(proxy.pids) - before);
  }
  const ended = attackers.ended();
  attackers.stop();
  await sleep(AFTERWARDS_MS);
  return { peak, after: memoryBytes(proxy.pids) - before, ended };
}

const mebibytes = (bytes: number) => (Math.max(0, bytes) / MEBIBYTE).toFixed(1);

export async function hostileTable(
  lab: Lab,
  proxies: readonly Contender[],
  seconds: number,
): Promise<string> {
  const able = proxies.filter((proxy) => proxy.setups.includes("exposed"));
  const rows: string[][] = [];
  for (const attack of ATTACKS) {
    const row = [attack.name];
    for (const proxy of able) {
      const running = await proxy.start(lab, "exposed");
      const { peak, after, ended } = await suffer(lab, running, attack, seconds);
      const cell = `${mebibytes(peak)} (${mebibytes(after)}), ${ended}`;
      process.stderr.write(`${attack.name} ${proxy.name}: ${cell}\n`);
      await running.stop();
      row.push(cell);
    }
    rows.push(row);
  }
  const head = ["MiB more at most (afterwards), connections ended", ...able.map(({ name }) => name)];
  return markdownTable(head, rows);
}
