// SPDX-License-Identifier: Apache-2.0
// The control plane's log: JSON lines on standard error. It is also what Fastify gets as its logger, hence child().
// Not pino: this process logs a few lines an hour, the data plane writes its own access log. Objects under a
// name that smells of a secret are masked, so that nobody logs a token by accident.

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogMethod {
  (message: string): void;
  (fields: LogFields | Error, message?: string): void;
}

export interface Logger extends Readonly<Record<LogLevel, LogMethod>> {
  readonly level: string;
  silent(): void;
  child(fields: LogFields, options?: { readonly level?: string }): Logger; // the second as Fastify calls it
}

const ranks: Readonly<Record<LogLevel, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
};
const secretName = /token|secret|password|authorization|cookie|key(pem)?$/i;

export function isLogLevel(text: string): text is LogLevel {
  return Object.hasOwn(ranks, text);
}

export interface LoggerOptions {
  readonly level?: LogLevel;
  readonly write?: (line: string) => void;
  readonly fields?: LogFields;
}

export function createLogger(options: LoggerOptions = {}): Logger {
  const level = options.level ?? "info";
  const write = options.write ?? ((line) => void process.stderr.write(line));
  const base = options.fields ?? {};
  const methodFor = (name: LogLevel): LogMethod => {
    if (ranks[name] < ranks[level]) return () => undefined;
    return (first: string | LogFields | Error, second?: string) => {
      write(`${formatLine(name, base, first, second)}\n`);
    };
  };
  return {
    level,
    trace: methodFor("trace"),
    debug: methodFor("debug"),
    info: methodFor("info"),
    warn: methodFor("warn"),
    error: methodFor("error"),
    fatal: methodFor("fatal"),
    silent: () => undefined,
    child: (fields, { level: own = level } = {}) =>
      createLogger({ level: isLogLevel(own) ? own : level, write, fields: { ...base, ...fields } }),
  };
}

function formatLine(
  level: LogLevel,
  base: LogFields,
  first: string | LogFields | Error,
  second?: string,
): string {
  const fields = typeof first === "string" ? {} : first instanceof Error ? { err: first } : first;
  const message = typeof first === "string" ? first : (second ?? "");
  const line = { time: new Date().toISOString(), level, msg: message, ...base };
  try {
    return JSON.stringify({ ...line, ...fields }, mask);
  } catch {
    return JSON.stringify({ ...line, dropped: Object.keys(fields) }, mask); // circular, from a library
  }
}

function mask(name: string, value: unknown): unknown {
  if (name !== "" && secretName.test(name) && typeof value === "string") return "<secret>";
  if (value instanceof Error) return describeError(value);
  return typeof value === "bigint" ? value.toString() : value;
}

// A stack only for what is our own mistake: an error with a code is explained by code and message.
function describeError(error: Error): LogFields {
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const stack = code === undefined || code === "INTERNAL" ? { stack: error.stack } : { code };
  return { type: error.name, message: error.message, ...stack };
}
