// SPDX-License-Identifier: Apache-2.0
// What the control plane makes of the data plane's events: a history for operators, a log line where a server's
// health or the offload device changes, and bans where a policy's escalation rule is reached.

import type { EscalationRule } from "../config/index.ts";
import { type BanEntry, createBanList } from "./bans.ts";
import type { Clock } from "./clock.ts";
import { createEscalation } from "./escalation.ts";
import { createEventLog, type EventLog } from "./event_log.ts";
import type { DataPlaneEvent } from "./events.ts";
import type { Logger } from "./logger.ts";
import type { Ban } from "./snapshot.ts";

const kEventHistory = 4096;
const kMaxBans = 10_000;
const kMaxCountedKeys = 10_000; // per escalation rule

export interface Policing {
  readonly events: EventLog;
  readonly imposed: number; // bans since the start
  observe(events: readonly DataPlaneEvent[]): void;
  setRules(rules: readonly EscalationRule[]): void;
  rules(): readonly EscalationRule[];
  bans(): readonly BanEntry[];
  unban(by: Ban["by"], value: string): boolean;
  unbanAll(): number;
  close(): void;
}

export interface PolicingOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly publish: (bans: readonly Ban[]) => void; // to the data plane
}

export function createPolicing({ clock, logger, publish }: PolicingOptions): Policing {
  const events = createEventLog(kEventHistory);
  const list = createBanList({ clock, maxBans: kMaxBans, publish });
  let rules: readonly EscalationRule[] = [];
  let imposed = 0;

  const ban = (entry: BanEntry): void => {
    imposed += 1;
    list.add(entry);
    const { policy, by, value, action, untilMs } = entry;
    logger.warn({ policy, by, value, action, until: new Date(untilMs).toISOString() }, "banned");
  };
  const escalation = createEscalation({ clock, maxKeys: kMaxCountedKeys, ban });

  return {
    events,
    get imposed() {
      return imposed;
    },
    observe(batch) {
      for (const event of batch) {
        events.append(event);
        if (event.type === "policy") escalation.observe(event);
        else if (event.type === "server") logger.warn({ ...event }, `upstream server ${event.state}`);
        else logger.warn({ ...event }, `offload device ${event.state}`);
      }
    },
    setRules(next) {
      rules = next;
      escalation.setRules(next);
    },
    rules: () => rules,
    bans: () => list.list(),
    unban(by, value) {
      escalation.forget(by, value);
      return list.remove(by, value);
    },
    unbanAll: () => list.clear(),
    close: () => list.close(),
  };
}
