// SPDX-License-Identifier: Apache-2.0
// The command line of `npm run loadtest`.
import { parseArgs } from "node:util";
import type { Scenario } from "./k6.ts";
import { SOAK_SECONDS } from "./soak.ts";

// The one that k6 has no part in: see soak.ts.
export const SOAK: Pick<Scenario, "name" | "summary"> = {
  name: "soak",
  summary:
    "HTTP/2 and HTTP/1.1 as hard as it goes, a reload every second (DURATION 2m); judges memory and sessions, too",
};

export interface RunOptions {
  readonly help: boolean;
  readonly scenario: string;
  readonly target: string | undefined; // undefined: start our own
  readonly admin: string | undefined;
  readonly slowClients: number;
  readonly soakSeconds: number;
  readonly env: Readonly<Record<string, string>>; // for the scenario
}

export class UsageError extends Error {}

const DEFAULT_SLOW_CLIENTS = "400";

export function help(scenarios: readonly Pick<Scenario, "name" | "summary">[]): string {
  const width = Math.max(...scenarios.map((scenario) => scenario.name.length));
  const list = scenarios.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
  return `npm run loadtest -- SCENARIO [options]

Runs a scenario against a mango-edge started for it, with an upstream of its own, on free ports.

${list}

  --target URL      use a running instance instead, e.g. https://localhost:8443
  --admin URL       its admin API (soak_reloads; default http://127.0.0.1:9901; token in MANGO_ADMIN_TOKEN)
  --path PATH       what to ask it for (default /)
  --rate N          requests a second
  --duration TIME   e.g. 30s, 10m
  --slow N          slow sockets of slow_clients (default ${DEFAULT_SLOW_CLIENTS})
  --help            this text

Exit code: that of k6 (0 passed, 99 a threshold failed), 1 the proxy misbehaved, 2 k6, or h2load or wrk of soak, is
missing, or wrong options.
`;
}

function parse(args: readonly string[]) {
  try {
    const text = { type: "string" } as const;
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        target: text,
        admin: text,
        path: text,
        rate: text,
        duration: text,
        slow: { type: "string", default: DEFAULT_SLOW_CLIENTS },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function positive(text: string | undefined, option: string): void {
  if (text !== undefined && !(Number(text) > 0))
    throw new UsageError(`--${option}: expected a number above 0`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

function wholeSeconds(text: string | undefined): number {
  if (text === undefined) return SOAK_SECONDS;
  const [, amount, unit] = /^([1-9]\d*)([smh])$/.exec(text) ?? [];
  if (amount === undefined) throw new UsageError("--duration: expected a time such as 30s or 10m");
  return Number(amount) * (UNITS[unit ?? ""] ?? 1);
}

function url(text: string | undefined, option: string): void {
  if (text !== undefined && !URL.canParse(text))
    throw new UsageError(`--${option}: expected a URL such as https://host:8443`);
}

export function parseRunOptions(args: readonly string[], names: readonly string[]): RunOptions {
  const { values, positionals } = parse(args);
  const [scenario = "", ...extra] = positionals;
  const wantsHelp = values.help === true;
  if (!wantsHelp && (extra.length > 0 || !names.includes(scenario))) {
    const problem =
      scenario === "" ? "which scenario?" : `unknown scenario "${[scenario, ...extra].join(" ")}"`;
    throw new UsageError(`${problem} (${names.join(", ")})`);
  }
  positive(values.rate, "rate");
  positive(values.slow, "slow");
  url(values.target, "target");
  url(values.admin, "admin");
  if (scenario === SOAK.name && values.target !== undefined)
    throw new UsageError("soak watches a process of its own: it takes no --target");
  const settings = { RATE: values.rate, DURATION: values.duration, REQUEST_PATH: values.path };
  return {
    help: wantsHelp,
    scenario,
    target: values.target,
    admin: values.admin,
    slowClients: Number(values.slow),
    soakSeconds: scenario === SOAK.name ? wholeSeconds(values.duration) : SOAK_SECONDS,
    env: Object.fromEntries(
      Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  };
}
