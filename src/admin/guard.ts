// SPDX-License-Identifier: Apache-2.0
// Who may talk to the admin API. Three independent checks, because the usual attacker is a page in the operator's
// own browser: the Host field (DNS rebinding), the Origin (cross-site requests), and the token where one is needed.
import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { MangoError } from "../proxy/errors.ts";

export interface GuardOptions {
  readonly address: string; // the one the server is bound to
  readonly token: string | null;
}

const kOpenPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz"]); // probes carry no token, and learn nothing

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 6 ? "ipv6" : "ipv4");
}

export function createGuard(options: GuardOptions): (request: FastifyRequest) => void {
  const tokenDigest = options.token === null ? null : digest(options.token);
  return (request) => {
    const authenticated = tokenDigest !== null && carriesToken(request, tokenDigest);
    checkHost(request, options.address, authenticated);
    checkOrigin(request);
    const open = kOpenPaths.has(request.url.split("?", 1)[0] ?? "");
    if (tokenDigest !== null && !authenticated && !open) {
      throw new MangoError("UNAUTHORIZED", "send the token as `Authorization: Bearer <token>`");
    }
  };
}

// A page can make its own name resolve to us, but it cannot give itself an address or "localhost" as its name.
// Whoever knows the token is no such page, and may use any name that leads here.
function checkHost(request: FastifyRequest, bound: string, authenticated: boolean): void {
  const host = hostnameOf(request.headers.host ?? "");
  if (host === "localhost" || isLoopback(host) || host === bound) return;
  if (isIP(host) !== 0 && (bound === "0.0.0.0" || bound === "::")) return;
  if (authenticated && host !== "") return;
  throw new MangoError("FORBIDDEN_HOST", "use localhost or the address the admin API listens on");
}

function hostnameOf(field: string): string {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::\d+)?$/.exec(field);
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}

function checkOrigin(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const foreignOrigin = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
  const foreignSite = site === "cross-site" || site === "same-site";
  if (foreignOrigin || foreignSite)
    throw new MangoError("FORBIDDEN_ORIGIN", "the admin API answers no other site's pages");
}

function carriesToken(request: FastifyRequest, expected: Buffer): boolean {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), expected); // equal lengths whatever was sent
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
