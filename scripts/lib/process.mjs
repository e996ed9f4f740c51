// SPDX-License-Identifier: Apache-2.0
// Child processes: plain commands that must succeed, and the one long-lived program a script is a front for.
import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { basename } from "node:path";
import { Failure } from "./log.mjs";

/** Runs a command with its output on our standard error; fails if it does. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2], ...options });
  if (error) throw new Failure(`cannot run ${command}: ${error.message}`);
  if (status === 0) return;
  const words = [command, ...args].slice(0, 3).map((word) => basename(word));
  throw new Failure(`${words.join(" ")} failed (${signal ?? `exit status ${status}`})`);
}

/** Runs a command silently; answers its status and output. */
export function capture(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", ...options });
  return { status: error ? 127 : status, output: `${stdout ?? ""}${stderr ?? ""}` };
}

const kSameSignalMs = 150; // what npm takes to repeat a signal, with room for a busy machine

/**
 * Runs the program this process stands in for; answers the exit status to pass on.
 *
 * A signal must reach the program exactly once, for a second SIGINT means "at once". Ctrl-C, or a kill of the
 * whole process group, reaches it directly, and us twice: from the sender and forwarded by npm. A kill of npm
 * alone reaches only us, once. So: a signal that came once is forwarded, one that came twice is not.
 */
export function become(command, args, options = {}, sameSignalMs = kSameSignalMs) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  const underNpm = process.env.npm_lifecycle_event !== undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    let received = 0;
    const decide = () => {
      const childHasIt = signal !== "SIGTERM" && process.stdin.isTTY;
      if (!childHasIt && received === 1) child.kill(signal);
      received = 0;
    };
    process.on(signal, () => {
      received += 1;
      if (received > 1) return;
      if (underNpm) setTimeout(decide, sameSignalMs);
      else decide();
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Failure(`cannot run ${command}: ${error.message}`)));
    child.on("exit", (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
