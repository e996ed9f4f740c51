// SPDX-License-Identifier: Apache-2.0
// Fills in what a file leaves out: first what its own `defaults` section says, then what follows from what it does
// say, then the schema's defaults.
import type { TSchema } from "typebox";
import type { JsonSchema } from "./schema/derive.ts";
import { type ConfigDocument, Root } from "./schema/root.ts";
import { isSecure, reachOfAll } from "./server_url.ts";

type Json = Record<string, unknown>;

/** Changes `value` in place; what validateShape found no fault with is complete afterwards. */
export function fillDefaults(value: unknown): ConfigDocument {
  const root = value as Json;
  const defaults = isRecord(root["defaults"]) ? root["defaults"] : {};
  for (const listener of each(root["listeners"])) {
    inherit(listener, defaults["listener"]);
    if (isRecord(listener["tls"])) inherit(listener["tls"], defaults["tls"]);
    settleProtocols(listener);
  }
  for (const route of each(root["routes"])) inherit(route, defaults["route"]);
  for (const upstream of each(root["upstreams"])) {
    inherit(upstream, defaults["upstream"]);
    settleReach(upstream);
  }
  settleDevice(root["offload"]);
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

// ALPN and http2.enabled say the same thing twice; whoever says it once has said it.
function settleProtocols(listener: Json): void {
  const tls = isRecord(listener["tls"]) ? listener["tls"] : {};
  const http2 = isRecord(listener["http2"]) ? listener["http2"] : {};
  if (listener["protocol"] === "tcp" || listener["protocol"] === "tls") {
    listener["http2"] = { ...http2, enabled: false };
    tls["alpn"] ??= [];
  } else if (Array.isArray(tls["alpn"])) {
    listener["http2"] = { enabled: tls["alpn"].includes("h2"), ...http2 };
  } else if (http2["enabled"] === false) {
    tls["alpn"] = ["http/1.1"];
  }
}

// The scheme says whether there is TLS, and what is spoken if nothing else is said.
function settleReach(upstream: Json): void {
  const { servers } = upstream;
  const urls = (Array.isArray(servers) ? servers : []).filter(hasUrl);
  const reach = reachOfAll(urls);
  if (isSecure(reach)) upstream["tls"] ??= {};
  if (reach === "https") upstream["protocol"] ??= "auto";
  else if (reach !== "tcp" && reach !== "tls") upstream["protocol"] ??= "http1";
}

// Who asks for a device without saying where means the usual place.
function settleDevice(offload: unknown): void {
  if (isRecord(offload) && offload["engine"] === "device") offload["ipc"] ??= {};
}

function hasUrl(server: unknown): server is { readonly url: string } {
  return isRecord(server) && typeof server["url"] === "string";
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
