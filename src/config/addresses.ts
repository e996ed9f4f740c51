// SPDX-License-Identifier: Apache-2.0
// Textual addresses: listeners (IP:port) and networks (CIDR). Those of servers are in server_url.ts.
import { isIP, isIPv4, isIPv6 } from "node:net";

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

function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
