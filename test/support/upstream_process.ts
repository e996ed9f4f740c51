// SPDX-License-Identifier: Apache-2.0
// An HTTP server in a process of its own, so that a test can kill -9 it. Run as a program it is that server:
// it answers every request with its name and prints its port once.
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { linesOfStream } from "./lines.ts";
import type { Scope } from "./scope.ts";

export interface UpstreamProcess {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  readonly kill: () => Promise<void>; // SIGKILL, resolves when the process is gone
}

// `port` 0 = any free one; a given port lets a test bring a killed server back.
export async function upstreamProcess(scope: Scope, name: string, port = 0): Promise<UpstreamProcess> {
  const child = spawn(process.execPath, [import.meta.filename, name, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = (): Promise<void> => {
    child.kill("SIGKILL");
    return gone;
  };
  scope.after(kill);
  const line = await linesOfStream(child.stdout).wait("port ");
  const bound = Number(line.slice("port ".length));
  return { url: `http://127.0.0.1:${bound}`, port: bound, child, kill };
}

if (import.meta.main) {
  const [name = "", port = "0"] = process.argv.slice(2);
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    request.resume().on("end", () => response.end(name));
  });
  server.listen(Number(port), "127.0.0.1", () =>
    console.log(`port ${(server.address() as AddressInfo).port}`),
  );
}
