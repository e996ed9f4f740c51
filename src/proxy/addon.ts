// SPDX-License-Identifier: Apache-2.0
// The only importer of the native addon. It is loaded on demand, not at import, so that `validate` and `--help`
// work from a clone that has not been built yet.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as binding from "../../native/binding/addon.d.ts";
import { AddonMissingError, EngineLoadError } from "./errors.ts";

export type Addon = typeof binding;
export type DataPlane = binding.DataPlane;
export type DataPlaneOptions = binding.Options;
export type Versions = binding.Versions;

const defaultPath = fileURLToPath(new URL("../../build/release/mango_edge.node", import.meta.url));

export function addonPath(): string {
  return process.env["MANGO_EDGE_ADDON"] ?? defaultPath;
}

export function isAddonBuilt(): boolean {
  return existsSync(addonPath());
}

export function loadAddon(path: string = addonPath()): Addon {
  if (!existsSync(path)) {
    throw new AddonMissingError(
      `${path} is not there: build it with \`npm run build\` (npm start does it for you)`,
    );
  }
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new EngineLoadError(`${path} cannot be loaded into Node ${process.version}: ${reason}`);
  }
}
