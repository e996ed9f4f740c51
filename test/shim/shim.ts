// SPDX-License-Identifier: Apache-2.0
// Other people's programs, unmodified, on an engine: started by mango-run and stopped as their operators do. What
// the library says of each process when it ends tells whether traffic really went through it.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { waitForPort } from "../../loadtest/support/network.ts";
import { type Lines, linesOfStream, textOf } from "../support/lines.ts";
import { fileScope, type Scope, temporaryFolder, withPatience } from "../support/scope.ts";
import { Toed, program as toedProgram } from "../toed/daemon.ts";

export const mangoRun = process.env["MANGO_RUN"] ?? join(dirname(toedProgram), "mango-run");

export type EngineName = "kernel" | "device";

// The path of a program, or undefined.
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

// For a test's `skip`: the reason when one of the programs is not there.
export function unlessInstalled(...names: readonly string[]): string | false {
  const missing = names.find((name) => findProgram(name) === undefined);
  return missing === undefined ? false : `${missing} is not installed`;
}

// What one process said of its sockets when it ended.
interface Sums {
  readonly opened: number;
  readonly accepted: number;
  readonly received: number;
  readonly sent: number;
}

const sumsPattern = /opened (\d+), accepted (\d+); received (\d+) octets in \d+ calls, sent (\d+)/;

function readSums(log: string): Sums[] {
  const found = log.split("\n").map((line) => sumsPattern.exec(line)?.slice(1).map(Number));
  return found
    .filter((numbers) => numbers !== undefined)
    .map(([opened = 0, accepted = 0, received = 0, sent = 0]) => ({ opened, accepted, received, sent }));
}

// A program that was started, with all its children: it leads a process group, and the group ends with it.
export class Started {
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exit: Promise<number>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #stopSignal: NodeJS.Signals;
  #ended = false;

  constructor(
    scope: Scope,
    [program = "", ...args]: readonly string[],
    env: NodeJS.ProcessEnv,
    stop: NodeJS.Signals,
  ) {
    this.#stopSignal = stop;
    this.#child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env },
    });
    this.stdout = linesOfStream(this.#child.stdout);
    this.stderr = linesOfStream(this.#child.stderr);
    this.exit = once(this.#child, "close").then(([code, signal]) => {
      this.#ended = true;
      return code ?? signal;
    });
    scope.after(() => this.#killGroup());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return !this.#ended;
  }

  get output(): string {
    return [...this.stdout.all, ...this.stderr.all].join("\n");
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  // As its operator would; resolves with its exit status.
  async stop(): Promise<number> {
    this.signal(this.#stopSignal);
    return this.ended();
  }

  ended(): Promise<number> {
    return withPatience(
      this.exit,
      () => `the end of process ${this.pid}, which said:\n${this.output}`,
      60_000,
    );
  }

  // The line it says. Rejects with what it said instead when it ends before.
  async says(what: string): Promise<string> {
    const ended = this.exit.then((status) => {
      throw new Error(`ended (${status}) before it said "${what}": ${this.output}`);
    });
    return Promise.race([this.stdout.wait(what), ended]);
  }

  async listens(port: number): Promise<void> {
    if (!(await waitForPort(port, () => this.running))) throw new Error(`not ready: ${this.output}`);
  }

  #killGroup(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // nobody is left of it
    }
  }
}

// An engine for the programs of one test file.
export class Shim {
  readonly engine: EngineName;
  readonly #options: readonly string[];
  readonly #log: string;

  private constructor(engine: EngineName, options: readonly string[]) {
    this.engine = engine;
    this.#options = options;
    this.#log = join(temporaryFolder(fileScope), "shim.log");
  }

  static async on(engine: EngineName): Promise<Shim> {
    if (engine === "kernel") return new Shim(engine, []);
    const toed = await Toed.start(fileScope);
    return new Shim(engine, ["--ipc", toed.address]);
  }

  command(program: string, args: readonly string[]): string[] {
    const path = findProgram(program) ?? program;
    return [mangoRun, "--engine", this.engine, "--log", this.#log, ...this.#options, path, ...args];
  }

  start(
    scope: Scope,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    stop: NodeJS.Signals = "SIGTERM",
  ): Started {
    return new Started(scope, this.command(program, args), env, stop);
  }

  // To its end, which must be a good one; resolves with what it said.
  async run(
    scope: Scope,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<string> {
    const started = this.start(scope, program, args, env);
    const status = await started.ended();
    assert.equal(status, 0, `${program} ended with ${status}: ${started.output}`);
    return started.stdout.all.join("\n");
  }

  get log(): string {
    return textOf(this.#log);
  }

  // Of all processes that have ended so far.
  get sums(): Sums {
    const zero = { opened: 0, accepted: 0, received: 0, sent: 0 };
    return readSums(this.log).reduce(
      (sum, one) => ({
        opened: sum.opened + one.opened,
        accepted: sum.accepted + one.accepted,
        received: sum.received + one.received,
        sent: sum.sent + one.sent,
      }),
      zero,
    );
  }
}

// Both engines, for the tests of one file; begun when the file is, and ended with it.
export const shims: readonly Shim[] = [await Shim.on("kernel"), await Shim.on("device")];
