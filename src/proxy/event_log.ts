// SPDX-License-Identifier: Apache-2.0
// The recent events, and whoever wants the next ones. A ring of fixed size: an attack makes old entries vanish, it
// does not make memory grow. Subscribers are called in turn and must not block.
import type { DataPlaneEvent } from "./events.ts";

export interface NumberedEvent {
  readonly id: number; // grows by one; a gap tells a reader what it missed
  readonly event: DataPlaneEvent;
}

export interface EventLog {
  append(event: DataPlaneEvent): void;
  recent(limit: number, afterId?: number): readonly NumberedEvent[]; // oldest first
  subscribe(listener: (entry: NumberedEvent) => void): () => void;
  readonly lastId: number;
}

export function createEventLog(capacity: number): EventLog {
  const ring: NumberedEvent[] = [];
  const listeners = new Set<(entry: NumberedEvent) => void>();
  let lastId = 0;

  return {
    append(event) {
      lastId += 1;
      const entry = { id: lastId, event };
      ring[(lastId - 1) % capacity] = entry;
      for (const listener of listeners) listener(entry);
    },
    recent(limit, afterId = 0) {
      const first = Math.max(afterId, lastId - Math.min(limit, ring.length));
      return Array.from({ length: lastId - first }, (_, index) => ring[(first + index) % capacity]).filter(
        (entry) => entry !== undefined,
      );
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get lastId() {
      return lastId;
    },
  };
}
