// SPDX-License-Identifier: Apache-2.0
// npm start [-- --config FILE ...]: prepares what is missing, then runs the proxy.
import { join } from "node:path";
import { main } from "./lib/log.mjs";
import { root } from "./lib/paths.mjs";
import { prepare, runOnPinnedNode } from "./lib/prepare.mjs";

await main(async () => {
  const args = process.argv.slice(2);
  const help = args.includes("--help") || args.includes("-h");
  const named = args.some((arg) => arg === "-c" || arg === "--config" || arg.startsWith("--config="));
  const config = named || help ? [] : ["--config", join(root, "config/quickstart.yaml")];
  await prepare("run");
  return runOnPinnedNode("src/cli/main.ts", ["run", ...config, ...args]);
});
