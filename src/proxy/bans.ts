// SPDX-License-Identifier: Apache-2.0
// Who is banned until when. The list is handed to the data plane whole after every change; bounded, because a
// botnet has more addresses than we have memory: the ban that ends first gives way.
import type { Clock } from "./clock.ts";
import type { Ban } from "./snapshot.ts";

export interface BanEntry extends Ban {
  readonly policy: string;
  readonly sinceMs: number;
}

export interface BanList {
  add(ban: BanEntry): void;
  remove(by: Ban["by"], value: string): boolean;
  clear(): number;
  list(): readonly BanEntry[];
  close(): void;
}

export interface BanListOptions {
  readonly clock: Clock;
  readonly maxBans: number;
  readonly publish: (bans: readonly Ban[]) => void; // to the data plane
}

export function createBanList({ clock, maxBans, publish }: BanListOptions): BanList {
  const bans = new Map<string, BanEntry>();
  let cancelTimer = (): void => undefined;
  let scheduled = false;

  const push = (): void => {
    publish(
      [...bans.values()].map(({ by, value, action, status, untilMs }) => ({
        by,
        value,
        action,
        status,
        untilMs,
      })),
    );
  };
  const dropExpired = (): boolean => {
    const before = bans.size;
    for (const [key, ban] of bans) if (ban.untilMs <= clock.now()) bans.delete(key);
    return bans.size !== before;
  };
  const schedule = (): void => {
    cancelTimer();
    const next = soonest(bans);
    cancelTimer =
      next === undefined ? () => undefined : clock.after(Math.max(0, next.untilMs - clock.now()), expire);
  };
  const expire = (): void => {
    if (dropExpired()) push();
    schedule();
  };
  // One publication for all bans that one batch of events gives.
  const publishSoon = (): void => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      push();
      schedule();
    });
  };

  return {
    add(ban) {
      const key = keyOf(ban.by, ban.value);
      if (!bans.has(key) && bans.size >= maxBans) evictSoonest(bans);
      bans.set(key, ban);
      publishSoon();
    },
    remove(by, value) {
      const removed = bans.delete(keyOf(by, value));
      if (removed) publishSoon();
      return removed;
    },
    clear() {
      const count = bans.size;
      bans.clear();
      publishSoon();
      return count;
    },
    list: () => [...bans.values()].filter((ban) => ban.untilMs > clock.now()),
    close: () => cancelTimer(),
  };
}

function keyOf(by: Ban["by"], value: string): string {
  return `${by}\n${value}`;
}

function soonest(bans: ReadonlyMap<string, BanEntry>): BanEntry | undefined {
  let found: BanEntry | undefined;
  for (const ban of bans.values()) if (found === undefined || ban.untilMs < found.untilMs) found = ban;
  return found;
}

function evictSoonest(bans: Map<string, BanEntry>): void {
  const found = soonest(bans);
  if (found !== undefined) bans.delete(keyOf(found.by, found.value));
}
