// SPDX-License-Identifier: Apache-2.0
// Headless Chromium with a profile of its own. No driver: a page tells its server what it saw, and the test asks the
// server. One name is mapped to a port here, and one key is trusted, so that nothing outside this machine is asked.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Lines, linesOfStream } from "./lines.ts";
import { type Scope, temporaryFolder } from "./scope.ts";

// The reason for a test to be skipped where the machine has no Chromium, else false.
export const withoutBrowser: string | false =
  findBrowser() === undefined ? "Chromium is not installed (Debian: apt-get install chromium)" : false;

export interface Visit {
  readonly url: string;
  readonly port: number; // where the name in it leads; there are no others
  readonly cert?: string; // PEM of the certificate to believe
}

export interface Browser {
  readonly stderr: Lines;
  readonly close: () => Promise<void>;
}

export function visit(scope: Scope, { url, port, cert }: Visit): Browser {
  const profile = temporaryFolder(scope);
  const args = [
    "--headless",
    "--no-sandbox", // tests may run as root, in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-proxy-server",
    `--user-data-dir=${profile}`,
    `--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1:${port}, MAP * ~NOTFOUND`,
    ...(cert === undefined ? [] : [`--ignore-certificate-errors-spki-list=${keyHash(cert)}`]),
    url,
  ];
  const child = spawn(findBrowser() ?? "chromium", args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: profile },
    detached: true, // a group of its own: it has many processes
  });
  const close = (): Promise<void> => end(child);
  scope.after(close);
  return { stderr: linesOfStream(child.stderr), close };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid, "SIGKILL");
  await gone;
}

function keyHash(cert: string): string {
  const key = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

function findBrowser(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders
    .map((folder) => join(folder, "chromium"))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
