// SPDX-License-Identifier: Apache-2.0
// A whole, sound configuration that a test breaks in one place, and ways to load it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type ConfigError, ConfigErrors } from "../../src/config/errors.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { LoadedConfig } from "../../src/config/types.ts";

// Line numbers matter to the tests of positions: line 1 is "listeners:".
export const SOUND = `listeners:
  web:
    address: 127.0.0.1:0
    protocol: http
routes:
  - name: all
    backendRefs:
      - name: app
upstreams:
  app:
    servers:
      - url: http://127.0.0.1:9000
`;

export function parse(text: string, env: Record<string, string> = {}): Promise<LoadedConfig> {
  return parseConfig("edge.yaml", text, env, { readOnly: true });
}

/** The errors of a text that must not load. */
export async function errorsOf(text: string, env: Record<string, string> = {}): Promise<ConfigErrors> {
  try {
    await parse(text, env);
  } catch (error) {
    if (error instanceof ConfigErrors) return error;
    throw error;
  }
  throw new Error("this configuration was accepted");
}

export async function onlyErrorOf(text: string, env: Record<string, string> = {}): Promise<ConfigError> {
  const { errors } = await errorsOf(text, env);
  if (errors.length !== 1) throw new Error(`expected one error, got:\n${errors.join("\n")}`);
  return errors[0] as ConfigError;
}

export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mango-config-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
