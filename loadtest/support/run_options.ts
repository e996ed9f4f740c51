// SPDX-License-Identifier: Apache-2.0
// The command line of `npm run loadtest`.
import { parseArgs } from "node:util";
import type { Scenario } from "./k6.ts";

export interface RunOptions {
  readonly help: boolean;
  readonly scenario: string;
  readonly target: string | undefined; // undefined: start our own
  readonly admin: string | undefined;
  readonly slowClients: number;
  readonly env: Readonly<Record<string, string>>; // for the scenario
}

export class UsageError extends Error {}

const DEFAULT_SLOW_CLIENTS = "400";

export function help(scenarios: readonly Scenario[]): string {
  const width = Math.max(...scenarios.map((scenario) => scenario.name.length));
  const list = scenarios.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
  return `npm run loadtest -- SCENARIO [options]

Runs a k6 scenario against a mango-edge started for it, with an upstream of its own, on free ports.

${list}

  --target URL      use a running instance instead, e.g. https://localhost:8443
  --admin URL       its admin API (soak_reloads; default http://127.0.0.1:9901; token in MANGO_ADMIN_TOKEN)
  --path PATH       what to ask it for (default /)
  --rate N          requests a second
  --duration TIME   e.g. 30s, 10m
  --slow N          slow sockets of slow_clients (default ${DEFAULT_SLOW_CLIENTS})
  --help            this text

Exit code: that of k6 (0 passed, 99 a threshold failed), 1 the proxy misbehaved, 2 k6 is missing or wrong options.
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
  const settings = { RATE: values.rate, DURATION: values.duration, REQUEST_PATH: values.path };
  return {
    help: wantsHelp,
    scenario,
    target: values.target,
    admin: values.admin,
    slowClients: Number(values.slow),
    env: Object.fromEntries(
      Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  };
}
