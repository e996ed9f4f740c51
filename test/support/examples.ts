// SPDX-License-Identifier: Apache-2.0
// The examples in config/ as an operator takes them: each is checked, then started. Only what their environment
// variables name is another here: addresses, certificates, upstreams.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Edge, runCli, startEdge } from "./edge.ts";
import { repositoryRoot, type Scope } from "./scope.ts";

type Environment = Readonly<Record<string, string>>;

const ADDRESSES = ["HTTPS", "HTTP", "PARTNERS", "MAIL", "SNI", "DATABASE", "ADMIN"];

export const exampleFile = (name: string): string => join(repositoryRoot, "config", `${name}.yaml`);

// Ports of the system's choice and a folder of its own, so that any number of examples can run at once.
export function elsewhere(folder: string): Environment {
  const addresses = ADDRESSES.map((name) => [`MANGO_${name}`, "127.0.0.1:0"] as const);
  return { ...Object.fromEntries(addresses), MANGO_STATE: join(folder, "state") };
}

export async function startExample(scope: Scope, name: string, environment: Environment): Promise<Edge> {
  const { code, stdout, stderr } = await runCli(scope, ["validate", exampleFile(name)], { environment });
  assert.equal(code, 0, stdout + stderr);
  return startEdge(scope, readFileSync(exampleFile(name), "utf8"), { environment });
}
