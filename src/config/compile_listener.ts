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
    mode: modeOf(listener),
    host: address.host,
    port: address.port,
    backlog: listener.backlog,
    tls: listener.tls?.mode === "Terminate" ? compileTls(config, indices, name, listener.tls) : null,
    policy: index(indices.policies, listener.policy ?? DEFAULT_POLICY),
    trustedCidrs: networks(listener.forwardedHeaders.trustedCIDRs),
    proxyProtocolCidrs: networks(listener.proxyProtocol?.trustedCIDRs ?? []),
    http2: compileHttp2(listener.http2),
    timeouts: {
      handshakeMs: milliseconds(timeouts.handshake),
      requestHeadersMs: milliseconds(timeouts.requestHeaders),
      bodyMs: milliseconds(timeouts.requestBody),
      idleMs: milliseconds(timeouts.idle),
      minRateBytesPerSecond: timeouts.minRate.bytesPerSecond,
      minRateGraceMs: milliseconds(timeouts.minRate.after),
      writeMs: milliseconds(timeouts.write),
      tunnelIdleMs: milliseconds(timeouts.tunnelIdle),
    },
    limits: {
      headBytes: bytes(limits.headBytes),
      headFields: limits.headFields,
      allowEscapedSlashes: limits.allowEscapedSlashes,
    },
  };
}

function modeOf({ protocol, tls }: ListenerConfig): SnapshotListener["mode"] {
  if (protocol === "http" || protocol === "https") return "http";
  return tls?.mode === "Passthrough" ? "tlsPassthrough" : "tcp";
}

function compileHttp2(http2: ListenerConfig["http2"]): SnapshotListener["http2"] {
  return {
    enabled: http2.enabled,
    maxConcurrentStreams: http2.maxConcurrentStreams,
    streamWindowBytes: bytes(http2.initialStreamWindowSize),
    connectionWindowBytes: bytes(http2.initialConnectionWindowSize),
    resetBurst: http2.resetBudget.burst,
    resetsPerSecond: http2.resetBudget.perSecond,
    controlBurst: http2.controlFrameBudget.burst,
    controlsPerSecond: http2.controlFrameBudget.perSecond,
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
