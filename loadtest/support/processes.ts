// SPDX-License-Identifier: Apache-2.0
// Child processes of a load test. Whatever was started is ended, by pid, on every way out: a normal end, Ctrl-C, an
// error. Output goes to a log file, whose tail explains a process that did not come up.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { descendants } from "./proc.ts";

const STOP_GRACE_MS = 10_000;
const LOG_TAIL_BYTES = 2_000;

export type Env = Readonly<Record<string, string>>;

export interface StartOptions {
  readonly log: string; // file that takes stdout and stderr
  readonly ownGroup?: boolean; // out of reach of the terminal's Ctrl-C: ended in order, by us
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Processes {
  start(command: readonly string[], options: StartOptions): ChildProcess;
  // Runs to the end; never rejects for a non-zero exit code.
  run(command: readonly string[], env?: Env): Promise<Output>;
  // As start(), but on our own terminal and in its own group.
  attach(command: readonly string[], env: Env): ChildProcess;
  // As start(), but stdin and stdout are pipes for the caller to talk through. stderr is ours, or a log file.
  converse(command: readonly string[], env?: Env, log?: string): ChildProcess;
  // Answers the exit code; kills what does not end in time.
  stop(child: ChildProcess, signal?: NodeJS.Signals): Promise<number | null>;
  stopAll(): Promise<void>;
}

function spawnWith(command: readonly string[], env: Env | undefined, options: SpawnOptions): ChildProcess {
  const [file, ...args] = command;
  if (file === undefined) throw new Error("empty command");
  return spawn(file, args, { ...options, env: { ...process.env, ...env } });
}

async function collect(child: ChildProcess): Promise<Output> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { code: typeof code === "number" ? code : 1, stdout, stderr };
}

export function createProcesses(): Processes {
  const alive = new Set<ChildProcess>();

  function track(child: ChildProcess): ChildProcess {
    alive.add(child);
    child.once("exit", () => alive.delete(child));
    child.once("error", () => alive.delete(child));
    return child;
  }

  function withLog(file: string, spawnTo: (log: number) => ChildProcess): ChildProcess {
    const log = openSync(file, "a");
    try {
      return track(spawnTo(log));
    } finally {
      closeSync(log);
    }
  }

  function start(command: readonly string[], options: StartOptions): ChildProcess {
    const detached = options.ownGroup === true;
    return withLog(options.log, (log) =>
      spawnWith(command, undefined, { stdio: ["ignore", log, log], detached }),
    );
  }

  function converse(command: readonly string[], env?: Env, file?: string): ChildProcess {
    const talk = (stderr: "inherit" | number) => spawnWith(command, env, { stdio: ["pipe", "pipe", stderr] });
    return file === undefined ? track(talk("inherit")) : withLog(file, talk);
  }

  async function stop(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (!alive.has(child) || child.pid === undefined) return child.exitCode;
    // A supervisor that dies leaves its workers behind: remember them while the tree is still whole.
    const family = [child.pid, ...descendants(child.pid)];
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => family.forEach(killHard), STOP_GRACE_MS);
    await ended;
    clearTimeout(timer);
    return child.exitCode;
  }

  // The last resort, synchronous: also runs when an exception ends the process.
  process.once("exit", () => {
    for (const { pid } of alive) {
      if (pid !== undefined) [pid, ...descendants(pid)].forEach(killHard);
    }
  });

  return {
    start,
    run: (command, env) => collect(track(spawnWith(command, env, { stdio: ["ignore", "pipe", "pipe"] }))),
    attach: (command, env) => track(spawnWith(command, env, { stdio: "inherit", detached: true })),
    converse,
    stop,
    stopAll: async () => {
      await Promise.all([...alive].map((child) => stop(child)));
    },
  };
}

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
