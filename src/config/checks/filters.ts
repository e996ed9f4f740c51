// SPDX-License-Identifier: Apache-2.0
// routes[].filters: one purpose each, none twice, and nothing that would break the message it changes.
import type { Path } from "../errors.ts";
import { fieldNameProblem, fieldValueProblem } from "../fields.ts";
import { normaliseHostname } from "../hostnames.ts";
import type { FilterConfig, RouteConfig } from "../schema/root.ts";
import type { CheckContext } from "./context.ts";
import { pathProblem } from "./routes.ts";

const KINDS = {
  requestHeaderModifier: "RequestHeaderModifier",
  responseHeaderModifier: "ResponseHeaderModifier",
  requestRedirect: "RequestRedirect",
  urlRewrite: "URLRewrite",
} as const satisfies Partial<Record<keyof FilterConfig, string>>;
type Kind = keyof typeof KINDS;

type Modifier = NonNullable<FilterConfig["requestHeaderModifier"]>;
type PathModifier = NonNullable<NonNullable<FilterConfig["urlRewrite"]>["path"]>;

export function checkFilters(context: CheckContext, routePath: Path, route: RouteConfig): void {
  const seen = new Set<Kind>();
  for (const [index, filter] of route.filters.entries()) {
    const path = [...routePath, "filters", index];
    const kind = kindOf(context, path, filter);
    if (kind === undefined) continue;
    if (seen.has(kind))
      context.reporter.error([...path, kind], `a route has at most one ${kind}`, { at: "key" });
    seen.add(kind);
    checkFilter(context, path, filter, route);
  }
  if (seen.has("requestRedirect") && seen.has("urlRewrite")) {
    context.reporter.error(
      [...routePath, "filters"],
      "a route either redirects or rewrites; expected one of requestRedirect and urlRewrite",
      { at: "key" },
    );
  }
}

function kindOf(context: CheckContext, path: Path, filter: FilterConfig): Kind | undefined {
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => filter[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    context.reporter.error(path, `expected exactly one of ${Object.keys(KINDS).join(", ")}`);
    return undefined;
  }
  if (filter.type !== undefined && filter.type !== KINDS[kind]) {
    context.reporter.error([...path, "type"], `type does not fit ${kind}`, { suggestion: KINDS[kind] });
  }
  return kind;
}

function checkFilter(context: CheckContext, path: Path, filter: FilterConfig, route: RouteConfig): void {
  if (filter.requestHeaderModifier)
    checkModifier(context, [...path, "requestHeaderModifier"], filter.requestHeaderModifier);
  if (filter.responseHeaderModifier)
    checkModifier(context, [...path, "responseHeaderModifier"], filter.responseHeaderModifier);
  for (const kind of ["requestRedirect", "urlRewrite"] as const) {
    const change = filter[kind];
    if (change === undefined) continue;
    checkTarget(context, [...path, kind, "hostname"], change.hostname);
    if (change.path !== undefined) checkPathModifier(context, [...path, kind, "path"], change.path, route);
  }
  const { urlRewrite } = filter;
  if (urlRewrite && urlRewrite.hostname === undefined && urlRewrite.path === undefined) {
    context.reporter.error([...path, "urlRewrite"], "expected hostname or path", { at: "key" });
  }
}

function checkModifier(context: CheckContext, path: Path, modifier: Modifier): void {
  for (const kind of ["set", "add"] as const) {
    for (const [index, field] of modifier[kind].entries()) {
      checkField(context, [...path, kind, index, "name"], fieldNameProblem(field.name));
      checkField(context, [...path, kind, index, "value"], fieldValueProblem(field.value));
    }
  }
  for (const [index, name] of modifier.remove.entries())
    checkField(context, [...path, "remove", index], fieldNameProblem(name));
  if (modifier.set.length + modifier.add.length + modifier.remove.length === 0) {
    context.reporter.error(path, "expected at least one of set, add and remove", { at: "key" });
  }
}

function checkField(context: CheckContext, path: Path, problem: string | undefined): void {
  if (problem !== undefined) context.reporter.error(path, problem);
}

function checkTarget(context: CheckContext, path: Path, hostname: string | undefined): void {
  if (hostname === undefined) return;
  const name = normaliseHostname(hostname);
  if (name === undefined || name.startsWith("*"))
    context.reporter.error(path, "expected one exact host name, without scheme, port or path");
}

function checkPathModifier(
  context: CheckContext,
  path: Path,
  modifier: PathModifier,
  route: RouteConfig,
): void {
  const [own, other] =
    modifier.type === "ReplaceFullPath"
      ? (["replaceFullPath", "replacePrefixMatch"] as const)
      : (["replacePrefixMatch", "replaceFullPath"] as const);
  const value = modifier[own];
  if (value === undefined)
    return context.reporter.error(path, `missing key ${JSON.stringify(own)}: ${modifier.type} needs it`, {
      at: "key",
    });
  if (modifier[other] !== undefined)
    context.reporter.error([...path, other], `does not go with ${modifier.type}`, { at: "key" });
  const problem = value === "" && own === "replacePrefixMatch" ? undefined : pathProblem(value);
  if (problem !== undefined) context.reporter.error([...path, own], problem);
  if (own === "replacePrefixMatch" && route.matches.some((match) => match.path.type !== "PathPrefix")) {
    context.reporter.error([...path, "type"], "ReplacePrefixMatch needs matches of type PathPrefix only");
  }
}
