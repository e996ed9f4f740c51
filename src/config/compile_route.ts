// SPDX-License-Identifier: Apache-2.0
// One route of the snapshot.
import type {
  SnapshotMatch,
  SnapshotModifier,
  SnapshotPathModifier,
  SnapshotRoute,
} from "../proxy/snapshot.ts";
import { type Indices, index } from "./compile.ts";
import { normaliseHostname } from "./hostnames.ts";
import type { FilterConfig, RouteConfig } from "./schema/root.ts";
import { milliseconds } from "./units.ts";

type Redirect = NonNullable<FilterConfig["requestRedirect"]>;
type Rewrite = NonNullable<FilterConfig["urlRewrite"]>;

/** `everywhere`: the listeners of a route that names none. */
export function compileRoute(
  route: RouteConfig,
  indices: Indices,
  everywhere: readonly string[],
): SnapshotRoute {
  const filter = <K extends keyof FilterConfig>(kind: K) =>
    route.filters.find((each) => each[kind] !== undefined)?.[kind];
  const redirect = filter("requestRedirect");
  const rewrite = filter("urlRewrite");
  return {
    name: route.name,
    listeners: (route.listeners ?? everywhere).map((name) => index(indices.listeners, name)),
    hostnames: route.hostnames.map(hostname),
    matches: route.matches.length > 0 ? route.matches.map(compileMatch) : [ANYTHING],
    requestModifier: compileModifier(filter("requestHeaderModifier")),
    responseModifier: compileModifier(filter("responseHeaderModifier")),
    redirect: redirect === undefined ? null : compileRedirect(redirect),
    rewrite: rewrite === undefined ? null : compileRewrite(rewrite),
    backends: route.backendRefs.map((ref) => ({
      upstream: index(indices.upstreams, ref.name),
      weight: ref.weight,
    })),
    timeouts: {
      requestMs: milliseconds(route.timeouts.request),
      backendRequestMs: milliseconds(route.timeouts.backendRequest),
    },
    retry: { attempts: route.retry.attempts },
    policy: route.policy === undefined ? -1 : index(indices.policies, route.policy),
  };
}

const ANYTHING: SnapshotMatch = {
  path: { type: "PathPrefix", value: "/" },
  method: "",
  headers: [],
  queryParams: [],
};

function compileMatch(match: RouteConfig["matches"][number]): SnapshotMatch {
  return {
    path: match.path,
    method: match.method ?? "",
    headers: match.headers.map(lowerName),
    queryParams: match.queryParams,
  };
}

function lowerName<T extends { readonly name: string }>(header: T): T {
  return { ...header, name: header.name.toLowerCase() };
}

function compileModifier(modifier: FilterConfig["requestHeaderModifier"]): SnapshotModifier | null {
  if (modifier === undefined) return null;
  const pairs = (list: readonly { readonly name: string; readonly value: string }[]) =>
    list.map(({ name, value }) => [name, value] as const);
  return { set: pairs(modifier.set), add: pairs(modifier.add), remove: modifier.remove };
}

function compileRedirect(redirect: Redirect): SnapshotRoute["redirect"] {
  return {
    scheme: redirect.scheme ?? "",
    hostname: redirect.hostname === undefined ? "" : hostname(redirect.hostname),
    port: redirect.port ?? 0,
    path: compilePath(redirect.path),
    statusCode: redirect.statusCode as 301 | 302 | 303 | 307 | 308,
  };
}

function compileRewrite(rewrite: Rewrite): SnapshotRoute["rewrite"] {
  return {
    hostname: rewrite.hostname === undefined ? "" : hostname(rewrite.hostname),
    path: compilePath(rewrite.path),
  };
}

function compilePath(path: Rewrite["path"]): SnapshotPathModifier | null {
  if (path === undefined) return null;
  return {
    type: path.type,
    value: (path.type === "ReplaceFullPath" ? path.replaceFullPath : path.replacePrefixMatch) ?? "",
  };
}

function hostname(text: string): string {
  const name = normaliseHostname(text);
  if (name === undefined) throw new Error(`host name ${text} was not checked`);
  return name;
}
