// SPDX-License-Identifier: Apache-2.0
// The configuration as it may be shown: the document without what was read from files, and with secrets masked.
import type { ConfigDocument } from "./schema/root.ts";
import type { EdgeConfig } from "./types.ts";

export const MASK = "***";

const SECRET_FIELD = /authorization|cookie|token|secret|password|api-?key/i;

export function publicConfig(config: EdgeConfig): ConfigDocument {
  const { file: _file, stateDir: _stateDir, materials: _materials, ...document } = config;
  return mask(document) as ConfigDocument;
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
