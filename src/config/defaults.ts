// SPDX-License-Identifier: Apache-2.0
// Fills in what a file leaves out: first what its own `defaults` section says, then the schema's defaults.
import type { TSchema } from "typebox";
import type { JsonSchema } from "./schema/derive.ts";
import { type ConfigDocument, Root } from "./schema/root.ts";

type Json = Record<string, unknown>;

/** Changes `value` in place; what validateShape found no fault with is complete afterwards. */
export function fillDefaults(value: unknown): ConfigDocument {
  const root = value as Json;
  const defaults = isRecord(root["defaults"]) ? root["defaults"] : {};
  for (const listener of each(root["listeners"])) {
    inherit(listener, defaults["listener"]);
    if (isRecord(listener["tls"])) inherit(listener["tls"], defaults["tls"]);
  }
  for (const route of each(root["routes"])) inherit(route, defaults["route"]);
  for (const upstream of each(root["upstreams"])) inherit(upstream, defaults["upstream"]);
  fill(root, Root as TSchema as JsonSchema);
  return root as unknown as ConfigDocument;
}

function each(collection: unknown): Json[] {
  return typeof collection === "object" ? Object.values(collection ?? {}).filter(isRecord) : [];
}

function inherit(target: Json, source: unknown): void {
  if (!isRecord(source)) return;
  for (const [key, value] of Object.entries(source)) {
    const own = target[key];
    if (own === undefined) target[key] = structuredClone(value);
    else if (isRecord(own)) inherit(own, value);
  }
}

function fill(value: unknown, schema: JsonSchema): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) fill(item, schema.items);
  } else if (isRecord(value)) {
    fillRecord(value, schema);
  }
}

function fillRecord(value: Json, schema: JsonSchema): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (value[key] === undefined && property.default !== undefined)
      value[key] = structuredClone(property.default);
    if (value[key] !== undefined) fill(value[key], property);
  }
  const [named] = Object.values(schema.patternProperties ?? {});
  if (named !== undefined) for (const item of Object.values(value)) fill(item, named);
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
