// SPDX-License-Identifier: Apache-2.0
// One name to its addresses and how long they may be kept. Sources in order: the hosts file, DNS with real TTLs
// (c-ares, both families at once), the system's getaddrinfo for what DNS does not know (search domains, mDNS).

import type { RecordWithTtl } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";
import { createHostsFile, type HostsFile } from "./hosts_file.ts";

export interface Addresses {
  readonly addresses: readonly string[]; // IPv4 first, each family sorted: equal answers compare equal
  readonly ttlMs: number | null; // null: the source has no TTL
}

export type NameLookup = (name: string) => Promise<Addresses>; // throws when nobody knows the name

export interface NameLookupOptions {
  readonly servers?: readonly string[]; // "address" or "address:port"; default: the system's
  readonly hosts?: HostsFile;
  readonly timeoutMs?: number;
  readonly tries?: number;
  readonly useSystem?: boolean; // the getaddrinfo fallback; default true
}

export function createNameLookup(options: NameLookupOptions = {}): NameLookup {
  const resolver = new Resolver({ timeout: options.timeoutMs ?? 2000, tries: options.tries ?? 2 });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const hosts = options.hosts ?? createHostsFile();

  return async (name) => {
    const fromFile = await hosts.find(name);
    if (fromFile.length > 0) return { addresses: sorted(fromFile), ttlMs: null };
    try {
      return await askDns(resolver, name);
    } catch (error) {
      if (options.useSystem === false) throw error;
      const found = await lookup(name, { all: true });
      return { addresses: sorted(found.map(({ address }) => address)), ttlMs: null };
    }
  };
}

// One family without records is normal; only both failing is a failure. A family that fails for another reason
// (timeout, SERVFAIL) fails the whole, so that half an answer never replaces a full one.
async function askDns(resolver: Resolver, name: string): Promise<Addresses> {
  const answers = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records: RecordWithTtl[] = [];
  let failure: unknown = new Error(`${name} has no address`);
  for (const answer of answers) {
    if (answer.status === "fulfilled") records.push(...answer.value);
    else if (isNoRecord(answer.reason)) failure = answer.reason;
    else throw answer.reason;
  }
  if (records.length === 0) throw failure;
  return {
    addresses: sorted(records.map(({ address }) => address)),
    ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
  };
}

function isNoRecord(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return code === "ENODATA" || code === "ENOTFOUND";
}

function sorted(addresses: readonly string[]): readonly string[] {
  const family = (address: string): number => (address.includes(":") ? 6 : 4);
  return [...new Set(addresses)].sort((a, b) => family(a) - family(b) || (a < b ? -1 : 1));
}
