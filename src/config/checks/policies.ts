// SPDX-License-Identifier: Apache-2.0
// policies: actions that fit their triggers, escalations that can be counted, networks that can be matched.

import type { Trigger } from "../../proxy/snapshot.ts";
import { ACTIONS, actionRefused, TARPIT_MAX_MS, TARPIT_MIN_MS } from "../actions.ts";
import type { Path } from "../errors.ts";
import type { PolicyConfig } from "../schema/root.ts";
import { milliseconds } from "../units.ts";
import { type CheckContext, entriesOf } from "./context.ts";
import { checkNetworks } from "./listeners.ts";

type Action = NonNullable<PolicyConfig["session"][Trigger]>;

export function checkPolicies(context: CheckContext): void {
  for (const [path, policy] of entriesOf(context, "policies", context.document.policies)) {
    for (const [trigger, action] of Object.entries(policy.session))
      checkAction(context, [...path, "session", trigger], trigger as Trigger, action as Action);
    for (const [index, rule] of policy.escalation.entries())
      checkEscalation(context, [...path, "escalation", index], rule);
    checkNetworks(context, [...path, "ipAllow"], policy.ipAllow);
    checkNetworks(context, [...path, "ipDeny"], policy.ipDeny);
    if (policy.rateLimit !== undefined && milliseconds(policy.rateLimit.per) === 0) {
      context.reporter.error([...path, "rateLimit", "per"], "expected more than 0s");
    }
  }
}

function checkAction(context: CheckContext, path: Path, trigger: Trigger, given: Action): void {
  const { reporter } = context;
  const action = typeof given === "string" ? given : given.action;
  const at = typeof given === "string" ? path : [...path, "action"];
  const refused = actionRefused(trigger, action);
  if (refused !== undefined) return reporter.error(at, refused);
  if (typeof given === "string") return;
  if (given.status !== undefined && action !== "respond" && action !== "tarpit") {
    reporter.error([...path, "status"], `status has no effect with ${action}; expected respond or tarpit`, {
      at: "key",
    });
  }
  if (given.delay !== undefined) checkDelay(context, [...path, "delay"], action, given.delay);
}

function checkDelay(context: CheckContext, path: Path, action: string, delay: string): void {
  if (action !== "tarpit")
    return context.reporter.error(path, `delay has no effect with ${action}; expected tarpit`, { at: "key" });
  const delayMs = milliseconds(delay);
  if (delayMs < TARPIT_MIN_MS || delayMs > TARPIT_MAX_MS)
    context.reporter.error(path, "expected a delay from 100ms to 5m");
}

function checkEscalation(context: CheckContext, path: Path, rule: PolicyConfig["escalation"][number]): void {
  const { reporter } = context;
  if (milliseconds(rule.within) === 0) reporter.error([...path, "within"], "expected more than 0s");
  if (milliseconds(rule.ban) === 0) reporter.error([...path, "ban"], "expected more than 0s");
  if (rule.action === "none") {
    reporter.error(
      [...path, "action"],
      `none bans nobody; expected ${ACTIONS.filter((action) => action !== "none").join(", ")}`,
    );
  }
  if ((rule.action === "goaway" || rule.action === "refuseStream") && rule.by !== "route") {
    reporter.error(
      [...path, "action"],
      `${rule.action} needs a request, and a ban by ${rule.by} comes before any; expected by: route, or another action`,
    );
  }
  if (rule.status !== undefined && rule.action !== "respond") {
    reporter.error([...path, "status"], `status has no effect with ${rule.action}; expected respond`, {
      at: "key",
    });
  }
}
