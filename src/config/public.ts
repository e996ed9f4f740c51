// SPDX-License-Identifier: Apache-2.0
// The configuration as it may be shown: the document without what was read from files, with secrets masked, and
// without settings that do nothing where they stand. What was shown can be given back (but for secrets).
import { listenerWithoutEffect, routeWithoutEffect, upstreamWithoutEffect } from "./no_effect.ts";
import type { ConfigDocument } from "./schema/root.ts";
import type { EdgeConfig } from "./types.ts";

export const MASK = "***";

const SECRET_FIELD = /authorization|cookie|token|secret|password|api-?key/i;

export function publicConfig(config: EdgeConfig): ConfigDocument {
  const { file: _file, stateDir: _stateDir, materials: _materials, ...document } = config;
  const shown = mask(document) as ConfigDocument;
  for (const listener of Object.values(shown.listeners)) leaveOut(listener, listenerWithoutEffect(listener));
  for (const route of shown.routes) leaveOut(route, routeWithoutEffect(route, shown.listeners));
  for (const upstream of Object.values(shown.upstreams)) leaveOut(upstream, upstreamWithoutEffect(upstream));
  return shown;
}

function leaveOut(part: object, dottedPaths: readonly string[]): void {
  for (const path of dottedPaths) {
    const steps = path.split(".");
    const last = steps.pop() ?? "";
    const parent = steps.reduce<object | undefined>(
      (node, step) => (node as Readonly<Record<string, object>> | undefined)?.[step],
      part,
    );
    if (parent !== undefined) Reflect.deleteProperty(parent, last);
  }
}

function mask(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mask);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, child]) => [
    key,
    isSecret(key, child, value) ? MASK : mask(child),
  ]);
  return Object.fromEntries(entries);
}

// `admin.token`, and the value of {name: Authorization, value: ...}.
function isSecret(key: string, child: unknown, parent: object): boolean {
  if (typeof child !== "string") return false;
  const name: unknown = "name" in parent ? parent.name : undefined;
  return key === "token" || (key === "value" && typeof name === "string" && SECRET_FIELD.test(name));
}
