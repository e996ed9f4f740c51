// SPDX-License-Identifier: Apache-2.0
// A device for one measurement: mango-toed, and iceoryx's RouDi where the device is asked through iceoryx. Both are ours
// from start to end.
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { REPOSITORY } from "../support/edge.ts";
import { processesNamed } from "../support/proc.ts";
import { findProgram } from "../support/tools.ts";
import type { Lab } from "./lab.ts";

const BUILD = process.env["MANGO_BENCH_BUILD"] ?? join(REPOSITORY, "build/release");
const ROUDI = "iox-roudi";
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
export function awaitLine(name: string, child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const heard: string[] = [];
    const fail = (what: string) => {
      clearTimeout(timer);
      reject(new Error(`${name} ${what}:\n${heard.join("\n")}`));
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

function converse(lab: Lab, name: string, command: readonly string[]): ChildProcess {
  return lab.processes.converse(command, {}, join(lab.folder, `${name}.log`));
}

async function startRouDi(lab: Lab, core: readonly string[]): Promise<ChildProcess> {
  const child = converse(lab, ROUDI, [...core, ROUDI, "--log-level", "info"]);
  await awaitLine(ROUDI, child, ROUDI_READY);
  return child;
}

async function startToed(lab: Lab, core: readonly string[], address: string) {
  const child = converse(lab, "mango-toed", [...core, built("mango-toed"), "run", "--ipc", address]);
  const ready = await awaitLine("mango-toed", child, /ready on ([^\s,]+)/);
  if (child.pid === undefined || ready[1] === undefined) throw new Error("mango-toed did not start");
  return { child, pid: child.pid, ipc: ready[1] };
}

export async function startDevice(lab: Lab, control: Control, core: readonly string[]): Promise<Device> {
  const roudi = control === "iceoryx" ? await startRouDi(lab, core) : undefined;
  const address = control === "iceoryx" ? `iceoryx:mango-bench-${process.pid}` : "127.0.0.1:0";
  const { child, pid, ipc } = await startToed(lab, core, address);
  return {
    pid,
    ipc,
    stop: async () => {
      await lab.processes.stop(child);
      if (roudi !== undefined) await lab.processes.stop(roudi);
    },
  };
}
