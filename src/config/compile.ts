// SPDX-License-Identifier: Apache-2.0
// From the configuration to the snapshot of the data plane: names become indices, texts numbers, and everything that
// was left out is there. Deterministic, and without I/O.
import type { Snapshot, SnapshotCertificate, SnapshotPolicy, Trigger } from "../proxy/snapshot.ts";
import { defaultActions, resolveAction } from "./actions.ts";
import { parseNetwork } from "./addresses.ts";
import { compileListener } from "./compile_listener.ts";
import { compileRoute } from "./compile_route.ts";
import { compileUpstream } from "./compile_upstream.ts";
import { speaksHttp } from "./listener_kinds.ts";
import type { PolicyConfig } from "./schema/root.ts";
import type { EdgeConfig } from "./types.ts";
import { bytes, milliseconds } from "./units.ts";

export const DEFAULT_POLICY = "default";

export interface CompileOptions {
  readonly generation: number;
  readonly ticketKeys: readonly string[]; // base64, newest first
  /** "10.0.0.1:80", "[::1]:80" or "unix:/path" by server key: resolved names, and built-in services. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>;
}

/** Name to index in the order of the snapshot's arrays. */
export interface Indices {
  readonly listeners: ReadonlyMap<string, number>;
  readonly certificates: ReadonlyMap<string, number>;
  readonly upstreams: ReadonlyMap<string, number>;
  readonly policies: ReadonlyMap<string, number>;
}

export function compileSnapshot(config: EdgeConfig, options: CompileOptions): Snapshot {
  const policies = policiesWithDefault(config);
  const indices: Indices = {
    listeners: indexOf(Object.keys(config.listeners)),
    certificates: indexOf(Object.keys(config.certificates)),
    upstreams: indexOf(Object.keys(config.upstreams)),
    policies: indexOf(policies.map(([name]) => name)),
  };
  const everywhere = Object.keys(config.listeners).filter((name) => speaksHttp(config.listeners[name]));
  return {
    generation: options.generation,
    limits: {
      maxSessions: config.limits.maxSessions,
      maxBufferBytes: bytes(config.limits.maxBufferBytes),
      maxTarpits: config.limits.maxTarpits,
      drainMs: milliseconds(config.limits.drain),
    },
    tickets: { keys: options.ticketKeys },
    accessLog: config.accessLog.enabled,
    certificates: compileCertificates(config),
    policies: policies.map(([name, policy]) => compilePolicy(name, policy)),
    listeners: Object.entries(config.listeners).map(([name, listener]) =>
      compileListener(config, indices, name, listener),
    ),
    routes: config.routes.map((route) => compileRoute(route, indices, everywhere)),
    upstreams: Object.entries(config.upstreams).map(([name, upstream]) =>
      compileUpstream(name, upstream, config.materials.upstreams.get(name), options),
    ),
  };
}

function indexOf(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name, index) => [name, index]));
}

function policiesWithDefault(config: EdgeConfig): [string, PolicyConfig | undefined][] {
  const own: [string, PolicyConfig | undefined][] = Object.entries(config.policies);
  return DEFAULT_POLICY in config.policies ? own : [...own, [DEFAULT_POLICY, undefined]];
}

function compileCertificates(config: EdgeConfig): SnapshotCertificate[] {
  return Object.keys(config.certificates).map((name) => {
    const material = config.materials.certificates.get(name);
    if (material === undefined) throw new Error(`certificate ${name} was not loaded`);
    return { name, hostnames: material.hostnames, certPem: material.certPem, keyPem: material.keyPem };
  });
}

function compilePolicy(name: string, policy: PolicyConfig | undefined): SnapshotPolicy {
  const actions = defaultActions();
  for (const [key, given] of Object.entries(policy?.session ?? {})) {
    const trigger = key as Trigger;
    const { action, status, delay } =
      typeof given === "string" ? { action: given, status: undefined, delay: undefined } : given;
    actions[trigger] = resolveAction(
      trigger,
      action,
      status,
      delay === undefined ? undefined : milliseconds(delay),
    );
  }
  const limit = policy?.rateLimit;
  return {
    name,
    actions,
    maxAgeMs: milliseconds(policy?.maxAge ?? "0s"),
    maxRequests: policy?.maxRequests ?? 0,
    rateLimit:
      limit === undefined
        ? null
        : { requests: limit.requests, perMs: milliseconds(limit.per), burst: limit.burst ?? limit.requests },
    ipAllow: networks(policy?.ipAllow ?? []),
    ipDeny: networks(policy?.ipDeny ?? []),
  };
}

export function networks(texts: readonly string[]): string[] {
  return texts.flatMap((text) => parseNetwork(text) ?? []);
}

export function index(indices: ReadonlyMap<string, number>, name: string): number {
  const found = indices.get(name);
  if (found === undefined) throw new Error(`${name} was not checked`);
  return found;
}
