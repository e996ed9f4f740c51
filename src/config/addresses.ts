// SPDX-License-Identifier: Apache-2.0
// Textual addresses: listeners (IP:port), networks (CIDR) and servers (URL).
import { isIP, isIPv4, isIPv6 } from "node:net";
import { normaliseHostname } from "./hostnames.ts";

export interface SocketAddress {
  readonly host: string; // textual IP, "::" is both families
  readonly port: number;
}

/** "0.0.0.0:443", "[::]:443" or ":443"; undefined where it is none of them. */
export function parseListenAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([0-9.]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > 65_535) return undefined;
  if (match[1] !== undefined)
    return isIPv6(match[1]) && !match[1].includes("%") ? { host: canonicalIPv6(match[1]), port } : undefined;
  if (match[2] === "") return { host: "::", port };
  return isIPv4(match[2] ?? "") ? { host: match[2] ?? "", port } : undefined;
}

export function isLoopback(host: string): boolean {
  return host === "::1" || /^127\./.test(host);
}

export function formatAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** "10.0.0.0/8" or a single address; answers the full form, undefined where it is neither. */
export function parseNetwork(text: string): string | undefined {
  const match = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text);
  const address = match?.[1] ?? "";
  const family = isIP(address);
  if (family === 0) return undefined;
  const widest = family === 4 ? 32 : 128;
  const bits = match?.[2] === undefined ? widest : Number(match[2]);
  return bits <= widest ? `${address.toLowerCase()}/${bits}` : undefined;
}

export type ServerUrl =
  | {
      readonly kind: "tcp";
      readonly key: string;
      readonly host: string;
      readonly port: number;
      readonly literal: boolean;
    }
  | { readonly kind: "unix"; readonly key: string; readonly path: string }
  | { readonly kind: "builtin"; readonly key: string; readonly name: "demo" };

const UNIX_PATH_MAX = 107; // sockaddr_un.sun_path, less the closing zero

/** A server's URL, or in `problem` why it is none. */
export function parseServerUrl(
  text: string,
): { readonly url: ServerUrl } | { readonly problem: string; readonly suggestion?: string } {
  if (text.startsWith("unix:")) return parseUnix(text.slice("unix:".length));
  if (text.startsWith("builtin:")) {
    if (text === "builtin:demo") return { url: { kind: "builtin", key: text, name: "demo" } };
    return { problem: "there is no such built-in service", suggestion: "builtin:demo" };
  }
  if (text.startsWith("https:"))
    return { problem: "https upstreams are not supported yet; expected http://host:port" };
  if (/^[A-Za-z0-9.-]+:[0-9]+$/.test(text))
    return { problem: "expected a URL", suggestion: `http://${text}` };
  return parseHttp(text);
}

function parseUnix(path: string): ReturnType<typeof parseServerUrl> {
  const plain = path.startsWith("//") ? path.slice(2) : path;
  if (!plain.startsWith("/")) return { problem: "expected an absolute path: unix:/run/app.sock" };
  if (plain.includes("\0")) return { problem: "a path cannot hold a NUL" };
  if (Buffer.byteLength(plain) > UNIX_PATH_MAX)
    return { problem: `the path of a Unix socket has at most ${UNIX_PATH_MAX} bytes` };
  return { url: { kind: "unix", key: `unix:${plain}`, path: plain } };
}

function parseHttp(text: string): ReturnType<typeof parseServerUrl> {
  const match = /^http:\/\/(\[[^\]]+\]|[^/:?#@\s]+)(?::([0-9]{1,5}))?\/?$/.exec(text);
  if (match === null)
    return {
      problem:
        "expected http://host:port, unix:/path or builtin:demo (a path belongs into a urlRewrite filter)",
    };
  const port = match[2] === undefined ? 80 : Number(match[2]);
  if (port < 1 || port > 65_535) return { problem: "expected a port from 1 to 65535" };
  const bare = (match[1] ?? "").replace(/^\[|\]$/g, "");
  const literal = isIP(bare) !== 0;
  const host = literal ? bare : normaliseHostname(bare);
  if (host === undefined || host.startsWith("*")) return { problem: `bad host name ${JSON.stringify(bare)}` };
  return { url: { kind: "tcp", key: `http://${formatAddress(host, port)}`, host, port, literal } };
}

function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
