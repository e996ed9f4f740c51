// SPDX-License-Identifier: Apache-2.0
// Configurations as short as a test wants them: one listener, one route, one upstream, and what differs.
import type { Config } from "./edge.ts";

export interface Variation {
  readonly listener?: Config;
  readonly route?: Config;
  readonly upstream?: Config;
  readonly top?: Config; // whole sections beside these
}

// Listener "main" (plain HTTP), route "all", upstream "app".
export function proxyTo(url: string | readonly string[], vary: Variation = {}): Config {
  return {
    listeners: { main: { address: "127.0.0.1:0", protocol: "http", ...vary.listener } },
    routes: [{ name: "all", backendRefs: [{ name: "app" }], ...vary.route }],
    upstreams: { app: upstreamOf(url, vary.upstream) },
    ...vary.top,
  };
}

export function upstreamOf(url: string | readonly string[], more: Config = {}): Config {
  const urls = typeof url === "string" ? [url] : url;
  return { servers: urls.map((each) => ({ url: each })), ...more };
}

// Listener "main" speaks HTTPS with these certificates, by name.
export function secureProxyTo(
  url: string,
  certificates: Readonly<
    Record<string, { certFile: string; keyFile: string; hostnames?: readonly string[] }>
  >,
  vary: Variation & { readonly tls?: Config } = {},
): Config {
  const tls = { certificates: Object.keys(certificates), ...vary.tls };
  const declared = Object.entries(certificates).map(([name, { certFile, keyFile, hostnames }]) => {
    return [name, { certFile, keyFile, ...(hostnames === undefined ? {} : { hostnames }) }];
  });
  return proxyTo(url, {
    ...vary,
    listener: { protocol: "https", tls, ...vary.listener },
    top: { certificates: Object.fromEntries(declared), ...vary.top },
  });
}

// The same with another listener beside: "plain", without TLS unless `listener` says so.
export function withPlain(config: Config, listener: Config = {}): Config {
  const plain = { address: "127.0.0.1:0", protocol: "http", ...listener };
  return { ...config, listeners: { ...(config["listeners"] as Config), plain } };
}

// Listener "main" forwards bytes: plain ones unless `vary.listener` says tls. Route "all", upstream "app".
export function bytesTo(port: number, vary: Variation = {}): Config {
  return proxyTo(`tcp://127.0.0.1:${port}`, {
    ...vary,
    listener: { protocol: "tcp", ...vary.listener },
    route: { listeners: ["main"], ...vary.route },
  });
}
