// SPDX-License-Identifier: Apache-2.0
// What differs between two configurations, in words an operator can check before a reload. Lists whose entries have
// names are compared by name, so that moving a route is no change.
import { publicConfig } from "./public.ts";
import type { ConfigDocument } from "./schema/root.ts";
import type { EdgeConfig } from "./types.ts";

export interface ConfigChange {
  readonly kind: "added" | "removed" | "changed";
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export function diffConfig(before: EdgeConfig, after: EdgeConfig): ConfigChange[] {
  const changes = diffDocuments(publicConfig(before), publicConfig(after));
  if (before.admin.token !== after.admin.token) changes.push({ kind: "changed", path: "admin.token" });
  for (const [name, material] of after.materials.certificates) {
    const old = before.materials.certificates.get(name);
    if (old !== undefined && old.certPem !== material.certPem)
      changes.push({ kind: "changed", path: `certificates.${name} (contents of its files)` });
  }
  for (const [name, material] of after.materials.upstreams) {
    const old = before.materials.upstreams.get(name);
    if (old !== undefined && (old.caPem !== material.caPem || old.certPem !== material.certPem))
      changes.push({ kind: "changed", path: `upstreams.${name}.tls (contents of its files)` });
  }
  return changes;
}

/** Both sides as publicConfig gives them, for instance one from the admin API. */
export function diffDocuments(before: ConfigDocument, after: ConfigDocument): ConfigChange[] {
  return [...compare("", before, after)];
}

export function formatChange({ kind, path, before, after }: ConfigChange): string {
  if (kind === "added") return `+ ${path}: ${text(after)}`;
  if (kind === "removed") return `- ${path}: ${text(before)}`;
  return before === undefined && after === undefined
    ? `~ ${path}`
    : `~ ${path}: ${text(before)} -> ${text(after)}`;
}

function* compare(path: string, before: unknown, after: unknown): Generator<ConfigChange> {
  if (before === undefined) return yield { kind: "added", path, after };
  if (after === undefined) return yield { kind: "removed", path, before };
  const [old, fresh] = [children(path, before), children(path, after)];
  if (old === undefined || fresh === undefined) {
    if (JSON.stringify(before) !== JSON.stringify(after)) yield { kind: "changed", path, before, after };
    return;
  }
  for (const key of new Set([...old.keys(), ...fresh.keys()]))
    yield* compare(key, old.get(key), fresh.get(key));
}

// The parts of a map or of a list of named things, by their path; undefined for what is compared as a whole.
function children(path: string, value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value)) {
    return new Map(
      Object.entries(value).map(([key, child]) => [path === "" ? key : `${path}.${key}`, child]),
    );
  }
  const names = value.map(nameOf);
  if (names.includes(undefined) || new Set(names).size !== names.length) return undefined;
  return new Map(value.map((item, index) => [`${path}[${names[index]}]`, item]));
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const { name, url } = item as { name?: unknown; url?: unknown };
  return typeof name === "string" ? name : typeof url === "string" ? url : undefined;
}

function text(value: unknown): string {
  const json = JSON.stringify(value) ?? "nothing";
  return json.length > 200 ? `${json.slice(0, 200)}...` : json;
}
