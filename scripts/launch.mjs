// SPDX-License-Identifier: Apache-2.0
// launch.mjs [--for PURPOSE] ENTRY.ts [ARGUMENT...]: prepares what is missing, then runs an entry point.
import { main } from "./lib/log.mjs";
import { prepare, runOnPinnedNode } from "./lib/prepare.mjs";

await main(async () => {
  const args = process.argv.slice(2);
  const purpose = args[0] === "--for" ? args.splice(0, 2)[1] : "run";
  const [entry, ...rest] = args;
  await prepare(purpose);
  return runOnPinnedNode(entry, rest);
});
