// SPDX-License-Identifier: Apache-2.0
// How often did each key occur within the last so many milliseconds? Memory is fixed whatever a peer does: the
// window is cut into 16 slots of counts (so an occurrence is forgotten at most a sixteenth of the window early,
// never late), and the table keeps the most recently seen keys only.

const kSlots = 16;

interface Entry {
  readonly counts: Uint32Array;
  slot: number; // absolute number of the newest slot in counts
}

export interface SlidingWindow {
  // Notes one occurrence and answers how many there are in the window now.
  add(key: string, nowMs: number): number;
  forget(key: string): void;
  readonly size: number;
}

export function createSlidingWindow(windowMs: number, maxKeys: number): SlidingWindow {
  const slotMs = Math.max(1, windowMs / kSlots);
  const entries = new Map<string, Entry>(); // in order of last use, oldest first

  const take = (key: string, slot: number): Entry => {
    const found = entries.get(key);
    if (found !== undefined) {
      entries.delete(key);
      return found;
    }
    if (entries.size >= maxKeys) {
      const oldest = entries.keys().next();
      if (!oldest.done) entries.delete(oldest.value);
    }
    return { counts: new Uint32Array(kSlots), slot };
  };

  return {
    add(key, nowMs) {
      const slot = Math.floor(nowMs / slotMs);
      const entry = take(key, slot);
      advance(entry, slot);
      const at = entry.slot % kSlots;
      entry.counts[at] = (entry.counts[at] ?? 0) + 1;
      entries.set(key, entry);
      return entry.counts.reduce((sum, count) => sum + count, 0);
    },
    forget: (key) => void entries.delete(key),
    get size() {
      return entries.size;
    },
  };
}

// Zeroes the slots between the newest one and now. A clock set back counts into the newest slot.
function advance(entry: Entry, slot: number): void {
  if (slot <= entry.slot) return;
  if (slot - entry.slot >= kSlots) entry.counts.fill(0);
  else for (let passed = entry.slot + 1; passed <= slot; passed += 1) entry.counts[passed % kSlots] = 0;
  entry.slot = slot;
}
