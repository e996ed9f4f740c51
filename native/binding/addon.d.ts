// SPDX-License-Identifier: Apache-2.0
// All that crosses between JavaScript and the data plane. Documents cross as JSON text: one parser on each
// side, one boundary to fuzz. Every failure is an Error with a stable `code` (see src/proxy/errors.ts).

export interface Versions {
  readonly openssl: string; // of the one OpenSSL in the process
  readonly engine: string; // "kernel (built in)" or the library's own version
}

export interface Options {
  readonly workers: number;
  readonly library: string; // path of a libmango.so, "" = the built-in one
  readonly ipcAddress: string; // "host:port" or "iceoryx:NAME" of the process that owns TCP, "" = this process does
  readonly ipcIndex: number; // which of its devices
  readonly accessLogPath: string; // "" = off, "-" = standard output
}

export class DataPlane {
  // Starts the workers; no listener yet. `wake` is called on the event loop when events() has something to read.
  // Throws ENGINE_LOAD (library missing, or a symbol of it; no answer from the device).
  constructor(options: Options, wake: () => void);

  // Checks the snapshot, binds new listeners, swaps it in; on any error nothing has changed.
  // Throws SNAPSHOT_INVALID, CERTIFICATE_INVALID, LISTEN_FAILED, DEVICE_UNAVAILABLE. Answers JSON: {listeners: [{name, address, port}]}.
  apply(snapshot: string): string;
  // Replaces a server's endpoints after a name was resolved again. Unknown keys are ignored.
  setEndpoints(serverKey: string, endpoints: readonly string[]): void;
  setBans(bans: string): void; // JSON: Ban[]

  // Starts an orderly stop: listeners close, idle sessions end, busy ones after their response.
  drain(): void;
  // Closes what is left (abort) and joins the threads. Idempotent.
  stop(): void;

  // All counters and gauges, JSON (shape: src/metrics/counters.ts).
  counters(): string;
  // Events since the last call, JSON array (shape: src/proxy/events.ts). Bounded; what was dropped is counted.
  events(): string;
  // Live sessions that match the selector, JSON in and out (shapes: src/proxy/sessions.ts).
  sessions(selector: string): Promise<string>;
  // Applies close, reset or abort to the sessions that match; answers how many.
  act(selector: string, action: string): Promise<number>;
  // Upstream servers with their health, JSON.
  upstreams(): string;
  // Engine and device as far as known, JSON (shape: src/proxy/device.ts): at once, without asking the device.
  device(): string;
  // The same with all that the device tells of itself. Waits for it on a thread of the data plane.
  askDevice(): Promise<string>;
  // Resets the device: resolves when the reset has begun, its end shows in device(). Rejects with
  // DEVICE_UNAVAILABLE or NOT_IMPLEMENTED.
  resetDevice(preserve: boolean): Promise<boolean>;
  reopenAccessLog(): void;
}

// Which route and backend the snapshot gives a request, and why: JSON in {listener, method, url, headers}, JSON out.
export function explain(snapshot: string, request: string): string;
export function versions(): Versions;
