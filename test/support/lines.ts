// SPDX-License-Identifier: Apache-2.0
// Lines that arrive over time, from a child's output or from a growing file, and waiting for one of them.
import { closeSync, existsSync, openSync, readFileSync, readSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Readable } from "node:stream";
import { type Scope, withPatience } from "./scope.ts";

// What a file holds that others may take away at any time; "": it is not there.
export function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const gone = ["ENOENT", "ESRCH"]; // the latter: of a process in /proc
    if (gone.includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}

export class Lines {
  readonly all: string[] = [];
  #partial = "";
  #listeners = new Set<() => void>();

  push(text: string): void {
    const parts = (this.#partial + text).split("\n");
    this.#partial = parts.pop() ?? "";
    this.all.push(...parts);
    for (const listener of [...this.#listeners]) listener();
  }

  // The first line that matches, seen already or yet to come.
  wait(what: string | RegExp | ((line: string) => boolean), from = 0): Promise<string> {
    const matches = typeof what === "function" ? what : (line: string) => matchesText(line, what);
    return this.until(
      () => this.all.slice(from).find(matches),
      () => `a line with ${String(what)}`,
    );
  }

  // Waits until `look` gives something; it is asked again whenever lines arrive.
  until<T>(look: () => T | undefined, what: () => string): Promise<T> {
    const found = look();
    if (found !== undefined) return Promise.resolve(found);
    const { promise, resolve } = Promise.withResolvers<T>();
    const listener = (): void => {
      const value = look();
      if (value !== undefined) resolve(value);
    };
    this.#listeners.add(listener);
    const describe = (): string => `${what()}; the last lines are:\n${this.all.slice(-20).join("\n")}`;
    return withPatience(promise, describe).finally(() => this.#listeners.delete(listener));
  }
}

function matchesText(line: string, what: string | RegExp): boolean {
  return typeof what === "string" ? line.includes(what) : what.test(line);
}

export function linesOfStream(stream: Readable): Lines {
  const lines = new Lines();
  stream.setEncoding("utf8").on("data", (text: string) => lines.push(text));
  return lines;
}

// Follows a file that may not exist yet, by change notifications of its folder.
export function linesOfFile(scope: Scope, path: string): Lines {
  const lines = new Lines();
  const buffer = Buffer.alloc(64 * 1024);
  const decoder = new TextDecoder();
  let fd = -1;
  const readOn = (): void => {
    if (fd < 0 && existsSync(path)) fd = openSync(path, "r");
    if (fd < 0) return;
    for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) {
      lines.push(decoder.decode(buffer.subarray(0, got), { stream: true }));
    }
  };
  const watcher = watch(dirname(path), (_event, name) => {
    if (name === basename(path)) readOn();
  });
  scope.after(() => {
    watcher.close();
    if (fd >= 0) closeSync(fd);
  });
  readOn();
  return lines;
}
