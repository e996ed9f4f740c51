// SPDX-License-Identifier: Apache-2.0
// Runs the data plane without Node (native/runner), which is what sanitizers can look into. It takes the same
// snapshot as the addon: made here from a configuration by the control plane's own compiler.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { compileSnapshot, parseConfig } from "../../src/config/index.ts";
import type { Config, Exit } from "./edge.ts";
import { type Lines, linesOfStream } from "./lines.ts";
import { type Scope, temporaryFolder, withPatience } from "./scope.ts";

// A sanitized process is several times slower; this is a guard against a hang, not a measure.
const stopPatienceMs = 120_000;

export class DataplaneRunner {
  readonly stdout: Lines;
  readonly stderr: Lines;
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #folder: string;
  readonly #ticketKeys = [Buffer.alloc(80, 7).toString("base64")];
  #generation = 0;
  #ports = new Map<string, number>();

  private constructor(program: string, folder: string, snapshotFile: string) {
    this.#folder = folder;
    this.#child = spawn(program, [snapshotFile], { stdio: ["pipe", "pipe", "pipe"] });
    this.stdout = linesOfStream(this.#child.stdout);
    this.stderr = linesOfStream(this.#child.stderr);
    this.exit = new Promise((resolve) =>
      this.#child.once("close", (code, signal) => resolve({ code, signal })),
    );
  }

  static async start(scope: Scope, program: string, config: Config): Promise<DataplaneRunner> {
    const folder = temporaryFolder(scope);
    const first = join(folder, "snapshot-0.json");
    writeFileSync(first, await compile(folder, config, 0, [Buffer.alloc(80, 7).toString("base64")]));
    const runner = new DataplaneRunner(program, folder, first);
    scope.after(() => runner.#child.kill("SIGKILL"));
    await runner.#applied(0);
    return runner;
  }

  port(listener: string): number {
    return this.#ports.get(listener) ?? 0;
  }

  async reload(config: Config): Promise<void> {
    this.#generation += 1;
    const path = join(this.#folder, `snapshot-${this.#generation}.json`);
    writeFileSync(path, await compile(this.#folder, config, this.#generation, this.#ticketKeys));
    const from = this.stdout.all.length;
    this.#child.stdin.write(`reload ${path}\n`);
    await this.#applied(from);
  }

  async stop(): Promise<Exit> {
    this.#child.stdin.end("stop\n");
    return withPatience(
      this.exit,
      () => `the data plane to stop; it said ${this.stderr.all.join("\n")}`,
      stopPatienceMs,
    );
  }

  async #applied(from: number): Promise<void> {
    const died = this.exit.then(({ code, signal }) => {
      throw new Error(
        `the data plane ended (${code ?? signal}): ${[...this.stdout.all, ...this.stderr.all].join("\n")}`,
      );
    });
    const line = await Promise.race([this.stdout.wait(/"listeners"|"error"/, from), died]);
    if (line.includes('"error"')) throw new Error(`the data plane refused the snapshot: ${line}`);
    const { listeners } = JSON.parse(line) as { listeners: { name: string; port: number }[] };
    this.#ports = new Map(listeners.map(({ name, port }) => [name, port]));
  }
}

async function compile(
  folder: string,
  config: Config,
  generation: number,
  ticketKeys: string[],
): Promise<string> {
  const { config: loaded } = await parseConfig(
    join(folder, "edge.yaml"),
    JSON.stringify(config),
    process.env,
  );
  const snapshot = compileSnapshot(loaded, { generation, ticketKeys, endpoints: new Map() });
  // The runner is linked with the system's OpenSSL, which may be too old for X25519MLKEM768.
  const listeners = snapshot.listeners.map((listener) =>
    listener.tls === null ? listener : { ...listener, tls: { ...listener.tls, groups: "X25519:P-256" } },
  );
  return JSON.stringify({ ...snapshot, listeners });
}
