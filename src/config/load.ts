// SPDX-License-Identifier: Apache-2.0
// From a path to a configuration that is known to be good: text, YAML, shape, defaults, meaning, files. Every step
// reports what it can before the next one is tried, and nothing of a bad configuration comes out.

import { isUtf8 } from "node:buffer";
import { dirname, resolve } from "node:path";
import { readSmallFile } from "../tls/files.ts";
import { createContext } from "./checks/context.ts";
import { checkListeners } from "./checks/listeners.ts";
import { checkPolicies } from "./checks/policies.ts";
import { checkProcess } from "./checks/process.ts";
import { checkQuantities } from "./checks/quantities.ts";
import { checkRoutes } from "./checks/routes.ts";
import { checkUpstreams } from "./checks/upstreams.ts";
import { checkUsage } from "./checks/usage.ts";
import { fillDefaults } from "./defaults.ts";
import { ConfigError, ConfigErrors } from "./errors.ts";
import { loadMaterials } from "./materials.ts";
import { MAX_ERRORS, Reporter } from "./reporter.ts";
import type { JsonSchema } from "./schema/derive.ts";
import { type ConfigDocument, Root } from "./schema/root.ts";
import { createShow } from "./show.ts";
import { YamlSource } from "./source.ts";
import type { Environment } from "./substitute.ts";
import type { LoadedConfig } from "./types.ts";
import { validateShape } from "./validate.ts";

export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

const CHECKS = [checkProcess, checkListeners, checkRoutes, checkUpstreams, checkPolicies, checkUsage];

export interface LoadOptions {
  /** Write nothing to the state folder: a self-signed certificate that is not there yet is made for this load only. */
  readonly readOnly?: boolean;
}

/** Throws ConfigErrors. */
export async function loadConfig(
  path: string,
  env: Environment,
  options: LoadOptions = {},
): Promise<LoadedConfig> {
  const file = await readSmallFile(path, MAX_CONFIG_BYTES);
  if ("problem" in file) fail(path, file.problem);
  return parseConfig(path, decode(path, file.content), env, options);
}

/** The same for a text at hand; `path` is where it would be, for messages and relative file names. */
export async function parseConfig(
  path: string,
  text: string,
  env: Environment,
  options: LoadOptions = {},
): Promise<LoadedConfig> {
  const source = readSource(path, text, env);
  const reporter = new Reporter(source);
  const document = readDocument(source, reporter);
  const context = createContext(document, reporter, reporter.touched);
  for (const check of CHECKS) check(context);

  const absolute = resolve(path);
  const baseDir = dirname(absolute);
  const stateDir = context.broken.has("state") ? baseDir : resolve(baseDir, document.state.dir);
  const files = new Set<string>([absolute]);
  const readOnly = options.readOnly === true || reporter.failed;
  const materials = await loadMaterials(context, { baseDir, stateDir, readOnly, files });
  reporter.throwIfFailed();
  const config = { ...document, file: absolute, stateDir, materials };
  return { config, text, warnings: reporter.warnings, files: [...files] };
}

// Without sound YAML there are no parts to say anything about: these errors end the load.
function readSource(path: string, text: string, env: Environment): YamlSource {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) fail(path, `larger than ${MAX_CONFIG_BYTES} bytes`);
  const source = new YamlSource(path, text, env);
  reportProblems(source);
  if (typeof source.value !== "object" || source.value === null || Array.isArray(source.value)) {
    const got = source.value === null ? "an empty file" : "something else";
    fail(path, `expected a map of keys such as listeners and routes, got ${got}`);
  }
  return source;
}

function readDocument(source: YamlSource, reporter: Reporter): ConfigDocument {
  validateShape(source.value, reporter, createShow(source));
  checkQuantities(source.value, Root as unknown as JsonSchema, [], reporter);
  if (reporter.overflowed) reporter.throwIfFailed();
  return fillDefaults(source.value);
}

function fail(path: string, message: string): never {
  throw new ConfigErrors([new ConfigError(path, { line: 1, column: 1 }, message)]);
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
  const errors = source.problems.map(
    ({ offset, message, path, suggestion }) =>
      new ConfigError(source.file, source.position(offset), message, path, suggestion),
  );
  const sorted = errors.toSorted((a, b) => a.line - b.line || a.column - b.column);
  throw new ConfigErrors(sorted.slice(0, MAX_ERRORS), Math.max(0, sorted.length - MAX_ERRORS));
}
