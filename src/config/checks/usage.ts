// SPDX-License-Identifier: Apache-2.0
// Things that are allowed and probably not meant: parts that nothing refers to, routes no listener can reach.
import { normaliseHostname } from "../hostnames.ts";
import { speaksHttp } from "../listener_kinds.ts";
import type { RouteConfig } from "../schema/root.ts";
import { type CheckContext, entriesOf, type Section } from "./context.ts";

export function checkUsage(context: CheckContext): void {
  if (context.reporter.failed) return; // half a configuration always has loose ends
  const { document, reporter } = context;
  if (document.routes.length === 0) {
    reporter.warning(["routes"], "no routes: every request will be answered with 404", { at: "key" });
  }
  const upstreams = document.routes.flatMap((route) => route.backendRefs.map((ref) => ref.name));
  warnUnused(context, "upstreams", "no route uses upstream", upstreams);
  warnDeadEnds(context);
  const certificates = Object.values(document.listeners).flatMap(({ tls }) => tls?.certificates ?? []);
  warnUnused(context, "certificates", "no listener uses certificate", certificates);
  warnShadowed(context);
}

function warnUnused(
  context: CheckContext,
  section: Section,
  message: string,
  names: readonly string[],
): void {
  const used = new Set(names);
  for (const [path, , name] of entriesOf<unknown>(context, section, context.document[section])) {
    if (!used.has(name)) context.reporter.warning(path, `${message} ${JSON.stringify(name)}`, { at: "key" });
  }
}

// Requests without a route get an answer; bytes without one get a closed connection.
function warnDeadEnds(context: CheckContext): void {
  const named = new Set(context.document.routes.flatMap((route) => route.listeners ?? []));
  for (const [path, listener, name] of entriesOf(context, "listeners", context.document.listeners)) {
    if (!speaksHttp(listener) && !named.has(name))
      context.reporter.warning(
        path,
        `no route names listener ${JSON.stringify(name)}: its sessions will be closed`,
        { at: "key" },
      );
  }
}

// Between two equal matches the earlier route gets everything (Gateway API), and the later one never a request.
function warnShadowed(context: CheckContext): void {
  const taken = new Map<string, string>();
  const { listeners } = context.document;
  const everywhere = Object.keys(listeners).filter((name) => speaksHttp(listeners[name]));
  for (const [path, route] of entriesOf(context, "routes", context.document.routes)) {
    const others = claims(route, everywhere).map((claim) => {
      const other = taken.get(claim);
      if (other === undefined) taken.set(claim, route.name);
      return other;
    });
    const [first] = others;
    if (first === undefined || others.includes(undefined)) continue;
    context.reporter.warning(path, `route ${JSON.stringify(first)} takes everything of this one`);
  }
}

function claims(route: RouteConfig, everywhere: readonly string[]): string[] {
  const hosts =
    route.hostnames.length > 0 ? route.hostnames.map((text) => normaliseHostname(text) ?? text) : ["*"];
  const matches = (route.matches.length > 0 ? route.matches : [{}]).map((match) => JSON.stringify(match));
  const places = (route.listeners ?? everywhere).flatMap((listener) =>
    hosts.map((host) => `${listener} ${host}`),
  );
  return places.flatMap((place) => matches.map((match) => `${place} ${match}`));
}
