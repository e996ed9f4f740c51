// SPDX-License-Identifier: Apache-2.0
// Child processes of a load test. Whatever was started is ended, by pid, on every way out: a normal end, Ctrl-C, an
// error. Output goes to a log file, whose tail explains a process that did not come up.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { descendants } from "./proc.ts";

const STOP_GRACE_MS = 3_000;
const LOG_TAIL_BYTES = 2_000;

export interface StartOptions {
  readonly log: string; // file that takes stdout and stderr
  readonly env?: Readonly<Record<string, string>>;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Processes {
  start(command: readonly string[], options: StartOptions): ChildProcess;
  // Runs to the end; never rejects for a non-zero exit code.
  run(command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Output>;
  // As start(), but stdin and stdout are pipes for the caller to talk through.
  converse(command: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess;
  stop(child: ChildProcess, signal?: NodeJS.Signals): Promise<void>;
  stopAll(): Promise<void>;
}

export function createProcesses(): Processes {
  const alive = new Set<ChildProcess>();

  function track(child: ChildProcess): ChildProcess {
    alive.add(child);
    child.once("exit", () => alive.delete(child));
    child.once("error", () => alive.delete(child));
    return child;
  }

  function spawnTracked(
    command: readonly string[],
    env: Readonly<Record<string, string>> | undefined,
    stdio: Stdio,
  ) {
    const [file, ...args] = command;
    if (file === undefined) throw new Error("empty command");
    return track(spawn(file, args, { stdio, env: { ...process.env, ...env } }));
  }

  function start(command: readonly string[], options: StartOptions): ChildProcess {
    const log = openSync(options.log, "a");
    try {
      return spawnTracked(command, options.env, ["ignore", log, log]);
    } finally {
      closeSync(log);
    }
  }

  async function run(command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Output> {
    const child = spawnTracked(command, env, ["ignore", "pipe", "pipe"]);
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const [code] = await once(child, "close");
    return { code: typeof code === "number" ? code : 1, stdout, stderr };
  }

  async function stop(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!alive.has(child) || child.pid === undefined) return;
    // A supervisor that dies leaves its workers behind: remember them while the tree is still whole.
    const family = [child.pid, ...descendants(child.pid)];
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => family.forEach(killHard), STOP_GRACE_MS);
    await ended;
    clearTimeout(timer);
  }

  // The last resort, synchronous: also runs when an exception ends the process.
  process.once("exit", () => {
    for (const child of alive) {
      if (child.pid !== undefined) [child.pid, ...descendants(child.pid)].forEach(killHard);
    }
  });

  return {
    start,
    run,
    converse: (command, env) => spawnTracked(command, env, ["pipe", "pipe", "inherit"]),
    stop,
    stopAll: async () => void (await Promise.all([...alive].map((child) => stop(child)))),
  };
}

type Stdio = ["ignore" | "pipe", "pipe" | number, "pipe" | "inherit" | number];

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Already gone: what was wanted.
  }
}

// Calls `cleanUp` once on the first signal, then exits the way a shell expects; a second signal exits at once.
export function onInterrupt(cleanUp: () => Promise<void>): void {
  let interrupted = false;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      if (interrupted) process.exit(code);
      interrupted = true;
      void cleanUp().finally(() => process.exit(code));
    });
  }
}

export function logTail(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-LOG_TAIL_BYTES).trimEnd();
  } catch {
    return "(no output)";
  }
}
