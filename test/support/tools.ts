// SPDX-License-Identifier: Apache-2.0
// Programs of other people: run to their end, with all they said.
import { execFile } from "node:child_process";
import { patienceMs } from "./scope.ts";

export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runTool(program: string, args: readonly string[]): Promise<Said> {
  const options = { maxBuffer: 256 * 1024 * 1024, timeout: 4 * patienceMs };
  const { promise, resolve, reject } = Promise.withResolvers<Said>();
  execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) resolve({ status: 0, stdout, stderr });
    else if (typeof error.code === "number") resolve({ status: error.code, stdout, stderr });
    else reject(error); // not there, or killed for taking too long
  });
  return promise;
}
