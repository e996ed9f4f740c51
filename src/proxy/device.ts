// SPDX-License-Identifier: Apache-2.0
// The offload engine and the device below it, as DataPlane.device() and askDevice() tell of them.

export type DeviceState =
  | "ready"
  | "resetting" // its sessions are gone; nothing can be opened yet
  | "gone" // its process does not answer
  | "reopening"; // it is back, and listeners are not yet

export interface DeviceFacts {
  readonly engine: string; // "kernel (built in)", a library's path, "device 0 at localhost:32847"
  readonly ipc: { readonly address: string; readonly index: number } | null; // null: TCP lives in this process
  readonly state: DeviceState;
  readonly error: string; // why it is not ready, as far as known
  readonly resets: number; // since the start, or times its process was lost
  readonly lostListeners: readonly string[]; // which wait for a socket
}

export interface DeviceReport extends DeviceFacts {
  readonly fields: Readonly<Record<string, string>>; // of mango_ipc_get_config(): "device.ip", "counters.accepted"
}

// The report of a device that nobody asked.
export function withoutAnswer(facts: DeviceFacts): DeviceReport {
  return { ...facts, fields: {} };
}
