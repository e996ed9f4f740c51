// SPDX-License-Identifier: Apache-2.0
// Keeps the endpoints of named upstream servers fresh in the background. The data plane never resolves a name: it
// gets addresses here, and keeps the last ones while resolution fails (a DNS outage must not become ours).
import { isIP } from "node:net";
import type { Clock } from "./clock.ts";
import type { Addresses, NameLookup } from "./name_lookup.ts";

export interface NamedServer {
  readonly key: string; // SnapshotServer.key
  readonly host: string;
  readonly port: number;
}

export interface ResolverStatus {
  readonly key: string;
  readonly host: string;
  readonly endpoints: readonly string[];
  readonly stale: boolean; // the last attempt failed, these are from before
  readonly error: string;
}

export interface EndpointResolver {
  // Watches exactly these servers from now on; what is already known stays known. Settles when each has had its
  // first answer or failure, or after waitMs, whichever is first.
  watch(servers: readonly NamedServer[], waitMs: number): Promise<void>;
  endpoints(key: string): readonly string[];
  status(): readonly ResolverStatus[];
  close(): void;
}

export interface ResolverOptions {
  readonly lookup: NameLookup;
  readonly clock: Clock;
  readonly changed: (key: string, endpoints: readonly string[]) => void;
  readonly failed?: (host: string, error: unknown) => void; // on the first failure in a row only
  readonly minTtlMs?: number;
  readonly maxTtlMs?: number;
  readonly defaultTtlMs?: number; // for sources without TTL
  readonly retryMs?: number;
}

interface Name {
  readonly host: string;
  readonly servers: Map<string, number>; // key -> port
  addresses: readonly string[];
  error: string;
  cancel: () => void;
  first: Promise<void>;
}

export function createEndpointResolver(options: ResolverOptions): EndpointResolver {
  const { lookup, clock, changed } = options;
  const names = new Map<string, Name>();
  const retryMs = options.retryMs ?? 5_000;

  const ttlOf = ({ ttlMs }: Addresses): number => {
    if (ttlMs === null) return options.defaultTtlMs ?? 30_000;
    return Math.min(Math.max(ttlMs, options.minTtlMs ?? 1_000), options.maxTtlMs ?? 300_000);
  };

  const learn = (name: Name, found: Addresses): void => {
    name.error = "";
    if (sameList(name.addresses, found.addresses)) return;
    name.addresses = found.addresses;
    for (const [key, port] of name.servers) changed(key, toEndpoints(name.addresses, port));
  };

  const fail = (name: Name, error: unknown): void => {
    if (name.error === "") options.failed?.(name.host, error);
    name.error = error instanceof Error ? error.message : String(error);
  };

  const refresh = async (name: Name): Promise<void> => {
    let nextMs = retryMs;
    try {
      const found = await lookup(name.host);
      if (names.get(name.host) !== name) return; // no longer watched
      learn(name, found);
      nextMs = ttlOf(found);
    } catch (error) {
      if (names.get(name.host) !== name) return;
      fail(name, error);
    }
    name.cancel = clock.after(nextMs, () => void refresh(name));
  };

  const start = (host: string): Name => {
    const name: Name = {
      host,
      servers: new Map(),
      addresses: [],
      error: "",
      cancel: () => undefined,
      first: Promise.resolve(),
    };
    names.set(host, name);
    name.first = refresh(name);
    return name;
  };

  const stopUnused = (): void => {
    for (const [host, name] of names) {
      if (name.servers.size > 0) continue;
      name.cancel();
      names.delete(host);
    }
  };

  return {
    async watch(servers, waitMs) {
      for (const name of names.values()) name.servers.clear();
      for (const { key, host, port } of servers) (names.get(host) ?? start(host)).servers.set(key, port);
      stopUnused();
      await settledWithin(
        [...names.values()].map((name) => name.first),
        waitMs,
        clock,
      );
    },
    endpoints(key) {
      for (const name of names.values()) {
        const port = name.servers.get(key);
        if (port !== undefined) return toEndpoints(name.addresses, port);
      }
      return [];
    },
    status: () => [...names.values()].flatMap(statusOf),
    close() {
      for (const name of names.values()) name.cancel();
      names.clear();
    },
  };
}

function statusOf(name: Name): readonly ResolverStatus[] {
  return [...name.servers].map(([key, port]) => ({
    key,
    host: name.host,
    endpoints: toEndpoints(name.addresses, port),
    stale: name.error !== "" && name.addresses.length > 0,
    error: name.error,
  }));
}

function toEndpoints(addresses: readonly string[], port: number): readonly string[] {
  return addresses.map((address) => (isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`));
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

async function settledWithin(
  promises: readonly Promise<void>[],
  waitMs: number,
  clock: Clock,
): Promise<void> {
  if (promises.length === 0) return;
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(waitMs, resolve);
  await Promise.race([Promise.allSettled(promises), timeout]);
  cancel();
}
