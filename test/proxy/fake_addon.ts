// SPDX-License-Identifier: Apache-2.0
// Stands in for the data plane where a test is about the control plane's own decisions: it records what it was told
// and refuses on demand. What traffic does is tested through the real one, in test/e2e.
import type { Addon, DataPlaneOptions } from "../../src/proxy/addon.ts";
import type { DeviceFacts } from "../../src/proxy/device.ts";
import type { DataPlaneEvent } from "../../src/proxy/events.ts";
import type { Ban, Snapshot } from "../../src/proxy/snapshot.ts";
import { counters } from "../metrics/fixture.ts";

export interface FakePlane {
  readonly options: DataPlaneOptions;
  readonly snapshots: Snapshot[]; // accepted ones
  readonly calls: (readonly [name: string, ...args: unknown[]])[];
  bans: readonly Ban[];
  refuse: { readonly code: string; readonly message: string } | null;
  active: number; // sessions
  device: DeviceFacts;
  fields: Readonly<Record<string, string>>; // what the device tells when asked
  emit(events: readonly DataPlaneEvent[]): void;
}

export interface FakeAddon extends Addon {
  readonly planes: FakePlane[];
}

export const healthyDevice: DeviceFacts = {
  engine: "kernel (built in)",
  ipc: null,
  state: "ready",
  error: "",
  resets: 0,
  lostListeners: [],
};

export function createFakeAddon(): FakeAddon {
  const planes: FakePlane[] = [];
  class DataPlane {
    readonly #plane: FakePlane;
    #events: readonly DataPlaneEvent[] = [];

    constructor(options: DataPlaneOptions, wake: () => void) {
      this.#plane = {
        options,
        snapshots: [],
        calls: [],
        bans: [],
        refuse: null,
        active: 0,
        device: healthyDevice,
        fields: {},
        emit: (events) => {
          this.#events = events;
          wake();
        },
      };
      planes.push(this.#plane);
    }

    apply(text: string): string {
      const { refuse, snapshots } = this.#plane;
      if (refuse !== null) throw Object.assign(new Error(refuse.message), { code: refuse.code });
      const snapshot = JSON.parse(text) as Snapshot;
      snapshots.push(snapshot);
      const listeners = snapshot.listeners.map(({ name, host }, index) => ({
        name,
        address: host,
        port: 40_000 + index,
      }));
      return JSON.stringify({ listeners });
    }

    setEndpoints(...args: readonly unknown[]): void {
      this.#plane.calls.push(["setEndpoints", ...args]);
    }
    setBans(bans: string): void {
      this.#plane.bans = JSON.parse(bans) as readonly Ban[];
    }
    drain(): void {
      this.#plane.calls.push(["drain"]);
    }
    stop(): void {
      this.#plane.calls.push(["stop"]);
    }
    counters(): string {
      return JSON.stringify({ ...counters, sessions: { active: this.#plane.active, total: 7 } });
    }
    events(): string {
      const events = this.#events;
      this.#events = [];
      return JSON.stringify(events);
    }
    async sessions(selector: string): Promise<string> {
      const parsed = JSON.parse(selector) as { readonly id?: number };
      if (parsed.id !== 0) this.#plane.calls.push(["sessions", parsed]); // 0 only waits for the workers
      return "[]";
    }
    async act(selector: string, action: string): Promise<number> {
      this.#plane.calls.push(["act", JSON.parse(selector), action]);
      return this.#plane.active;
    }
    upstreams(): string {
      const upstreams = this.#plane.snapshots.at(-1)?.upstreams ?? [];
      return JSON.stringify(upstreams.map(({ name, servers }) => ({ name, servers })));
    }
    device(): string {
      return JSON.stringify(this.#plane.device);
    }
    async askDevice(): Promise<string> {
      this.#plane.calls.push(["askDevice"]);
      return JSON.stringify({ ...this.#plane.device, fields: this.#plane.fields });
    }
    async resetDevice(preserve: boolean): Promise<boolean> {
      const { refuse, calls, device } = this.#plane;
      if (refuse !== null) throw Object.assign(new Error(refuse.message), { code: refuse.code });
      calls.push(["resetDevice", preserve]);
      this.#plane.device = { ...device, state: "resetting", resets: device.resets + 1 };
      return true;
    }
    reopenAccessLog(): void {
      this.#plane.calls.push(["reopenAccessLog"]);
    }
  }
  return {
    planes,
    DataPlane,
    explain: (_snapshot, request) => JSON.stringify({ asked: JSON.parse(request) as unknown, route: "all" }),
    versions: () => ({ openssl: "OpenSSL 3.5", engine: "kernel (built in)" }),
  };
}
