// SPDX-License-Identifier: Apache-2.0
// Settings that do nothing where they stand, as dotted paths. A file that writes one is refused (checks/no_effect.ts),
// and the shown configuration leaves them out (public.ts), so that what is shown can be given back.
import { speaksHttp } from "./listener_kinds.ts";
import type { ListenerConfig, RouteConfig, UpstreamConfig } from "./schema/root.ts";
import { reachOfAll } from "./server_url.ts";

/** On listeners that forward bytes. */
export const ABOUT_REQUESTS = [
  "http2",
  "limits",
  "forwardedHeaders",
  "timeouts.requestHeaders",
  "timeouts.requestBody",
  "timeouts.idle",
  "timeouts.minRate",
];

/** In `tls`, where it is passed through. */
export const ABOUT_ENDED_TLS = ["certificates", "minVersion", "groups", "alpn", "clientAuth", "tickets"];

/** In routes of bytes. */
export const ABOUT_MATCHES = ["matches", "filters", "timeouts", "retry"];

/** In upstreams whose connections belong to one client each. */
export const ABOUT_EXCHANGES = [
  "protocol",
  "http2",
  "timeouts.response",
  "timeouts.idle",
  "connectionPool.maxIdle",
];

type Listeners = Readonly<Record<string, ListenerConfig>>;

export function listenerWithoutEffect(listener: ListenerConfig): string[] {
  const tls = listener.tls?.mode === "Passthrough" ? ABOUT_ENDED_TLS.map((key) => `tls.${key}`) : [];
  return speaksHttp(listener) ? tls : [...ABOUT_REQUESTS, ...tls];
}

export function routeWithoutEffect(route: RouteConfig, listeners: Listeners): readonly string[] {
  const forBytes = route.listeners?.some((name) => !speaksHttp(listeners[name])) ?? false;
  return forBytes ? ABOUT_MATCHES : [];
}

export function upstreamWithoutEffect({ servers, protocol }: UpstreamConfig): readonly string[] {
  const reach = reachOfAll(servers);
  if (reach === "tcp" || reach === "tls") return ABOUT_EXCHANGES;
  return protocol === "http1" ? ["http2"] : [];
}
