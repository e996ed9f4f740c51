// SPDX-License-Identifier: Apache-2.0
// One upstream of the snapshot, with its servers.
import type { SnapshotServer, SnapshotUpstream } from "../proxy/snapshot.ts";
import { formatAddress } from "./addresses.ts";
import type { CompileOptions } from "./compile.ts";
import { normaliseHostname } from "./hostnames.ts";
import type { UpstreamConfig } from "./schema/root.ts";
import { parseServerUrl, usualPort } from "./server_url.ts";
import type { UpstreamMaterial } from "./types.ts";
import { bytes, milliseconds } from "./units.ts";

const PROTOCOLS = { http1: "http1", h2c: "http2", h2: "http2", auto: "auto" } as const;

export function compileUpstream(
  name: string,
  upstream: UpstreamConfig,
  material: UpstreamMaterial | undefined,
  options: CompileOptions,
): SnapshotUpstream {
  const { timeouts, connectionPool, healthCheck, http2 } = upstream;
  return {
    name,
    protocol: PROTOCOLS[upstream.protocol ?? "http1"],
    tls: upstream.tls === undefined ? null : compileTls(name, upstream.tls, material),
    http2: {
      maxConcurrentStreams: http2.maxConcurrentStreams,
      streamWindowBytes: bytes(http2.initialStreamWindowSize),
      connectionWindowBytes: bytes(http2.initialConnectionWindowSize),
    },
    proxyProtocol: upstream.proxyProtocol ?? "none",
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

function compileTls(
  upstream: string,
  tls: NonNullable<UpstreamConfig["tls"]>,
  material: UpstreamMaterial | undefined,
): SnapshotUpstream["tls"] {
  if (material === undefined) throw new Error(`the TLS of upstream ${upstream} was not loaded`);
  return {
    verify: !tls.insecureSkipVerify,
    caPem: material.caPem,
    serverName: tls.serverName === undefined ? "" : (normaliseHostname(tls.serverName) ?? ""),
    altNames: tls.subjectAltNames.flatMap((name) => normaliseHostname(name) ?? []),
    certPem: material.certPem,
    keyPem: material.keyPem,
    minVersion: tls.minVersion,
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
  const authority = formatAddress(url.host, url.port);
  const host = url.port === usualPort(url.scheme) ? authority.replace(/:[0-9]+$/, "") : authority;
  return { key: url.key, host, endpoints, weight, drain };
}
