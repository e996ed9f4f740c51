// SPDX-License-Identifier: Apache-2.0
// Starts mango-edge as an operator would, through its CLI, and learns its ports from the ready file.
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { logTail, type Processes } from "./processes.ts";

export const REPOSITORY = resolve(import.meta.dirname, "../..");
export const ADDON = process.env["MANGO_EDGE_ADDON"] ?? join(REPOSITORY, "build/release/mango_edge.node");

const READY_TIMEOUT_MS = 20_000;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface ReadyFile {
  readonly pid: number;
  readonly admin: Endpoint | null;
  readonly listeners: readonly (Endpoint & { readonly name: string })[];
}

export interface EdgeOptions {
  readonly folder: string; // scratch: configuration, ready file, log
  readonly config: string; // YAML
  readonly prefix?: readonly string[]; // e.g. taskset
  readonly ownGroup?: boolean; // see StartOptions
}

export interface Edge {
  readonly child: ChildProcess;
  readonly ready: ReadyFile;
  readonly configFile: string;
  readonly logFile: string;
}

export function listenerPort(ready: ReadyFile, name: string): number {
  const listener = ready.listeners.find((each) => each.name === name);
  if (listener === undefined) throw new Error(`mango-edge has no listener "${name}"`);
  return listener.port;
}

function parseReady(file: string): ReadyFile | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ReadyFile;
  } catch {
    return undefined; // half written: the next change of the folder comes
  }
}

// Resolves once the file is there and whole; rejects when the process ends first.
function waitForReady(file: string, child: ChildProcess, logFile: string): Promise<ReadyFile> {
  return new Promise((resolveReady, reject) => {
    const watcher = watch(dirname(file), (_event, name) => name === basename(file) && check());
    const timer = setTimeout(() => fail("is not ready"), READY_TIMEOUT_MS);
    child.once("exit", onExit);
    check();

    function check(): void {
      const ready = parseReady(file);
      if (ready === undefined) return;
      settle();
      resolveReady(ready);
    }
    function onExit(): void {
      fail("ended at start");
    }
    function fail(what: string): void {
      settle();
      reject(new Error(`mango-edge ${what}:\n${logTail(logFile)}`));
    }
    function settle(): void {
      watcher.close();
      clearTimeout(timer);
      child.off("exit", onExit);
    }
  });
}

export async function startEdge(processes: Processes, options: EdgeOptions): Promise<Edge> {
  if (!existsSync(ADDON)) throw new Error("the native part is not built: run `npm run build` first");
  const configFile = join(options.folder, "mango-edge.yaml");
  const readyFile = join(options.folder, "mango-edge.ready.json");
  const logFile = join(options.folder, "mango-edge.log");
  writeFileSync(configFile, options.config);
  rmSync(readyFile, { force: true });
  const child = processes.start(
    [
      ...(options.prefix ?? []),
      process.execPath,
      join(REPOSITORY, "src/cli/main.ts"),
      "run",
      "--config",
      configFile,
      "--ready-file",
      readyFile,
    ],
    { log: logFile, ownGroup: options.ownGroup === true },
  );
  return { child, ready: await waitForReady(readyFile, child, logFile), configFile, logFile };
}
