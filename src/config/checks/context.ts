// SPDX-License-Identifier: Apache-2.0
// What every check gets: the document with its defaults, all names that references may name, and the reporter.
// Parts whose shape is wrong are already reported; checks skip them, but references to them are still good.
import type { Path } from "../errors.ts";
import type { Reporter } from "../reporter.ts";
import type { ConfigDocument } from "../schema/root.ts";
import { nearest } from "../suggest.ts";

export type Section = "listeners" | "certificates" | "upstreams" | "policies";

export interface CheckContext {
  readonly document: ConfigDocument;
  readonly reporter: Reporter;
  readonly names: Readonly<Record<Section, ReadonlySet<string>>>;
  readonly broken: ReadonlySet<string>; // "listeners/web", "routes/3", "admin"
}

const NOUNS: Readonly<Record<Section, string>> = {
  listeners: "listener",
  certificates: "certificate",
  upstreams: "upstream",
  policies: "policy",
};

export function createContext(
  document: ConfigDocument,
  reporter: Reporter,
  broken: ReadonlySet<string>,
): CheckContext {
  const names = (section: Section) => new Set(Object.keys(document[section] ?? {}));
  return {
    document,
    reporter,
    broken,
    names: {
      listeners: names("listeners"),
      certificates: names("certificates"),
      upstreams: names("upstreams"),
      policies: names("policies"),
    },
  };
}

/** The sound entries of a named map, or of `routes`, with their paths. */
export function* entriesOf<T>(
  context: CheckContext,
  section: string,
  collection: Readonly<Record<string, T>> | readonly T[],
): Generator<[Path, T, string]> {
  if (context.broken.has(section)) return;
  const isList = Array.isArray(collection);
  for (const [key, value] of Object.entries(collection)) {
    if (!context.broken.has(`${section}/${key}`))
      yield [[section, isList ? Number(key) : key], value as T, key];
  }
}

export function checkReference(
  context: CheckContext,
  path: Path,
  name: string | undefined,
  section: Section,
): void {
  if (name === undefined || context.broken.has(section) || context.names[section].has(name)) return;
  const suggestion = nearest(name, context.names[section]);
  context.reporter.error(path, `there is no ${NOUNS[section]} ${JSON.stringify(name)}`, { suggestion });
}

/** Reports every value of a list that was there before, by its normal form. */
export function checkUnique(
  context: CheckContext,
  path: Path,
  values: readonly string[],
  what: string,
): void {
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    if (seen.has(value))
      context.reporter.error([...path, index], `${what} ${JSON.stringify(value)} is given twice`);
    seen.add(value);
  }
}
