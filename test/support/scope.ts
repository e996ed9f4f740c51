// SPDX-License-Identifier: Apache-2.0
// Where a test's resources live: a folder of its own and a list of things to undo. A node:test context is a
// scope, and so is the file itself (fileScope), for what several tests share.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after } from "node:test";

export interface Scope {
  after(undo: () => unknown): void;
}

export const fileScope: Scope = { after: (undo) => after(async () => void (await undo())) };

export const repositoryRoot = resolve(import.meta.dirname, "../..");

// Short on purpose: the path of a Unix socket has 107 bytes at most.
export function temporaryFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), "edge-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// A guard, not a measure: how long a test waits for an event before it says that the event never came.
export const patienceMs = 30_000;

export function withPatience<T>(promise: Promise<T>, what: () => string, ms = patienceMs): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`gave up waiting for ${what()}`)), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// For facts that can only be asked for, such as a metric: asks again, at a measured pace, until it is as it must be.
export async function eventually<T>(
  look: () => Promise<T> | T,
  good: (seen: T) => boolean,
  what: string,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    if (performance.now() > end)
      throw new Error(`gave up waiting for ${what}; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
