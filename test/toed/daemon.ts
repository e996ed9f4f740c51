// SPDX-License-Identifier: Apache-2.0
// Runs mango-toed as an operator would, on a free port, and asks it as one would.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { type Lines, linesOfStream } from "../support/lines.ts";
import { eventually, repositoryRoot, type Scope, withPatience } from "../support/scope.ts";
import { runTool, type Said } from "../support/tools.ts";

export const program = process.env["MANGO_TOED"] ?? join(repositoryRoot, "build/release/mango-toed");
export const libraryFolder = dirname(program);

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

// A process whose lines are looked at.
export class Running {
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;

  constructor(scope: Scope, path: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.stdout = linesOfStream(this.#child.stdout);
    this.stderr = linesOfStream(this.#child.stderr);
    this.exit = once(this.#child, "close").then(([code, signal]) => ({ code, signal }) as Exit);
    scope.after(() => this.kill());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exit;
  }

  // The line it says, or what it said instead of it.
  async says(what: string | RegExp, from = 0): Promise<string> {
    const ended = this.exit.then(({ code, signal }) => {
      const text = [...this.stdout.all, ...this.stderr.all].join("\n");
      // What came with the end counts as well.
      const found = this.stdout.all.slice(from).find((line) => line.match(what));
      if (found !== undefined) return found;
      throw new Error(`ended (${code ?? signal}) before it said ${String(what)}: ${text}`);
    });
    return Promise.race([this.stdout.wait(what, from), ended]);
  }

  ended(): Promise<Exit> {
    return withPatience(this.exit, () => `the end of process ${this.pid}`);
  }
}

export class Toed extends Running {
  port = 0;

  // Resolves when it is ready. `args` come after the address; null for it: they have one.
  static async start(
    scope: Scope,
    args: readonly string[] = [],
    ipc: string | null = "127.0.0.1:0",
    env = {},
  ) {
    const toed = new Toed(scope, program, ["run", ...(ipc === null ? [] : ["--ipc", ipc]), ...args], env);
    const line = await toed.says(/ready on/);
    toed.port = Number(/ready on \S*?:(\d+)/.exec(line)?.[1]);
    return toed;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  ask(command: string, ...args: readonly string[]): Promise<Said> {
    return runTool(program, [command, "--ipc", this.address, ...args]);
  }

  async get(field: string, device = 0): Promise<string> {
    const { status, stdout, stderr } = await this.ask("get", "--device", String(device), field);
    if (status !== 0) throw new Error(`get ${field}: ${stderr}`);
    return stdout.trimEnd();
  }

  // Fields of all devices, as status --json has them.
  async fields(device = 0): Promise<Readonly<Record<string, string | number>>> {
    const { status, stdout, stderr } = await this.ask("status", "--json");
    if (status !== 0) throw new Error(`status: ${stderr}`);
    const { devices } = JSON.parse(stdout) as { devices: Record<string, string | number>[] };
    return devices[device] ?? {};
  }

  // Waits until a field of `status` is as it must be.
  async settles(field: string, value: string | number, device = 0): Promise<void> {
    const look = async (): Promise<string | number | undefined> => (await this.fields(device))[field];
    await eventually(look, (seen) => seen === value, `${field} to be ${value}`);
  }
}
