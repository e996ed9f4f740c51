// SPDX-License-Identifier: Apache-2.0
// A device for one measurement: mango-toed, and iceoryx's RouDi where the device is asked through iceoryx. Both are ours
// from start to end.
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { REPOSITORY } from "../support/edge.ts";
import { processesNamed } from "../support/proc.ts";
import { logTail } from "../support/processes.ts";
import { findProgram } from "../support/tools.ts";
import type { Lab } from "./lab.ts";

const BUILD = process.env["MANGO_BENCH_BUILD"] ?? join(REPOSITORY, "build/release");
const ROUDI = "iox-roudi";
const ROUDI_LOCK = join(tmpdir(), "mango-edge-roudi.lock");
const TOED_READY = /ready on ([^\s,]+)/;
const ROUDI_READY = /RouDi is ready for clients/;
const READY_TIMEOUT_MS = 20_000;

export const CONTROLS = ["grpc", "iceoryx"] as const;
export type Control = (typeof CONTROLS)[number];

export interface Device {
  readonly pid: number;
  readonly ipc: string; // what its clients are told
  stop(): Promise<void>;
}

export function built(name: string): string {
  return join(BUILD, name);
}

// Why there is no device with this control channel, or nothing.
export function deviceMissing(control: Control): string | undefined {
  if (!existsSync(built("mango-toed"))) return "mango-toed is not built";
  if (!existsSync(built(`libmango-ipc-${control}.so`)))
    return `libmango-ipc-${control}.so is not built: its library was not there`;
  return control === "iceoryx" ? roudiMissing() : undefined;
}

function roudiMissing(): string | undefined {
  if (findProgram(ROUDI) === undefined) return `${ROUDI} is missing (package iceoryx)`;
  const [other] = processesNamed(ROUDI);
  if (other === undefined) return undefined;
  return `${ROUDI} runs already (process ${other}) and is not ours to measure with: end it and run again`;
}

// The first line of the child's output that matches. Rejects when the child ends, or says nothing for too long.
export function awaitLine(
  name: string,
  child: ChildProcess,
  pattern: RegExp,
  log?: string,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const heard: string[] = [];
    const fail = (what: string) => {
      clearTimeout(timer);
      const logged = log === undefined ? [] : [logTail(log)];
      reject(new Error(`${name} ${what}:\n${[...heard, ...logged].join("\n")}`));
    };
    const timer = setTimeout(() => fail("is not ready"), READY_TIMEOUT_MS);
    if (child.stdout === null) return fail("has no output");
    child.once("error", (error) => fail(error.message));
    child.once("exit", () => fail("ended at start"));
    createInterface({ input: child.stdout }).on("line", (line) => {
      heard.push(line);
      const match = pattern.exec(line);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
  });
}

// Starts a server and waits until it says that it is ready.
async function serve(lab: Lab, name: string, command: readonly string[], pattern: RegExp) {
  const log = join(lab.folder, `${name}.log`);
  const child = lab.processes.converse(command, {}, log);
  return { child, ready: await awaitLine(name, child, pattern, log) };
}

// A machine has one RouDi: whoever else starts it for a while (the tests of this project do) waits at the same lock.
const roudi = (core: readonly string[]) => [...core, "flock", "--no-fork", ROUDI_LOCK, ROUDI];
const toed = (core: readonly string[], address: string) => [
  ...core,
  built("mango-toed"),
  "run",
  "--ipc",
  address,
];

export async function startDevice(lab: Lab, control: Control, core: readonly string[]): Promise<Device> {
  const iceoryx = control === "iceoryx";
  const daemon = iceoryx ? await serve(lab, ROUDI, roudi(core), ROUDI_READY) : undefined;
  const address = iceoryx ? `iceoryx:mango-bench-${process.pid}` : "127.0.0.1:0";
  const { child, ready } = await serve(lab, "mango-toed", toed(core, address), TOED_READY);
  const [, ipc] = ready;
  if (child.pid === undefined || ipc === undefined) throw new Error("mango-toed did not start");
  return {
    pid: child.pid,
    ipc,
    stop: async () => {
      await lab.processes.stop(child);
      if (daemon !== undefined) await lab.processes.stop(daemon.child);
    },
  };
}
