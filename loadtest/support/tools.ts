// SPDX-License-Identifier: Apache-2.0
// Programs that a load test needs and npm cannot bring: where they are, and what to type when they are missing.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export const EXIT_MISSING_TOOL = 2;

export function findProgram(
  name: string,
  path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
): string | undefined {
  const candidates = path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// Debian and Ubuntu packages by program.
const PACKAGES: Readonly<Record<string, string>> = {
  nginx: "nginx",
  haproxy: "haproxy",
  wrk: "wrk",
  h2load: "nghttp2-client",
  strace: "strace",
  taskset: "util-linux",
  openssl: "openssl",
  "c++": "g++",
};

// The apt command that brings the missing programs, or undefined when all are here.
export function missingPackages(programs: readonly string[], find = findProgram): string | undefined {
  const missing = programs.filter((program) => find(program) === undefined);
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((program) => PACKAGES[program] ?? program))];
  return `sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}
