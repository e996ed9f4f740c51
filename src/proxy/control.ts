// SPDX-License-Identifier: Apache-2.0
// What the control plane can be asked and told: the contract between the controller and its two users, the admin
// API and the command line. Everything handed out here is plain data.

import type { ConfigDocument, EscalationRule } from "../config/index.ts";
import type { ControlFacts } from "../metrics/control_metrics.ts";
import type { Counters } from "../metrics/counters.ts";
import type { BanEntry } from "./bans.ts";
import type { DeviceFacts, DeviceReport } from "./device.ts";
import type { ErrorDetail } from "./errors.ts";
import type { EventLog } from "./event_log.ts";
import type { ResolverStatus } from "./resolver.ts";
import type { SessionInfo, SessionSelector } from "./sessions.ts";
import type { Ban, Snapshot } from "./snapshot.ts";

export type ControllerState = "new" | "starting" | "ready" | "draining" | "stopped";
export type SessionAction = "close" | "reset" | "abort";

export const sessionActions: readonly SessionAction[] = ["close", "reset", "abort"];

export interface ListenerAddress {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface ApplyResult {
  readonly generation: number;
  readonly listeners: readonly ListenerAddress[];
  readonly warnings: readonly ErrorDetail[];
  readonly needsRestart: readonly string[]; // parts that changed but only take effect with a new process
}

export interface CertificateInfo {
  readonly name: string;
  readonly hostnames: readonly string[];
  readonly subject: string;
  readonly issuer: string;
  readonly selfSigned: boolean;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly keyType: string;
  readonly fingerprint256: string;
}

// As the data plane sees it: health, endpoints, weights.
export interface UpstreamState {
  readonly name: string;
  readonly servers: readonly unknown[];
}

export interface ExplainRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly listener?: string;
}

export interface Controller {
  readonly state: ControllerState;
  readonly generation: number;
  readonly events: EventLog;

  reload(): Promise<ApplyResult>; // reads the file again
  apply(text: string): Promise<ApplyResult>; // a document from elsewhere; the file stays as it is
  validate(text: string): Promise<{ readonly warnings: readonly ErrorDetail[] }>; // throws like apply
  drain(): Promise<void>; // settles when the last session is gone or the time is up
  stop(): Promise<void>; // idempotent

  config(): ConfigDocument; // the running one with every default filled in, secrets masked
  snapshot(): Snapshot | null; // holds private keys
  listeners(): readonly ListenerAddress[];
  certificates(): readonly CertificateInfo[];
  upstreams(): readonly UpstreamState[];
  names(): readonly ResolverStatus[];
  escalationRules(): readonly EscalationRule[];
  counters(): Counters | null;
  facts(): ControlFacts;

  sessions(selector: SessionSelector): Promise<readonly SessionInfo[]>;
  act(selector: SessionSelector, action: SessionAction): Promise<number>;
  explain(request: ExplainRequest): unknown;

  device(): DeviceFacts | null; // what is known; null: no data plane yet
  askDevice(): Promise<DeviceReport | null>; // with what the device tells, where it answers
  resetDevice(preserve: boolean): Promise<DeviceFacts>; // settles when the reset has begun

  bans(): readonly BanEntry[];
  unban(by: Ban["by"], value: string): boolean;
  unbanAll(): number;
  reopenAccessLog(): void;
}
