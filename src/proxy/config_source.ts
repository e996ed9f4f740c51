// SPDX-License-Identifier: Apache-2.0
// From the configuration file to what the controller works with. The only place in src/proxy that knows the
// vocabulary of the file; everything behind it sees the snapshot and a few plain settings.

import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { parseListenAddress } from "../config/addresses.ts";
import {
  type CompileOptions,
  type ConfigDocument,
  compileSnapshot,
  type EdgeConfig,
  type EscalationRule,
  escalationRules,
  type LoadedConfig,
  loadConfig,
  type OpenEndpoints,
  openEndpoints,
  parseConfig,
  publicConfig,
  ticketSettings,
} from "../config/index.ts";
import type { TicketSettings } from "../tls/ticket-keys.ts";
import type { DataPlaneOptions } from "./addon.ts";
import { type ErrorDetail, toDetail } from "./errors.ts";
import type { Snapshot } from "./snapshot.ts";

export interface AdminSettings {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly token: string | null;
}

export interface Loaded {
  readonly text: string;
  readonly document: ConfigDocument; // with every default filled in, secrets masked
  readonly warnings: readonly ErrorDetail[];
  readonly files: readonly string[]; // to be watched, the configuration file itself first
  readonly startedMs: number; // what changes from here on may not be in it
  readonly engine: EdgeConfig["offload"]["engine"];
  readonly planeOptions: DataPlaneOptions;
  readonly admin: AdminSettings;
  readonly tickets: TicketSettings | undefined;
  readonly escalationRules: readonly EscalationRule[];
  readonly open: OpenEndpoints; // what must be found out before compile()
  compile(options: CompileOptions): Snapshot;
}

export interface ConfigSource {
  readonly file: string;
  readFile(): Promise<Loaded>;
  parse(text: string, options?: { readonly readOnly?: boolean }): Promise<Loaded>;
}

export function createConfigSource(file: string, env: NodeJS.ProcessEnv = process.env): ConfigSource {
  return {
    file,
    async readFile() {
      const startedMs = Date.now();
      const loaded = await loadConfig(file, env);
      return toLoaded(loaded, await readFile(file, "utf8"), startedMs);
    },
    async parse(text, options = {}) {
      const startedMs = Date.now();
      return toLoaded(await parseConfig(file, text, env, options), text, startedMs);
    },
  };
}

// Parts that only a new process takes over.
export function restartDifferences(before: Loaded, after: Loaded): readonly string[] {
  const parts = (loaded: Loaded): Readonly<Record<string, unknown>> => ({
    workers: loaded.planeOptions.workers,
    offload: [
      loaded.engine,
      loaded.planeOptions.library,
      loaded.planeOptions.ipcAddress,
      loaded.planeOptions.ipcIndex,
    ],
    accessLog: loaded.planeOptions.accessLogPath,
    admin: loaded.admin,
  });
  const [old, now] = [parts(before), parts(after)];
  return Object.keys(now).filter((part) => JSON.stringify(old[part]) !== JSON.stringify(now[part]));
}

function toLoaded({ config, warnings, files }: LoadedConfig, text: string, startedMs: number): Loaded {
  return {
    text,
    document: publicConfig(config),
    warnings: warnings.map(toDetail),
    files,
    startedMs,
    engine: config.offload.engine,
    planeOptions: planeOptionsOf(config),
    admin: adminOf(config),
    tickets: ticketSettings(config),
    escalationRules: escalationRules(config),
    open: openEndpoints(config),
    compile: (options) => compileSnapshot(config, options),
  };
}

function planeOptionsOf({ file, workers, offload, accessLog }: EdgeConfig): DataPlaneOptions {
  const { library = "", ipc = { address: "", index: 0 } } = offload;
  const { enabled, path } = accessLog;
  const base = dirname(file);
  return {
    workers: workers === "auto" ? availableParallelism() : workers,
    library: library === "" ? "" : resolve(base, library),
    ipcAddress: ipc.address,
    ipcIndex: ipc.index,
    accessLogPath: !enabled ? "" : path === "-" ? path : resolve(base, path),
  };
}

function adminOf({ admin, materials }: EdgeConfig): AdminSettings {
  const { host, port } = parseListenAddress(admin.address) ?? { host: "127.0.0.1", port: 0 };
  return { enabled: admin.enabled, host, port, token: materials.adminToken ?? null };
}
