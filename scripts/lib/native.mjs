// SPDX-License-Identifier: Apache-2.0
// The native part: one CMake preset, one folder under build/, Ninja to build what changed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Failure, step } from "./log.mjs";
import { pinnedNodeDir, root } from "./paths.mjs";
import { capture } from "./process.mjs";

/** Builds targets of a preset if anything changed; answers the build folder. `defines` are CMake cache entries. */
export async function buildNative(preset, targets, defines = {}) {
  const dir = configureNative(preset, defines);
  await ninja(dir, targets, `building ${targets.join(", ")} (build/${preset})`);
  return dir;
}

/** Only what a build would start with: enough for tools that read compile_commands.json. */
export function configureNative(preset, defines = {}) {
  const dir = join(root, "build", preset);
  const wanted = { NODE_INCLUDE_DIR: join(pinnedNodeDir, "include/node"), ...defines };
  if (!isConfigured(dir, wanted)) configure(preset, wanted);
  return dir;
}

function configure(preset, wanted) {
  step(`configuring build/${preset}`);
  const defines = Object.entries(wanted).map(([name, value]) => `-D${name}=${value}`);
  const { status, output } = capture("cmake", ["--preset", preset, ...defines], {
    cwd: join(root, "native"),
  });
  if (status !== 0) throw new Failure(`${output}\ncmake failed (exit status ${status})`);
}

/** Says nothing when nothing is to do; else the title, then progress, on one line where there is a terminal. */
async function ninja(dir, targets, title) {
  // Two builds in one folder would corrupt it; the second waits for the first.
  const command = [join(dir, ".lock"), "ninja", "-C", dir, ...targets];
  const child = spawn("flock", command, { stdio: ["ignore", "pipe", 2] });
  const exited = once(child, "close");
  const isProgress = (line) => /^\[\d+\/\d+\]/.test(line);
  let started = false;
  let open = false; // a progress line without its line end
  for await (const line of createInterface({ input: child.stdout })) {
    if (!isProgress(line) ? !started : line.includes("Re-checking globbed")) continue;
    if (!started) step(title);
    started = true;
    const inPlace = process.stderr.isTTY && isProgress(line);
    process.stderr.write(`${open ? "\r\x1b[K" : ""}${line}${inPlace ? "" : "\n"}`);
    open = inPlace;
  }
  if (open) process.stderr.write("\n");
  const [status] = await exited;
  if (status !== 0) throw new Failure(`the native build failed (ninja, exit status ${status})`);
}

function isConfigured(dir, wanted) {
  if (!existsSync(join(dir, "build.ninja"))) return false;
  const cache = readFileSync(join(dir, "CMakeCache.txt"), "utf8");
  const entries = new Map(cache.split("\n").map((line) => line.match(/^(\w+):\w+=(.*)$/)?.slice(1) ?? []));
  // A clone that was moved has the old path in its cache.
  if (entries.get("CMAKE_HOME_DIRECTORY") !== join(root, "native")) return false;
  return Object.entries(wanted).every(([name, value]) => entries.get(name) === String(value));
}
