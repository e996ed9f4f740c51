// SPDX-License-Identifier: Apache-2.0
// What the data plane tells the control plane: one event for every policy action it applied, for a server's health, and
// for what becomes of the offload device.
import type { DeviceState } from "./device.ts";
import type { ActionKind, Trigger } from "./snapshot.ts";

export interface PolicyEvent {
  readonly type: "policy";
  readonly timeMs: number; // Unix time
  readonly session: number;
  readonly listener: string;
  readonly client: string; // address without port
  readonly sni: string;
  readonly route: string; // "" before routing
  readonly upstream: string;
  readonly policy: string;
  readonly trigger: Trigger | "admin" | "ban";
  readonly action: ActionKind;
  readonly status: number; // sent to the client, 0 = none
  readonly reason: string; // the same stable word as in the access log
}

export interface ServerEvent {
  readonly type: "server";
  readonly timeMs: number;
  readonly upstream: string;
  readonly server: string;
  readonly state: "ejected" | "restored";
  readonly reason: string;
}

export interface DeviceEvent {
  readonly type: "device";
  readonly timeMs: number;
  readonly engine: string;
  readonly state: DeviceState;
  readonly resets: number;
  readonly reason: string; // why it is not ready
}

export type DataPlaneEvent = PolicyEvent | ServerEvent | DeviceEvent;
