// SPDX-License-Identifier: Apache-2.0
// scripts/lib/process.mjs: the program behind a script gets each signal once, whoever sent it to whom.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { type Lines, linesOfStream } from "../support/lines.ts";

const library = join(import.meta.dirname, "../../scripts/lib/process.mjs");

// Counts SIGINTs; SIGTERM makes it tell the count and leave with status 7.
const program = `
  let count = 0;
  process.on("SIGINT", () => console.log("interrupted", ++count));
  process.on("SIGTERM", () => { console.log("count", count); process.exit(7); });
  setInterval(() => {}, 1000);
  console.log("ready");
`;
const front = `
  import { become } from ${JSON.stringify(library)};
  process.on("SIGINT", () => console.log("front"));
  process.exitCode = await become(process.execPath, ["-e", process.env.PROGRAM], {}, Number(process.env.SAME_SIGNAL_MS));
`;

interface Front {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  readonly lines: Lines;
}

function startFront(sameSignalMs: number): Front {
  const env = {
    ...process.env,
    PROGRAM: program,
    SAME_SIGNAL_MS: `${sameSignalMs}`,
    npm_lifecycle_event: "start",
  };
  const child = spawn(process.execPath, ["--input-type=module", "-e", front], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true, // a process group of its own, as a terminal would give it
    env,
  });
  return { child, lines: linesOfStream(child.stdout) };
}

test("a signal to the front alone is passed on, and so is the exit status", async () => {
  const { child, lines } = startFront(1);
  await lines.wait("ready");
  child.kill("SIGINT");
  await lines.wait("interrupted 1");
  child.kill("SIGTERM");
  const [status] = await once(child, "exit");
  assert.equal(status, 7);
});

test("a signal to the whole group, which npm then repeats to the front, arrives once", async () => {
  const { child, lines } = startFront(2_000);
  await lines.wait("ready");
  process.kill(-(child.pid ?? 0), "SIGINT");
  await lines.wait("front");
  child.kill("SIGINT");
  child.kill("SIGTERM");
  await lines.wait("count 1");
  await once(child, "exit");
});
