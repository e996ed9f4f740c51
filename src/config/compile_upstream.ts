// SPDX-License-Identifier: Apache-2.0
// One upstream of the snapshot, with its servers.
import type { SnapshotServer, SnapshotUpstream } from "../proxy/snapshot.ts";
import { formatAddress, parseServerUrl } from "./addresses.ts";
import type { CompileOptions } from "./compile.ts";
import type { UpstreamConfig } from "./schema/root.ts";
import { milliseconds } from "./units.ts";

export function compileUpstream(
  name: string,
  upstream: UpstreamConfig,
  options: CompileOptions,
): SnapshotUpstream {
  const { timeouts, connectionPool, healthCheck } = upstream;
  return {
    name,
    protocol: "http1",
    tls: null,
    http2: { maxConcurrentStreams: 100, streamWindowBytes: 65_536, connectionWindowBytes: 1_048_576 },
    proxyProtocol: "none",
    servers: upstream.servers.map((server) => compileServer(server, options)),
    loadBalancer: upstream.loadBalancer.type,
    timeouts: {
      connectMs: milliseconds(timeouts.connect),
      responseMs: milliseconds(timeouts.response),
      idleMs: milliseconds(timeouts.idle),
    },
    ejection: {
      consecutiveFailures: healthCheck.passive.consecutiveFailures,
      baseMs: milliseconds(healthCheck.passive.baseEjectionTime),
      maxMs: milliseconds(healthCheck.passive.maxEjectionTime),
    },
    pool: { maxIdle: connectionPool.maxIdle, maxConnections: connectionPool.maxConnections },
  };
}

function compileServer(server: UpstreamConfig["servers"][number], options: CompileOptions): SnapshotServer {
  const parsed = parseServerUrl(server.url);
  if (!("url" in parsed)) throw new Error(`server ${server.url} was not checked`);
  const { url } = parsed;
  const { weight, drain } = server;
  const resolved = options.endpoints.get(url.key) ?? [];
  if (url.kind === "unix") return { key: url.key, host: "localhost", endpoints: [url.key], weight, drain };
  if (url.kind === "builtin") return { key: url.key, host: url.name, endpoints: resolved, weight, drain };
  const endpoints = url.literal ? [formatAddress(url.host, url.port)] : resolved;
  // The Host field carries a port only where it is not the usual one.
  const host =
    url.port === 80 ? formatAddress(url.host, 80).replace(/:80$/, "") : formatAddress(url.host, url.port);
  return { key: url.key, host, endpoints, weight, drain };
}
