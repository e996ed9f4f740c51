// SPDX-License-Identifier: Apache-2.0
// Runs the real program, as an operator would: the command line, a file, a process of its own on free ports.
// Nothing here reaches into the proxy; what a test knows comes from outside (ports, logs, admin API, signals).
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync, watch, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { engineReady, engineSection } from "./engine.ts";
import { Lines, linesOfFile, linesOfStream } from "./lines.ts";
import { eventually, repositoryRoot, type Scope, temporaryFolder, withPatience } from "./scope.ts";

export type Config = Readonly<Record<string, unknown>>;

export interface EdgeOptions {
  readonly preload?: readonly string[]; // modules given to node --import
  readonly openFiles?: number; // limit of file descriptors
  readonly environment?: Readonly<Record<string, string>>;
  readonly accessLog?: string; // a path of its own; the default is a file in the test's folder
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

// One JSON line of the access log.
export type AccessRecord = Readonly<Record<string, unknown>>;

// One event of /v1/events.
export type EdgeEvent = Readonly<Record<string, unknown>>;

type Child = ChildProcessByStdio<null, Readable, Readable>;

interface Ready {
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly admin: { readonly url: string } | null;
}

const command = join(repositoryRoot, "src/cli/main.ts");

// Runs one command of the CLI to its end.
export async function runCli(
  scope: Scope,
  args: readonly string[],
  options: EdgeOptions = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const child = launch(args, options);
  scope.after(() => child.kill("SIGKILL"));
  const [out, err] = [linesOfStream(child.stdout), linesOfStream(child.stderr)];
  const exit = await withPatience(exitOf(child), () => `mango-edge ${args.join(" ")}`);
  return { ...exit, stdout: out.all.join("\n"), stderr: err.all.join("\n") };
}

// Writes the file that `run` is to be started with; for tests of starts that fail.
export function writeConfig(scope: Scope, config: Config | string): string {
  const folder = temporaryFolder(scope);
  const path = join(folder, "edge.yaml");
  writeFileSync(path, render(config, join(folder, "access.log")));
  return path;
}

// Resolves when every listener accepts; rejects with the program's own words if it ends instead.
export async function startEdge(
  scope: Scope,
  config: Config | string,
  options: EdgeOptions = {},
): Promise<Edge> {
  await engineReady();
  const folder = temporaryFolder(scope);
  const edge = new Edge(scope, folder, config, options);
  scope.after(() => edge.kill());
  await edge.ready();
  return edge;
}

export class Edge {
  readonly folder: string;
  readonly configFile: string;
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly accessLog: Lines;
  readonly exit: Promise<Exit>;
  readonly #child: Child;
  readonly #readyFile: string;
  readonly #accessLogPath: string;
  readonly #readyAppeared: Promise<void>;
  #ready: Ready = { listeners: [], admin: null };

  constructor(scope: Scope, folder: string, config: Config | string, options: EdgeOptions) {
    this.folder = folder;
    this.configFile = join(folder, "edge.yaml");
    this.#readyFile = join(folder, "ready.json");
    this.#accessLogPath = options.accessLog ?? join(folder, "access.log");
    this.write(config);
    this.#readyAppeared = fileAppears(scope, this.#readyFile);
    this.#child = launch(["run", "--config", this.configFile, "--ready-file", this.#readyFile], options);
    this.stdout = linesOfStream(this.#child.stdout);
    this.stderr = linesOfStream(this.#child.stderr);
    // A log elsewhere is a device such as /dev/full, which nobody can follow.
    this.accessLog = options.accessLog === undefined ? linesOfFile(scope, this.#accessLogPath) : new Lines();
    this.exit = exitOf(this.#child);
    void this.exit.then((exit) => this.#tellIfCrashed(exit));
  }

  async ready(): Promise<void> {
    const died = this.exit.then(({ code, signal }) => {
      throw new Error(
        `mango-edge ended (${code ?? signal}) before it was ready: ${this.stderr.all.join("\n")}`,
      );
    });
    await withPatience(Promise.race([this.#readyAppeared, died]), () => "mango-edge to be ready");
    this.#ready = JSON.parse(readFileSync(this.#readyFile, "utf8")) as Ready;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  port(listener: string): number {
    const found = this.#ready.listeners.find(({ name }) => name === listener);
    if (found === undefined) throw new Error(`no listener ${listener} in ${JSON.stringify(this.#ready)}`);
    return found.port;
  }

  get adminOrigin(): string {
    return this.#ready.admin?.url ?? "";
  }

  // Asks the admin API; a body is sent as JSON.
  admin(
    path: string,
    init: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const { method = "GET", body, headers = {} } = init;
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { "content-type": "application/json" };
    return fetch(`${this.adminOrigin}${path}`, { method, headers: { ...type, ...headers }, ...content });
  }

  async adminJson<T = Record<string, unknown>>(
    path: string,
    init: Parameters<Edge["admin"]>[1] = {},
  ): Promise<T> {
    const response = await this.admin(path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${init.method ?? "GET"} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  // The recent events that fit, and yet-to-come ones if there are none: asked again until one is there, because
  // they reach the control plane in batches.
  async events(fits: (event: EdgeEvent) => boolean): Promise<readonly EdgeEvent[]> {
    const look = async (): Promise<readonly EdgeEvent[]> => {
      const { events } = await this.adminJson<{ events: readonly EdgeEvent[] }>("/v1/events?limit=10000");
      return events.filter(fits);
    };
    return eventually(look, (found) => found.length > 0, "an event");
  }

  // Sums the samples of a metric whose labels include these.
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await this.admin("/metrics")).text();
    const wanted = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    return text
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  // Puts another configuration into the file, in one step as editors and deployment tools do.
  write(config: Config | string): void {
    const partial = `${this.configFile}.new`;
    writeFileSync(partial, render(config, this.#accessLogPath));
    renameSync(partial, this.configFile);
  }

  // Writes and applies a configuration; rejects when it was refused.
  async reload(config: Config | string): Promise<void> {
    this.write(config);
    const { listeners } = await this.adminJson<Pick<Ready, "listeners">>("/v1/reload", { method: "POST" });
    this.#ready = { ...this.#ready, listeners };
  }

  // The first access record that fits, written already or yet to come.
  async accessRecord(fits: (record: AccessRecord) => boolean, from = 0): Promise<AccessRecord> {
    const parse = (line: string): AccessRecord => JSON.parse(line) as AccessRecord;
    return parse(await this.accessLog.wait((line) => fits(parse(line)), from));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  // A crash must not look like a refused connection in some later test.
  #tellIfCrashed({ code, signal }: Exit): void {
    if (signal === null || signal === "SIGKILL") return;
    console.error(`mango-edge crashed (${signal}, ${code}): ${this.stderr.all.slice(-20).join("\n")}`);
  }

  // Drains and ends the process as an operator would.
  stop(): Promise<Exit> {
    this.signal("SIGTERM");
    return withPatience(this.exit, () => "mango-edge to stop");
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exit;
  }
}

function launch(args: readonly string[], options: EdgeOptions): Child {
  const imports = (options.preload ?? []).flatMap((module) => ["--import", module]);
  const node = [process.execPath, ...imports, command, ...args];
  const limited =
    options.openFiles === undefined ? node : ["prlimit", `--nofile=${options.openFiles}`, "--", ...node];
  const [program = "", ...rest] = limited;
  return spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "", ...options.environment },
    detached: false,
  });
}

function exitOf(child: Child): Promise<Exit> {
  // "close" comes after the last byte of both pipes, "exit" may come before.
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
}

// JSON is YAML; the parts that every test needs, and the engine under test, are added where the test says nothing about
// them.
function render(config: Config | string, accessLog: string): string {
  if (typeof config === "string") return config;
  const common = { workers: 2, admin: { address: "127.0.0.1:0" }, accessLog: { path: accessLog } };
  return JSON.stringify({ ...common, ...engineSection(), ...config }, null, 2);
}

function fileAppears(scope: Scope, path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (existsSync(path)) resolve();
  };
  const watcher = watch(dirname(path), (_event, name) => {
    if (name === basename(path)) look();
  });
  scope.after(() => watcher.close());
  look();
  return promise;
}
