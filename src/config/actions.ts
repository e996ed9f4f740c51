// SPDX-License-Identifier: Apache-2.0
// The one table of session policies: every trigger, what is done when nothing is configured, and what may be
// configured for it. A policy's `session` overrides single lines of it.
import type { ActionKind, SnapshotAction, Trigger } from "../proxy/snapshot.ts";

export const ACTIONS = [
  "none",
  "close",
  "reset",
  "abort",
  "respond",
  "tarpit",
  "goaway",
  "refuseStream",
] as const satisfies readonly ActionKind[];

export const TARPIT_DEFAULT_MS = 10_000;
export const TARPIT_MIN_MS = 100;
export const TARPIT_MAX_MS = 300_000;

interface TriggerRule {
  readonly fallback: { readonly action: ActionKind; readonly status: number };
  readonly allowed: readonly ActionKind[];
  readonly because: string; // why the others are refused
}

const rule = (
  action: ActionKind,
  status: number,
  allowed: readonly ActionKind[],
  because: string,
): TriggerRule => ({
  fallback: { action, status },
  allowed,
  because,
});

// goaway and refuseStream are HTTP/2's; a session of another protocol closes instead. REFUSED_STREAM promises that
// nothing was done with the request (RFC 9113, section 8.7), so only what happens before an upstream has it may say
// so: a client repeats such a request by itself, whatever its method.
const HANDSHAKING = ["close", "reset", "abort", "tarpit"] as const;
const BETWEEN = ["none", "close", "reset", "abort", "tarpit", "goaway"] as const;
const UNDERWAY = ["none", "close", "reset", "abort", "respond", "tarpit", "goaway"] as const;
const ENDING = ["close", "reset", "abort"] as const;
const ANSWERING = ["close", "reset", "abort", "respond", "tarpit", "goaway"] as const;
const REFUSING = [...ANSWERING, "refuseStream"] as const;
const NO_HTTP_YET = "before the handshake is done nothing can be answered";
const NO_REQUEST = "between requests there is nothing to answer";
const MUST_END = "the exchange cannot go on";
const TOO_LATE = "the request has begun, and a stream is refused only before";

// Status 0 lets the data plane send the one that fits the very mistake (400, 408, 413, 431, 501, 505, 502 or 503).
const RULES: Readonly<Record<Trigger, TriggerRule>> = {
  handshakeTimeout: rule("reset", 0, ["none", ...HANDSHAKING], NO_HTTP_YET),
  handshakeError: rule("close", 0, HANDSHAKING, NO_HTTP_YET),
  headerTimeout: rule("respond", 408, UNDERWAY, TOO_LATE),
  bodyTimeout: rule("respond", 408, UNDERWAY, TOO_LATE),
  minRate: rule("abort", 0, UNDERWAY, TOO_LATE),
  idle: rule("close", 0, BETWEEN, NO_REQUEST),
  maxAge: rule("close", 0, BETWEEN, NO_REQUEST),
  maxRequests: rule("close", 0, BETWEEN, NO_REQUEST),
  protocolError: rule("respond", 0, ANSWERING, "a session that broke the protocol must not go on"),
  upstreamConnectError: rule("respond", 0, REFUSING, MUST_END),
  upstreamReset: rule("respond", 502, ANSWERING, MUST_END),
  upstreamTimeout: rule("respond", 504, ANSWERING, MUST_END),
  clientAbort: rule("close", 0, ENDING, "nobody is there to be answered"),
  rateLimited: rule("respond", 429, ACTIONS, ""),
  denied: rule("abort", 0, REFUSING, "a denied client must not go on"),
  overload: rule(
    "respond",
    503,
    ["close", "reset", "abort", "respond", "goaway", "refuseStream"],
    "under overload nothing is kept or held",
  ),
  drain: rule("close", 0, ["none", "close", "reset", "abort", "goaway"], NO_REQUEST),
  deviceReset: rule("abort", 0, ENDING, "the session is dead already"),
};

export const TRIGGERS = Object.keys(RULES) as Trigger[];

export function defaultActions(): Record<Trigger, SnapshotAction> {
  const actions = {} as Record<Trigger, SnapshotAction>;
  for (const trigger of TRIGGERS) actions[trigger] = { ...RULES[trigger].fallback, delayMs: 0 };
  return actions;
}

/** Why `action` cannot be taken for `trigger`, or undefined when it can. */
export function actionRefused(trigger: Trigger, action: ActionKind): string | undefined {
  const { allowed, because } = RULES[trigger];
  if (allowed.includes(action)) return undefined;
  const reason = action === "refuseStream" && allowed.includes("respond") ? TOO_LATE : because;
  return `${action} does not fit ${trigger}: ${reason}; expected ${allowed.join(", ")}`;
}

/** The full action for what was configured: the trigger's usual status, a bounded default delay. */
export function resolveAction(
  trigger: Trigger,
  action: ActionKind,
  status?: number,
  delayMs?: number,
): SnapshotAction {
  const answers = action === "respond" || action === "tarpit";
  return {
    action,
    status: answers ? (status ?? RULES[trigger].fallback.status) : 0,
    delayMs: action === "tarpit" ? (delayMs ?? TARPIT_DEFAULT_MS) : 0,
  };
}
