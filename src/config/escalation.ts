// SPDX-License-Identifier: Apache-2.0
// The escalation rules of all policies, ready for the control plane to count with.
import type { ActionKind, Trigger } from "../proxy/snapshot.ts";
import type { EdgeConfig } from "./types.ts";
import { milliseconds } from "./units.ts";

export interface EscalationRule {
  readonly policy: string;
  readonly trigger: Trigger | null; // null = any
  readonly after: number;
  readonly withinMs: number;
  readonly by: "client" | "sni" | "route";
  readonly action: ActionKind;
  readonly status: number; // 0 = the action's usual one
  readonly banMs: number;
}

export function escalationRules(config: EdgeConfig): EscalationRule[] {
  return Object.entries(config.policies).flatMap(([policy, { escalation }]) =>
    escalation.map((rule) => ({
      policy,
      trigger: rule.trigger ?? null,
      after: rule.after,
      withinMs: milliseconds(rule.within),
      by: rule.by,
      action: rule.action,
      status: rule.status ?? 0,
      banMs: milliseconds(rule.ban),
    })),
  );
}
