// SPDX-License-Identifier: Apache-2.0
// One listener of the snapshot.
import type { SnapshotListener } from "../proxy/snapshot.ts";
import { parseListenAddress } from "./addresses.ts";
import { DEFAULT_POLICY, type Indices, index, networks } from "./compile.ts";
import type { ListenerConfig } from "./schema/root.ts";
import type { EdgeConfig } from "./types.ts";
import { bytes, milliseconds } from "./units.ts";

export function compileListener(
  config: EdgeConfig,
  indices: Indices,
  name: string,
  listener: ListenerConfig,
): SnapshotListener {
  const address = parseListenAddress(listener.address);
  if (address === undefined) throw new Error(`listener ${name} was not checked`);
  const { timeouts, limits } = listener;
  return {
    name,
    mode: "http",
    host: address.host,
    port: address.port,
    backlog: listener.backlog,
    tls: listener.tls === undefined ? null : compileTls(config, indices, name, listener.tls),
    policy: index(indices.policies, listener.policy ?? DEFAULT_POLICY),
    trustedCidrs: networks(listener.forwardedHeaders.trustedCIDRs),
    proxyProtocolCidrs: [],
    http2: {
      enabled: false,
      maxConcurrentStreams: 100,
      streamWindowBytes: 65_536,
      connectionWindowBytes: 1_048_576,
      resetBurst: 200,
      resetsPerSecond: 20,
      controlBurst: 1000,
      controlsPerSecond: 100,
    },
    timeouts: {
      handshakeMs: milliseconds(timeouts.handshake),
      requestHeadersMs: milliseconds(timeouts.requestHeaders),
      bodyMs: milliseconds(timeouts.requestBody),
      idleMs: milliseconds(timeouts.idle),
      minRateBytesPerSecond: timeouts.minRate.bytesPerSecond,
      minRateGraceMs: milliseconds(timeouts.minRate.after),
      writeMs: milliseconds(timeouts.write),
      tunnelIdleMs: 3_600_000,
    },
    limits: {
      headBytes: bytes(limits.headBytes),
      headFields: limits.headFields,
      allowEscapedSlashes: limits.allowEscapedSlashes,
    },
  };
}

function compileTls(
  config: EdgeConfig,
  indices: Indices,
  listener: string,
  tls: NonNullable<ListenerConfig["tls"]>,
): SnapshotListener["tls"] {
  return {
    certificates: tls.certificates.map((name) => index(indices.certificates, name)),
    minVersion: tls.minVersion,
    groups: tls.groups.join(":"),
    alpn: tls.alpn,
    clientAuth: { mode: tls.clientAuth.mode, caPem: config.materials.clientAuthorities.get(listener) ?? "" },
  };
}
