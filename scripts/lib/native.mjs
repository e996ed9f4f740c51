// SPDX-License-Identifier: Apache-2.0
// The native part: one CMake preset, one folder under build/, Ninja to build what changed.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { step } from "./log.mjs";
import { pinnedNodeDir, root } from "./paths.mjs";
import { capture, run } from "./process.mjs";

/** Builds targets of a preset if anything changed; answers the build folder. `defines` are CMake cache entries. */
export function buildNative(preset, targets, defines = {}) {
  const dir = join(root, "build", preset);
  const wanted = { NODE_INCLUDE_DIR: join(pinnedNodeDir, "include/node"), ...defines };
  if (!isConfigured(dir, wanted)) configure(preset, wanted);
  const plan = capture("ninja", ["-C", dir, "-n", ...targets]);
  if (plan.status === 0 && plan.output.includes("no work to do")) return dir;
  step(`building ${targets.join(", ")} (build/${preset})`);
  run("ninja", ["-C", dir, ...targets]);
  return dir;
}

function configure(preset, wanted) {
  step(`configuring build/${preset}`);
  const defines = Object.entries(wanted).map(([name, value]) => `-D${name}=${value}`);
  run("cmake", ["--preset", preset, "--log-level=WARNING", ...defines], { cwd: join(root, "native") });
}

function isConfigured(dir, wanted) {
  if (!existsSync(join(dir, "build.ninja"))) return false;
  const cache = readFileSync(join(dir, "CMakeCache.txt"), "utf8");
  const entries = new Map(cache.split("\n").map((line) => line.match(/^(\w+):\w+=(.*)$/)?.slice(1) ?? []));
  // A clone that was moved has the old path in its cache.
  if (entries.get("CMAKE_HOME_DIRECTORY") !== join(root, "native")) return false;
  return Object.entries(wanted).every(([name, value]) => entries.get(name) === String(value));
}
