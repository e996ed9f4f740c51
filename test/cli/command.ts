// SPDX-License-Identifier: Apache-2.0
// Runs the command line as a process of its own.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<Result>;
  stdoutHas(text: string): Promise<void>;
  stderrHas(text: string): Promise<void>;
}

export function startCommand(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, MANGO_EDGE_ADMIN: undefined, MANGO_EDGE_ADMIN_TOKEN: undefined, ...env },
  });
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const ended = once(child, "close").then(([code]) => {
    out.end();
    err.end();
    return { code: code as number | null, stdout: out.text(), stderr: err.text() };
  });
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, ended, stdoutHas: out.has, stderrHas: err.has };
}

export function command(t: TestContext, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Result> {
  return startCommand(t, args, env).ended;
}

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mango-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function collect(stream: Readable) {
  let all = "";
  let ended = false;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const each of waiting) each();
  };
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    all += chunk;
    wake();
  });
  return {
    text: () => all,
    end: () => {
      ended = true;
      wake();
    },
    has: (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (!all.includes(wanted) && !ended) return;
          waiting.delete(look);
          if (all.includes(wanted)) resolve();
          else reject(new Error(`ended without ${JSON.stringify(wanted)}: ${all}`));
        };
        waiting.add(look);
        look();
      }),
  };
}
