// SPDX-License-Identifier: Apache-2.0
// h2spec (github.com/summerwind/h2spec): other people's reading of RFC 9113 and RFC 7541 as 146 cases. Where it is, how
// it is called, and what its last line says. It comes from PATH, H2SPEC, or Go (see go.mod), never from npm.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../support/edge.ts";
import type { Processes } from "../support/processes.ts";
import { findProgram } from "../support/tools.ts";

const CACHE = join(REPOSITORY, "build/tools");
const PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec";
const CASE_TIMEOUT_SECONDS = 5; // the default of 2 is missed on a busy machine

// All of them, strict ones included. Fewer means another h2spec, or cases that did not run.
export const CASES = 146;

export const HOW_TO_GET_H2SPEC = `h2spec is missing. Either of these brings it:

  a Go toolchain (1.19 or newer) on PATH: this command then builds the pinned version into build/tools
  https://github.com/summerwind/h2spec/releases: a single program, to be unpacked onto PATH

or name one that is elsewhere: H2SPEC=/path/to/h2spec npm run conformance
`;

export interface Target {
  readonly host: string; // becomes :authority, so the certificate has to cover it
  readonly port: number;
  readonly tls: boolean;
}

export interface Verdict {
  readonly tests: number;
  readonly passed: number;
}

export function findH2spec(): string | undefined {
  const path = `${CACHE}:${process.env["PATH"] ?? ""}`;
  return process.env["H2SPEC"] ?? findProgram("h2spec", path);
}

// Builds the pinned version; undefined where there is no Go.
export async function buildH2spec(processes: Processes): Promise<string | undefined> {
  if (findProgram("go") === undefined) return undefined;
  const program = join(CACHE, "h2spec");
  mkdirSync(CACHE, { recursive: true });
  const go = ["env", "-C", import.meta.dirname, "go", "build", "-trimpath", "-o", program, PACKAGE];
  const { code, stderr } = await processes.run(go);
  if (code !== 0) throw new Error(`h2spec does not build:\n${stderr}\n${HOW_TO_GET_H2SPEC}`);
  return program;
}

export function h2specArguments({ host, port, tls }: Target): readonly string[] {
  const secure = tls ? ["--tls", "--insecure"] : [];
  const timeout = ["--timeout", String(CASE_TIMEOUT_SECONDS)];
  return ["--strict", ...timeout, "--host", host, "--port", String(port), ...secure];
}

export function readVerdict(output: string): Verdict {
  const match = /^(\d+) tests, (\d+) passed, \d+ skipped, \d+ failed$/m.exec(output);
  if (match === null) throw new Error(`h2spec did not finish:\n${output}`);
  return { tests: Number(match[1]), passed: Number(match[2]) };
}

export function conforms({ tests, passed }: Verdict): boolean {
  return tests === CASES && passed === CASES;
}

// h2spec lists what failed once more at the end; all of the output where it has no such list.
export function failures(output: string): string {
  const start = output.indexOf("\nFailures:");
  return output.slice(start === -1 ? 0 : start).trim();
}
