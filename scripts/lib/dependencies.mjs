// SPDX-License-Identifier: Apache-2.0
// The npm packages, the pinned Node among them, as the lockfile says.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure, step } from "./log.mjs";
import { pinnedNode, root } from "./paths.mjs";
import { run } from "./process.mjs";

const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages;

/** Compares what npm installed with the lockfile, by content: times mean nothing after a checkout. */
export function dependenciesAreCurrent() {
  if (!existsSync(join(root, "node_modules/.package-lock.json")) || !existsSync(pinnedNode)) return false;
  const installed = read("node_modules/.package-lock.json");
  return Object.entries(read("package-lock.json")).every(([path, wanted]) => {
    const have = installed[path];
    return (
      path === "" || (have === undefined ? wanted.optional === true : have.integrity === wanted.integrity)
    );
  });
}

export function ensureDependencies() {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    throw new Failure(
      `mango-edge runs on Linux on x64 and arm64, not on ${process.platform}/${process.arch}`,
      2,
    );
  }
  if (dependenciesAreCurrent()) return;
  step("installing npm packages (npm ci)");
  // NODE_ENV=production would leave out the test tools.
  run("npm", ["ci", "--include=dev", "--include=optional", "--loglevel=error", "--no-audit", "--no-fund"], {
    cwd: root,
  });
  if (!existsSync(pinnedNode)) throw new Failure(`npm ci did not bring ${pinnedNode}`);
}
