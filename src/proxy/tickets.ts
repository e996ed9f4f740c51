// SPDX-License-Identifier: Apache-2.0
// Ticket keys across configuration changes: a change that is refused must leave the ring as it was, and one that is
// accepted must not forget keys that clients still hold tickets of.
import { createTicketKeyRing, type TicketKeyRing, type TicketSettings } from "../tls/ticket-keys.ts";

export interface TicketChange {
  readonly keys: readonly string[];
  accept(): Promise<void>;
  refuse(): void;
}

export interface Tickets {
  prepare(settings: TicketSettings | undefined): Promise<TicketChange>;
  stop(): void;
}

// `rotated`: the keys have changed by themselves and must be handed down again.
export function createTickets(rotated: () => void): Tickets {
  let ring: TicketKeyRing | null = null;
  let own = false; // keys of our own making, which only live in `ring`

  // The ring may stay when it makes its own keys before and after; its pace changes once the change is accepted.
  const keep = (current: TicketKeyRing, settings: TicketSettings): TicketChange => ({
    keys: current.keys(),
    accept: () => current.configure(settings),
    refuse: () => undefined,
  });

  const replace = async (settings: TicketSettings | undefined): Promise<TicketChange> => {
    const next = createTicketKeyRing(rotated);
    await next.configure(settings);
    return {
      keys: next.keys(),
      async accept() {
        ring?.stop();
        ring = next;
        own = settings !== undefined && settings.keyFile === undefined;
      },
      refuse: () => next.stop(),
    };
  };

  return {
    prepare: (settings) => {
      const stays = ring !== null && own && settings !== undefined && settings.keyFile === undefined;
      return stays && ring !== null ? Promise.resolve(keep(ring, settings)) : replace(settings);
    },
    stop: () => ring?.stop(),
  };
}
