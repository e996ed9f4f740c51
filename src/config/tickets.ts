// SPDX-License-Identifier: Apache-2.0
// The one setting of TLS tickets that all listeners share (checked in checks/listeners.ts).
import { dirname, resolve } from "node:path";
import type { TicketSettings } from "../tls/ticket-keys.ts";
import { terminatesTls } from "./listener_kinds.ts";
import type { EdgeConfig } from "./types.ts";
import { milliseconds } from "./units.ts";

/** undefined: no tickets. */
export function ticketSettings(config: EdgeConfig): TicketSettings | undefined {
  const tls = Object.values(config.listeners).find(terminatesTls)?.tls;
  if (tls === undefined || !tls.tickets.enabled) return undefined;
  const { rotation, keyFile } = tls.tickets;
  return {
    rotationMs: milliseconds(rotation),
    keyFile: keyFile === undefined ? undefined : resolve(dirname(config.file), keyFile),
  };
}
