// SPDX-License-Identifier: Apache-2.0
// iceoryx's daemon, of which a machine has one. Tests that need it take turns, since it ends with the test that started
// it; one that somebody else runs is used as it is.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linesOfStream } from "./lines.ts";
import type { Scope } from "./scope.ts";
import { runTool } from "./tools.ts";

const turns = join(tmpdir(), "mango-edge-roudi.lock");

// The reason for a test to be skipped where iceoryx is not installed, else false.
export const withoutRouDi: string | false = await runTool("iox-roudi", ["--version"]).then(
  () => false,
  () => "iox-roudi is not installed (Debian: apt-get install iceoryx)",
);

export async function withRouDi(scope: Scope): Promise<void> {
  // Without a fork the daemon itself holds the lock, whatever becomes of us.
  const child = spawn("flock", ["--no-fork", turns, "iox-roudi"], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = [linesOfStream(child.stdout), linesOfStream(child.stderr)];
  const ended = once(child, "close");
  scope.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  const over = "iox-roudi ended";
  void ended.then(() => stdout.push(`${over}\n`));
  const line = await stdout.wait((text) => text.includes("RouDi is ready for clients") || text === over);
  const said = [...stdout.all, ...stderr.all].join("\n");
  if (line === over && !said.includes("is RouDi still running?")) throw new Error(said);
}
