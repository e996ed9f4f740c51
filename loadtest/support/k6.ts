// SPDX-License-Identifier: Apache-2.0
// Finding k6 and the scenarios written for it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./tools.ts";

const SCENARIOS = join(import.meta.dirname, "../scenarios");

export const HOW_TO_GET_K6 = `k6 is missing. Any of these brings it:

  go install go.k6.io/k6@latest           then put "$(go env GOPATH)/bin" on PATH
  brew install k6                         where Homebrew is
  https://github.com/grafana/k6/releases  a single program: unpack it onto PATH
  https://grafana.com/docs/k6/latest/set-up/install-k6/   Debian and Ubuntu packages

or name one that is elsewhere: K6=/path/to/k6 npm run loadtest -- smoke
`;

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly file: string;
}

// The first comment that starts with the scenario's own name describes it.
export function summaryOf(name: string, source: string): string {
  const line = source.split("\n").find((each) => each.startsWith(`// ${name}: `));
  return line?.slice(`// ${name}: `.length) ?? "";
}

export function listScenarios(folder = SCENARIOS): readonly Scenario[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".js"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -".js".length);
      return {
        name,
        summary: summaryOf(name, readFileSync(join(folder, file), "utf8")),
        file: join(folder, file),
      };
    });
}

export function findK6(): string | undefined {
  return process.env["K6"] ?? findProgram("k6");
}
