// SPDX-License-Identifier: Apache-2.0
// The data plane with types instead of JSON text, and with named errors instead of native ones. Nothing is decided here.
import type { Counters } from "../metrics/counters.ts";
import type { Addon, DataPlaneOptions } from "./addon.ts";
import type { ListenerAddress, SessionAction, UpstreamState } from "./control.ts";
import type { DeviceFacts, DeviceReport } from "./device.ts";
import { fromNative } from "./errors.ts";
import type { DataPlaneEvent } from "./events.ts";
import type { SessionInfo, SessionSelector } from "./sessions.ts";
import type { Ban, Snapshot } from "./snapshot.ts";

export interface Plane {
  apply(snapshot: Snapshot): readonly ListenerAddress[];
  settled(): Promise<void>; // resolves when every worker has taken what was applied before
  setEndpoints(key: string, endpoints: readonly string[]): void;
  setBans(bans: readonly Ban[]): void;
  drain(): void;
  stop(): void;
  counters(): Counters;
  upstreams(): readonly UpstreamState[];
  sessions(selector: SessionSelector): Promise<readonly SessionInfo[]>;
  act(selector: SessionSelector, action: SessionAction): Promise<number>;
  device(): DeviceFacts; // at once
  askDevice(): Promise<DeviceReport>;
  resetDevice(preserve: boolean): Promise<void>; // resolves when it has begun
  reopenAccessLog(): void;
}

export interface PlaneOptions extends DataPlaneOptions {
  readonly onEvents: (events: readonly DataPlaneEvent[]) => void;
}

export function createPlane(addon: Addon, { onEvents, ...options }: PlaneOptions): Plane {
  let stopped = false;
  const wake = (): void => {
    if (stopped) return;
    const events = parse<readonly DataPlaneEvent[]>(native.events());
    if (events.length > 0) onEvents(events);
  };
  const native = attempt(() => new addon.DataPlane(options, wake));
  return {
    apply: (snapshot) =>
      attempt(
        () =>
          parse<{ listeners: readonly ListenerAddress[] }>(native.apply(JSON.stringify(snapshot))).listeners,
      ),
    setEndpoints: (key, endpoints) => attempt(() => native.setEndpoints(key, endpoints)),
    setBans: (bans) => attempt(() => native.setBans(JSON.stringify(bans))),
    drain: () => attempt(() => native.drain()),
    stop() {
      stopped = true;
      attempt(() => native.stop());
    },
    counters: () => attempt(() => parse<Counters>(native.counters())),
    upstreams: () => attempt(() => parse<readonly UpstreamState[]>(native.upstreams())),
    sessions: (selector) =>
      attemptLater(async () =>
        parse<readonly SessionInfo[]>(await native.sessions(JSON.stringify(selector))),
      ),
    // Workers take what they are given in order, and no session has the id 0.
    settled: () =>
      attemptLater(async () => {
        await native.sessions(JSON.stringify({ id: 0 }));
      }),
    act: (selector, action) => attemptLater(() => native.act(JSON.stringify(selector), action)),
    device: () => attempt(() => parse<DeviceFacts>(native.device())),
    askDevice: () => attemptLater(async () => parse<DeviceReport>(await native.askDevice())),
    resetDevice: (preserve) =>
      attemptLater(async () => {
        await native.resetDevice(preserve);
      }),
    reopenAccessLog: () => attempt(() => native.reopenAccessLog()),
  };
}

function parse<T>(text: string): T {
  return JSON.parse(text) as T;
}

function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromNative(error);
  }
}

async function attemptLater<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw fromNative(error);
  }
}
