// SPDX-License-Identifier: Apache-2.0
// What /proc tells about a process: its threads' CPU time, its children, its memory. Parsers are apart from readers so
// that tests feed them text.
import { readdirSync, readFileSync } from "node:fs";

// First field of schedstat: nanoseconds on a CPU, user and system together. /proc/PID/stat has the same figure, but
// rounded to ticks of 10 ms, and /proc/PID/schedstat is the main thread's alone.
export function parseSchedstat(text: string): number {
  const nanoseconds = Number(text.split(" ", 1)[0]);
  if (!Number.isFinite(nanoseconds)) throw new Error(`not a schedstat line: ${JSON.stringify(text)}`);
  return nanoseconds;
}

// What all cores did since boot, /proc/stat's first line: user, nice, system, irq and softirq. Idle, waiting and stolen
// time are left out. In ticks, which are 10 ms wherever Linux runs.
const TICK_NS = 10_000_000;
export function parseMachineBusy(text: string): number {
  const [user, nice, system, , , irq, softirq] = (/^cpu +(.*)$/m.exec(text)?.[1] ?? "")
    .split(" ")
    .map(Number);
  const busy = [user, nice, system, irq, softirq].reduce<number>(
    (sum, each) => sum + (each ?? Number.NaN),
    0,
  );
  if (!Number.isFinite(busy)) throw new Error("/proc/stat has no line of all cores");
  return busy * TICK_NS;
}

export function machineBusyNanoseconds(): number {
  return parseMachineBusy(readFileSync("/proc/stat", "utf8"));
}

// The process ids whose program has this name (the first 15 octets of it, as the kernel keeps them).
export function processesNamed(name: string): number[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return pids.filter((pid) => commandOf(pid) === name.slice(0, 15)).map(Number);
}

function commandOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined; // it ended meanwhile
  }
}

// A field of smaps_rollup in bytes.
export function parseRollup(text: string, field: "Pss" | "Rss"): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text);
  if (match === null) throw new Error(`smaps_rollup has no ${field}`);
  return Number(match[1]) * 1024;
}

export function parseChildren(text: string): number[] {
  return text
    .split(" ")
    .filter((word) => word.trim() !== "")
    .map(Number);
}

// CPU time of all living threads of the processes. A thread that ended takes its time with it: the proxies measured
// here start their threads once.
export function cpuNanoseconds(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sum += parseSchedstat(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"));
    }
  }
  return sum;
}

// Proportional set size: pages shared by master and worker count once.
export function memoryBytes(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + parseRollup(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Pss"),
    0,
  );
}

// Everything of one process that is in memory, shared or not.
export function residentBytes(pid: number): number {
  return parseRollup(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Rss");
}

export function descendants(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      children.push(...parseChildren(readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")));
    }
  } catch {
    return children; // it ended meanwhile
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}
