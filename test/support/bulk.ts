// SPDX-License-Identifier: Apache-2.0
// Content too large to keep: written with respect for backpressure, read into a hash, and looked at while it stalls.
import { createHash, randomBytes } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Edge } from "./edge.ts";
import { residentBytes } from "./process_facts.ts";

export const MiB = 1024 * 1024;
const block = randomBytes(MiB);

// Writes so many MiB of fixed random bytes; `onBlock` is told how many were taken so far.
export async function writeBlocks(
  to: Writable,
  blocks: number,
  onBlock: (written: number) => void = () => {},
): Promise<void> {
  for (let i = 0; i < blocks && !to.destroyed; i += 1) {
    if (!to.write(block)) await drained(to);
    onBlock(i + 1);
  }
  to.end();
}

// Resolves as well when the other side is gone.
function drained(to: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      to.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    to.on("drain", done).on("close", done).on("error", done);
  });
}

export function hashOfBlocks(blocks: number): string {
  const hash = createHash("sha256");
  for (let i = 0; i < blocks; i += 1) hash.update(block);
  return hash.digest("hex");
}

export async function hashOf(from: Readable): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of from) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

// The proxy's memory may grow by its buffers and a working set, not by a fraction of the content.
export async function growsLittle(edge: Edge, work: () => Promise<void>, most = 48 * MiB): Promise<void> {
  const before = residentBytes(edge.pid);
  await work();
  const grown = residentBytes(edge.pid) - before;
  if (grown > most) throw new Error(`resident memory grew by ${Math.round(grown / MiB)} MiB`);
}

// Waits until a figure has not changed for as long as it takes to be sure that nothing is under way: there is no event
// for something that stopped.
export async function standsStill(look: () => number): Promise<number> {
  let last = look();
  for (let same = 0; same < 5; ) {
    await sleep(60);
    const now = look();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}
