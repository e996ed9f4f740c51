// SPDX-License-Identifier: Apache-2.0
// A value as messages show it: short, quoted, and never a secret.
import type { YamlSource } from "./source.ts";
import type { Show } from "./validate.ts";

const LONGEST = 60;
const SECRET = /token|secret|password/i;

export function createShow(source: YamlSource): Show {
  return (path, value) => {
    if (source.isSubstituted(path)) return "what the environment variable holds";
    return SECRET.test(String(path.at(-1))) && typeof value === "string" ? "another" : describe(value);
  };
}

function describe(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value);
}
