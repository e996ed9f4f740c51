// SPDX-License-Identifier: Apache-2.0
// A hundred thousand sessions opened and closed, and some connected, leave no memory behind: valgrind watches the
// program and libmango, on both engines.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileScope } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { cyclesProgram } from "./c_programs.ts";
import { Toed } from "./daemon.ts";

const opens = "100000";
const connects = "2000";
const valgrind = ["--quiet", "--error-exitcode=9", "--leak-check=full"];
// What handles stand in is kept until the process ends, and reachable.
const leaks = "definite,indirect,possible";
const kinds = [`--show-leak-kinds=${leaks}`, `--errors-for-leak-kinds=${leaks}`];

const program = cyclesProgram(fileScope);

async function runsClean(engine: string): Promise<void> {
  const said = await runTool("valgrind", [...valgrind, ...kinds, program, engine, opens, connects]);
  assert.deepEqual(said, { status: 0, stdout: "done\n", stderr: "" });
}

test("open and close without a leak on the kernel engine", () => runsClean("kernel"));

test("open and close without a leak on a device", async (t) => {
  const toed = await Toed.start(t);
  await runsClean(toed.address);
  await toed.settles("sessions.open", 0);
});
