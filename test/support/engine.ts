// SPDX-License-Identifier: Apache-2.0
// The engine under test: kernel, or with MANGO_EDGE_ENGINE=device a mango-toed of the test file's own. A configuration
// that says nothing about `offload` gets the one under test; tests need not know.
import { Toed } from "../toed/daemon.ts";
import { fileScope } from "./scope.ts";

const engineUnderTest = process.env["MANGO_EDGE_ENGINE"] ?? "kernel";
if (engineUnderTest !== "kernel" && engineUnderTest !== "device")
  throw new Error(`MANGO_EDGE_ENGINE=${engineUnderTest}: expected kernel or device`);

// Collected here: a hook that is made while a test runs is that test's own.
const undo: (() => unknown)[] = [];
fileScope.after(() => Promise.all(undo.map((each) => each())));

let starting: Promise<Toed> | undefined;
let offload: Readonly<Record<string, unknown>> | undefined;

// Resolves when the engine can be used; starts the device at the first call.
export async function engineReady(): Promise<void> {
  if (engineUnderTest === "kernel") return;
  starting ??= Toed.start({ after: (each) => undo.push(each) });
  offload = { engine: "device", ipc: { address: (await starting).address } };
}

// What a configuration is completed with.
export function engineSection(): Readonly<Record<string, unknown>> {
  return offload === undefined ? {} : { offload };
}
