// SPDX-License-Identifier: Apache-2.0
// Where things are. Everything is absolute: npm may have been called from anywhere.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export const pinnedNodeDir = join(root, "node_modules", `node-linux-${process.arch}`);
export const pinnedNode = join(pinnedNodeDir, "bin", "node");
export const toolsDir = join(root, "build", "tools");

/** The path of a program, or undefined. Looks in build/tools first, then along PATH. */
export function findProgram(name) {
  const dirs = [toolsDir, ...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return dirs.map((dir) => join(dir, name)).find((path) => existsSync(path));
}
