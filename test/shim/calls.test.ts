// SPDX-License-Identifier: Apache-2.0
// The C library's calls, case by case, by a program that knows nothing of libmango (native/test/shim): without the
// shim, which proves the cases, and on both engines, which proves the shim.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileScope, repositoryRoot, temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { type Shim, shims } from "./shim.ts";

const sources = join(repositoryRoot, "native/test/shim");
const program = join(temporaryFolder(fileScope), "calls");
const flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-D_FORTIFY_SOURCE=2", "-Wall", "-Wextra", "-pedantic"];
const files = readdirSync(sources).filter((file) => file.endsWith(".c"));
const inputs = files.map((file) => join(sources, file));
execFileSync("cc", [...flags, "-Werror", "-pthread", ...inputs, "-o", program], { stdio: "inherit" });
const cases = execFileSync(program, { encoding: "utf8" }).trim().split("\n");

async function passes(name: string, shim: Shim | undefined): Promise<void> {
  const [runner = "", ...args] = shim === undefined ? [program, name] : shim.command(program, [name]);
  const { status, stderr } = await runTool(runner, args);
  assert.equal(status, 0, stderr);
}

for (const shim of [undefined, ...shims]) {
  describe(shim === undefined ? "without the shim" : `on the ${shim.engine} engine`, () => {
    for (const name of cases) {
      test(name, () => passes(name, shim));
    }
  });
}
