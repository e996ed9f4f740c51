// SPDX-License-Identifier: Apache-2.0
// One mistake in a configuration file, and the exception that carries all that were found in one pass.

export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number; // from 1
  readonly column: number; // from 1
}

export class ConfigError {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly path: string; // "routes[2].backendRefs[0].name", "" for the file itself
  readonly suggestion: string | undefined;

  constructor(file: string, position: Position, message: string, path: Path = [], suggestion?: string) {
    this.file = file;
    this.line = position.line;
    this.column = position.column;
    this.message = message;
    this.path = formatPath(path);
    this.suggestion = suggestion;
  }

  toString(): string {
    const hint = this.suggestion === undefined ? "" : ` (did you mean ${this.suggestion}?)`;
    return `${this.file}:${this.line}:${this.column}: ${this.message}${hint}`;
  }
}

/** Thrown by loadConfig: everything that is wrong, in file order. */
export class ConfigErrors extends Error {
  readonly code = "CONFIG_INVALID";
  readonly errors: readonly ConfigError[];
  readonly omitted: number; // mistakes beyond the bound

  constructor(errors: readonly ConfigError[], omitted = 0) {
    super(formatErrors(errors, omitted));
    this.name = "ConfigErrors";
    this.errors = errors;
    this.omitted = omitted;
  }

  toJSON(): { code: string; errors: readonly ConfigError[]; omitted: number } {
    return { code: this.code, errors: this.errors, omitted: this.omitted };
  }
}

export function formatErrors(errors: readonly ConfigError[], omitted = 0): string {
  const lines = errors.map((error) => error.toString());
  if (omitted > 0) lines.push(`... and ${omitted} more`);
  return lines.join("\n");
}

export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}
