// SPDX-License-Identifier: Apache-2.0
// version: what exactly runs here. Works without the native part, and says so.
import { isAddonBuilt, loadAddon } from "../../proxy/addon.ts";
import { type Arguments, flag, noPositionals } from "../arguments.ts";
import { packageVersion } from "../version.ts";

export async function version(args: Arguments): Promise<number> {
  noPositionals(args);
  const native = isAddonBuilt()
    ? loadAddon().versions()
    : { openssl: `OpenSSL ${process.versions.openssl}`, engine: "not built" };
  const facts = { "mango-edge": packageVersion(), node: process.versions.node, ...native };
  const lines = Object.entries(facts).map(([name, value]) => `${name.padEnd(10)} ${value}`);
  process.stdout.write(flag(args, "json") ? `${JSON.stringify(facts)}\n` : `${lines.join("\n")}\n`);
  return 0;
}
