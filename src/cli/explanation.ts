// SPDX-License-Identifier: Apache-2.0
// A routing decision for people: the answer first, then what was looked at, in order of preference.
import { printable } from "./table.ts";

interface Explanation {
  readonly listener?: string;
  readonly host?: string;
  readonly path?: string;
  readonly route?: string | null;
  readonly redirect?: boolean;
  readonly backends?: readonly { readonly upstream: string; readonly weight: number }[];
  readonly considered?: readonly {
    readonly hostname: string;
    readonly route: string;
    readonly match: unknown;
    readonly rejected: string;
  }[];
}

export function formatExplanation(answer: unknown): string {
  const told = answer as Explanation;
  const lines = [
    `listener  ${told.listener ?? "-"}`,
    `request   ${told.host ?? ""}${told.path ?? ""}`,
    `route     ${told.route ?? "none: the answer is 404"}`,
    ...backendLines(told),
    ...consideredLines(told),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

function backendLines({ route, redirect, backends = [] }: Explanation): string[] {
  if (route === null || route === undefined) return [];
  if (redirect === true) return ["answer    a redirect, by the route itself"];
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  return backends.map(({ upstream, weight }) => `upstream  ${upstream} (${percent(weight, total)})`);
}

function consideredLines({ considered = [] }: Explanation): string[] {
  if (considered.length === 0) return [];
  const steps = considered.map(({ hostname, route, match, rejected }) => {
    const verdict = rejected === "" ? "taken" : `not taken: ${rejected}`;
    return `  ${hostname}  ${route} (match ${JSON.stringify(match)}): ${verdict}`;
  });
  return ["considered, the most specific first:", ...steps];
}

function percent(weight: number, total: number): string {
  return total === 0 ? "no traffic" : `${Math.round((weight * 100) / total)}% of requests`;
}
