// SPDX-License-Identifier: Apache-2.0
// From a path to a configuration that is known to be good: text, YAML, shape, defaults, meaning, files. Every step
// reports what it can before the next one is tried, and nothing of a bad configuration comes out.
import { dirname, resolve } from "node:path";
import { isUtf8 } from "node:buffer";
import { readSmallFile } from "../tls/files.ts";
import { createContext } from "./checks/context.ts";
import { checkListeners } from "./checks/listeners.ts";
import { checkPolicies } from "./checks/policies.ts";
import { checkProcess } from "./checks/process.ts";
import { checkQuantities } from "./checks/quantities.ts";
import { checkRoutes } from "./checks/routes.ts";
import { checkUpstreams } from "./checks/upstreams.ts";
import { fillDefaults } from "./defaults.ts";
import { ConfigError, ConfigErrors } from "./errors.ts";
import { loadMaterials } from "./materials.ts";
import { Reporter } from "./reporter.ts";
import type { JsonSchema } from "./schema/derive.ts";
import { Root } from "./schema/root.ts";
import { YamlSource } from "./source.ts";
import type { Environment } from "./substitute.ts";
import type { LoadedConfig } from "./types.ts";
import { validateShape } from "./validate.ts";
import { createShow } from "./show.ts";
import { checkUsage } from "./checks/usage.ts";

export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

export interface LoadOptions {
  /** Write nothing to the state folder: a self-signed certificate that is not there yet is made for this load only. */
  readonly readOnly?: boolean;
}

/** Throws ConfigErrors. */
export async function loadConfig(path: string, env: Environment, options: LoadOptions = {}): Promise<LoadedConfig> {
  const file = await readSmallFile(path, MAX_CONFIG_BYTES);
  if ("problem" in file) throw new ConfigErrors([new ConfigError(path, { line: 1, column: 1 }, file.problem)]);
  return parseConfig(path, decode(path, file.content), env, options);
}

/** The same for a text at hand; `path` is where it would be, for messages and relative file names. */
export async function parseConfig(path: string, text: string, env: Environment, options: LoadOptions = {}): Promise<LoadedConfig> {
  const source = new YamlSource(path, text, env);
  const reporter = new Reporter(source);
  reportProblems(source);
  if (!isMap(source.value)) {
    const got = source.value === null ? "an empty file" : "something else";
    throw new ConfigErrors([new ConfigError(path, { line: 1, column: 1 }, `expected a map of keys such as listeners and routes, got ${got}`)]);
  }
  validateShape(source.value, reporter, createShow(source));
  const schema = Root as unknown as JsonSchema;
  checkQuantities(source.value, schema, [], reporter);
  if (reporter.overflowed) reporter.throwIfFailed();

  const document = fillDefaults(source.value);
  const context = createContext(document, reporter, reporter.touched);
  for (const check of [checkProcess, checkListeners, checkRoutes, checkUpstreams, checkPolicies, checkUsage]) check(context);

  const absolute = resolve(path);
  const baseDir = dirname(absolute);
  const stateDir = context.broken.has("state") ? baseDir : resolve(baseDir, document.state.dir);
  const files = new Set<string>([absolute]);
  const readOnly = options.readOnly === true || reporter.failed;
  const materials = await loadMaterials(context, { baseDir, stateDir, readOnly, files });
  reporter.throwIfFailed();
  return { config: { ...document, file: absolute, stateDir, materials }, warnings: reporter.warnings, files: [...files] };
}

function decode(path: string, content: Buffer): string {
  if (isUtf8(content)) return content.toString("utf8");
  const before = content.subarray(0, firstBroken(content)).toString("latin1");
  const line = before.split("\n").length;
  const column = before.length - before.lastIndexOf("\n");
  throw new ConfigErrors([new ConfigError(path, { line, column }, "not UTF-8 text")]);
}

// Bisection works because a good prefix is good up to any whole character before its end.
function firstBroken(content: Buffer): number {
  let [good, bad] = [0, content.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if ([0, 1, 2, 3].some((cut) => isUtf8(content.subarray(0, Math.max(0, middle - cut))))) good = middle;
    else bad = middle;
  }
  while (good > 0 && !isUtf8(content.subarray(0, good))) good--;
  return good;
}

function reportProblems(source: YamlSource): void {
  if (source.problems.length === 0) return;
  const errors = source.problems.map(({ offset, message, path, suggestion }) => new ConfigError(source.file, source.position(offset), message, path, suggestion));
  const sorted = errors.toSorted((a, b) => a.line - b.line || a.column - b.column);
  throw new ConfigErrors(sorted.slice(0, 50), Math.max(0, sorted.length - 50));
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
