// SPDX-License-Identifier: Apache-2.0
// What a proxy is set up for: which protocol its clients speak, all of them over TLS, and which one its upstream.
export const SETUPS = {
  http1: { client: "http/1.1", upstream: "HTTP/1.1" },
  http2: { client: "h2", upstream: "HTTP/1.1" },
  http2c: { client: "h2", upstream: "h2c" },
  grpc: { client: "h2", upstream: "gRPC over h2c" },
  exposed: { client: "h2", upstream: "HTTP/1.1" }, // with the limits, deadlines and buffers that each proxy comes with
  tcp: { client: undefined, upstream: "the client's bytes" }, // nobody looks into what is inside TLS
} as const;

export type Setup = keyof typeof SETUPS;

// Requests that are under way at once: connections times streams. Proxies keep as many upstream connections idle where
// one carries one request, or they would open and close them all the time.
export const H2_CONNECTIONS = 16;
export const H2_STREAMS = 32;
export const KEPT_CONNECTIONS = H2_CONNECTIONS * H2_STREAMS;
