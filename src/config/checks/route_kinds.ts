// SPDX-License-Identifier: Apache-2.0
// Routes lead requests (http and https listeners) or bytes (tcp and tls listeners), never both: what matches,
// changes or repeats a request means nothing to bytes, and each kind has servers of its own.
import type { Path } from "../errors.ts";
import { speaksHttp } from "../listener_kinds.ts";
import { ABOUT_MATCHES } from "../no_effect.ts";
import type { ListenerConfig, RouteConfig } from "../schema/root.ts";
import { type Reach, reachOfAll } from "../server_url.ts";
import type { CheckContext } from "./context.ts";
import { refuseWritten } from "./no_effect.ts";

type Place = { readonly name: string; readonly listener: ListenerConfig };

export function checkRouteKind(context: CheckContext, path: Path, route: RouteConfig): void {
  const places = placesOf(context, route);
  if (places.length < (route.listeners?.length ?? 0)) return; // what those take in is not known
  const forBytes = places.find(({ listener }) => !speaksHttp(listener));
  if (route.listeners === undefined && isNowhere(context))
    return context.reporter.error(
      path,
      'missing key "listeners": without it a route is on every http and https listener, and there is none',
      { at: "key" },
    );
  if (forBytes === undefined) return checkBackends(context, path, route, places, REQUESTS);
  if (places.some(({ listener }) => speaksHttp(listener))) return reportMixed(context, path, route, places);
  const what = `where bytes are forwarded (listener ${JSON.stringify(forBytes.name)} is ${forBytes.listener.protocol})`;
  refuseWritten(context, path, ABOUT_MATCHES, what);
  checkServerNames(context, path, route, places);
  checkBackends(context, path, route, places, BYTES);
}

function placesOf(context: CheckContext, route: RouteConfig): Place[] {
  return (route.listeners ?? []).flatMap((name) => {
    const listener = context.document.listeners[name];
    const sound = listener !== undefined && !context.broken.has(`listeners/${name}`);
    return sound ? [{ name, listener }] : [];
  });
}

// A route without listeners is on all that take requests.
function isNowhere(context: CheckContext): boolean {
  if ([...context.broken].some((part) => part.startsWith("listeners"))) return false;
  const listeners = Object.values(context.document.listeners);
  return listeners.length > 0 && !listeners.some(speaksHttp);
}

function reportMixed(context: CheckContext, path: Path, route: RouteConfig, places: readonly Place[]): void {
  const [first, ...others] = places;
  const other = others.find(({ listener }) => speaksHttp(listener) !== speaksHttp(first?.listener));
  const index = route.listeners?.indexOf(other?.name ?? "") ?? 0;
  const said = (place: Place | undefined) => `${JSON.stringify(place?.name)} is ${place?.listener.protocol}`;
  context.reporter.error(
    [...path, "listeners", index],
    `a route leads requests or bytes, not both: ${said(first)}, ${said(other)}; expected a route for each`,
  );
}

function checkServerNames(
  context: CheckContext,
  path: Path,
  route: RouteConfig,
  places: readonly Place[],
): void {
  const nameless = places.find(({ listener }) => listener.protocol === "tcp");
  if (route.hostnames.length === 0 || nameless === undefined) return;
  context.reporter.error(
    [...path, "hostnames"],
    `listener ${JSON.stringify(nameless.name)} is tcp and learns no host names; expected protocol: tls there, or no hostnames`,
    { at: "key" },
  );
}

interface Kind {
  readonly reaches: readonly Reach[];
  readonly problem: string;
}
const REQUESTS: Kind = {
  reaches: ["http", "https", "unix", "builtin"],
  problem: "which take bytes, not requests; expected http://, https:// or unix: servers",
};
const BYTES: Kind = {
  reaches: ["tcp", "tls", "unix"],
  problem: "which take requests, not bytes; expected tcp://, tls:// or unix: servers",
};

function checkBackends(
  context: CheckContext,
  path: Path,
  route: RouteConfig,
  places: readonly Place[],
  kind: Kind,
): void {
  const untouched = places.find(({ listener }) => listener.tls?.mode === "Passthrough");
  for (const [index, { name }] of route.backendRefs.entries()) {
    const upstream = context.document.upstreams[name];
    if (upstream === undefined || context.broken.has(`upstreams/${name}`)) continue;
    const reach = reachOfAll(upstream.servers);
    if (reach === undefined) continue;
    const at = [...path, "backendRefs", index, "name"];
    const scheme = reach === "builtin" || reach === "unix" ? `${reach}:` : `${reach}://`;
    if (!kind.reaches.includes(reach))
      context.reporter.error(at, `upstream ${JSON.stringify(name)} has ${scheme} servers, ${kind.problem}`);
    else if (reach === "tls" && untouched !== undefined)
      context.reporter.error(
        at,
        `upstream ${JSON.stringify(name)} has tls:// servers, and listener ${JSON.stringify(untouched.name)} passes TLS through: that would be TLS within TLS; expected tcp:// servers`,
      );
  }
}
