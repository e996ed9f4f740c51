// SPDX-License-Identifier: Apache-2.0
// Where every check reports to. Bounded: a file of nonsense must not produce a message per line of it.
import { ConfigError, ConfigErrors, type Path, type Position } from "./errors.ts";

export const MAX_ERRORS = 50;

/** Finds the place of a part of the file; `key` points at the key instead of its value. */
export interface Locator {
  readonly file: string;
  locate(path: Path, at: "key" | "value"): Position;
  /** Whether the file itself says something there, before any default is filled in. */
  has(path: Path): boolean;
}

export interface Hint {
  readonly suggestion?: string | undefined;
  readonly at?: "key" | "value";
}

export class Reporter {
  readonly #locator: Locator;
  readonly #errors: ConfigError[] = [];
  readonly #warnings: ConfigError[] = [];
  readonly #touched = new Set<string>();
  #omitted = 0;

  constructor(locator: Locator) {
    this.#locator = locator;
  }

  error(path: Path, message: string, hint: Hint = {}): void {
    this.#add(this.#errors, path, message, hint);
  }

  warning(path: Path, message: string, hint: Hint = {}): void {
    this.#add(this.#warnings, path, message, hint);
  }

  written(path: Path): boolean {
    return this.#locator.has(path);
  }

  get failed(): boolean {
    return this.#errors.length > 0;
  }

  get overflowed(): boolean {
    return this.#omitted > 0;
  }

  /** The parts that have errors: "listeners/web", "routes/3", or a whole section such as "admin". */
  get touched(): ReadonlySet<string> {
    return new Set(this.#touched);
  }

  get warnings(): readonly ConfigError[] {
    return this.#warnings;
  }

  throwIfFailed(): void {
    if (!this.failed) return;
    const sorted = this.#errors.toSorted((a, b) => a.line - b.line || a.column - b.column);
    throw new ConfigErrors(sorted, this.#omitted);
  }

  #add(list: ConfigError[], path: Path, message: string, hint: Hint): void {
    if (list.length >= MAX_ERRORS) {
      this.#omitted += list === this.#errors ? 1 : 0;
      return;
    }
    if (list === this.#errors) this.#touched.add(partOf(path));
    const position = this.#locator.locate(path, hint.at ?? "value");
    list.push(new ConfigError(this.#locator.file, position, message, path, hint.suggestion));
  }
}

const COLLECTIONS = new Set<string | number>([
  "listeners",
  "certificates",
  "routes",
  "upstreams",
  "policies",
]);

function partOf(path: Path): string {
  const [section, entry] = path;
  return entry === undefined || !COLLECTIONS.has(section ?? "")
    ? String(section ?? "")
    : `${section}/${entry}`;
}
