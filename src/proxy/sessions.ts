// SPDX-License-Identifier: Apache-2.0
// Live sessions as the admin API shows them, and the selector that picks some of them.

export interface SessionInfo {
  readonly id: number; // unique for the life of the process
  readonly worker: number;
  readonly listener: string;
  readonly client: string; // address:port
  readonly state: "handshake" | "idle" | "reading" | "exchange" | "tunnel" | "closing" | "tarpit" | "aborted";
  readonly ageMs: number;
  readonly idleMs: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly tlsVersion: string; // "" on plain listeners
  readonly sni: string;
  readonly route: string; // of the exchange in progress or the last one
  readonly upstream: string;
}

// Every given field must match; an empty selector matches nothing when acting, everything when listing.
export interface SessionSelector {
  readonly id?: number;
  readonly client?: string; // address or CIDR
  readonly sni?: string;
  readonly route?: string;
  readonly upstream?: string;
  readonly listener?: string;
  readonly olderThanMs?: number;
  readonly limit?: number; // when listing
}
