// SPDX-License-Identifier: Apache-2.0
// Builds generator.cpp when it is older than its source, runs it on the load core and reads its answer.
import { once } from "node:events";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { REPOSITORY } from "../support/edge.ts";
import type { Processes } from "../support/processes.ts";
import { type Lab, LOAD_CORE, SMALL_FILE } from "./lab.ts";

const SOURCE = join(import.meta.dirname, "generator.cpp");
const BINARY = join(REPOSITORY, "build/bench/generator");

export interface GeneratorResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly errors: number;
  readonly resumed: number; // handshakes that were not full ones
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

function isFresh(): boolean {
  return existsSync(BINARY) && statSync(BINARY).mtimeMs >= statSync(SOURCE).mtimeMs;
}

export async function buildGenerator(processes: Processes): Promise<void> {
  if (isFresh()) return;
  mkdirSync(dirname(BINARY), { recursive: true });
  const command = ["c++", "-std=c++20", "-O2", "-o", BINARY, SOURCE, "-lssl", "-lcrypto"];
  const { code, stderr } = await processes.run(command);
  if (code !== 0) {
    throw new Error(
      `the load generator does not compile (sudo apt-get install -y g++ libssl-dev):\n${stderr}`,
    );
  }
}

function command(mode: string, port: number, rest: readonly number[]): readonly string[] {
  return [...LOAD_CORE, BINARY, mode, String(port), SMALL_FILE.path, ...rest.map(String)];
}

async function run(lab: Lab, mode: string, port: number, rest: readonly number[]): Promise<GeneratorResult> {
  const { code, stdout, stderr } = await lab.processes.run(command(mode, port, rest), lab.clientEnv);
  if (code !== 0) throw new Error(`${mode} load failed: ${stderr}${stdout}`);
  return JSON.parse(stdout) as GeneratorResult;
}

export async function runHandshakes(lab: Lab, port: number, connections: number, seconds: number) {
  const result = await run(lab, "handshake", port, [connections, seconds]);
  if (result.resumed > 0) throw new Error(`${result.resumed} handshakes were resumed, only full ones count`);
  return result;
}

export function runRate(lab: Lab, port: number, connections: number, seconds: number, rate: number) {
  return run(lab, "rate", port, [connections, seconds, rate]);
}

// Opens idle sessions; the answer closes them.
export async function holdSessions(lab: Lab, port: number, sessions: number): Promise<() => Promise<void>> {
  const child = lab.processes.converse(command("idle", port, [sessions]), lab.clientEnv);
  if (child.stdout === null || child.stdin === null) throw new Error("no pipes");
  const stdin = child.stdin;
  const exited = once(child, "exit");
  const line = once(createInterface({ input: child.stdout }), "line");
  const first = await Promise.race([line, exited]);
  if (first[0] !== "ready") throw new Error("the proxy did not take all idle sessions");
  return async () => {
    stdin.end();
    await exited;
  };
}
