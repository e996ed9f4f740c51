// SPDX-License-Identifier: Apache-2.0
// routes: hosts, paths, matches and filters that mean something, and backends that exist.
import type { Path } from "../errors.ts";
import { fieldMatchNameProblem } from "../fields.ts";
import { normaliseHostname } from "../hostnames.ts";
import { regexProblem } from "../regex.ts";
import type { RouteConfig } from "../schema/root.ts";
import { type CheckContext, checkReference, checkUnique, entriesOf } from "./context.ts";
import { checkFilters } from "./filters.ts";
import { checkRouteKind } from "./route_kinds.ts";

export function checkRoutes(context: CheckContext): void {
  const seen = new Map<string, number>();
  for (const [path, route, index] of entriesOf(context, "routes", context.document.routes)) {
    const first = seen.get(route.name);
    if (first !== undefined)
      context.reporter.error(
        [...path, "name"],
        `routes[${first}] is named ${JSON.stringify(route.name)} already`,
      );
    else seen.set(route.name, Number(index));
    checkRoute(context, path, route);
  }
}

function checkRoute(context: CheckContext, path: Path, route: RouteConfig): void {
  for (const [index, name] of (route.listeners ?? []).entries())
    checkReference(context, [...path, "listeners", index], name, "listeners");
  checkUnique(context, [...path, "listeners"], route.listeners ?? [], "listener");
  checkHostnames(context, [...path, "hostnames"], route.hostnames);
  for (const [index, match] of route.matches.entries())
    checkMatch(context, [...path, "matches", index], match);
  checkFilters(context, path, route);
  checkBackends(context, path, route);
  checkRouteKind(context, path, route);
  checkReference(context, [...path, "policy"], route.policy, "policies");
}

export function checkHostnames(context: CheckContext, path: Path, hostnames: readonly string[]): void {
  const normal = hostnames.map((text, index) => {
    const name = normaliseHostname(text);
    if (name === undefined)
      context.reporter.error([...path, index], hostnameMessage(text), hostnameHint(text));
    return name ?? `${index}`;
  });
  checkUnique(context, path, normal, "host name");
}

function hostnameMessage(text: string): string {
  if (text === "*") return "any host is meant by leaving hostnames out; expected a name or *.example.org";
  return `bad host name ${JSON.stringify(text)}: expected a name such as www.example.org or *.example.org, without scheme, port or path`;
}

function hostnameHint(text: string): { readonly suggestion?: string } {
  const bare = /^(?:[a-z]+:\/\/)?([^/:?#]+)(?::[0-9]*)?(?:\/.*)?$/i.exec(text)?.[1];
  return bare !== undefined && bare !== text && normaliseHostname(bare) !== undefined
    ? { suggestion: bare }
    : {};
}

function checkMatch(context: CheckContext, path: Path, match: RouteConfig["matches"][number]): void {
  checkPath(context, [...path, "path", "value"], match.path);
  for (const [index, header] of match.headers.entries()) {
    const at = [...path, "headers", index];
    const problem = fieldMatchNameProblem(header.name);
    if (problem !== undefined) context.reporter.error([...at, "name"], problem);
    if (header.type === "RegularExpression") checkRegex(context, [...at, "value"], header.value);
  }
  for (const [index, param] of match.queryParams.entries()) {
    if (param.type === "RegularExpression")
      checkRegex(context, [...path, "queryParams", index, "value"], param.value);
  }
}

function checkPath(
  context: CheckContext,
  path: Path,
  match: { readonly type: string; readonly value: string },
): void {
  if (match.type === "RegularExpression") return checkRegex(context, path, match.value);
  const problem = pathProblem(match.value);
  if (problem === undefined) return;
  const suggestion = /^[\w.-][^\s?#]*$/.test(match.value) ? `/${match.value}` : undefined;
  context.reporter.error(path, problem, { suggestion });
}

/** Requests are normalised once before they are matched, so what a normal path never is would never match. */
export function pathProblem(value: string): string | undefined {
  if (!value.startsWith("/")) return "expected a path that starts with /";
  if (/[?#]/.test(value)) return "a path holds no ? or #; the query has queryParams";
  if (/[^\x21-\x7e]/.test(value))
    return "a path holds no spaces, control or non-ASCII characters; write them as %xx";
  if (/%(?![0-9A-Fa-f]{2})/.test(value)) return "broken %xx in the path";
  if (value.includes("\\") || value.includes("//") || /(?:^|\/)\.\.?(?:\/|$)/.test(value))
    return "a path with \\, //, /./ or /../ never matches: requests are normalised first";
  return undefined;
}

function checkRegex(context: CheckContext, path: Path, pattern: string): void {
  const problem = regexProblem(pattern);
  if (problem !== undefined) context.reporter.error(path, `bad regular expression: ${problem}`);
}

function checkBackends(context: CheckContext, path: Path, route: RouteConfig): void {
  const redirects = route.filters.some((filter) => filter.requestRedirect !== undefined);
  if (redirects) {
    if (route.backendRefs.length > 0)
      context.reporter.error([...path, "backendRefs"], "a route that redirects has no backendRefs", {
        at: "key",
      });
    return;
  }
  if (route.backendRefs.length === 0)
    return context.reporter.error(
      [...path, "backendRefs"],
      "expected at least one backendRef, or a requestRedirect filter",
      { at: "key" },
    );
  for (const [index, ref] of route.backendRefs.entries())
    checkReference(context, [...path, "backendRefs", index, "name"], ref.name, "upstreams");
  checkUnique(
    context,
    [...path, "backendRefs"],
    route.backendRefs.map((ref) => ref.name),
    "upstream",
  );
  if (route.backendRefs.every((ref) => ref.weight === 0))
    context.reporter.error([...path, "backendRefs"], "all weights are 0: expected at least one above 0", {
      at: "key",
    });
}
