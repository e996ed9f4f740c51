// SPDX-License-Identifier: Apache-2.0
// What the kernel knows about a process: memory, open files, mapped libraries.
import { readdirSync, readFileSync } from "node:fs";

// Without what is shared: that is the rings of the device engine, which stand for the socket buffers that the kernel
// counts with no process.
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string): number =>
    Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"))?.[1]);
  return (kilobytes("VmRSS") - kilobytes("RssShmem")) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

// Paths of the mapped files whose name matches, without duplicates.
export function mappedFiles(pid: number, name: RegExp): string[] {
  const paths = readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .map((line) => line.slice(line.indexOf("/")))
    .filter((path) => path.startsWith("/") && name.test(path));
  return [...new Set(paths)];
}
