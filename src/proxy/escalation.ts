// SPDX-License-Identifier: Apache-2.0
// From single incidents to bans: counts policy events by client, SNI or route as each policy's escalation rule says,
// and bans whoever reaches the limit. Runs on the event stream, off the data path: a flood costs one batch of
// events, and what the data plane dropped of it is only counted late, never answered wrongly.
import type { EscalationRule } from "../config/index.ts";
import type { BanEntry } from "./bans.ts";
import type { Clock } from "./clock.ts";
import type { PolicyEvent } from "./events.ts";
import { createSlidingWindow, type SlidingWindow } from "./sliding_window.ts";
import type { Ban } from "./snapshot.ts";

const kBanStatus = 403; // what a ban answers when its rule names no status

// Not here: what our own side caused (upstream failures, overload, drain, admin) and what is ordinary (idle, maxAge,
// maxRequests, clientAbort). A rule may still name those itself.
const kBlameable: ReadonlySet<string> = new Set([
  "handshakeTimeout",
  "handshakeError",
  "headerTimeout",
  "bodyTimeout",
  "minRate",
  "protocolError",
  "rateLimited",
  "denied",
]);

// An admin's action never escalates, and a ban must not feed itself.
const kNeverCounted: ReadonlySet<string> = new Set(["admin", "ban"]);

export interface Escalation {
  setRules(rules: readonly EscalationRule[]): void;
  observe(event: PolicyEvent): void;
  forget(by: Ban["by"], value: string): void; // an unbanned client starts from zero
  readonly trackedKeys: number;
}

export interface EscalationOptions {
  readonly clock: Clock;
  readonly maxKeys: number; // per rule
  readonly ban: (entry: BanEntry) => void;
}

interface Counter {
  readonly rule: EscalationRule;
  readonly window: SlidingWindow;
}

export function createEscalation({ clock, maxKeys, ban }: EscalationOptions): Escalation {
  let counters: readonly Counter[] = [];

  const count = ({ rule, window }: Counter, event: PolicyEvent): void => {
    const value = event[rule.by];
    if (value === "") return; // not known yet at that point of the session
    if (window.add(value, event.timeMs) < rule.after) return;
    window.forget(value);
    ban(banFor(rule, value, clock.now()));
  };

  return {
    setRules(rules) {
      const kept = new Map(counters.map((counter) => [JSON.stringify(counter.rule), counter]));
      counters = rules.map(
        (rule) =>
          kept.get(JSON.stringify(rule)) ?? { rule, window: createSlidingWindow(rule.withinMs, maxKeys) },
      );
    },
    observe(event) {
      for (const counter of counters) if (applies(counter.rule, event)) count(counter, event);
    },
    forget(by, value) {
      for (const { rule, window } of counters) if (rule.by === by) window.forget(value);
    },
    get trackedKeys() {
      return counters.reduce((sum, { window }) => sum + window.size, 0);
    },
  };
}

function applies(rule: EscalationRule, event: PolicyEvent): boolean {
  if (event.policy !== rule.policy || kNeverCounted.has(event.trigger)) return false;
  return rule.trigger === null ? kBlameable.has(event.trigger) : rule.trigger === event.trigger;
}

function banFor(rule: EscalationRule, value: string, nowMs: number): BanEntry {
  const { policy, by, action, banMs } = rule;
  const answers = action === "respond" || action === "tarpit";
  const status = answers && rule.status === 0 ? kBanStatus : rule.status;
  return { policy, by, value, action, status, sinceMs: nowMs, untilMs: nowMs + banMs };
}
