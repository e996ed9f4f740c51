// SPDX-License-Identifier: Apache-2.0
// Notices that files have changed: the configuration, certificates, keys. Folders are watched, not files, since most
// tools replace a file instead of writing it; an event only starts a comparison of fingerprints, so that neither a
// lost event nor a spurious one does harm. A slow poll covers file systems without events (NFS, some containers).
import { type FSWatcher, watch } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { watchedFolders } from "./watched_folders.ts";

const SETTLE_MS = 50; // tools write several files in a row: wait until no event came for this long
const SETTLE_MAX_MS = 1000; // but not for ever, where a folder is never quiet
const POLL_MS = 30_000;
const PARALLEL = 64;

export interface FileWatcher {
  /** Watches these files from now on. A file changed after `loadStartedMs` counts as changed at once. */
  update(files: readonly string[], loadStartedMs?: number): Promise<void>;
  /** Ends all watching; nothing is called afterwards. Idempotent. */
  close(): void;
}

/** `changed` gets the files whose contents may differ, never twice at a time. */
export function createFileWatcher(changed: (files: readonly string[]) => void): FileWatcher {
  return new Watcher(changed);
}

class Watcher implements FileWatcher {
  readonly #changed: (files: readonly string[]) => void;
  readonly #prints = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  readonly #poll: NodeJS.Timeout;
  #settle: NodeJS.Timeout | undefined;
  #firstEventMs = 0;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(changed: (files: readonly string[]) => void) {
    this.#changed = changed;
    this.#poll = setInterval(() => this.#enqueue(() => this.#compare()), POLL_MS).unref();
  }

  update(files: readonly string[], loadStartedMs?: number): Promise<void> {
    return this.#enqueue(async () => {
      const wanted = new Set(files);
      for (const known of this.#prints.keys()) if (!wanted.has(known)) this.#prints.delete(known);
      const fresh = files.filter((file) => !this.#prints.has(file));
      await this.#watchFolders(files);
      await inBatches(fresh, async (file) => {
        const { print, changedMs } = await fingerprint(file);
        const late = loadStartedMs !== undefined && changedMs >= loadStartedMs;
        this.#prints.set(file, late ? "loaded before it changed" : print);
        if (late) this.#schedule();
      });
    });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settle);
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
  }

  // One step at a time: a comparison must not see half an update.
  #enqueue(step: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : step()));
    return this.#queue;
  }

  #schedule(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#settle === undefined) this.#firstEventMs = now;
    clearTimeout(this.#settle);
    const left = Math.max(0, this.#firstEventMs + SETTLE_MAX_MS - now);
    this.#settle = setTimeout(
      () => {
        this.#settle = undefined;
        void this.#enqueue(() => this.#compare());
      },
      Math.min(SETTLE_MS, left),
    );
  }

  async #compare(): Promise<void> {
    const different: string[] = [];
    await this.#watchFolders([...this.#prints.keys()]); // links may lead elsewhere now
    await inBatches([...this.#prints], async ([file, before]) => {
      const { print } = await fingerprint(file);
      if (print === before) return;
      this.#prints.set(file, print);
      different.push(file);
    });
    if (different.length > 0 && !this.#closed) this.#changed(different.toSorted());
  }

  async #watchFolders(files: readonly string[]): Promise<void> {
    const wanted = new Set<string>();
    await inBatches(files, async (file) => {
      for (const folder of await watchedFolders(file)) wanted.add(folder);
    });
    if (this.#closed) return;
    for (const [folder, watcher] of this.#folders) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#watchFolder(folder);
  }

  // Where the system has no watch left (or the folder went away meanwhile), the poll remains.
  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => this.#seen(folder, event, name));
      watcher.on("error", () => this.#lost(folder, watcher));
      this.#folders.set(folder, watcher);
    } catch {
      this.#folders.delete(folder);
    }
  }

  // A watch is on an inode: when the folder itself was removed or renamed, it sees nothing any more.
  #seen(folder: string, event: string, name: string | null): void {
    const watcher = this.#folders.get(folder);
    const itself = event === "rename" && name !== null && folder.endsWith(`/${name}`);
    if (itself && watcher !== undefined) this.#lost(folder, watcher);
    else this.#schedule();
  }

  #lost(folder: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#folders.get(folder) === watcher) this.#folders.delete(folder);
    this.#schedule();
  }
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += PARALLEL) {
    await Promise.all(items.slice(start, start + PARALLEL).map(work));
  }
}

async function fingerprint(file: string): Promise<{ readonly print: string; readonly changedMs: number }> {
  try {
    const [real, status] = await Promise.all([realpath(file), stat(file, { bigint: true })]);
    const { dev, ino, size, mtimeNs, ctimeNs } = status;
    return {
      print: [real, dev, ino, size, mtimeNs, ctimeNs].join(" "),
      changedMs: Number(ctimeNs / 1_000_000n),
    };
  } catch (error) {
    return {
      print: `unreadable: ${(error as NodeJS.ErrnoException).code}`,
      changedMs: Number.POSITIVE_INFINITY,
    };
  }
}
