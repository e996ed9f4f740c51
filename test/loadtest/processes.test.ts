// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { descendants } from "../../loadtest/support/proc.ts";
import { createProcesses } from "../../loadtest/support/processes.ts";

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("a program's output and exit code come back, a failing one does not throw", async () => {
  const { code, stdout, stderr } = await createProcesses().run(
    ["sh", "-c", "echo out; echo $WORD >&2; exit 3"],
    {
      WORD: "err",
    },
  );
  assert.deepEqual([code, stdout, stderr], [3, "out\n", "err\n"]);
});

test("stopping everything ends every child, and doing it twice is fine", async () => {
  const processes = createProcesses();
  const child = processes.converse(["sh", "-c", "sleep 1000 & echo started; wait"]);
  await once(createInterface({ input: child.stdout! }), "line");
  assert.equal(descendants(child.pid!).length, 1);
  const [sleeper = 0] = descendants(child.pid!);
  await processes.stopAll();
  assert.equal(exists(child.pid!), false);
  assert.equal(await processes.stop(child), child.exitCode);
  process.kill(sleeper, "SIGKILL"); // a shell does not pass SIGTERM on
});

test("a program that does not exist rejects instead of crashing", async () => {
  await assert.rejects(createProcesses().run(["/nonexistent/program"]), { code: "ENOENT" });
});
