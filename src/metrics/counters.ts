// SPDX-License-Identifier: Apache-2.0
// The shape of DataPlane.counters(): sums over all workers, taken without stopping them. Everything only grows,
// except what is named `active`, `open`, `idle`, `bytesHeld`.

// Upper bounds in seconds of every latency histogram; counts has one entry more (+Inf). Not cumulative.
export interface NativeHistogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number; // seconds
}

export interface ListenerCounters {
  readonly name: string;
  readonly accepted: number;
  readonly active: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly handshakeSeconds: NativeHistogram;
}

export interface HandshakeCounter {
  readonly listener: string;
  readonly version: string; // "TLSv1.3", "" if not known yet
  readonly group: string;
  readonly cipher: string;
  readonly resumed: boolean;
  readonly result: "ok" | "error" | "timeout";
  readonly count: number;
}

export interface RouteCounters {
  readonly name: string; // "" = no route matched
  readonly connections: number; // of bytes, which have no status
  readonly grpc: readonly { readonly status: number; readonly count: number }[]; // -1: ended without a status
  readonly requests: readonly { readonly status: number; readonly count: number }[]; // by status code
  readonly active: number;
  readonly seconds: NativeHistogram; // first byte of the request to last byte of the response
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface ServerCounters {
  readonly upstream: string;
  readonly server: string;
  readonly requests: number;
  readonly connects: number;
  readonly connectErrors: number;
  readonly reused: number;
  readonly retries: number;
  readonly failures: number;
  readonly ejections: number;
  readonly open: number;
  readonly idle: number;
  readonly active: number;
  readonly healthy: boolean;
  readonly responseSeconds: NativeHistogram; // request sent to response head
}

export interface Counters {
  readonly listeners: readonly ListenerCounters[];
  readonly handshakes: readonly HandshakeCounter[];
  readonly routes: readonly RouteCounters[];
  readonly servers: readonly ServerCounters[];
  readonly actions: readonly {
    readonly policy: string;
    readonly trigger: string;
    readonly action: string;
    readonly count: number;
  }[];
  readonly reasons: readonly { readonly reason: string; readonly count: number }[]; // failed exchanges
  readonly sessions: { readonly active: number; readonly total: number };
  readonly buffers: { readonly bytesHeld: number; readonly allocations: number };
  readonly accessLog: { readonly written: number; readonly dropped: number };
  readonly events: { readonly emitted: number; readonly dropped: number };
  readonly engine: Readonly<Record<string, number>>; // libmango calls: recv, send, accept, connect, ...
  readonly workers: readonly { readonly loops: number; readonly accepted: number }[];
}
