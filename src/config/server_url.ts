// SPDX-License-Identifier: Apache-2.0
// servers[].url: where a server is and how it is reached. The scheme says whether there is TLS and whether HTTP or
// bytes travel; which version of HTTP is the upstream's `protocol`.
import { isIP } from "node:net";
import { formatAddress } from "./addresses.ts";
import { normaliseHostname } from "./hostnames.ts";

export type NetworkScheme = "http" | "https" | "tcp" | "tls";

export type ServerUrl =
  | {
      readonly kind: "network";
      readonly scheme: NetworkScheme;
      readonly key: string;
      readonly host: string;
      readonly port: number;
      readonly literal: boolean;
    }
  | { readonly kind: "unix"; readonly key: string; readonly path: string }
  | { readonly kind: "builtin"; readonly key: string; readonly name: "demo" };

export type ParsedServerUrl =
  | { readonly url: ServerUrl }
  | { readonly problem: string; readonly suggestion?: string };

/** How the servers of one upstream are reached, all of them alike. */
export type Reach = NetworkScheme | "unix" | "builtin";

const UNIX_PATH_MAX = 107; // sockaddr_un.sun_path, less the closing zero
// Bytes have no usual port.
const USUAL_PORTS: Readonly<Partial<Record<NetworkScheme, number>>> = { http: 80, https: 443 };
// What people write for something that is said elsewhere.
const ALIASES: Readonly<Record<string, { readonly scheme: NetworkScheme; readonly because: string }>> = {
  ws: { scheme: "http", because: "WebSocket begins as HTTP" },
  wss: { scheme: "https", because: "WebSocket begins as HTTP" },
  h2c: { scheme: "http", because: "HTTP/2 without TLS is protocol: h2c" },
  h2: { scheme: "https", because: "HTTP/2 is protocol: h2 or auto" },
  grpc: { scheme: "http", because: "gRPC without TLS is protocol: h2c" },
  grpcs: { scheme: "https", because: "gRPC is protocol: h2" },
};
const EXPECTED = "expected http://, https://, tcp:// or tls:// with host:port, unix:/path or builtin:demo";

/** A server's URL, or in `problem` why it is none. */
export function parseServerUrl(text: string): ParsedServerUrl {
  if (text.startsWith("unix:")) return parseUnix(text.slice("unix:".length));
  if (text.startsWith("builtin:")) {
    if (text === "builtin:demo") return { url: { kind: "builtin", key: text, name: "demo" } };
    return { problem: "there is no such built-in service", suggestion: "builtin:demo" };
  }
  if (/^[A-Za-z0-9.-]+:[0-9]+$/.test(text))
    return { problem: "expected a URL", suggestion: `http://${text}` };
  const [, scheme = "", rest = ""] = /^([a-z0-9]+):\/\/(.*)$/.exec(text) ?? [];
  const alias = Object.hasOwn(ALIASES, scheme) ? ALIASES[scheme] : undefined;
  if (alias !== undefined)
    return {
      problem: `${scheme} is no scheme here: ${alias.because}`,
      suggestion: `${alias.scheme}://${rest}`,
    };
  return isNetworkScheme(scheme) ? parseNetworkUrl(scheme, rest) : { problem: EXPECTED };
}

export function reachOf(url: ServerUrl): Reach {
  return url.kind === "network" ? url.scheme : url.kind;
}

/** How an upstream's servers are reached; undefined where no URL is sound. Sockets and built-ins join any other. */
export function reachOfAll(servers: readonly { readonly url: string }[]): Reach | undefined {
  const reaches = servers.flatMap(({ url }) => {
    const parsed = parseServerUrl(url);
    return "url" in parsed ? [reachOf(parsed.url)] : [];
  });
  return reaches.find((reach) => reach !== "unix") ?? reaches[0];
}

/** Whether TLS is spoken with servers reached like this. */
export function isSecure(reach: Reach | undefined): boolean {
  return reach === "https" || reach === "tls";
}

export function usualPort(scheme: NetworkScheme): number | undefined {
  return USUAL_PORTS[scheme];
}

function isNetworkScheme(text: string): text is NetworkScheme {
  return text === "http" || text === "https" || text === "tcp" || text === "tls";
}

function parseUnix(path: string): ParsedServerUrl {
  const plain = path.startsWith("//") ? path.slice(2) : path;
  if (!plain.startsWith("/")) return { problem: "expected an absolute path: unix:/run/app.sock" };
  if (plain.includes("\0")) return { problem: "a path cannot hold a NUL" };
  if (Buffer.byteLength(plain) > UNIX_PATH_MAX)
    return { problem: `the path of a Unix socket has at most ${UNIX_PATH_MAX} bytes` };
  return { url: { kind: "unix", key: `unix:${plain}`, path: plain } };
}

function parseNetworkUrl(scheme: NetworkScheme, rest: string): ParsedServerUrl {
  const match = /^(\[[^\]]+\]|[^/:?#@\s]+)(?::([0-9]{1,5}))?\/?$/.exec(rest);
  if (match === null) {
    const where = scheme === "http" || scheme === "https" ? " (a path belongs into a urlRewrite filter)" : "";
    return { problem: `expected ${scheme}://host:port${where}` };
  }
  const port = match[2] === undefined ? usualPort(scheme) : Number(match[2]);
  if (port === undefined) return { problem: `expected ${scheme}://host:port: bytes have no usual port` };
  if (port < 1 || port > 65_535) return { problem: "expected a port from 1 to 65535" };
  const bare = (match[1] ?? "").replace(/^\[|\]$/g, "");
  const literal = isIP(bare) !== 0;
  const host = literal ? bare : normaliseHostname(bare);
  if (host === undefined || host.startsWith("*")) return { problem: `bad host name ${JSON.stringify(bare)}` };
  const key = `${scheme}://${formatAddress(host, port)}`;
  return { url: { kind: "network", scheme, key, host, port, literal } };
}
