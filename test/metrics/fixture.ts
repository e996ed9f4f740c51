// SPDX-License-Identifier: Apache-2.0
// Counters as the data plane gives them, small but with every part present.
import type { ControlFacts } from "../../src/metrics/control_metrics.ts";
import type { Counters, NativeHistogram, RouteCounters, ServerCounters } from "../../src/metrics/counters.ts";

export const histogram: NativeHistogram = { bounds: [0.001, 0.01, 0.1], counts: [5, 3, 1, 2], sum: 1.25 };

export function routeCounters(name: string, status = 200, count = 11): RouteCounters {
  const requests = [{ status, count }];
  const grpc = [
    { status: 0, count: 4 },
    { status: 14, count: 1 },
    { status: -1, count: 2 },
  ];
  return {
    name,
    requests,
    connections: 0,
    grpc,
    active: 1,
    seconds: histogram,
    requestBytes: 10,
    responseBytes: 20,
  };
}

export function serverCounters(upstream: string, server: string): ServerCounters {
  return {
    upstream,
    server,
    requests: 11,
    connects: 2,
    connectErrors: 1,
    reused: 9,
    retries: 1,
    failures: 1,
    ejections: 0,
    open: 2,
    idle: 1,
    active: 1,
    healthy: true,
    responseSeconds: histogram,
  };
}

export const counters: Counters = {
  listeners: [
    { name: "https", accepted: 7, active: 2, bytesIn: 100, bytesOut: 200, handshakeSeconds: histogram },
  ],
  handshakes: [
    {
      listener: "https",
      version: "TLSv1.3",
      group: "X25519MLKEM768",
      cipher: "TLS_AES_128_GCM_SHA256",
      resumed: false,
      result: "ok",
      count: 6,
    },
    { listener: "https", version: "", group: "", cipher: "", resumed: false, result: "timeout", count: 1 },
  ],
  routes: [routeCounters("shop"), routeCounters("", 404, 3)],
  servers: [serverCounters("shop", "http://127.0.0.1:9000")],
  actions: [{ policy: "default", trigger: "idle", action: "close", count: 4 }],
  reasons: [{ reason: "upstream_connect", count: 2 }],
  sessions: { active: 2, total: 7 },
  buffers: { bytesHeld: 65536, allocations: 12 },
  accessLog: { written: 14, dropped: 0 },
  events: { emitted: 4, dropped: 0 },
  engine: { recv: 40, send: 41 },
  workers: [
    { loops: 100, accepted: 4 },
    { loops: 90, accepted: 3 },
  ],
};

export const facts: ControlFacts = {
  build: { version: "0.1.0", node: "v24", openssl: "OpenSSL 3.5", engine: "kernel (built in)" },
  generation: 3,
  ready: true,
  reloads: { ok: 3, failed: 1, lastOk: false, lastOkMs: 1_700_000_000_500 },
  certificates: [{ name: "localhost", notAfterMs: 1_800_000_000_000 }],
  bans: [{ by: "client" }, { by: "client" }],
  bansTotal: 5,
  unresolvedNames: 0,
};
