// SPDX-License-Identifier: Apache-2.0
// From a bare clone to something that runs: system packages, npm packages with the pinned Node, the addon.
// Every part looks first and does nothing when there is nothing to do.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureDependencies } from "./dependencies.mjs";
import { buildNative } from "./native.mjs";
import { pinnedNode, root, toolsDir } from "./paths.mjs";
import { become } from "./process.mjs";
import { ensureSystemPackages } from "./system_packages.mjs";

/** What the product and everything around it loads or starts at run time; libmango brings its plug-ins. */
const kReleaseTargets = ["mango_edge", "mango", "mango-toed", "mango-preload", "mango-run"];

export async function prepare(purpose = "run") {
  preparePackages(purpose);
  await buildRelease();
  if (purpose === "bench") await buildNative("release", ["mango-bench-tools"]);
}

export function preparePackages(purpose) {
  ensureSystemPackages(purpose);
  ensureDependencies();
}

export function buildRelease() {
  return buildNative("release", kReleaseTargets);
}

/** The environment of everything we start: build/tools and the pinned Node come first. */
export function environment() {
  const first = [toolsDir, join(root, "node_modules/.bin")].filter((dir) => existsSync(dir));
  const rest = (process.env.PATH ?? "").split(":").filter((dir) => !first.includes(dir));
  return { ...process.env, PATH: [...first, ...rest].join(":") };
}

/** Runs a TypeScript entry point on the pinned Node in the caller's folder; answers its exit status. */
export function runOnPinnedNode(entry, args) {
  const cwd = process.env.INIT_CWD ?? process.cwd();
  return become(pinnedNode, [join(root, entry), ...args], { cwd, env: environment() });
}
